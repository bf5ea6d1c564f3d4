"""A part of the image, as the bill of materials and the folder of licences name it."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Component:
    name: str
    version: str
    # An SPDX expression.
    licence: str
    # Package URL; by it parts refer to each other.
    purl: str
    # What has to go with copies of it: licences and notices, by the name of the file that they were in.
    notices: dict[str, bytes] = field(default_factory=dict)
    kind: str = "library"
    description: str = ""
    source: str = ""
    # Hex, of the archive that it was made from, or of the file itself.
    sha256: str = ""
    # Package URLs of what it contains or stands on.
    needs: tuple[str, ...] = ()

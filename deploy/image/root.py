"""The files of the image: the program with what it needs to run, what users of it need to know, and nothing else."""

from pathlib import Path

import crates
import debian
import documentdb
import elf
import sbom
from component import Component
from contract import AUTHORITIES, BILL_OF_MATERIALS, BINARY, DOCUMENTDB_AUTHORITIES, GID, LINKS, UID
from oci import Entry, Root

PASSWD = f"root:x:0:0:root:/:/\nmillstream:x:{UID}:{GID}:millstream:/tmp:/\n"
GROUP = f"root:x:0:\nmillstream:x:{GID}:\n"
# Without this file the C library would look for services that are not here.
NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\n"
LINE = "=" * 100


def build(binary: Path, version: str) -> tuple[Root, str]:
    """All files, and the architecture that they are for."""
    architecture = elf.read(binary).architecture
    libraries = elf.libraries(binary)
    packages = {path: debian.owner(place) for path, place in libraries.items()}
    copied = sorted({*packages.values(), "ca-certificates"})
    parts = [*crates.components(), *map(debian.component, copied), documentdb.component()]

    root: Root = {BINARY: Entry(0o755, binary.read_bytes())}
    root |= {path: Entry(0o755, place.read_bytes()) for path, place in libraries.items()}
    root |= {path: Entry(0o777, target=BINARY) for path in LINKS}
    root |= {AUTHORITIES: text(debian.authorities()), DOCUMENTDB_AUTHORITIES: text(documentdb.BUNDLE.read_bytes())}
    root |= {"/etc/passwd": text(PASSWD), "/etc/group": text(GROUP), "/etc/nsswitch.conf": text(NSSWITCH)}
    # By these two scanners of images know what is in it, as in images without a package manager.
    root["/etc/os-release"] = text(debian.RELEASE.read_bytes())
    root |= {f"/var/lib/dpkg/status.d/{package}": text(debian.status(package)) for package in copied}
    root[BILL_OF_MATERIALS] = text(sbom.bill(parts, "millstream", version))
    root |= notices(parts, copied)
    # Where engines mount things, and the one folder that is written to; a volume takes its rights over.
    root |= {path: Entry(0o755) for path in ("/dev", "/proc", "/sys")}
    root["/tmp"] = Entry(0o1777)
    return root | folders(root), architecture


def text(content: str | bytes) -> Entry:
    return Entry(0o644, content.encode() if isinstance(content, str) else content)


def folders(root: Root) -> Root:
    """Those that the files are in."""
    above = {str(folder) for path in root for folder in Path(path).parents if str(folder) != "/"}
    return {path: Entry(0o755) for path in above - root.keys()}


def notices(parts: list[Component], copied: list[str]) -> Root:
    """Debian's where Debian has them, since they name each other by place; pages as they are; every other text once, in one file,
    under the names of those that it goes with."""
    root, texts = {}, {}
    for part in parts:
        for name, content in part.notices.items():
            if part.name in copied:
                place = f"doc/{part.name}/copyright" if name == "copyright" else f"common-licenses/{name}"
                root[f"/usr/share/{place}"] = text(content)
            elif name.endswith(".html"):
                root[f"/usr/share/doc/{part.name}/{name}"] = text(content)
            else:
                texts.setdefault(content.strip(), []).append(f"{part.name} {part.version} ({part.licence}), {name}")
    pages = sorted((sorted(owners), content) for content, owners in texts.items())
    joined = b"\n\n".join(LINE.encode() + b"\n" + "\n".join(owners).encode() + b"\n\n" + content for owners, content in pages)
    root["/usr/share/doc/millstream/licences.txt"] = text(joined + b"\n")
    return root


def write(root: Root, folder: Path):
    """Lays the files out, for a COPY of a Dockerfile."""
    for path, entry in sorted(root.items()):
        place = folder / path.lstrip("/")
        if entry.target is not None:
            place.symlink_to(entry.target)
        elif entry.content is None:
            place.mkdir(parents=True)
            place.chmod(entry.mode)
        else:
            place.write_bytes(entry.content)
            place.chmod(entry.mode)

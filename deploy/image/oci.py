"""An image as bytes that depend on nothing but its files: layer, configuration, manifest (OCI image specification 1.1), and
the file that `docker load` takes beside them in the same archive."""

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from contract import CONFIG

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIGURATION = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True)
class Entry:
    """A file, a folder or a symbolic link. All are root's: the process reads and cannot change them."""

    mode: int
    content: bytes | None = None
    target: str | None = None


Root = dict[str, Entry]


@dataclass(frozen=True)
class Image:
    blobs: dict[str, bytes]
    manifest: str
    layer_bytes: int

    @property
    def compressed_bytes(self) -> int:
        return sum(map(len, self.blobs.values()))


def canonical(value) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar(files: Root, seconds: int = 0) -> bytes:
    """In the order of names, each with the same time, and with folders before what is in them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, entry in sorted(files.items()):
            info = tarfile.TarInfo(path.lstrip("/"))
            info.mode, info.mtime = entry.mode, seconds
            if entry.target is not None:
                info.type, info.linkname = tarfile.SYMTYPE, entry.target
            elif entry.content is None:
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(entry.content)
            archive.addfile(info, io.BytesIO(entry.content or b""))
    return buffer.getvalue()


def compress(data: bytes) -> bytes:
    """Without a name or a time in the header. Level 9 takes three times as long, for a hundredth less."""
    return gzip.compress(data, compresslevel=6, mtime=0)


def image(root: Root, architecture: str, version: str, seconds: int) -> Image:
    """`seconds` since 1970 is when the source was written: the only time that is in the image."""
    layer = tar(root, seconds)
    packed = compress(layer)
    created = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    labels = CONFIG["Labels"] | {"org.opencontainers.image.version": version, "org.opencontainers.image.created": created}
    config = canonical(
        {
            "architecture": architecture,
            "os": "linux",
            "created": created,
            "config": CONFIG | {"Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
            "history": [{"created": created, "created_by": "deploy/image/build"}],
        }
    )
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIGURATION, "digest": digest(config), "size": len(config)},
            "layers": [{"mediaType": LAYER, "digest": digest(packed), "size": len(packed)}],
        }
    )
    return Image({digest(data): data for data in (packed, config, manifest)}, digest(manifest), len(layer))


def layout(image: Image, architecture: str, name: str) -> dict[str, bytes]:
    """The files of an OCI layout, and the manifest.json of `docker load`, which finds the same blobs."""
    manifest = json.loads(image.blobs[image.manifest])
    described = {
        "mediaType": MANIFEST,
        "digest": image.manifest,
        "size": len(image.blobs[image.manifest]),
        "platform": {"architecture": architecture, "os": "linux"},
        "annotations": {"io.containerd.image.name": full(name), "org.opencontainers.image.ref.name": name.rpartition(":")[2]},
    }
    loadable = {
        "Config": blob(manifest["config"]["digest"]),
        "RepoTags": [name],
        "Layers": [blob(layer["digest"]) for layer in manifest["layers"]],
    }
    files = {
        "oci-layout": canonical({"imageLayoutVersion": "1.0.0"}),
        "index.json": canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [described]}),
        "manifest.json": canonical([loadable]),
    }
    return files | {blob(name): data for name, data in image.blobs.items()}


def full(name: str) -> str:
    """With the registry that Docker means where none is named."""
    first, slash, _ = name.partition("/")
    if not slash:
        return f"docker.io/library/{name}"
    return name if "." in first or ":" in first or first == "localhost" else f"docker.io/{name}"


def blob(name: str) -> str:
    return "blobs/" + name.replace(":", "/")


def write(files: dict[str, bytes], folder: Path, archive: Path):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    entries = {name: Entry(0o644, data) for name, data in files.items()}
    entries |= {name: Entry(0o755) for name in ("blobs", "blobs/sha256")}
    archive.write_bytes(tar(entries))

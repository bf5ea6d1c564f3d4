"""What an ELF file says about itself: its machine, its loader, the libraries that it needs. System V ABI, chapters 4 and 5."""

import struct
from dataclasses import dataclass
from pathlib import Path

# e_machine, and how Go, OCI and Docker call it.
ARCHITECTURES = {62: "amd64", 183: "arm64"}
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NEEDED, DT_STRTAB = 1, 5


class NotUsable(Exception):
    """The file is not what an image can be made of."""


@dataclass(frozen=True)
class Elf:
    architecture: str
    # None: the file is linked statically.
    loader: str | None
    needed: tuple[str, ...]


def read(path: Path) -> Elf:
    data = path.read_bytes()
    try:
        return parse(data)
    except (struct.error, IndexError, ValueError) as error:
        raise NotUsable(f"{path} is cut off or damaged: {error}") from error
    except NotUsable as error:
        raise NotUsable(f"{path} {error}") from error


def parse(data: bytes) -> Elf:
    # 64 bits, little-endian: both machines are.
    if data[:6] != b"\x7fELF\x02\x01":
        raise NotUsable("is no 64-bit ELF file")
    (machine,) = struct.unpack_from("<H", data, 18)
    if machine not in ARCHITECTURES:
        raise NotUsable(f"is for machine {machine}; images are made for x86-64 and ARM64")
    (program_headers,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    segments = [struct.unpack_from("<IIQQQQ", data, program_headers + i * size) for i in range(count)]
    loader, dynamic = None, []
    for kind, _, offset, _, _, length in segments:
        if kind == PT_INTERP:
            loader = data[offset : offset + length].rstrip(b"\0").decode()
        if kind == PT_DYNAMIC:
            dynamic = [struct.unpack_from("<qQ", data, at) for at in range(offset, offset + length - 15, 16)]

    def text(address: int) -> str:
        for kind, _, offset, start, _, length in segments:
            if kind == PT_LOAD and start <= address < start + length:
                at = address - start + offset
                return data[at : data.index(b"\0", at)].decode()
        raise NotUsable("names a library outside its segments")

    strings = next((value for tag, value in dynamic if tag == DT_STRTAB), 0)
    needed = tuple(text(strings + value) for tag, value in dynamic if tag == DT_NEEDED)
    return Elf(ARCHITECTURES[machine], loader, needed)


def libraries(path: Path) -> dict[str, Path]:
    """The loader and every library that the program needs, those of its libraries too: where each stands here, by where the
    loader looks for it."""
    program = read(path)
    if program.loader is None:
        return {}
    triplet = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[program.architecture]
    found, waiting = {program.loader: Path(program.loader)}, list(program.needed)
    while waiting:
        name = waiting.pop()
        if name == Path(program.loader).name:
            continue
        # These two are in the loader's own list: no cache file has to tell it of them.
        places = [Path(folder) / name for folder in (f"/lib/{triplet}", f"/usr/lib/{triplet}")]
        place = next((place for place in places if place.exists()), None)
        if place is None:
            raise NotUsable(f"{path} needs {name}, which is not in {places[0].parent}")
        if str(place) not in found:
            found[str(place)] = place
            library = read(place)
            if library.architecture != program.architecture:
                raise NotUsable(f"{place} is for {library.architecture}, the program for {program.architecture}")
            waiting.extend(library.needed)
    return found

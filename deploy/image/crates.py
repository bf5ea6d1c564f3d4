"""What the compiler has put into the program: crates, the C sources that some of them bring, Rust's standard library."""

import json
import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

from component import Component

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
NOTICE = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)
# Of two licences one is chosen: the other's text would say that both hold.
NOT_CHOSEN = {("zstd-sys", "zstd/COPYING"), ("aws-sdk-s3", "tests/blns/LICENSE")}


@dataclass(frozen=True)
class Bundled:
    """C sources in a crate: their name and licence, and where their version stands: in a file, or in the crate's version."""

    name: str
    licence: str
    file: str | None
    pattern: str


# By what the crate links (`links` in its manifest): one that is not here stops the build.
BUNDLED = {
    "aws-lc-sys": Bundled("aws-lc", "ISC AND (Apache-2.0 OR ISC) AND MIT AND BSD-3-Clause", "aws-lc/include/openssl/base.h", r'AWSLC_VERSION_NUMBER_STRING "([\d.]+)"'),
    "libdeflate-sys": Bundled("libdeflate", "MIT", "libdeflate/libdeflate.h", r'#define LIBDEFLATE_VERSION_STRING\s+"([\d.]+)"'),
    "libsqlite3-sys": Bundled("sqlite", "blessing", "sqlite3/sqlite3.h", r'#define SQLITE_VERSION\s+"([\d.]+)"'),
    "tikv-jemalloc-sys": Bundled("jemalloc", "BSD-2-Clause", None, r"\+([\d.]+)"),
    "zstd-sys": Bundled("zstd", "BSD-3-Clause", None, r"\+zstd\.([\d.]+)"),
}  # fmt: skip
# It says that it links something so that there is one of it in a program; its sources are those of aws-lc-sys.
WITHOUT_SOURCES = {"aws-lc-rs"}


class Unknown(Exception):
    """Something is compiled in that nothing is known about."""


def run(*words: str) -> str:
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode != 0:
        raise Unknown(f"{' '.join(words[:2])}: {done.stderr.strip()}")
    return done.stdout


def linked() -> set[tuple[str, str]]:
    """Name and version of every crate that is linked: none of what runs in the compiler, or in tests, alone."""
    tree = run("cargo", "tree", "--locked", "--package=millstream", "--edges=normal,no-proc-macro", "--prefix=none", "--format={p}")
    lines = (line.split() for line in tree.splitlines() if line)
    return {(words[0], words[1].removeprefix("v")) for words in lines}


def components() -> list[Component]:
    """All crates that are linked, by name; the program's own is the last of those that stand on others."""
    wanted = linked()
    # Of this machine alone: what only other systems link need not have been downloaded.
    metadata = json.loads(run("cargo", "metadata", "--locked", "--format-version=1", f"--filter-platform={host()}"))
    packages = {package["id"]: package for package in metadata["packages"] if (package["name"], package["version"]) in wanted}
    if lacking := wanted - {(package["name"], package["version"]) for package in packages.values()}:
        raise Unknown(f"cargo metadata does not know {sorted(lacking)}")
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    checksums = locked()
    made = []
    for key, package in sorted(packages.items(), key=lambda item: (item[1]["name"], item[1]["version"])):
        needs = [purl(packages[it["pkg"]]) for it in nodes[key]["deps"] if it["pkg"] in packages and is_normal(it)]
        contained = bundled(package)
        made.append(
            Component(
                package["name"],
                package["version"],
                expression(package),
                purl(package),
                notices(package),
                "application" if package["name"] == "millstream" else "library",
                " ".join((package["description"] or "").split()),
                package["repository"] or "",
                checksums.get((package["name"], package["version"]), ""),
                tuple(sorted(set(needs + [it.purl for it in contained]))),
            )
        )
        made.extend(contained)
    return made + [standard_library()]


def host() -> str:
    """As the compiler calls this machine: x86_64-unknown-linux-gnu."""
    (triple,) = re.findall(r"^host: (.+)$", run("rustc", "--version", "--verbose"), re.MULTILINE)
    return triple


def is_normal(dependency: dict) -> bool:
    return any(kind["kind"] is None for kind in dependency["dep_kinds"])


def purl(package: dict) -> str:
    # Build metadata begins with a plus, which stands for a space in URLs.
    return f"pkg:cargo/{package['name']}@{package['version'].replace('+', '%2B')}"


def expression(package: dict) -> str:
    if not package["license"]:
        raise Unknown(f"{package['name']} {package['version']} states no licence")
    return package["license"].replace(" / ", " OR ").replace("/", " OR ")


def locked() -> dict[tuple[str, str], str]:
    """The digest of each crate's archive; our own crates have none."""
    lock = tomllib.loads((REPOSITORY / "Cargo.lock").read_text())
    return {(it["name"], it["version"]): it.get("checksum", "") for it in lock["package"]}


def notices(package: dict) -> dict[str, bytes]:
    """Every licence and notice in the crate's archive. Some have none, in the place of which the licence's own text stands."""
    folder = Path(package["manifest_path"]).parent
    if REPOSITORY in folder.parents:
        return {"LICENSE": (REPOSITORY / "LICENSE").read_bytes()}
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and NOTICE.match(path.name) and path.suffix != ".rs" and (package["name"], name) not in NOT_CHOSEN:
            found[name] = path.read_bytes()
    if not found:
        authors = ", ".join(author.partition(" <")[0] for author in package["authors"]) or f"the authors of {package['name']}"
        found["LICENSE"] = standard_text(expression(package), authors)
    return found


def standard_text(licence: str, authors: str) -> bytes:
    if "Apache-2.0" in licence.split(" OR "):
        return (REPOSITORY / "LICENSE").read_bytes()
    if licence == "MIT":
        return (HERE / "mit.txt").read_bytes().replace(b"AUTHORS", authors.encode())
    raise Unknown(f"no text of {licence} is here, and the crate of {authors} has none")


def bundled(package: dict) -> list[Component]:
    if not package["links"] or package["name"] in WITHOUT_SOURCES:
        return []
    name, folder = package["name"], Path(package["manifest_path"]).parent
    if name not in BUNDLED:
        raise Unknown(f"{name} links {package['links']}: say in {Path(__file__).name} what it brings")
    entry = BUNDLED[name]
    text = (folder / entry.file).read_text(errors="replace") if entry.file else package["version"]
    match = re.search(entry.pattern, text)
    if match is None:
        raise Unknown(f"{name} {package['version']} does not tell the version of {entry.name}")
    version = match[1]
    # Its notices are among the crate's.
    return [Component(entry.name, version, entry.licence, f"pkg:generic/{entry.name}@{version}", description=f"in {name}")]


def standard_library() -> Component:
    version = re.search(r"^release: (.+)$", run("rustc", "-vV"), re.MULTILINE)[1]
    folder = Path(run("rustc", "--print=sysroot").strip()) / "share/doc/rust"
    names = ["COPYRIGHT-library.html", "licenses/Apache-2.0.txt", "licenses/MIT.txt"]
    found = {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}
    found = found or {"LICENSE-MIT": standard_text("MIT", "the Rust Project's contributors"), "LICENSE-APACHE": (REPOSITORY / "LICENSE").read_bytes()}
    return Component("rust-std", version, "MIT OR Apache-2.0", f"pkg:generic/rust-std@{version}", found, description="Rust's standard library", source="https://github.com/rust-lang/rust")  # fmt: skip

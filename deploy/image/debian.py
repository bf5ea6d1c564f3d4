"""What is copied from the packages of this machine: the C library that the program is linked with, the authorities of the web."""

import re
import subprocess
from pathlib import Path

from component import Component
from elf import NotUsable

# Debian's copyright files list every licence in a source package; these are those of the files that are copied.
LICENCES = {
    "libc6": "LGPL-2.1-or-later",
    "libgcc-s1": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "ca-certificates": "MPL-2.0",
}
MOZILLA = Path("/usr/share/ca-certificates/mozilla")
RELEASE = Path("/usr/lib/os-release")


def query(*words: str) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"})
    except FileNotFoundError as error:
        raise NotUsable(f"{words[0]} is not there") from error
    if done.returncode != 0:
        raise NotUsable(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def owner(path: Path) -> str:
    """The package that a file is from. On a merged /usr its own name and the one that the package gave it may differ."""
    names = {str(path), str(path.resolve()), str(path.resolve()).removeprefix("/usr")}
    for name in sorted(names):
        try:
            found = owner_in(query("dpkg-query", "--search", name))
        except NotUsable:
            continue
        if found:
            return found
    raise NotUsable(f"{path} is from no package that dpkg knows: build on Debian or Ubuntu, or with deploy/image/Dockerfile")


def owner_in(answer: str) -> str | None:
    """`libc6:amd64, libc6:i386: /lib/…`; lines about diversions name whoever moved a file, and no package's architecture."""
    lines = (line for line in answer.splitlines() if not line.startswith("diversion by "))
    return next((re.split("[:,]", line)[0] for line in lines), None)


def status(package: str) -> str:
    """What dpkg knows of a package, as scanners read it from `/var/lib/dpkg/status.d`."""
    return query("dpkg-query", "--status", package)


def component(package: str) -> Component:
    form = "${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n"
    # A library may be there for two architectures; the first is this machine's.
    version, architecture, source, source_version = query("dpkg-query", "--show", "--showformat", form, package).splitlines()[0].split("\t")
    if package not in LICENCES:
        raise NotUsable(f"the program needs {package}: say in {Path(__file__).name} under which licence it is")
    escaped = version.replace("+", "%2B").replace(":", "%3A")
    return Component(
        package,
        version,
        LICENCES[package],
        f"pkg:deb/{distribution('ID')}/{package}@{escaped}?arch={architecture}&distro={distribution('ID')}-{distribution('VERSION_ID')}",
        notices(package),
        description=f"built from the source package {source} {source_version}",
        source=f"https://sources.debian.org/src/{source}/{source_version}/" if distribution("ID") == "debian" else "",
    )


def distribution(field: str) -> str:
    match = re.search(rf'^{field}="?([^"\n]+)"?$', RELEASE.read_text(), re.MULTILINE)
    return match[1] if match else "unknown"


def notices(package: str) -> dict[str, bytes]:
    """The package's copyright file, and the licences that it names in place of repeating them."""
    folder = Path("/usr/share/doc") / package
    if not (folder / "copyright").exists():
        raise NotUsable(f"{folder}/copyright is not there; images without documentation leave it out")
    text = (folder / "copyright").read_bytes()
    found = {"copyright": text}
    for name in sorted(set(re.findall(rb"/usr/share/common-licenses/([A-Za-z0-9.-]*[A-Za-z0-9])", text))):
        found[name.decode()] = (Path("/usr/share/common-licenses") / name.decode()).read_bytes()
    return found


def authorities() -> bytes:
    """Mozilla's list as the package has it: without the authorities that this machine's owner has added to its own."""
    files = sorted(MOZILLA.glob("*.crt"))
    if not files:
        raise NotUsable(f"{MOZILLA} is empty: install ca-certificates")
    return b"".join(file.read_bytes().rstrip(b"\n") + b"\n" for file in files)

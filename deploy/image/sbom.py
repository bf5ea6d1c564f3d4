"""The bill of materials: CycloneDX 1.6 as JSON (https://cyclonedx.org/docs/1.6/json/), without a time and with a serial number
that is made from what it lists, so that the same parts give the same file."""

import hashlib
import json
import uuid

from component import Component


def bill(parts: list[Component], name: str, version: str) -> bytes:
    parts = sorted(parts, key=lambda part: part.purl)
    used = {purl for part in parts for purl in part.needs}
    body = {
        "metadata": {
            "component": {"type": "container", "bom-ref": name, "name": name, "version": version, "licenses": [{"expression": "Apache-2.0"}]},
        },
        "components": [component(part) for part in parts],
        "dependencies": [
            # What nothing else stands on is in the image for its own sake.
            {"ref": name, "dependsOn": [part.purl for part in parts if part.purl not in used]},
            *({"ref": part.purl, "dependsOn": sorted(part.needs)} for part in parts),
        ],
    }
    seed = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    head = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, seed)}",
        "version": 1,
    }
    return (json.dumps(head | body, indent=1, ensure_ascii=False) + "\n").encode()


def component(part: Component) -> dict:
    made = {
        "type": part.kind,
        "bom-ref": part.purl,
        "name": part.name,
        "version": part.version,
        "licenses": [{"expression": part.licence}],
        "purl": part.purl,
    }
    if part.description:
        made["description"] = part.description
    if part.sha256:
        made["hashes"] = [{"alg": "SHA-256", "content": part.sha256}]
    if part.source:
        made["externalReferences"] = [{"type": "vcs" if "/src/" not in part.source else "source-distribution", "url": part.source}]
    return made

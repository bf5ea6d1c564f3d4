"""What the S3 sink must write for given records, worked out a second time and independently of it.

A plain restatement of Connect's rules: names by partition and first offset, an object every `flush.size` records or at a
change of schema, lines as Java's JSON writer prints them.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal


@dataclass
class Variant:
    """One pairing of a converter and a format, with the records that suit it."""

    name: str
    topic: str
    config: dict[str, str]
    extension: str
    # The bytes that one value becomes, and what identifies its schema; None for a value that counts as null.
    encode: Callable[[bytes], tuple[bytes, object] | None]


def expected(variant: Variant, records: list[list[tuple[int, bytes | None]]], flush_size: int) -> dict[str, bytes]:
    objects = {}
    for partition, rows in enumerate(records):
        start, lines, schema = 0, [], None

        def close():
            name = f"topics/{variant.topic}/partition={partition}/{variant.topic}+{partition}+{start:010d}.{variant.extension}"
            objects[name] = b"".join(lines)
            lines.clear()

        for offset, value in rows:
            encoded = None if value is None else variant.encode(value)
            if encoded is None:
                continue
            line, its_schema = encoded
            if lines and its_schema != schema:
                close()
            if not lines:
                start, schema = offset, its_schema
            lines.append(line)
            if len(lines) == flush_size:
                close()
    return objects


def etag(body: bytes, part_size: int) -> str:
    """S3's tag of a multipart upload; a body that fills its last part exactly is followed by an empty one."""
    parts = [body[i : i + part_size] for i in range(0, len(body) + 1, part_size)]
    digests = b"".join(hashlib.md5(part).digest() for part in parts)
    return f"{hashlib.md5(digests).hexdigest()}-{len(parts)}"


def java_text(data: bytes) -> str:
    """Java's lossy decoding: a surrogate in three bytes becomes one replacement character, where others give three."""
    return re.sub(rb"\xed[\xa0-\xbf][\x80-\xbf]?", b"\xff", data).decode("utf-8", "replace")


SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
SPECIAL = re.compile('[\x00-\x1f"\\\\\ud800-\udfff\U00010000-\U0010ffff]')


def escape(match: re.Match) -> str:
    character = match.group()
    if character in SHORT:
        return SHORT[character]
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02X}{units[i + 1]:02X}" for i in range(0, len(units), 2))


def quoted(text: str) -> str:
    return '"' + SPECIAL.sub(escape, text) + '"'


def java_double(x: float) -> str:
    if x != x or x in (float("inf"), float("-inf")):
        return '"NaN"' if x != x else '"Infinity"' if x > 0 else '"-Infinity"'
    if x == 0 or 1e-3 <= abs(x) < 1e7:
        return repr(x) if "e" not in repr(x) else f"{Decimal(repr(x)):f}"
    sign, digits, exponent = Decimal(repr(x)).as_tuple()
    exponent += len(digits) - 1
    text = "".join(map(str, digits)).rstrip("0") or "0"
    return f"{'-' if sign else ''}{text[0]}.{text[1:] or '0'}E{exponent}"


def hash_order(names: list[str]) -> list[str]:
    """The order in which a Java HashMap walks these distinct keys, which were put in list order."""

    def spread(name: str) -> int:
        units = name.encode("utf-16-be", "surrogatepass")
        h = 0
        for i in range(0, len(units), 2):
            h = (31 * h + (units[i] << 8) + units[i + 1]) & 0xFFFFFFFF
        return h ^ (h >> 16)

    slots = 16
    while len(names) > slots * 3 // 4:
        slots *= 2
    # Doubling a table keeps the order within a slot, so a stable sort by the final slot is the whole rule.
    return sorted(names, key=lambda name: spread(name) & (slots - 1))


def schemaless(value) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str((value + 2**63) % 2**64 - 2**63)
        case float():
            return java_double(value)
        case str():
            return quoted(value)
        case list():
            return "[" + ",".join(map(schemaless, value)) + "]"
        case dict():
            return "{" + ",".join(f"{quoted(name)}:{schemaless(value[name])}" for name in hash_order(list(value))) + "}"


def ordered(value) -> str:
    """A value that has a schema keeps its order of fields."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{quoted(name)}:{ordered(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(ordered, value)) + "]"
    return schemaless(value)


# Java reads a decimal first, which has no negative zero.
DECODER = json.JSONDecoder(parse_float=lambda text: float(text) + 0.0)


def text_line(data: bytes):
    return (quoted(java_text(data)) + "\n").encode(), "string"


def raw_line(data: bytes):
    return data + b"\n", "bytes"


def base64_line(data: bytes):
    return b'"' + base64.b64encode(data) + b'"\n', "bytes"


def json_line(data: bytes):
    value, _ = DECODER.raw_decode(data.decode().lstrip(" \t\r\n"))
    return None if value is None else ((schemaless(value) + "\n").encode(), None)


def struct_line(data: bytes):
    envelope = DECODER.decode(data.decode())
    return (ordered(envelope["payload"]) + "\n").encode(), json.dumps(envelope["schema"])

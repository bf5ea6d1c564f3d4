#!/usr/bin/env bash
# avro 1.12.2 (PyPI, Apache's own) beside fastavro 1.13.1: steps of schema evolution that Avro's specification allows.
#
# One would expect, by "Schema Resolution": string and bytes are read as each other; an unknown symbol becomes the enum's
# default; a union's branch is read as what it can be promoted to; records match by their name without namespace.
# Seen: avro raises an error for each of these; fastavro reads them.
# To a user: a registry lets the new schema pass as compatible, and Python consumers with this library stop.
. "$(dirname "$0")/lib.sh"
python_packages avro==1.12.2 fastavro==1.13.1

cat >program.py <<'END'
import io
import json

import avro.errors
import avro.io
import avro.schema
import fastavro


def enum(symbols):
    return {"type": "enum", "name": "E", "symbols": symbols, "default": "A"}


def record(name):
    return {"type": "record", "name": name, "fields": [{"name": "x", "type": "int"}]}


for what, writer, reader, value in (
    ("string as bytes", "string", "bytes", "abc"),
    ("bytes as string", "bytes", "string", b"abc"),
    ("int as long", "int", "long", 5),
    ("int of a union as long", ["int", "string"], "long", 5),
    ("unknown symbol", enum(["A", "B"]), enum(["A"]), "B"),
    ("record of another namespace", record("one.R"), record("two.R"), {"x": 1}),
):
    file = io.BytesIO()
    fastavro.schemaless_writer(file, fastavro.parse_schema(writer), value)
    other = fastavro.schemaless_reader(io.BytesIO(file.getvalue()), fastavro.parse_schema(writer), fastavro.parse_schema(reader))
    try:
        parsed = [avro.schema.parse(json.dumps(schema)) for schema in (writer, reader)]
        one = avro.io.DatumReader(*parsed).read(avro.io.BinaryDecoder(io.BytesIO(file.getvalue())))
    except avro.errors.AvroException as error:
        one = type(error).__name__
    print(f"{what}: fastavro {other!r}, avro {one!r}")
END
venv/bin/python program.py >got

seen got <<'END'
string as bytes: fastavro b'abc', avro 'SchemaResolutionException'
bytes as string: fastavro 'abc', avro 'SchemaResolutionException'
int as long: fastavro 5, avro 5
int of a union as long: fastavro 5, avro 'SchemaResolutionException'
unknown symbol: fastavro 'A', avro 'SchemaResolutionException'
record of another namespace: fastavro {'x': 1}, avro 'SchemaResolutionException'
END

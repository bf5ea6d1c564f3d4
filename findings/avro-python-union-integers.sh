#!/usr/bin/env bash
# avro 1.12.2 (PyPI, Apache's own), read back by fastavro 1.13.1: integers in a union that also has a floating-point type.
#
# One would expect: an int is written as the branch long, which holds every one of its values, and which stands first.
# Seen: it is written as the double, or even as the float, that stands behind. Beyond 2^53 (2^24 for float) digits are
# lost without a word. fastavro takes the long.
# To a user: ids and counters in such a field come back as 1.0, and big ones as their neighbours.
. "$(dirname "$0")/lib.sh"
python_packages avro==1.12.2 fastavro==1.13.1

cat >program.py <<'END'
import io
import json

import avro.io
import avro.schema
import fastavro

for union in (["null", "long"], ["null", "long", "double"], ["long", "float"], ["long", "double", "string"]):
    for number in (1, 16777217, 9007199254740993):
        readings = []
        for library in ("avro", "fastavro"):
            file = io.BytesIO()
            if library == "avro":
                avro.io.DatumWriter(avro.schema.parse(json.dumps(union))).write(number, avro.io.BinaryEncoder(file))
            else:
                fastavro.schemaless_writer(file, fastavro.parse_schema(union), number)
            file.seek(0)
            branch = union[file.getvalue()[0] // 2]
            readings.append(f"{library} writes a {branch}, read as {fastavro.schemaless_reader(file, fastavro.parse_schema(union))}")
        print(f"{union} {number}:", "; ".join(readings))
END
venv/bin/python program.py >got

seen got <<'END'
['null', 'long'] 1: avro writes a long, read as 1; fastavro writes a long, read as 1
['null', 'long'] 16777217: avro writes a long, read as 16777217; fastavro writes a long, read as 16777217
['null', 'long'] 9007199254740993: avro writes a long, read as 9007199254740993; fastavro writes a long, read as 9007199254740993
['null', 'long', 'double'] 1: avro writes a double, read as 1.0; fastavro writes a long, read as 1
['null', 'long', 'double'] 16777217: avro writes a double, read as 16777217.0; fastavro writes a long, read as 16777217
['null', 'long', 'double'] 9007199254740993: avro writes a double, read as 9007199254740992.0; fastavro writes a long, read as 9007199254740993
['long', 'float'] 1: avro writes a float, read as 1.0; fastavro writes a long, read as 1
['long', 'float'] 16777217: avro writes a float, read as 16777216.0; fastavro writes a long, read as 16777217
['long', 'float'] 9007199254740993: avro writes a float, read as 9007199254740992.0; fastavro writes a long, read as 9007199254740993
['long', 'double', 'string'] 1: avro writes a double, read as 1.0; fastavro writes a long, read as 1
['long', 'double', 'string'] 16777217: avro writes a double, read as 16777217.0; fastavro writes a long, read as 16777217
['long', 'double', 'string'] 9007199254740993: avro writes a double, read as 9007199254740992.0; fastavro writes a long, read as 9007199254740993
END

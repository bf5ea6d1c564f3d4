#!/usr/bin/env bash
# avro 1.12.2 (PyPI, Apache's own), read back by fastavro 1.13.1: decimals with fewer digits behind the point than the scale.
#
# One would expect, by Avro's specification: a decimal is the unscaled integer at the schema's scale, so 1.5 at scale 2 is
# 150. A number with more digits than the precision is an error.
# Seen: the writer stores the digits of the value as they are: 1.5 becomes 15, which is 0.15; 100 written as 1E+2 becomes
# 0.01; 12345 is stored under precision 3. No error, no warning. fastavro writes the same values right.
# To a user: amounts are off by powers of ten wherever a producer's Decimal has dropped trailing zeros.
. "$(dirname "$0")/lib.sh"
python_packages avro==1.12.2 fastavro==1.13.1

cat >program.py <<'END'
import io
import json
from decimal import Decimal

import avro.io
import avro.schema
import fastavro

for precision, text in ((9, "1.50"), (9, "1.5"), (9, "2"), (9, "1E+2"), (3, "123.45")):
    schema = {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": 2}
    parsed = fastavro.parse_schema(schema)
    file = io.BytesIO()
    avro.io.DatumWriter(avro.schema.parse(json.dumps(schema))).write(Decimal(text), avro.io.BinaryEncoder(file))
    file.seek(0)
    stored = int.from_bytes(file.getvalue()[1:], "big", signed=True)
    print(f"avro writes {text} with precision {precision} as {stored}, fastavro reads {fastavro.schemaless_reader(file, parsed)}")
    other = io.BytesIO()
    try:
        fastavro.schemaless_writer(other, parsed, Decimal(text))
        print(f"  fastavro writes it as {int.from_bytes(other.getvalue()[1:], 'big', signed=True)}")
    except ValueError as error:
        print("  fastavro refuses it:", error)
END
venv/bin/python program.py >got

seen got <<'END'
avro writes 1.50 with precision 9 as 150, fastavro reads 1.50
  fastavro writes it as 150
avro writes 1.5 with precision 9 as 15, fastavro reads 0.15
  fastavro writes it as 150
avro writes 2 with precision 9 as 2, fastavro reads 0.02
  fastavro writes it as 200
avro writes 1E+2 with precision 9 as 1, fastavro reads 0.01
  fastavro writes it as 10000
avro writes 123.45 with precision 3 as 12345, fastavro reads 123
  fastavro refuses it: The decimal precision is bigger than allowed by schema
END

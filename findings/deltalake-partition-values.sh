#!/usr/bin/env bash
# deltalake 1.6.6 (PyPI, delta-rs): partition columns of bytes and of decimals, written and read by the same library.
#
# One would expect, by "Partition Value Serialization" in Delta's protocol: a decimal stands in the log as it is written, -1.50,
# and bytes as escaped text. Whether \u0001 means one character or six there, a library reads what it wrote itself.
# Seen: bytes are written escaped and read as that text: of one byte six come back, of ff the six letters \u00FF. A decimal
# below zero with a fraction is put together as -1.-50, and the write is refused; -12.00 and 0.05 are fine.
# To a user: keys of bytes match nothing that they are joined with, and one refund stops the whole write.
. "$(dirname "$0")/lib.sh"
python_packages deltalake==1.6.6 pyarrow==26.0.1

cat >program.py <<'END'
import decimal
import json
import pathlib

import deltalake
import pyarrow

def told(kind, value, folder):
    table = pyarrow.table({"same": pyarrow.array([value], kind), "part": pyarrow.array([value], kind)})
    try:
        deltalake.write_deltalake(folder, table, partition_by=["part"])
    except deltalake.exceptions.DeltaError as error:
        return error
    log = pathlib.Path(folder, "_delta_log", f"{0:020}.json").read_text().splitlines()
    part = next(line["add"] for line in map(json.loads, log) if "add" in line)["partitionValues"]["part"]
    read = deltalake.DeltaTable(folder).to_pyarrow_table().to_pylist()[0]
    return f"in the log {part}, read {read['part']!r}, beside it {read['same']!r}"

for count, value in enumerate((b"a", b"\x00\xff", b"a,b")):
    print(value, told(pyarrow.binary(), value, f"bytes-{count}"), sep=": ")
for text in ("0.05", "-12.00", "-1.50", "-0.01"):
    print(text, told(pyarrow.decimal128(10, 2), decimal.Decimal(text), f"decimal{text}"), sep=": ")
END
venv/bin/python program.py >got

seen got <<'END'
b'a': in the log \u0061, read b'\\u0061', beside it b'a'
b'\x00\xff': in the log \u0000\u00FF, read b'\\u0000\\u00FF', beside it b'\x00\xff'
b'a,b': in the log \u0061\u002C\u0062, read b'\\u0061\\u002C\\u0062', beside it b'a,b'
0.05: in the log 0.05, read Decimal('0.05'), beside it Decimal('0.05')
-12.00: in the log -12.00, read Decimal('-12.00'), beside it Decimal('-12.00')
-1.50: Kernel error: Failed to parse value '-1.-50' as 'decimal(10,2)'
-0.01: Kernel error: Failed to parse value '0.-1' as 'decimal(10,2)'
END

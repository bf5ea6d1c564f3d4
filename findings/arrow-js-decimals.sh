#!/usr/bin/env bash
# apache-arrow 21.2.0 (npm) beside @uwdata/flechette 2.6.0 (npm) and pyarrow 26.0.1 (PyPI): decimals and dictionaries of Arrow IPC.
#
# One would expect, by Arrow's Columnar.rst and Schema.fbs: decimals are integers of 32, 64, 128 or 256 bits with a sign, and the
# indices of a dictionary integers of any width.
# Seen: the text of a decimal of 256 bits is the last digits of it, 5 for 15 and 1 for 12345678901, with the right sign; one of 64 bits
# below zero is the number modulo 2^64. Those of 32 and 128 bits are right. A dictionary with indices of 64 bits, as pyarrow makes
# them of integers of Python, cannot be read: TypeError. flechette reads all.
# To a user: amounts in batches that a program in JavaScript reads are others, silently.
. "$(dirname "$0")/lib.sh"
node_packages apache-arrow@21.2.0 @uwdata/flechette@2.6.0
python_packages pyarrow==26.0.1

cat >write.py <<'END'
from decimal import Decimal
import pyarrow as pa

def write(name, array):
    batch = pa.record_batch([array], names=["a"])
    with pa.ipc.new_stream(name + ".arrow", batch.schema) as stream:
        stream.write_batch(batch)

for kind in pa.decimal32(9, 1), pa.decimal64(18, 1), pa.decimal128(38, 1), pa.decimal256(76, 1):
    digits = ["1.5", "-1.5", "1234567.8", "-9.9"]
    digits += ["1234567890.1", "-100000000000000.0"] if kind.precision > 9 else []
    digits += ["18446744073709551616.0", "-1000000000000000000000000000000.0"] if kind.precision > 18 else []
    write(str(kind).split("(")[0], pa.array([Decimal(number) for number in digits], kind))
for kind in pa.int32(), pa.int64(), pa.uint64():
    write(f"dictionary with {kind}", pa.DictionaryArray.from_arrays(pa.array([1, 0, 1], kind), pa.array(["a", "b"])))
END
venv/bin/python write.py

cat >program.mjs <<'END'
import { readFileSync } from 'node:fs';
import * as arrow from 'apache-arrow';
import * as flechette from '@uwdata/flechette';

const kinds = ['decimal32', 'decimal64', 'decimal128', 'decimal256', ...['int32', 'int64', 'uint64'].map((kind) => `dictionary with ${kind}`)];
const libraries = { 'apache-arrow': arrow.tableFromIPC, flechette: (bytes) => flechette.tableFromIPC(bytes, { useDecimalInt: true }) };
for (const name of kinds) {
  for (const [library, read] of Object.entries(libraries)) {
    try {
      console.log(`${name}, ${library}:`, [...read(readFileSync(`${name}.arrow`)).getChildAt(0)].map(String).join(' '));
    } catch (error) {
      console.log(`${name}, ${library}:`, error.message);
    }
  }
}
END
node program.mjs >got

seen got <<'END'
decimal32, apache-arrow: 15 -15 12345678 -99
decimal32, flechette: 15 -15 12345678 -99
decimal64, apache-arrow: 15 18446744073709551601 12345678 18446744073709551517 12345678901 18445744073709551616
decimal64, flechette: 15 -15 12345678 -99 12345678901 -1000000000000000
decimal128, apache-arrow: 15 -15 12345678 -99 12345678901 -1000000000000000 184467440737095516160 -10000000000000000000000000000000
decimal128, flechette: 15 -15 12345678 -99 12345678901 -1000000000000000 184467440737095516160 -10000000000000000000000000000000
decimal256, apache-arrow: 5 -5 8 -9 1 -0 0 -0
decimal256, flechette: 15 -15 12345678 -99 12345678901 -1000000000000000 184467440737095516160 -10000000000000000000000000000000
dictionary with int32, apache-arrow: b a b
dictionary with int32, flechette: b a b
dictionary with int64, apache-arrow: Cannot mix BigInt and other types, use explicit conversions
dictionary with int64, flechette: b a b
dictionary with uint64, apache-arrow: Cannot mix BigInt and other types, use explicit conversions
dictionary with uint64, flechette: b a b
END

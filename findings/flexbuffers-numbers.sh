#!/usr/bin/env bash
# flatbuffers 25.9.23 (npm), flatbuffers 25.12.19 (PyPI): FlexBuffers that are written and read in JavaScript and Python.
#
# One would expect, by FlatBuffers' internals of FlexBuffers: all elements of a vector have the width of its largest, a float of 8 bytes
# is a double; vectors have widths of 1 to 8 bytes; a double may be any number.
# Seen: JavaScript writes 0.5 beside 0.1 as a float of 4 bytes in a place of 8, so that it is 5.2e-315; it writes doubles of whole
# numbers from 2^63 on as integers modulo 2^64, 1e300 as 0. It cannot read its own or others' vectors and maps where an element needs
# 8 bytes, such as a time in milliseconds, nor [1,2,3,4,5]: TypeError, RangeError. Python cannot write 1e300: OverflowError.
# To a user: records with a time or a fraction cannot be read in JavaScript, and numbers that it wrote are others elsewhere.
. "$(dirname "$0")/lib.sh"
node_packages flatbuffers@25.9.23
python_packages flatbuffers==25.12.19

cat >values.json <<'END'
[[1, -2], {"a": 5, "b": "x"}, {"a": 0.1}, [0.1, 0.2, 0.3, 0.4, 0.1], [0.1, 0.2, 0.3, 0.4, 0.5], [1, 2, 3, 4, 5],
 {"time": 1700000000000, "b": "x"}, 1e18, 1e19, 1e300]
END

cat >write.py <<'END'
import json
from flatbuffers import flexbuffers

for value in json.load(open("values.json")):
    try:
        print(json.dumps(value), flexbuffers.Dumps(value).hex(), sep="\t")
    except OverflowError as error:
        print(json.dumps(value), repr(error), sep="\t")
END
venv/bin/python write.py >python

cat >program.mjs <<'END'
import { readFileSync, writeFileSync } from 'node:fs';
import { encode, toObject } from 'flatbuffers/js/flexbuffers.js';

const read = (bytes) => {
  try {
    return JSON.stringify(toObject(new Uint8Array(bytes).buffer), (_, value) => (typeof value === 'bigint' ? `${value}n` : value));
  } catch (error) {
    return error.message;
  }
};
for (const line of readFileSync('python', 'utf8').trim().split('\n')) {
  const [value, bytes] = line.split('\t');
  console.log(`${value}, written by Python${/^[0-9a-f]+$/.test(bytes) ? ', JavaScript reads ' + read(Buffer.from(bytes, 'hex')) : `: ${bytes}`}`);
}
const told = JSON.parse(readFileSync('values.json')).map((value) => [JSON.stringify(value), encode(value)]);
writeFileSync('javascript', told.map(([value, bytes]) => `${value}\t${Buffer.from(bytes).toString('hex')}\t${read(bytes)}\n`).join(''));
END
node program.mjs >got

cat >read.py <<'END'
from flatbuffers import flexbuffers

for line in open("javascript"):
    value, written, read = line.strip().split("\t")
    print(f"{value}, written by JavaScript, it reads {read}, Python", flexbuffers.Loads(bytes.fromhex(written)))
END
venv/bin/python read.py >>got

seen got <<'END'
[1, -2], written by Python, JavaScript reads [1,-2]
{"a": 5, "b": "x"}, written by Python, JavaScript reads {"a":5,"b":"x"}
{"a": 0.1}, written by Python, JavaScript reads {"a":0.1}
[0.1, 0.2, 0.3, 0.4, 0.1], written by Python, JavaScript reads Cannot mix BigInt and other types, use explicit conversions
[0.1, 0.2, 0.3, 0.4, 0.5], written by Python, JavaScript reads Cannot mix BigInt and other types, use explicit conversions
[1, 2, 3, 4, 5], written by Python, JavaScript reads [1,2,3,4,5]
{"time": 1700000000000, "b": "x"}, written by Python, JavaScript reads Cannot mix BigInt and other types, use explicit conversions
1e+18, written by Python, JavaScript reads 1000000000000000000
1e+19, written by Python, JavaScript reads 10000000000000000000
1e+300, written by Python: OverflowError('float too large to pack with f format')
[1,-2], written by JavaScript, it reads [1,-2], Python [1, -2]
{"a":5,"b":"x"}, written by JavaScript, it reads {"a":5,"b":"x"}, Python {'a': 5, 'b': 'x'}
{"a":0.1}, written by JavaScript, it reads {"a":0.1}, Python {'a': 0.1}
[0.1,0.2,0.3,0.4,0.1], written by JavaScript, it reads Cannot mix BigInt and other types, use explicit conversions, Python [0.1, 0.2, 0.3, 0.4, 0.1]
[0.1,0.2,0.3,0.4,0.5], written by JavaScript, it reads Cannot mix BigInt and other types, use explicit conversions, Python [0.1, 0.2, 0.3, 0.4, 5.222099017e-315]
[1,2,3,4,5], written by JavaScript, it reads Offset is outside the bounds of the DataView, Python [1, 2, 3, 4, 5]
{"time":1700000000000,"b":"x"}, written by JavaScript, it reads Cannot mix BigInt and other types, use explicit conversions, Python {'b': 'x', 'time': 1700000000000}
1000000000000000000, written by JavaScript, it reads "1000000000000000000n", Python 1000000000000000000
10000000000000000000, written by JavaScript, it reads "-8446744073709551616n", Python -8446744073709551616
1e+300, written by JavaScript, it reads "0n", Python 0
END

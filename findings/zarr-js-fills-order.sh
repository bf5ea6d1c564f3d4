#!/usr/bin/env bash
# zarrita 0.7.5, zarr-js 3.3.0 (npm) beside zarr 3.1.6 (PyPI): fill values of 64 bits, order and separators of Zarr.
#
# One would expect, by Zarr's specifications of version 2 and 3: the fill value, a number of the array's type, stands where there is no
# chunk; "order": "F" lays a chunk out by columns; "dimension_separator" tells how the keys of chunks are written.
# Seen: zarrita reads a fill value of 64 bits as a double: 2^64-1, the usual mark of what is missing, is 0, -2^62-1 is one more; what
# is in chunks is right. zarr-js reads columns as rows, and with the separator "/" finds no chunk, and gives zeros. No error.
# To a user: what was not measured is zero, fields are mixed up, or wholly zero.
. "$(dirname "$0")/lib.sh"
node_packages zarrita@0.7.5 zarr-js@3.3.0
python_packages zarr==3.1.6

cat >write.py <<'END'
import numpy
import zarr

for version in 2, 3:
    for kind, fill in ("u8", 2**64 - 1), ("i8", -2**62 - 1), ("i4", -9999):
        name = f"{kind} version {version}"
        told = {"dtype": kind, "fill_value": fill, "compressors": None, "zarr_format": version}
        array = zarr.create_array(name, shape=(4,), chunks=(2,), **told)
        array[:2] = [abs(fill), abs(fill) - 1]
        print(f"{name}, zarr:", *array[:])
values = numpy.arange(6, dtype="i4").reshape(2, 3)
for name, told in ("rows", {}), ("columns", {"order": "F"}), ("separator", {"chunk_key_encoding": {"name": "v2", "separator": "/"}}):
    array = zarr.create_array(name, shape=(2, 3), chunks=(2, 3), dtype="i4", fill_value=0, compressors=None, zarr_format=2, **told)
    array[:] = values
    print(f"{name}, zarr:", *array[:].flatten())
END
venv/bin/python write.py >got

cat >program.mjs <<'END'
import { existsSync, promises, readFileSync } from 'node:fs';
import * as zarrita from 'zarrita';
import zarr from 'zarr-js';

const value = async ({ data, stride, shape }) =>
  shape.length === 1 ? data : [0, 1].flatMap((row) => [0, 1, 2].map((column) => data[row * stride[0] + column * stride[1]]));
const filled = [2, 3].flatMap((version) => ['u8', 'i8', 'i4'].map((kind) => `${kind} version ${version}`));
for (const name of [...filled, 'rows', 'columns', 'separator']) {
  const store = { get: async (key) => (existsSync(name + key) ? new Uint8Array(readFileSync(name + key)) : undefined) };
  console.log(`${name}, zarrita:`, ...(await value(await zarrita.get(await zarrita.open(store, { kind: 'array' })))).map(String));
}
for (const name of ['rows', 'columns', 'separator']) {
  await new Promise((done) => zarr(promises.readFile).load(name, (error, array) =>
    done(console.log(`${name}, zarr-js:`, error ?? Array.from(array.data).join(' '), 'in rows of', array.stride[0]))));
}
END
node program.mjs >>got

seen got <<'END'
u8 version 2, zarr: 18446744073709551615 18446744073709551614 18446744073709551615 18446744073709551615
i8 version 2, zarr: 4611686018427387905 4611686018427387904 -4611686018427387905 -4611686018427387905
i4 version 2, zarr: 9999 9998 -9999 -9999
u8 version 3, zarr: 18446744073709551615 18446744073709551614 18446744073709551615 18446744073709551615
i8 version 3, zarr: 4611686018427387905 4611686018427387904 -4611686018427387905 -4611686018427387905
i4 version 3, zarr: 9999 9998 -9999 -9999
rows, zarr: 0 1 2 3 4 5
columns, zarr: 0 1 2 3 4 5
separator, zarr: 0 1 2 3 4 5
u8 version 2, zarrita: 18446744073709551615n 18446744073709551614n 0n 0n
i8 version 2, zarrita: 4611686018427387905n 4611686018427387904n -4611686018427387904n -4611686018427387904n
i4 version 2, zarrita: 9999 9998 -9999 -9999
u8 version 3, zarrita: 18446744073709551615n 18446744073709551614n 0n 0n
i8 version 3, zarrita: 4611686018427387905n 4611686018427387904n -4611686018427387904n -4611686018427387904n
i4 version 3, zarrita: 9999 9998 -9999 -9999
rows, zarrita: 0 1 2 3 4 5
columns, zarrita: 0 1 2 3 4 5
separator, zarrita: 0 1 2 3 4 5
rows, zarr-js: 0 1 2 3 4 5 in rows of 3
columns, zarr-js: 0 3 1 4 2 5 in rows of 3
separator, zarr-js: 0 0 0 0 0 0 in rows of 3
END

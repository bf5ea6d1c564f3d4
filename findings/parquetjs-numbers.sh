#!/usr/bin/env bash
# @dsnp/parquetjs 1.8.8 (npm) and files that pyarrow 26.0.1 (PyPI) wrote: unsigned integers and INT96 timestamps.
#
# One would expect, by Parquet's LogicalTypes document: the annotation INTEGER(32, unsigned) makes the stored bits an
# unsigned number. An INT96 timestamp, deprecated but still written by many jobs, holds nanoseconds of the day and a day.
# Seen: 4294967295 is read as -1, 2^64-1 as -1. Of an INT96 timestamp only the nanoseconds of the day are read, the day is
# dropped: 1970-01-01 12:00 and 2020-01-01 12:00 are the same number. hyparquet 1.33.0 reads all of them right.
# To a user: JavaScript programs count with negative sizes and offsets, and lose every date, without an error.
. "$(dirname "$0")/lib.sh"
node_packages @dsnp/parquetjs@1.8.8 hyparquet@1.33.0
python_packages pyarrow==26.0.1

cat >program.py <<'END'
import datetime

import pyarrow
import pyarrow.parquet

for name, type, values in (("u32", pyarrow.uint32(), [1, 4294967295]), ("u64", pyarrow.uint64(), [1, 18446744073709551615])):
    pyarrow.parquet.write_table(pyarrow.table({"c": pyarrow.array(values, type)}), f"{name}.parquet")
times = pyarrow.array([datetime.datetime(1970, 1, 1, 12), datetime.datetime(2020, 1, 1, 12)], pyarrow.timestamp("us"))
pyarrow.parquet.write_table(pyarrow.table({"c": times}), "int96.parquet", use_deprecated_int96_timestamps=True)
END
venv/bin/python program.py

cat >program.js <<'END'
const { ParquetReader } = require('@dsnp/parquetjs');
(async () => {
  const { parquetReadObjects, asyncBufferFromFile } = await import('hyparquet');
  const text = (value) => (value instanceof Date ? value.toISOString() : String(value));
  for (const name of ['u32', 'u64', 'int96']) {
    const reader = await ParquetReader.openFile(`${name}.parquet`);
    const cursor = reader.getCursor();
    const values = [];
    for (let row; (row = await cursor.next()); ) values.push(text(row.c));
    await reader.close();
    const others = await parquetReadObjects({ file: await asyncBufferFromFile(`${name}.parquet`) });
    console.log(`${name}: parquetjs ${values.join(', ')}; hyparquet ${others.map((row) => text(row.c)).join(', ')}`);
  }
})();
END
node program.js >got

seen got <<'END'
u32: parquetjs 1, -1; hyparquet 1, 4294967295
u64: parquetjs 1, -1; hyparquet 1, 18446744073709551615
int96: parquetjs 43200000000000, 43200000000000; hyparquet 1970-01-01T12:00:00.000Z, 2020-01-01T12:00:00.000Z
END

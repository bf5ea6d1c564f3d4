#!/usr/bin/env bash
# Timestamps with Parquet's older annotation alone, written by hyparquet-writer 0.17.0 (npm), read by DuckDB 2.0.1,
# polars 2.1.0 and pyarrow 26.0.1 (PyPI).
#
# One would expect, by "TIMESTAMP" in Parquet's LogicalTypes document: TIMESTAMP_MILLIS and TIMESTAMP_MICROS without the
# newer annotation mean instants, as isAdjustedToUTC=true does.
# Seen: for pyarrow they do. DuckDB and polars read local times without a zone; given the newer annotation both read instants.
# DuckDB then counts from midnight of the session's zone, so a comparison with an instant is off by that zone's hours.
# To a user: one file, two readers, and a day that begins at another time.
. "$(dirname "$0")/lib.sh"
node_packages hyparquet-writer@0.17.0
python_packages pyarrow==26.0.1 duckdb==2.0.1 polars==2.1.0 pytz==2025.2

cat >program.mjs <<'END'
import { parquetWriteFile } from 'hyparquet-writer';
const column = { name: 'c', type: 'INT64', repetition_type: 'REQUIRED' };
for (const [name, annotation] of [
  ['TIMESTAMP_MILLIS', { converted_type: 'TIMESTAMP_MILLIS' }],
  ['TIMESTAMP_MICROS', { converted_type: 'TIMESTAMP_MICROS' }],
  ['isAdjustedToUTC', { logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' } }],
]) {
  const schema = [{ name: 'root', num_children: 1 }, { ...column, ...annotation }];
  parquetWriteFile({ filename: `${name}.parquet`, schema, columnData: [{ name: 'c', data: [new Date('2020-01-01T00:00:00Z')] }] });
}
END
node program.mjs

cat >program.py <<'END'
import duckdb
import polars
import pyarrow.parquet

duckdb.sql("set TimeZone = 'America/New_York'")
for name in ("TIMESTAMP_MILLIS", "TIMESTAMP_MICROS", "isAdjustedToUTC"):
    file = f"{name}.parquet"
    print(name)
    print("  pyarrow:", pyarrow.parquet.read_table(file)["c"].type)
    print("  polars:", polars.read_parquet(file)["c"].dtype)
    type, same = duckdb.sql(f"select typeof(c), c = timestamptz '2020-01-01 00:00:00+00' from '{file}'").fetchall()[0]
    print(f"  DuckDB: {type}, is 2020-01-01T00:00:00Z: {same}")
END
venv/bin/python program.py >got

seen got <<'END'
TIMESTAMP_MILLIS
  pyarrow: timestamp[ms, tz=UTC]
  polars: Datetime(time_unit='ms', time_zone=None)
  DuckDB: TIMESTAMP, is 2020-01-01T00:00:00Z: False
TIMESTAMP_MICROS
  pyarrow: timestamp[us, tz=UTC]
  polars: Datetime(time_unit='us', time_zone=None)
  DuckDB: TIMESTAMP, is 2020-01-01T00:00:00Z: False
isAdjustedToUTC
  pyarrow: timestamp[ms, tz=UTC]
  polars: Datetime(time_unit='ms', time_zone='UTC')
  DuckDB: TIMESTAMP WITH TIME ZONE, is 2020-01-01T00:00:00Z: True
END

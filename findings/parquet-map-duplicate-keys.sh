#!/usr/bin/env bash
# One Parquet file, written by pyarrow 26.0.1, read by DuckDB 2.0.1 and polars 2.1.0 (PyPI): a map with a key twice.
#
# One would expect, by "Maps" in Parquet's LogicalTypes document: of a key that is there twice the last value counts.
# Seen: for polars it does. DuckDB's m['a'] is the first value; the map itself can be counted, copied and cast to text, but
# fetching it into Python raises an error. pyarrow hands over all pairs.
# To a user: two readers give two values for the same key of the same file, and neither says so.
. "$(dirname "$0")/lib.sh"
python_packages pyarrow==26.0.1 duckdb==2.0.1 polars==2.1.0

cat >program.py <<'END'
import duckdb
import polars
import pyarrow
import pyarrow.parquet

maps = pyarrow.array([[("a", 1)], [("a", 1), ("b", 2), ("a", 3)]], pyarrow.map_(pyarrow.string(), pyarrow.int32()))
pyarrow.parquet.write_table(pyarrow.table({"m": maps}), "maps.parquet")
print("pyarrow:", pyarrow.parquet.read_table("maps.parquet")["m"].to_pylist())
print("polars:", polars.read_parquet("maps.parquet")["m"].to_list())
for column in ("m['a']", "m::varchar", "m"):
    try:
        print(f"DuckDB, {column}:", duckdb.sql(f"select {column} from 'maps.parquet'").fetchall())
    except duckdb.Error as error:
        print(f"DuckDB, {column}:", error)
END
venv/bin/python program.py >got

seen got <<'END'
pyarrow: [[('a', 1)], [('a', 1), ('b', 2), ('a', 3)]]
polars: [{'a': 1}, {'a': 3, 'b': 2}]
DuckDB, m['a']: [(1,), (1,)]
DuckDB, m::varchar: [('{a=1}',), ('{a=1, b=2, a=3}',)]
DuckDB, m: Invalid Input Error: Map keys must be unique.
END

#!/usr/bin/env bash
# polars 2.1.0 and, beside it, pandas 3.1.1, DuckDB 2.0.1 and pyarrow 26.0.1 (all PyPI): zstd files with skippable frames.
#
# One would expect, by "Skippable Frames" of RFC 8878: a decoder skips them wherever they stand, as those of parallel writers
# do at the start and the table of contents of the seekable format does at the end.
# Seen: where one stands first, polars takes the file for one that is not compressed, for CSV and JSON lines alike. The
# others read it. At the end and between two frames it is skipped by all.
# To a user: archives of pzstd and the like must be written anew before polars reads them.
. "$(dirname "$0")/lib.sh"
python_packages polars==2.1.0 pandas==3.1.1 duckdb==2.0.1 pyarrow==26.0.1 zstandard==0.25.0

cat >program.py <<'END'
import duckdb
import pandas
import polars
import pyarrow
import pyarrow.csv
import pyarrow.json
import zstandard

skipped = (0x184D2A50).to_bytes(4, "little") + (4).to_bytes(4, "little") + b"abcd"
compress = zstandard.ZstdCompressor().compress
csv, json = (b"n\n1\n", b"2\n"), (b'{"n":1}\n', b'{"n":2}\n')
readers = {
    "polars": (lambda name: polars.read_csv(name)["n"].to_list(), lambda name: polars.read_ndjson(name)["n"].to_list()),
    "pandas": (lambda name: pandas.read_csv(name)["n"].tolist(), lambda name: pandas.read_json(name, lines=True)["n"].tolist()),
    "DuckDB": (lambda name: [n for (n,) in duckdb.sql(f"select n from '{name}'").fetchall()],) * 2,
    "pyarrow": (
        lambda name: pyarrow.csv.read_csv(name)["n"].to_pylist(),
        lambda name: pyarrow.json.read_json(pyarrow.input_stream(name))["n"].to_pylist(),
    ),
}
for place in ("none", "between", "last", "first"):
    for kind, (one, two) in enumerate((csv, json)):
        name = f"{place}.{('csv', 'json')[kind]}.zst"
        frames = [compress(one), compress(two)]
        frames.insert({"none": 0, "between": 1, "last": 2, "first": 0}[place], b"" if place == "none" else skipped)
        with open(name, "wb") as file:
            file.write(b"".join(frames))
        for library, read in readers.items():
            try:
                print(f"{name}, {library}:", read[kind](name))
            except Exception as error:
                print(f"{name}, {library}: {type(error).__name__}: {str(error).splitlines()[0]}")
END
venv/bin/python program.py >got

seen got <<'END'
none.csv.zst, polars: [1, 2]
none.csv.zst, pandas: [1, 2]
none.csv.zst, DuckDB: [1, 2]
none.csv.zst, pyarrow: [1, 2]
none.json.zst, polars: [1, 2]
none.json.zst, pandas: [1, 2]
none.json.zst, DuckDB: [1, 2]
none.json.zst, pyarrow: [1, 2]
between.csv.zst, polars: [1, 2]
between.csv.zst, pandas: [1, 2]
between.csv.zst, DuckDB: [1, 2]
between.csv.zst, pyarrow: [1, 2]
between.json.zst, polars: [1, 2]
between.json.zst, pandas: [1, 2]
between.json.zst, DuckDB: [1, 2]
between.json.zst, pyarrow: [1, 2]
last.csv.zst, polars: [1, 2]
last.csv.zst, pandas: [1, 2]
last.csv.zst, DuckDB: [1, 2]
last.csv.zst, pyarrow: [1, 2]
last.json.zst, polars: [1, 2]
last.json.zst, pandas: [1, 2]
last.json.zst, DuckDB: [1, 2]
last.json.zst, pyarrow: [1, 2]
first.csv.zst, polars: ComputeError: invalid utf-8 sequence
first.csv.zst, pandas: [1, 2]
first.csv.zst, DuckDB: [1, 2]
first.csv.zst, pyarrow: [1, 2]
first.json.zst, polars: ComputeError: stream did not contain valid UTF-8 at line 0
first.json.zst, pandas: [1, 2]
first.json.zst, DuckDB: [1, 2]
first.json.zst, pyarrow: [1, 2]
END

#!/usr/bin/env bash
# fastparquet 2026.9.0 (PyPI) and files that pyarrow 26.0.1 wrote: lists of records and lists of lists.
#
# One would expect, by the library's own guide, which promises flat columns, lists and maps of plain values: what is nested
# deeper is refused, or left out.
# Seen: the columns are there, and all their values are null. A record outside a list is spread over columns of its own.
# To a user: the lines of an order, the usual nested data of an event, look as if nobody had ever sent any.
. "$(dirname "$0")/lib.sh"
python_packages pyarrow==26.0.1 fastparquet==2026.9.0 pandas==3.1.1

cat >program.py <<'END'
import fastparquet
import pyarrow
import pyarrow.parquet

columns = {
    "numbers": [[1, 2], None, []],
    "lines": [[{"item": "a", "count": 2}], [{"item": "b", "count": 1}, {"item": "c", "count": 3}], []],
    "lists": [[[1], [2, 3]], [[]], []],
    "single": [{"item": "a", "count": 2}, {"item": "b", "count": 1}, None],
}
for name, values in columns.items():
    pyarrow.parquet.write_table(pyarrow.table({name: values}), "file.parquet")
    read = fastparquet.ParquetFile("file.parquet").to_pandas()
    for column in read.columns:
        print(f"{name}, read as {column}:", *read[column].astype(str), sep=" | ")
END
venv/bin/python program.py >got

seen got <<'END'
numbers, read as numbers: | [np.int64(1), np.int64(2)] | nan | []
lines, read as lines: | nan | nan | nan
lists, read as lists: | nan | nan | nan
single, read as single.item: | a | b | nan
single, read as single.count: | 2 | 1 | nan
END

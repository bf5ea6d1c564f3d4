#!/usr/bin/env bash
# fastparquet 2026.9.0 (PyPI) and files that pyarrow 26.0.1 wrote: booleans in runs, and dates far from now.
#
# One would expect, by Parquet's Encodings document: booleans may be in RLE, in pages of either version, after their length.
# By its LogicalTypes document a date is any 32-bit number of days.
# Seen: in pages of version 1 booleans in RLE come out wrong, without an error. Dates beyond 64 bits of nanoseconds come out
# centuries away, 9999-12-31, the usual "for ever", as 1816-03-29, though timestamps in microseconds do not.
# To a user: a column of flags is wrong, and what never ends is long over.
. "$(dirname "$0")/lib.sh"
python_packages pyarrow==26.0.1 fastparquet==2026.9.0 pandas==3.1.1

cat >program.py <<'END'
import datetime

import fastparquet
import pyarrow
import pyarrow.parquet


def show(name, values, type, **options):
    pyarrow.parquet.write_table(pyarrow.table({"c": pyarrow.array(values, type)}), "file.parquet", **options)
    encodings = pyarrow.parquet.ParquetFile("file.parquet").metadata.row_group(0).column(0).encodings
    read = fastparquet.ParquetFile("file.parquet").to_pandas()["c"]
    print(f"{name} ({', '.join(sorted(encodings))}):", *values)
    print("  read as", *read.astype(str))


flags = [True, True, False, False, True, True, False, True, True, True]
show("booleans, pages 1.0", flags, pyarrow.bool_(), use_dictionary=False)
show("booleans, pages 2.0", flags, pyarrow.bool_(), use_dictionary=False, data_page_version="2.0")
show("booleans, pages 1.0 in RLE", flags, pyarrow.bool_(), use_dictionary=False, column_encoding={"c": "RLE"})
ends = [datetime.datetime(1600, 1, 1), datetime.datetime(2020, 1, 1), datetime.datetime(9999, 12, 31)]
show("dates", [end.date() for end in ends], pyarrow.date32())
show("microseconds", ends, pyarrow.timestamp("us"))
END
venv/bin/python program.py >got

seen got <<'END'
booleans, pages 1.0 (PLAIN, RLE): True True False False True True False True True True
  read as True True False False True True False True True True
booleans, pages 2.0 (RLE): True True False False True True False True True True
  read as True True False False True True False True True True
booleans, pages 1.0 in RLE (RLE): True True False False True True False True True True
  read as False False False False False False False False True True
dates (PLAIN, RLE, RLE_DICTIONARY): 1600-01-01 2020-01-01 9999-12-31
  read as 2184-07-20 23:34:33.709551616 2020-01-01 00:00:00.000000000 1816-03-29 05:56:08.066277376
microseconds (PLAIN, RLE, RLE_DICTIONARY): 1600-01-01 00:00:00 2020-01-01 00:00:00 9999-12-31 00:00:00
  read as 1600-01-01 2020-01-01 9999-12-31
END

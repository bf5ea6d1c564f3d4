#!/usr/bin/env bash
# pyorc 0.12.0 beside pyarrow 26.0.1 (PyPI): timestamps of ORC.
#
# One would expect, by ORC's specification: a timestamp is seconds and nanoseconds of any sign, and is read as it was written.
# Seen: pyorc writes a fraction of the last second before 1970, from a millisecond on, as one of the second behind it. It takes seconds
# from a double, so that 9999-12-31T22:59:59.999999 is a second later, and a second before the end of that year, the usual mark of
# what has no end, cannot be read again: OverflowError. pyarrow writes 2300-01-01 and does not read it. The rest is right.
# To a user: files with such marks cannot be read, and times near 1970 move behind it.
. "$(dirname "$0")/lib.sh"
python_packages pyorc==0.12.0 pyarrow==26.0.1

cat >program.py <<'END'
from datetime import datetime, timezone
import pyarrow as pa
import pyarrow.orc
import pyorc

def by_pyorc(time):
    with open("pyorc.orc", "wb") as file, pyorc.Writer(file, "struct<t:timestamp with local time zone>") as writer:
        writer.write((time,))

def by_pyarrow(time):
    pa.orc.write_table(pa.table({"t": pa.array([time], pa.timestamp("us", "UTC"))}), "pyarrow.orc")

def read(file):
    return (lambda: next(pyorc.Reader(open(file, "rb")))[0].isoformat()), (lambda: pa.orc.read_table(file)["t"][0].as_py().isoformat())

for text in ("1969-12-31T23:59:58.500000", "1969-12-31T23:59:59.000999", "1969-12-31T23:59:59.001000", "1969-12-31T23:59:59.500000",
             "1970-01-01T00:00:00.500000", "2024-02-29T12:00:00.999999", "2300-01-01T00:00:00", "9999-12-31T22:59:59.500000",
             "9999-12-31T22:59:59.999999", "9999-12-31T23:59:59.999999"):
    time = datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
    for name, write in ("pyorc", by_pyorc), ("pyarrow", by_pyarrow):
        write(time)
        for reader, told in zip(("pyorc", "pyarrow"), read(name + ".orc")):
            try:
                seen = told()
                print(f"{text}, written by {name}, read by {reader}:", "the same" if seen == time.isoformat() else seen)
            except (OverflowError, pa.ArrowInvalid) as error:
                print(f"{text}, written by {name}, read by {reader}:", repr(error))
END
venv/bin/python program.py >got

seen got <<'END'
1969-12-31T23:59:58.500000, written by pyorc, read by pyorc: the same
1969-12-31T23:59:58.500000, written by pyorc, read by pyarrow: the same
1969-12-31T23:59:58.500000, written by pyarrow, read by pyorc: the same
1969-12-31T23:59:58.500000, written by pyarrow, read by pyarrow: the same
1969-12-31T23:59:59.000999, written by pyorc, read by pyorc: the same
1969-12-31T23:59:59.000999, written by pyorc, read by pyarrow: the same
1969-12-31T23:59:59.000999, written by pyarrow, read by pyorc: the same
1969-12-31T23:59:59.000999, written by pyarrow, read by pyarrow: the same
1969-12-31T23:59:59.001000, written by pyorc, read by pyorc: 1970-01-01T00:00:00.001000+00:00
1969-12-31T23:59:59.001000, written by pyorc, read by pyarrow: 1970-01-01T00:00:00.001000+00:00
1969-12-31T23:59:59.001000, written by pyarrow, read by pyorc: the same
1969-12-31T23:59:59.001000, written by pyarrow, read by pyarrow: the same
1969-12-31T23:59:59.500000, written by pyorc, read by pyorc: 1970-01-01T00:00:00.500000+00:00
1969-12-31T23:59:59.500000, written by pyorc, read by pyarrow: 1970-01-01T00:00:00.500000+00:00
1969-12-31T23:59:59.500000, written by pyarrow, read by pyorc: the same
1969-12-31T23:59:59.500000, written by pyarrow, read by pyarrow: the same
1970-01-01T00:00:00.500000, written by pyorc, read by pyorc: the same
1970-01-01T00:00:00.500000, written by pyorc, read by pyarrow: the same
1970-01-01T00:00:00.500000, written by pyarrow, read by pyorc: the same
1970-01-01T00:00:00.500000, written by pyarrow, read by pyarrow: the same
2024-02-29T12:00:00.999999, written by pyorc, read by pyorc: the same
2024-02-29T12:00:00.999999, written by pyorc, read by pyarrow: the same
2024-02-29T12:00:00.999999, written by pyarrow, read by pyorc: the same
2024-02-29T12:00:00.999999, written by pyarrow, read by pyarrow: the same
2300-01-01T00:00:00, written by pyorc, read by pyorc: the same
2300-01-01T00:00:00, written by pyorc, read by pyarrow: ArrowInvalid('ORC timestamp (10413792000s + 0ns) is out of range for nanosecond resolution')
2300-01-01T00:00:00, written by pyarrow, read by pyorc: the same
2300-01-01T00:00:00, written by pyarrow, read by pyarrow: ArrowInvalid('ORC timestamp (10413792000s + 0ns) is out of range for nanosecond resolution')
9999-12-31T22:59:59.500000, written by pyorc, read by pyorc: the same
9999-12-31T22:59:59.500000, written by pyorc, read by pyarrow: ArrowInvalid('ORC timestamp (253402297199s + 500000000ns) is out of range for nanosecond resolution')
9999-12-31T22:59:59.500000, written by pyarrow, read by pyorc: the same
9999-12-31T22:59:59.500000, written by pyarrow, read by pyarrow: ArrowInvalid('ORC timestamp (253402297199s + 500000000ns) is out of range for nanosecond resolution')
9999-12-31T22:59:59.999999, written by pyorc, read by pyorc: 9999-12-31T23:00:00.999999+00:00
9999-12-31T22:59:59.999999, written by pyorc, read by pyarrow: ArrowInvalid('ORC timestamp (253402297200s + 999999000ns) is out of range for nanosecond resolution')
9999-12-31T22:59:59.999999, written by pyarrow, read by pyorc: the same
9999-12-31T22:59:59.999999, written by pyarrow, read by pyarrow: ArrowInvalid('ORC timestamp (253402297199s + 999999000ns) is out of range for nanosecond resolution')
9999-12-31T23:59:59.999999, written by pyorc, read by pyorc: OverflowError('date value out of range')
9999-12-31T23:59:59.999999, written by pyorc, read by pyarrow: ArrowInvalid('ORC timestamp (253402300800s + 999999000ns) is out of range for nanosecond resolution')
9999-12-31T23:59:59.999999, written by pyarrow, read by pyorc: the same
9999-12-31T23:59:59.999999, written by pyarrow, read by pyarrow: ArrowInvalid('ORC timestamp (253402300799s + 999999000ns) is out of range for nanosecond resolution')
END

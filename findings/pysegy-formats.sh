#!/usr/bin/env bash
# pysegy 0.5.4 (PyPI) reading files of SEG-Y that segyio 1.9.14 (PyPI) writes: integers, and headers in text beyond the first.
#
# One would expect, by SEG-Y revision 1: the sample format in the binary header says what a sample is, 2 and 3 are integers of four
# and two bytes; the number in bytes 3505 and 3506 says how many more headers of 3200 bytes stand before the first trace.
# Seen: pysegy takes whatever is no IBM float for IEEE floats of four bytes: 7 is 1e-44, minus 7 is not a number, and of traces of
# two bytes half are gone. It takes the further headers for traces, and the traces for other ones. No errors.
# To a user: recordings of older instruments are silence and noise; files with a few words more have more traces, all wrong.
. "$(dirname "$0")/lib.sh"
python_packages pysegy==0.5.4 segyio==1.9.14

cat >program.py <<'END'
import numpy
import pysegy
import segyio

types = {1: numpy.float32, 2: numpy.int32, 3: numpy.int16, 5: numpy.float32}
for kind, further in ((1, 0), (5, 0), (2, 0), (3, 0), (5, 1)):
    spec = segyio.spec()
    spec.sorting, spec.format, spec.samples, spec.tracecount, spec.ext_headers = None, kind, numpy.arange(4) * 4.0, 2, further
    with segyio.create("file.sgy", spec) as file:
        for trace in range(2):
            file.trace[trace] = numpy.array([7, -7, 1000, trace], dtype=types[kind])
            file.header[trace] = {segyio.TraceField.CDP: trace + 1}
        if further:
            file.text[1] = "More".ljust(3200)
    with segyio.open("file.sgy", ignore_geometry=True) as file:
        print(f"format {kind}, {further} more headers: segyio {file.tracecount} traces,", *(file.trace[i].tolist() for i in range(2)))
    read = pysegy.segy_read("file.sgy").data
    shown = [[float(f"{sample:.3g}") for sample in read[:, i]] for i in range(min(2, read.shape[1]))]
    print(f"  pysegy {read.shape[1]} traces,", *shown)
END
venv/bin/python program.py >got

seen got <<'END'
format 1, 0 more headers: segyio 2 traces, [7.0, -7.0, 1000.0, 0.0] [7.0, -7.0, 1000.0, 1.0]
  pysegy 2 traces, [7.0, -7.0, 1000.0, 0.0] [7.0, -7.0, 1000.0, 1.0]
format 5, 0 more headers: segyio 2 traces, [7.0, -7.0, 1000.0, 0.0] [7.0, -7.0, 1000.0, 1.0]
  pysegy 2 traces, [7.0, -7.0, 1000.0, 0.0] [7.0, -7.0, 1000.0, 1.0]
format 2, 0 more headers: segyio 2 traces, [7, -7, 1000, 0] [7, -7, 1000, 1]
  pysegy 2 traces, [9.81e-45, nan, 1.4e-42, 0.0] [9.81e-45, nan, 1.4e-42, 1.4e-45]
format 3, 0 more headers: segyio 2 traces, [7, -7, 1000, 0] [7, -7, 1000, 1]
  pysegy 1 traces, [7.35e-40, 1.36e-36, 0.0, 0.0]
format 5, 1 more headers: segyio 2 traces, [7.0, -7.0, 1000.0, 0.0] [7.0, -7.0, 1000.0, 1.0]
  pysegy 14 traces, [3.0, 3.0, 3.0, 3.0] [3.0, 3.0, 3.0, 3.0]
END

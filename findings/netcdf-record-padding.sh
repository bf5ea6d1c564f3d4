#!/usr/bin/env bash
# netcdfjs 4.0.0 (npm) and scipy 1.17.1 (PyPI) reading NetCDF classic files of netCDF4 1.7.5.1.post1 (PyPI, by Unidata).
#
# One would expect, by "Note on padding" and "Note on vsize" in the NetCDF classic format specification: what pads a record to
# four bytes is no data. Where bytes or shorts are the only record variable nothing is padded; readers ignore vsize then.
# Seen: netcdfjs hands the padding over as values, a fourth in each row of three. Where nothing is padded it reads seven single
# bytes as rows of four, the last of them empty; of shorts it raises an error. scipy drops the padding, but counts by vsize
# where there is none: once an attribute was added to such a file it refuses it. Its own files have vsize unpadded.
# To a user: flags and packed measurements of a time series come in the wrong rows, or with numbers that nobody measured.
. "$(dirname "$0")/lib.sh"
node_packages netcdfjs@4.0.0
python_packages netCDF4==1.7.5.1.post1 scipy==1.17.1

cat >program.py <<'END'
import netCDF4
import numpy
import scipy.io

def write(name, kinds, width, title=False):
    with netCDF4.Dataset(f"{name}.nc", "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("time", None)
        file.createDimension("x", width)
        for kind in kinds:
            shape = ("time", "x") if width > 1 else ("time",)
            values = numpy.arange(1, 7 * width + 1).reshape((7, width) if width > 1 else (7,))
            file.createVariable(kind, kind, shape)[:] = values
        if title:
            file.title = "flags"

write("bytes", ["i1"], 1)
write("titled-bytes", ["i1"], 1, True)
write("shorts", ["i2"], 1)
write("bytes-and-doubles", ["i1", "f8"], 3)
for name in ("bytes", "titled-bytes", "shorts", "bytes-and-doubles"):
    with netCDF4.Dataset(f"{name}.nc") as file:
        for variable in file.variables:
            print(f"{name}: {variable} netCDF4", file[variable][:].tolist())
    try:
        with scipy.io.netcdf_file(f"{name}.nc", mmap=False) as file:
            for variable in file.variables:
                print(f"{name}: {variable} scipy", file.variables[variable][:].tolist())
    except ValueError as error:
        print(f"{name}: scipy:", error)
with scipy.io.netcdf_file("scipy.nc", "w") as file:
    file.createDimension("time", None)
    file.createVariable("i1", "i1", ("time",))[:] = numpy.arange(1, 8, dtype="i1")
with scipy.io.netcdf_file("scipy.nc", mmap=False) as file, netCDF4.Dataset("scipy.nc") as other:
    print("written by scipy: scipy", file.variables["i1"][:].tolist(), "netCDF4", other["i1"][:].tolist())
END
venv/bin/python program.py >got

cat >program.mjs <<'END'
import { readFileSync } from 'node:fs';
import { NetCDFReader } from 'netcdfjs';
for (const name of ['bytes', 'titled-bytes', 'shorts', 'bytes-and-doubles']) {
  const reader = new NetCDFReader(Uint8Array.from(readFileSync(`${name}.nc`)));
  for (const { name: variable } of reader.variables) {
    try {
      console.log(`${name}: ${variable} netcdfjs`, JSON.stringify(reader.getDataVariable(variable)));
    } catch (error) {
      console.log(`${name}: ${variable} netcdfjs:`, error.message);
    }
  }
}
END
node program.mjs >>got

seen got <<'END'
bytes: i1 netCDF4 [1, 2, 3, 4, 5, 6, 7]
bytes: i1 scipy [1, 2, 3, 4, 5, 6, 7]
titled-bytes: i1 netCDF4 [1, 2, 3, 4, 5, 6, 7]
titled-bytes: scipy: cannot reshape array of size 10 into shape (7,)
shorts: i2 netCDF4 [1, 2, 3, 4, 5, 6, 7]
shorts: i2 scipy [1, 2, 3, 4, 5, 6, 7]
bytes-and-doubles: i1 netCDF4 [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12], [13, 14, 15], [16, 17, 18], [19, 20, 21]]
bytes-and-doubles: f8 netCDF4 [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0], [10.0, 11.0, 12.0], [13.0, 14.0, 15.0], [16.0, 17.0, 18.0], [19.0, 20.0, 21.0]]
bytes-and-doubles: i1 scipy [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12], [13, 14, 15], [16, 17, 18], [19, 20, 21]]
bytes-and-doubles: f8 scipy [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0], [10.0, 11.0, 12.0], [13.0, 14.0, 15.0], [16.0, 17.0, 18.0], [19.0, 20.0, 21.0]]
written by scipy: scipy [1, 2, 3, 4, 5, 6, 7] netCDF4 [1, 2, 3, 4, 5, 6, 7]
bytes: i1 netcdfjs [[1,2,3,4],[5,6,7],[],[],[],[],[]]
titled-bytes: i1 netcdfjs [[1,2,3,4],[5,6,7,0],[0,0],[],[],[],[]]
shorts: i2 netcdfjs: Offset is outside the bounds of the DataView
bytes-and-doubles: i1 netcdfjs [[1,2,3,4],[4,5,6,7],[7,8,9,10],[10,11,12,13],[13,14,15,16],[16,17,18,19],[19,20,21,0]]
bytes-and-doubles: f8 netcdfjs [[1,2,3],[4,5,6],[7,8,9],[10,11,12],[13,14,15],[16,17,18],[19,20,21]]
END

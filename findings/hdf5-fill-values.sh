#!/usr/bin/env bash
# jsfive 0.4.2 (npm), pyfive 1.3.0 (PyPI), jhdf 0.13.0 (Maven Central) beside h5py 3.16.0 (PyPI): what nobody wrote in HDF5.
#
# One would expect, by HDF5's documents: a fill value is what is read where nothing was written, also where a piece has no storage
# at all; an integer may take some bits of its bytes only, at an offset, and is read as that number.
# Seen: where a piece (chunk) is missing, jsfive leaves holes, which are null in JSON, and jhdf gives zeros for the fill value;
# pyfive raises KeyError. An array without any storage is null in jhdf, holes in jsfive. Integers of 12 bits, 4 bits up, are 16 and
# 65520 for 1 and -1 in jsfive and pyfive, refused by jhdf. An attribute that is empty is a number in jsfive.
# To a user: measurements that were not made, filled with -9999, say, are zeros or nulls; arrays that grow cannot be read.
. "$(dirname "$0")/lib.sh"
node_packages jsfive@0.4.2
python_packages pyfive==1.3.0 h5py==3.16.0
java_packages io.jhdf:jhdf:0.13.0

cat >write.py <<'END'
import h5py
import numpy

with h5py.File("file.h5", "w") as file:
    file.create_dataset("whole", data=numpy.array([1, -2, 300], ">i2")).attrs["nothing"] = h5py.Empty("f4")
    file.create_dataset("some", (6,), "i4", chunks=(2,), fillvalue=-9999)[2:4] = [5, 6]
    file.create_dataset("none", (3,), "f8", fillvalue=-1.5)
    grown = file.create_dataset("grown", (2,), "f8", maxshape=(None,), chunks=(2,), fillvalue=numpy.nan)
    grown[:] = [1.5, 2.5]
    grown.resize((6,))
    grown[4:] = [3.5, 4.5]
    kind = h5py.h5t.STD_I32LE.copy()
    kind.set_precision(12)
    kind.set_offset(4)
    space = h5py.h5s.create_simple((3,))
    h5py.h5d.create(file.id, b"twelve bits", kind, space).write(space, space, numpy.array([1, -1, 100], "i4"), mtype=h5py.h5t.NATIVE_INT32)
END
venv/bin/python write.py

cat >read.py <<'END'
import h5py
import pyfive

for library in h5py, pyfive:
    file = library.File("file.h5")
    for name in sorted(file):
        try:
            print(f"{library.__name__}, {name}:", file[name][()].tolist())
        except KeyError as error:
            print(f"{library.__name__}, {name}:", repr(error))
END
venv/bin/python read.py >got

cat >read.mjs <<'END'
import { readFileSync } from 'node:fs';
import * as hdf5 from 'jsfive';

const bytes = readFileSync('file.h5');
const file = new hdf5.File(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length), 'file.h5');
for (const name of [...file.keys].sort()) {
  const { value, attrs } = file.get(name);
  console.log(`jsfive, ${name}:`, value, 'as JSON', JSON.stringify(value), name === 'whole' ? `empty attribute: ${attrs.nothing}` : '');
}
END
node read.mjs | sed 's/ $//' >>got

cat >Read.java <<'END'
import io.jhdf.HdfFile;
import io.jhdf.exceptions.HdfTypeException;
import java.nio.file.Path;

class Read {
    static String told(Object data) {
        if (data instanceof int[] ints) return java.util.Arrays.toString(ints);
        if (data instanceof short[] shorts) return java.util.Arrays.toString(shorts);
        return data instanceof double[] doubles ? java.util.Arrays.toString(doubles) : String.valueOf(data);
    }

    public static void main(String[] arguments) {
        try (var file = new HdfFile(Path.of("file.h5"))) {
            for (var name : new java.util.TreeSet<>(file.getChildren().keySet())) {
                try {
                    System.out.println("jhdf, " + name + ": " + told(file.getDatasetByPath(name).getData()));
                } catch (HdfTypeException error) {
                    System.out.println("jhdf, " + name + ": " + error.getMessage());
                }
            }
        }
    }
}
END
java_program Read.java >>got

seen got <<'END'
h5py, grown: [1.5, 2.5, nan, nan, 3.5, 4.5]
h5py, none: [-1.5, -1.5, -1.5]
h5py, some: [-9999, -9999, 5, 6, -9999, -9999]
h5py, twelve bits: [1, -1, 100]
h5py, whole: [1, -2, 300]
pyfive, grown: KeyError((2,))
pyfive, none: [-1.5, -1.5, -1.5]
pyfive, some: KeyError((0,))
pyfive, twelve bits: [16, 65520, 1600]
pyfive, whole: [1, -2, 300]
jsfive, grown: [ 1.5, 2.5, <2 empty items>, 3.5, 4.5 ] as JSON [1.5,2.5,null,null,3.5,4.5]
jsfive, none: [ <3 empty items> ] as JSON [null,null,null]
jsfive, some: [ <2 empty items>, 5, 6, <2 empty items> ] as JSON [null,null,5,6,null,null]
jsfive, twelve bits: [ 16, 65520, 1600 ] as JSON [16,65520,1600]
jsfive, whole: [ 1, -2, 300 ] as JSON [1,-2,300] empty attribute: 8.081523661903227e-39
jhdf, grown: [1.5, 2.5, 0.0, 0.0, 3.5, 4.5]
jhdf, none: null
jhdf, some: [0, 0, 5, 6, 0, 0]
jhdf, twelve bits: Unsupported signed fixed point data type
jhdf, whole: [1, -2, 300]
END

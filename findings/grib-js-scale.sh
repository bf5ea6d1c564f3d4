#!/usr/bin/env bash
# grib-js 1.0.0 (npm) reading what ecCodes 2.50.1 (PyPI eccodes, with eccodeslib 2.50.0.33) writes.
#
# One would expect, by GRIB, edition 2, regulation 92.1.5: the highest bit of a number below zero is its sign, and the others are
# its size, so a binary scale factor of -6 is stored as 8006 in hexadecimal.
# Seen: for this factor grib-js takes such a number as a complement, -6 is -32762. Two to the power of that is 0, and so every value
# is the smallest one of the field. No error; where the factor is 0 the values are right.
# To a user: the weather is the same everywhere, in a file whose values have fractions.
. "$(dirname "$0")/lib.sh"
node_packages grib-js@1.0.0
python_packages eccodes==2.50.1 eccodeslib==2.50.0.33

cat >program.py <<'END'
import eccodes
import numpy

def write(name, values):
    grib = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    keys = {"Ni": 20, "Nj": 3, "longitudeOfLastGridPointInDegrees": 190, "iDirectionIncrementInDegrees": 10,
            "latitudeOfFirstGridPointInDegrees": 60, "latitudeOfLastGridPointInDegrees": 40, "jDirectionIncrementInDegrees": 10,
            "packingType": "grid_complex_spatial_differencing", "orderOfSpatialDifferencing": 2, "bitsPerValue": 12}
    for key, value in keys.items():
        eccodes.codes_set(grib, key, value)
    eccodes.codes_set_values(grib, values)
    with open(f"{name}.grib", "wb") as file:
        file.write(eccodes.codes_get_message(grib))
    told = numpy.round(eccodes.codes_get_values(grib), 2)
    print(f"{name}: ecCodes, binary scale factor {eccodes.codes_get(grib, 'binaryScaleFactor')}:", *told[:8].tolist())

whole = numpy.round(numpy.abs(numpy.sin(numpy.arange(60) / 5)) * 4095)
whole[:2] = 0, 4095
write("whole", whole)
write("fractions", whole / 64 - 20)
END
venv/bin/python program.py >got

cat >program.js <<'END'
const { readData } = require('grib-js');
const { readFileSync } = require('fs');
for (const name of ['whole', 'fractions']) {
  readData(Uint8Array.from(readFileSync(`${name}.grib`)).buffer, (error, messages) => {
    if (error) throw error;
    const { data, representation } = messages[0].fields[0];
    const factor = representation.details.binaryScaleFactor;
    console.log(`${name}: grib-js, binary scale factor ${factor}:`, ...Array.from(data).slice(0, 8));
  });
}
END
node program.js >>got

seen got <<'END'
whole: ecCodes, binary scale factor 0: 0.0 4095.0 1595.0 2312.0 2938.0 3446.0 3817.0 4035.0
fractions: ecCodes, binary scale factor -6: -20.0 43.98 4.92 16.12 25.91 33.84 39.64 43.05
whole: grib-js, binary scale factor 0: 0 4095 1595 2312 2938 3446 3817 4035
fractions: grib-js, binary scale factor -32762: -20 -20 -20 -20 -20 -20 -20 -20
END

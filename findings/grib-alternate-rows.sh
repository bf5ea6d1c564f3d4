#!/usr/bin/env bash
# ecCodes 2.50.1 (PyPI eccodes, with eccodeslib 2.50.0.33) beside grib 0.20.2 (crates.io): rows of GRIB that scan to and fro.
#
# One would expect, by flag table 3.4 of GRIB, edition 2: where bit 4 is set, adjacent rows scan in opposite directions, so what
# comes first in the second row belongs to its last longitude; with bit 3 columns come first. A walk over places and values, and
# the search for the nearest point, take that into account.
# Seen: on a regular grid in latitude and longitude ecCodes ignores bit 4 in its iterator, in the key latLonValues and in the search:
# values of every other row come with the mirrored longitude, no error. The search ignores bit 3 too, so that 50 30 is another point
# than for the iterator. The crate is right in all.
# To a user: of forecasts that are stored so, every second row lies mirrored; a place gets the weather of another one.
. "$(dirname "$0")/lib.sh"
python_packages eccodes==2.50.1 eccodeslib==2.50.0.33
rust_packages <<'END'
grib = { version = "=0.20.2", default-features = false }
END

cat >program.py <<'END'
import eccodes
import numpy

for name in ("plain", "jPointsAreConsecutive", "alternativeRowScanning"):
    grib = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    keys = {"Ni": 4, "Nj": 3, "latitudeOfFirstGridPointInDegrees": 60, "latitudeOfLastGridPointInDegrees": 40,
            "longitudeOfFirstGridPointInDegrees": 0, "longitudeOfLastGridPointInDegrees": 30,
            "iDirectionIncrementInDegrees": 10, "jDirectionIncrementInDegrees": 10, "bitsPerValue": 8}
    if name != "plain":
        keys[name] = 1
    for key, value in keys.items():
        eccodes.codes_set(grib, key, value)
    eccodes.codes_set_values(grib, numpy.arange(12.0))
    with open(f"{name}.grib", "wb") as file:
        file.write(eccodes.codes_get_message(grib))
    print(f"{name}: in the file {eccodes.codes_get_values(grib).astype(int).tolist()}")
    iterator = eccodes.codes_grib_iterator_new(grib, 0)
    points = [eccodes.codes_grib_iterator_next(iterator) for _ in range(12)]
    print("  ecCodes, second row of latitude:", [(round(longitude), int(value)) for latitude, longitude, value in points if latitude == 50])
    told = eccodes.codes_get_double_array(grib, "latLonValues").reshape(-1, 3)
    print("  latLonValues:", [(round(longitude), int(value)) for latitude, longitude, value in told if latitude == 50])
    print("  nearest to 50 30:", int(eccodes.codes_grib_find_nearest(grib, 50, 30)[0].value))
END
venv/bin/python program.py >got

cat >src/main.rs <<'END'
use grib::LatLons;

fn main() {
    for name in ["plain", "jPointsAreConsecutive", "alternativeRowScanning"] {
        let file = grib::from_bytes(std::fs::read(format!("{name}.grib")).unwrap()).unwrap();
        for (_, message) in file.iter() {
            let places: Vec<(f64, f64)> = message.latlons().unwrap().collect();
            let values: Vec<f32> = grib::Grib2SubmessageDecoder::from(message).unwrap().dispatch().unwrap().collect();
            let row: Vec<(f64, f32)> = places.iter().zip(values).filter(|(place, _)| place.0 == 50.0).map(|(place, value)| (place.1, value)).collect();
            println!("{name}: crate, second row of latitude: {row:?}");
        }
    }
}
END
rust_program >>got

seen got <<'END'
plain: in the file [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
  ecCodes, second row of latitude: [(0, 4), (10, 5), (20, 6), (30, 7)]
  latLonValues: [(0, 4), (10, 5), (20, 6), (30, 7)]
  nearest to 50 30: 7
jPointsAreConsecutive: in the file [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
  ecCodes, second row of latitude: [(0, 1), (10, 4), (20, 7), (30, 10)]
  latLonValues: [(0, 1), (10, 4), (20, 7), (30, 10)]
  nearest to 50 30: 7
alternativeRowScanning: in the file [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
  ecCodes, second row of latitude: [(0, 4), (10, 5), (20, 6), (30, 7)]
  latLonValues: [(0, 4), (10, 5), (20, 6), (30, 7)]
  nearest to 50 30: 7
plain: crate, second row of latitude: [(0.0, 4.0), (10.0, 5.0), (20.0, 6.0), (30.0, 7.0)]
jPointsAreConsecutive: crate, second row of latitude: [(0.0, 1.0), (10.0, 4.0), (20.0, 7.0), (30.0, 10.0)]
alternativeRowScanning: crate, second row of latitude: [(30.0, 4.0), (20.0, 5.0), (10.0, 6.0), (0.0, 7.0)]
END

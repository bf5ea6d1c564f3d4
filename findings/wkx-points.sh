#!/usr/bin/env bash
# wkx 0.5.0 (npm) beside shapely 2.2.0 (PyPI): points without coordinates, and measures, from one binary form to another.
#
# One would expect: an empty point, which WKB holds as NaN (GeoPackage, "Geometry Encoding"; JTS, GEOS and PostGIS too), stays
# empty, as it does from WKT: in GeoJSON coordinates are numbers (RFC 7946, 3.1.1), in TWKB the bit for empty is set. A measure
# that ISO WKB holds is still there in EWKB.
# Seen: wkx writes an empty point as NaN, but does not know it again: GeoJSON gets nulls, and TWKB the point 0 0. Without an
# SRID it writes EWKB with ISO's number of the type and a flag of EWKB: of POINT M (1 2 3) it reads back POINT (1 2), and
# POINT Z (1 2 3) not at all.
# To a user: places that nobody knows turn up in the Gulf of Guinea, and measures along a line are gone.
. "$(dirname "$0")/lib.sh"
node_packages wkx@0.5.0
python_packages shapely==2.2.0

cat >program.py <<'END'
import shapely

for text in ("POINT EMPTY", "GEOMETRYCOLLECTION (POINT EMPTY, POINT (1 2))", "POINT M (1 2 3)", "POINT Z (1 2 3)"):
    iso = shapely.to_wkb(shapely.from_wkt(text), hex=True, flavor="iso", byte_order=1)
    print(iso, shapely.from_wkb(iso).wkt, sep="\t")
END
venv/bin/python program.py >binary

cat >program.js <<'END'
const { readFileSync } = require('fs');
const { Geometry } = require('wkx');
for (const line of readFileSync('binary', 'utf8').trim().split('\n')) {
  const [iso, text] = line.split('\t');
  const read = Geometry.parse(Buffer.from(iso, 'hex'));
  console.log(`shapely ${text}; wkx ${read.toWkt()}`);
  console.log('  GeoJSON', JSON.stringify(read.toGeoJSON()), 'from WKT', JSON.stringify(Geometry.parse(text).toGeoJSON()));
  console.log('  TWKB', read.toTwkb().toString('hex'), Geometry.parseTwkb(read.toTwkb()).toWkt());
  try {
    console.log('  EWKB', read.toEwkb().toString('hex').slice(0, 18), Geometry.parse(read.toEwkb()).toWkt());
  } catch (error) {
    console.log('  EWKB', error.message);
  }
}
END
node program.js >got

seen got <<'END'
shapely POINT EMPTY; wkx POINT(NaN NaN)
  GeoJSON {"type":"Point","coordinates":[null,null]} from WKT {"type":"Point","coordinates":[]}
  TWKB a1000000 POINT(0 0)
  EWKB 010100002000000000 POINT(NaN NaN)
shapely GEOMETRYCOLLECTION (POINT EMPTY, POINT (1 2)); wkx GEOMETRYCOLLECTION(POINT(NaN NaN),POINT(1 2))
  GeoJSON {"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[null,null]},{"type":"Point","coordinates":[1,2]}]} from WKT {"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[]},{"type":"Point","coordinates":[1,2]}]}
  TWKB a70002a1000000a100c09a0c80b518 GEOMETRYCOLLECTION(POINT(0 0),POINT(1 2))
  EWKB 010700002000000000 GEOMETRYCOLLECTION(POINT(NaN NaN),POINT(1 2))
shapely POINT M (1 2 3); wkx POINT M (1 2 3)
  GeoJSON {"type":"Point","coordinates":[1,2]} from WKT {"type":"Point","coordinates":[1,2]}
  TWKB a10802c09a0c80b51806 POINT M (1 2 3)
  EWKB 01d107002000000000 POINT(1 2)
shapely POINT Z (1 2 3); wkx POINT Z (1 2 3)
  GeoJSON {"type":"Point","coordinates":[1,2,3]} from WKT {"type":"Point","coordinates":[1,2,3]}
  TWKB a10801c09a0c80b51806 POINT Z (1 2 3)
  EWKB GeometryType 9 not supported
END

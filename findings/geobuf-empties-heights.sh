#!/usr/bin/env bash
# geobuf 4.0.0 (npm): GeoJSON that is packed and unpacked again.
#
# One would expect, by RFC 7946 and geobuf's README, which leaves out digits of coordinates behind the sixth and else nothing: a
# geometry has coordinates, also if it is empty, a feature has properties, also if they are null, and a property is any number.
# Seen: coordinates of empty geometries, and properties that are empty or null, are gone, so that what comes out is no GeoJSON. A point
# without a height gets the height 0 where another geometry of the collection has one. An id of 1.5 becomes a text. A property of 1e20
# cannot be packed: error. Others, of geometries too, come through.
# To a user: readers that rely on the members of GeoJSON fail, and places get a height of 0.
. "$(dirname "$0")/lib.sh"
node_packages geobuf@4.0.0 pbf@4.0.2

cat >program.mjs <<'END'
import Pbf from 'pbf';
import { decode, encode } from 'geobuf';

const point = { type: 'Point', coordinates: [1, 2] };
const feature = (geometry, properties, more) => ({ type: 'Feature', geometry, ...more, properties });
for (const value of [
  point, { type: 'Point', coordinates: [1, 2, 3.5] }, { type: 'MultiPoint', coordinates: [] }, { type: 'Polygon', coordinates: [] },
  { type: 'GeometryCollection', geometries: [] }, feature(point, {}), feature(point, null), feature(point, { a: 1 }, { id: 1.5 }),
  feature(point, { a: [1], b: 0.1, c: 2 ** 53 - 1, d: null }), feature(point, { a: 1e20 }),
  { type: 'FeatureCollection', features: [feature({ type: 'Point', coordinates: [1, 2, 3] }, { a: 1 }), feature(point, { a: 2 })] },
]) {
  const text = JSON.stringify(value);
  try {
    const again = JSON.stringify(decode(new Pbf(encode(value, new Pbf()))));
    console.log(text, again === text ? 'comes through' : `becomes ${again}`);
  } catch (error) {
    console.log(text, error.message);
  }
}
END
node program.mjs >got

seen got <<'END'
{"type":"Point","coordinates":[1,2]} comes through
{"type":"Point","coordinates":[1,2,3.5]} comes through
{"type":"MultiPoint","coordinates":[]} becomes {"type":"MultiPoint"}
{"type":"Polygon","coordinates":[]} becomes {"type":"Polygon"}
{"type":"GeometryCollection","geometries":[]} becomes {"type":"GeometryCollection"}
{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},"properties":{}} becomes {"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]}}
{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},"properties":null} becomes {"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]}}
{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},"id":1.5,"properties":{"a":1}} becomes {"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},"id":"1.5","properties":{"a":1}}
{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},"properties":{"a":[1],"b":0.1,"c":9007199254740991,"d":null}} comes through
{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},"properties":{"a":100000000000000000000}} Given varint doesn't fit into 10 bytes
{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2,3]},"properties":{"a":1}},{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},"properties":{"a":2}}]} becomes {"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2,3]},"properties":{"a":1}},{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2,0]},"properties":{"a":2}}]}
END

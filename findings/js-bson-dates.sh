#!/usr/bin/env bash
# bson 7.3.4 (npm, the one below MongoDB's JavaScript driver): dates beyond the year 275760.
#
# One would expect, by BSON's specification: a date is any int64 of milliseconds; what is read and written again is the
# same. By "MongoDB Extended JSON (v2)": the text of $numberLong is a number.
# Seen: a date that JavaScript's Date cannot hold is read as Invalid Date, and written again as 0, which is 1970-01-01. In
# Extended JSON it is {"$numberLong":"NaN"}, which no other library reads.
# To a user: a document with such a date (a sink stores microseconds taken for milliseconds, or Long.MAX_VALUE for "never")
# loses it as soon as a JavaScript program reads and replaces the document.
. "$(dirname "$0")/lib.sh"
node_packages bson@7.3.4

cat >program.js <<'END'
const { deserialize, serialize, EJSON } = require('bson');
for (const ms of [253402300800000n, 8640000000000000n, 8640000000000001n, 1577836800000000000n, 9223372036854775807n]) {
  const stored = Buffer.from('1000000009610000000000000000000000', 'hex').subarray(0, 16);
  stored.writeBigInt64LE(ms, 7);
  const document = deserialize(stored);
  const again = Buffer.from(serialize(document)).readBigInt64LE(7);
  console.log(`${ms} is written again as ${again}, as text ${EJSON.stringify(document, { relaxed: false })}`);
}
END
node program.js >got

seen got <<'END'
253402300800000 is written again as 253402300800000, as text {"a":{"$date":{"$numberLong":"253402300800000"}}}
8640000000000000 is written again as 8640000000000000, as text {"a":{"$date":{"$numberLong":"8640000000000000"}}}
8640000000000001 is written again as 0, as text {"a":{"$date":{"$numberLong":"NaN"}}}
1577836800000000000 is written again as 0, as text {"a":{"$date":{"$numberLong":"NaN"}}}
9223372036854775807 is written again as 0, as text {"a":{"$date":{"$numberLong":"NaN"}}}
END

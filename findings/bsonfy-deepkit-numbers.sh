#!/usr/bin/env bash
# @deepkit/bson 1.0.19 and bsonfy 1.0.2 beside bson 7.3.4 (npm), MongoDB's own: values of BSON, written and read.
#
# One would expect, by BSON's specification: an int64 is any of 64 bits, and a number that is not whole, or too large for an int64, is
# a double; NaN is a double too; a timestamp is no int64, and binary data has its subtype; texts are any UTF-8. What one writes, the
# others read.
# Seen: @deepkit/bson writes bigints below zero that are multiples of 2^32 as 2^32 less, -2^63 as a positive number; it reads NaN as 0,
# and writes a timestamp as int64 and binary data as subtype 0 once it has read them. bsonfy writes 1e300 and infinity as the int64 0;
# of a Buffer, as files and sockets give, it reads each double from the wrong place; with a text that has CR LF its document is as long
# as it tells no more, and others refuse it. No errors when they write.
# To a user: ids, sums and limits are other numbers in the database; measurements are 0.
. "$(dirname "$0")/lib.sh"
node_packages @deepkit/bson@1.0.19 @deepkit/core@1.0.19 @deepkit/type@1.0.19 @deepkit/type-spec@1.0.19 bsonfy@1.0.2 bson@7.3.4

cat >program.js <<'END'
const bson = require('bson');
const deepkit = require('@deepkit/bson');
const { BSON: bsonfy } = require('bsonfy');
const show = (value) => {
  if (value?._bsontype === 'Binary') return `binary data of subtype ${value.sub_type}`;
  if (value?._bsontype) return `${value._bsontype} ${value}`;
  return typeof value === 'string' ? JSON.stringify(value) : Object.is(value, -0) ? '-0' : String(value);
};
const read = (bytes) => {
  try {
    return show(bson.deserialize(bytes, { promoteValues: false, promoteBuffers: false }).v);
  } catch (error) {
    return `a document that is refused: ${error.message}`;
  }
};

for (const value of [-4294967295n, -4294967296n, -8589934592n, -(2n ** 63n), 2n ** 63n - 1n]) {
  console.log(`@deepkit/bson writes ${value} as ${read(deepkit.serializeBSONWithoutOptimiser({ v: value }))}`);
}
const { Double, Timestamp, Binary } = bson;
for (const value of [new Double(1.5), new Double(NaN), new Timestamp({ t: 1, i: 2 }), new Binary(Buffer.from('x'), 128)]) {
  const got = deepkit.deserializeBSONWithoutOptimiser(bson.serialize({ v: value })).v;
  const told = got instanceof Uint8Array ? 'bytes' : show(got);
  console.log(`@deepkit/bson reads ${show(value)} as ${told}, and writes it as ${read(deepkit.serializeBSONWithoutOptimiser({ v: got }))}`);
}
for (const value of [1.5, 3000000000, 1e300, Infinity, -Infinity, 'a\r\nb']) {
  console.log(`bsonfy writes ${show(value)} as ${read(bsonfy.serialize({ v: value }))}`);
}
for (const value of [1.5, -0.25]) {
  const bytes = bson.serialize({ v: value });
  const alone = bsonfy.deserialize(new Uint8Array(bytes)).v;
  const buffer = bsonfy.deserialize(Buffer.from(bytes)).v;
  console.log(`bsonfy reads ${value} from an array of bytes as ${alone}, from a Buffer as ${buffer === value ? value : 'another number'}`);
}
END
node program.js >got

seen got <<'END'
@deepkit/bson writes -4294967295 as Long -4294967295
@deepkit/bson writes -4294967296 as Long -8589934592
@deepkit/bson writes -8589934592 as Long -12884901888
@deepkit/bson writes -9223372036854775808 as Long 9223372032559808512
@deepkit/bson writes 9223372036854775807 as Long 9223372036854775807
@deepkit/bson reads Double 1.5 as 1.5, and writes it as Double 1.5
@deepkit/bson reads Double NaN as 0, and writes it as Int32 0
@deepkit/bson reads Timestamp 4294967298 as 4294967298, and writes it as Long 4294967298
@deepkit/bson reads binary data of subtype 128 as bytes, and writes it as binary data of subtype 0
bsonfy writes 1.5 as Double 1.5
bsonfy writes 3000000000 as Long 3000000000
bsonfy writes 1e+300 as Long 0
bsonfy writes Infinity as Long 0
bsonfy writes -Infinity as Long 0
bsonfy writes "a\r\nb" as a document that is refused: corrupt object bson
bsonfy reads 1.5 from an array of bytes as 1.5, from a Buffer as another number
bsonfy reads -0.25 from an array of bytes as -0.25, from a Buffer as another number
END

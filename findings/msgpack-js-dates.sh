#!/usr/bin/env bash
# messagepack 1.1.12, @ygoe/msgpack 1.0.3 and @urlpack/msgpack 2.0.1 (npm) beside msgpack 1.2.4 (PyPI): dates and large numbers.
#
# One would expect, by MessagePack's specification: the nanoseconds of a timestamp (extension -1) count upwards, from 0 to
# 999999999, also before 1970; from the year 2514 on 96 bits are used. A number beyond 64 bits is a float.
# Seen: messagepack gives half a second before 1970 nanoseconds below zero, which others refuse. @urlpack/msgpack puts it behind
# 1970, 1.5 seconds before 1970 into 2106, and the year 2700 into 2019. @ygoe/msgpack takes 1.5 seconds before for half a second.
# 1e300 is the integer 0 from messagepack and 2^64-1 from @ygoe/msgpack, which gives 2^63 and -2^63 the other sign. No errors.
# To a user: dates of birth and the end dates that stand for "never" are others at the reader, and so are large measurements.
. "$(dirname "$0")/lib.sh"
node_packages messagepack@1.1.12 @ygoe/msgpack@1.0.3 @urlpack/msgpack@2.0.1
python_packages msgpack==1.2.4

cat >program.mjs <<'END'
import * as messagepack from 'messagepack';
import ygoe from '@ygoe/msgpack';
import { makeMessagePackEncoder } from '@urlpack/msgpack';
const writers = { messagepack: messagepack.encode, '@ygoe/msgpack': ygoe.serialize, '@urlpack/msgpack': makeMessagePackEncoder().encode };
const values = [new Date(1500), new Date(-500), new Date(-1500), new Date('2700-01-02T03:04:05.500Z'), 1e300, 2 ** 63, -(2 ** 63)];
for (const value of values) {
  for (const [name, write] of Object.entries(writers)) {
    const told = value instanceof Date ? value.toISOString() : String(value);
    try {
      console.log([told, name, Buffer.from(write(value)).toString('hex')].join('\t'));
    } catch (error) {
      console.log([told, name, '', error.message].join('\t'));
    }
  }
}
END
node program.mjs >binary

cat >program.py <<'END'
import msgpack

for line in open("binary"):
    told, name, bytes_, *error = line.rstrip("\n").split("\t")
    read = error[0] if error else None
    try:
        read = read or msgpack.unpackb(bytes.fromhex(bytes_), timestamp=0)
    except ValueError as problem:
        read = f"{bytes_} refused: {problem}"
    print(f"{told} {name}: {read}")
END
venv/bin/python program.py >got

seen got <<'END'
1970-01-01T00:00:01.500Z messagepack: Timestamp(seconds=1, nanoseconds=500000000)
1970-01-01T00:00:01.500Z @ygoe/msgpack: Timestamp(seconds=1, nanoseconds=500000000)
1970-01-01T00:00:01.500Z @urlpack/msgpack: Timestamp(seconds=1, nanoseconds=500000000)
1969-12-31T23:59:59.500Z messagepack: c70cffe2329b000000000000000000 refused: nanoseconds must be a non-negative integer not greater than 999999999.
1969-12-31T23:59:59.500Z @ygoe/msgpack: Timestamp(seconds=-1, nanoseconds=500000000)
1969-12-31T23:59:59.500Z @urlpack/msgpack: Timestamp(seconds=0, nanoseconds=573741824)
1969-12-31T23:59:58.500Z messagepack: c70cffe2329b00ffffffffffffffff refused: nanoseconds must be a non-negative integer not greater than 999999999.
1969-12-31T23:59:58.500Z @ygoe/msgpack: Timestamp(seconds=-1, nanoseconds=500000000)
1969-12-31T23:59:58.500Z @urlpack/msgpack: Timestamp(seconds=4294967295, nanoseconds=573741824)
2700-01-02T03:04:05.500Z messagepack: Timestamp(seconds=23036670245, nanoseconds=500000000)
2700-01-02T03:04:05.500Z @ygoe/msgpack: Timestamp(seconds=23036670245, nanoseconds=500000000)
2700-01-02T03:04:05.500Z @urlpack/msgpack: Timestamp(seconds=1561833765, nanoseconds=499998720)
1e+300 messagepack: 0
1e+300 @ygoe/msgpack: 18446744073709551615
1e+300 @urlpack/msgpack: number is lager than 2^53, try bigint
9223372036854776000 messagepack: 9223372036854775808
9223372036854776000 @ygoe/msgpack: -9223372036854775808
9223372036854776000 @urlpack/msgpack: number is lager than 2^53, try bigint
-9223372036854776000 messagepack: -9223372036854775808
-9223372036854776000 @ygoe/msgpack: 9223372036854775807
-9223372036854776000 @urlpack/msgpack: number is smaller than -2^53, try bigint
END

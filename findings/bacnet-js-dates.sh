#!/usr/bin/env bash
# bacstack 0.0.1-beta.14 and @bacnet-js/client 3.3.2 (npm) beside bacpypes3 0.0.110 (PyPI): dates and times of BACnet.
#
# One would expect, by ASHRAE 135, 20.2.12 and 20.2.13: the second octet of a date is its month, 1 to 12, and 255 in any octet of a
# date or time means that this part is not specified.
# Seen: bacstack reads each date a month late, so that the 31st of January is the 2nd of March, and writes each a month early: with
# month 0, which is none, in January. The numbers beside them are right, and so are whole dates in @bacnet-js/client. In both, a time
# without its seconds is 12:34:15 for 12:30. Of a date without its month or year bacstack makes another, the newer one 1900-01-01.
# To a user: readings and schedules that a gateway takes from a building or hands to it are of another month.
. "$(dirname "$0")/lib.sh"
node_packages bacstack@0.0.1-beta.14 @bacnet-js/client@3.3.2
python_packages bacpypes3==0.0.110

cat >write.py <<'END'
from bacpypes3.primitivedata import Date, Integer, TagList, Time, Unsigned

for value in (Unsigned(70000), Integer(-32769), Date((124, 1, 31, 3)), Date((124, 12, 25, 3)), Date((255, 12, 25, 255)),
              Date((124, 255, 15, 255)), Time((23, 59, 58, 99)), Time((12, 30, 255, 255))):
    print(TagList([value.encode()]).encode().pduData.hex(), type(value).__name__, value, sep="\t")
END
venv/bin/python write.py >written

cat >program.js <<'END'
const lines = require('fs').readFileSync('written', 'utf8').trim().split('\n').map((line) => line.split('\t'));
const told = (value) => (value instanceof Date ? value.toISOString() : value);
for (const [name, file] of [['bacstack', 'bacstack/lib/asn1.js'], ['@bacnet-js/client', '@bacnet-js/client/dist/lib/asn1.js']]) {
  const codec = require(`./node_modules/${file}`);
  for (const [bytes, type, value] of lines) {
    const buffer = Buffer.from(bytes, 'hex');
    console.log(`${type} ${value} as ${bytes}: ${name} reads`, told(codec.bacappDecodeApplicationData(buffer, 0, buffer.length, 0, 85).value));
  }
  for (const [type, value] of [[2, 70000], [3, -32769], [10, new Date(2024, 0, 31)], [10, new Date(2024, 11, 25)]]) {
    const written = { buffer: Buffer.alloc(20), offset: 0 };
    codec.bacappEncodeApplicationData(written, { type, value });
    console.log(`${told(value)}: ${name} writes`, written.buffer.subarray(0, written.offset).toString('hex'));
  }
}
END
node program.js >got

seen got <<'END'
Unsigned 70000 as 23011170: bacstack reads 70000
Integer -32769 as 33ff7fff: bacstack reads -32769
Date 2024-1-31 wed as a47c011f03: bacstack reads 2024-03-02T00:00:00.000Z
Date 2024-12-25 wed as a47c0c1903: bacstack reads 2025-01-25T00:00:00.000Z
Date *-12-25 * as a4ff0c19ff: bacstack reads 2156-01-25T00:00:00.000Z
Date 2024-*-15 * as a47cff0fff: bacstack reads 2045-04-15T00:00:00.000Z
Time 23:59:58.99 as b4173b3a63: bacstack reads 1901-02-01T23:59:58.990Z
Time 12:30:*.* as b40c1effff: bacstack reads 1901-02-01T12:34:15.000Z
70000: bacstack writes 23011170
-32769: bacstack writes 33ff7fff
2024-01-31T00:00:00.000Z: bacstack writes a47c001f03
2024-12-25T00:00:00.000Z: bacstack writes a47c0b1903
Unsigned 70000 as 23011170: @bacnet-js/client reads 70000
Integer -32769 as 33ff7fff: @bacnet-js/client reads -32769
Date 2024-1-31 wed as a47c011f03: @bacnet-js/client reads 2024-01-31T00:00:00.000Z
Date 2024-12-25 wed as a47c0c1903: @bacnet-js/client reads 2024-12-25T00:00:00.000Z
Date *-12-25 * as a4ff0c19ff: @bacnet-js/client reads 1900-01-01T00:00:00.000Z
Date 2024-*-15 * as a47cff0fff: @bacnet-js/client reads 1900-01-01T00:00:00.000Z
Time 23:59:58.99 as b4173b3a63: @bacnet-js/client reads 1900-01-01T23:59:58.990Z
Time 12:30:*.* as b40c1effff: @bacnet-js/client reads 1900-01-01T12:34:15.000Z
70000: @bacnet-js/client writes 23011170
-32769: @bacnet-js/client writes 33ff7fff
2024-01-31T00:00:00.000Z: @bacnet-js/client writes a47c011f03
2024-12-25T00:00:00.000Z: @bacnet-js/client writes a47c0c1903
END

#!/usr/bin/env bash
# cbor-sync 1.0.4 (npm) beside cbor2 6.2.1 (PyPI): times in CBOR under tag 1.
#
# One would expect, by RFC 8949, 3.4.2: the number under tag 1 is seconds since 1970, an integer or a float, below zero before it.
# Seen: cbor-sync makes a Date of the number as it is, and so takes the seconds for milliseconds, without an error. Under tag 0,
# as a text, it reads the same time rightly.
# To a user: what a device or another library has measured today is of January 1970, and fifteen minutes are less than a second.
. "$(dirname "$0")/lib.sh"
node_packages cbor-sync@1.0.4
python_packages cbor2==6.2.1

cat >program.py <<'END'
import cbor2
from datetime import datetime, timezone

for bytes_ in ("c11a514b67b0", "c1fb41d452d9ec200000", "c13a00015180", "c074323031332d30332d32315432303a30343a30305a"):
    print(bytes_, cbor2.loads(bytes.fromhex(bytes_)).astimezone(timezone.utc).isoformat(), sep="\t")
time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
print(cbor2.dumps(time, datetime_as_timestamp=True).hex(), time.isoformat(), sep="\t")
END
venv/bin/python program.py >binary

cat >program.js <<'END'
const { decode } = require('cbor-sync');
for (const line of require('fs').readFileSync('binary', 'utf8').trim().split('\n')) {
  const [bytes, time] = line.split('\t');
  console.log(`${bytes}: cbor2 ${time}, cbor-sync ${decode(Buffer.from(bytes, 'hex')).toISOString()}`);
}
END
node program.js >got

seen got <<'END'
c11a514b67b0: cbor2 2013-03-21T20:04:00+00:00, cbor-sync 1970-01-16T18:51:36.240Z
c1fb41d452d9ec200000: cbor2 2013-03-21T20:04:00.500000+00:00, cbor-sync 1970-01-16T18:51:36.240Z
c13a00015180: cbor2 1969-12-30T23:59:59+00:00, cbor-sync 1969-12-31T23:58:33.599Z
c074323031332d30332d32315432303a30343a30305a: cbor2 2013-03-21T20:04:00+00:00, cbor-sync 2013-03-21T20:04:00.000Z
c11a695735a5: cbor2 2026-01-02T03:04:05+00:00, cbor-sync 1970-01-21T10:55:23.045Z
END

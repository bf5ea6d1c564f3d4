#!/usr/bin/env bash
# @harmoniclabs/cbor 2.0.1 (npm) beside cbor2 6.2.1 (PyPI): floats in CBOR.
#
# One would expect, by RFC 8949, 3: floats of 4 and 8 bytes are in network byte order, the first byte holds the sign.
# Seen: @harmoniclabs/cbor reads and writes them the other way round. Floats of 2 bytes are read rightly. What it has written it
# reads again as it was, for cbor2 1.5 is 3.13984e-319, without an error.
# To a user: every float or double of another writer is a wrong number, and so is every one of its own for others.
. "$(dirname "$0")/lib.sh"
node_packages @harmoniclabs/cbor@2.0.1
python_packages cbor2==6.2.1

cat >program.mjs <<'END'
import { Cbor, CborSimple } from '@harmoniclabs/cbor';
for (const [bytes, value] of [['f93e00', 1.5], ['fa3fc00000', 1.5], ['fb3ff8000000000000', 1.5], ['fbc010666666666666', -4.1]]) {
  console.log(`${bytes}: ${value}, read as ${Cbor.parse(Buffer.from(bytes, 'hex')).simple}`);
}
for (const value of [1.5, -4.1, 100000.25]) {
  const written = Buffer.from(Cbor.encode(new CborSimple(value, 'float'))).toString('hex');
  console.log(`${written}: written for ${value}, read again as ${Cbor.parse(Buffer.from(written, 'hex')).simple}`);
}
END
node program.mjs >told

cat >program.py <<'END'
import cbor2

for line in open("told"):
    print(f"{line.rstrip()}; cbor2 reads {cbor2.loads(bytes.fromhex(line.split(':')[0]))}")
END
venv/bin/python program.py >got

seen got <<'END'
f93e00: 1.5, read as 1.5; cbor2 reads 1.5
fa3fc00000: 1.5, read as 6.896490392174587e-41; cbor2 reads 1.5
fb3ff8000000000000: 1.5, read as 3.13984e-319; cbor2 reads 1.5
fbc010666666666666: -4.1, read as 1.9035985662486733e+185; cbor2 reads -4.1
fb000000000000f83f: written for 1.5, read again as 1.5; cbor2 reads 3.13984e-319
fb66666666666610c0: written for -4.1, read again as -4.1; cbor2 reads 1.9035985662486733e+185
fb00000000046af840: written for 100000.25, read again as 100000.25; cbor2 reads 3.6619766e-316
END

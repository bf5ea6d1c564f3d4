#!/usr/bin/env bash
# @hyrious/marshal 0.3.4 (npm) beside rubymarshal 1.2.10 (PyPI): integers that Ruby's Marshal writes.
#
# One would expect, by Ruby's description of the format of Marshal: behind -4 stand four bytes of an integer below zero, in the order of
# little endian.
# Seen: @hyrious/marshal reads each of these, from -16777217 to -1073741824, as -1, also those that it has written itself. Those of
# fewer bytes, those above zero and larger ones are right. No error.
# To a user: differences, balances and hashes below zero from a program in Ruby are -1.
. "$(dirname "$0")/lib.sh"
node_packages @hyrious/marshal@0.3.4
python_packages rubymarshal==1.2.10

cat >write.py <<'END'
from rubymarshal.writer import writes

for value in (-1, -124, -257, -70000, -16777217, -100000000, -2**30, 16777217, 2**30 - 1):
    print(value, writes(value).hex())
END
venv/bin/python write.py >written

cat >program.mjs <<'END'
import { readFileSync } from 'node:fs';
import { dump, load } from '@hyrious/marshal';

for (const line of readFileSync('written', 'utf8').trim().split('\n')) {
  const [value, bytes] = line.split(' ');
  const written = Buffer.from(dump(Number(value)));
  const read = load(Buffer.from(bytes, 'hex'));
  console.log(`rubymarshal writes ${value} as ${bytes}, read as ${read}; written as ${written.toString('hex')}, read as ${load(written)}`);
}
END
node program.mjs >got

seen got <<'END'
rubymarshal writes -1 as 040869fa, read as -1; written as 040869fa, read as -1
rubymarshal writes -124 as 040869ff84, read as -124; written as 040869ff84, read as -124
rubymarshal writes -257 as 040869fefffe, read as -257; written as 040869fefffe, read as -257
rubymarshal writes -70000 as 040869fd90eefe, read as -70000; written as 040869fd90eefe, read as -70000
rubymarshal writes -16777217 as 040869fcfffffffe, read as -1; written as 040869fcfffffffe, read as -1
rubymarshal writes -100000000 as 040869fc001f0afa, read as -1; written as 040869fc001f0afa, read as -1
rubymarshal writes -1073741824 as 040869fc000000c0, read as -1; written as 040869fc000000c0, read as -1
rubymarshal writes 16777217 as 0408690401000001, read as 16777217; written as 0408690401000001, read as 16777217
rubymarshal writes 1073741823 as 04086904ffffff3f, read as 1073741823; written as 04086904ffffff3f, read as 1073741823
END

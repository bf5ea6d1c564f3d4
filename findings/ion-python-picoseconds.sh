#!/usr/bin/env bash
# amazon.ion 0.15.0 (PyPI) beside ion-js 5.2.1 (npm): timestamps of Ion with more than nine digits of a second.
#
# One would expect, by Ion's specification, whose data model has a timestamp of arbitrary precision: the fraction of a second may
# have any number of digits, and those of a timestamp that is read and written again are the same, in text as in binary.
# Seen: as installed, with its module in C, the library does not read more than nine digits, yet goes on: .999999999999 and
# .123456789123 become 0, the picosecond .000000000001 a nanosecond, all with nine digits. One fraction of ten digits is an
# error, another is 0. With that module switched off, and in ion-js, all are right.
# To a user: events with fine times move back by up to a second, and pass those before them, without an error.
. "$(dirname "$0")/lib.sh"
node_packages ion-js@5.2.1
python_packages amazon.ion==0.15.0

cat >program.js <<'END'
const { writeFileSync } = require('fs');
const ion = require('ion-js');
const fractions = ['999999', '999999999', '9999999999', '1234567891', '999999999999', '123456789123', '000000000001', '12345678901234567890'];
const lines = fractions.map((fraction) => {
  const text = `2026-01-01T10:00:00.${fraction}Z`;
  const binary = ion.dumpBinary(ion.load(text));
  return [text, Buffer.from(binary).toString('hex'), ion.dumpText(ion.load(binary))].join('\t');
});
writeFileSync('timestamps', lines.join('\n'));
END
node program.js

cat >program.py <<'END'
import amazon.ion.exceptions
import amazon.ion.simpleion as ion

def read(source):
    try:
        value = ion.loads(source, single_value=True)
    except amazon.ion.exceptions.IonException as error:
        return f"refused ({str(error).strip()})"
    written = ion.dumps(value, binary=True)
    with_c, ion.c_ext = ion.c_ext, False
    told = ion.dumps(ion.loads(written, single_value=True), binary=False)
    ion.c_ext = with_c
    return told.removeprefix("$ion_1_0 ")

for line in open("timestamps"):
    text, binary, other = line.rstrip("\n").split("\t")
    print(text)
    print("  ion-js", other)
    for ion.c_ext in (True, False):
        print(f"  amazon.ion, C {'on' if ion.c_ext else 'off'}: from text {read(text)}, from binary {read(bytes.fromhex(binary))}")
END
venv/bin/python program.py >got

seen got <<'END'
2026-01-01T10:00:00.999999Z
  ion-js 2026-01-01T10:00:00.999999Z
  amazon.ion, C on: from text 2026-01-01T10:00:00.999999Z, from binary 2026-01-01T10:00:00.999999Z
  amazon.ion, C off: from text 2026-01-01T10:00:00.999999Z, from binary 2026-01-01T10:00:00.999999Z
2026-01-01T10:00:00.999999999Z
  ion-js 2026-01-01T10:00:00.999999999Z
  amazon.ion, C on: from text 2026-01-01T10:00:00.999999999Z, from binary 2026-01-01T10:00:00.999999999Z
  amazon.ion, C off: from text 2026-01-01T10:00:00.999999999Z, from binary 2026-01-01T10:00:00.999999999Z
2026-01-01T10:00:00.9999999999Z
  ion-js 2026-01-01T10:00:00.9999999999Z
  amazon.ion, C on: from text 2026-01-01T10:00:00.000000000Z, from binary 2026-01-01T10:00:00.000000000Z
  amazon.ion, C off: from text 2026-01-01T10:00:00.9999999999Z, from binary 2026-01-01T10:00:00.9999999999Z
2026-01-01T10:00:00.1234567891Z
  ion-js 2026-01-01T10:00:00.1234567891Z
  amazon.ion, C on: from text refused (IERR_INTERNAL_ERROR), from binary refused (IERR_INTERNAL_ERROR)
  amazon.ion, C off: from text 2026-01-01T10:00:00.1234567891Z, from binary 2026-01-01T10:00:00.1234567891Z
2026-01-01T10:00:00.999999999999Z
  ion-js 2026-01-01T10:00:00.999999999999Z
  amazon.ion, C on: from text 2026-01-01T10:00:00.000000000Z, from binary 2026-01-01T10:00:00.000000000Z
  amazon.ion, C off: from text 2026-01-01T10:00:00.999999999999Z, from binary 2026-01-01T10:00:00.999999999999Z
2026-01-01T10:00:00.123456789123Z
  ion-js 2026-01-01T10:00:00.123456789123Z
  amazon.ion, C on: from text 2026-01-01T10:00:00.000000000Z, from binary 2026-01-01T10:00:00.000000000Z
  amazon.ion, C off: from text 2026-01-01T10:00:00.123456789123Z, from binary 2026-01-01T10:00:00.123456789123Z
2026-01-01T10:00:00.000000000001Z
  ion-js 2026-01-01T10:00:00.000000000001Z
  amazon.ion, C on: from text 2026-01-01T10:00:00.000000001Z, from binary 2026-01-01T10:00:00.000000001Z
  amazon.ion, C off: from text 2026-01-01T10:00:00.000000000001Z, from binary 2026-01-01T10:00:00.000000000001Z
2026-01-01T10:00:00.12345678901234567890Z
  ion-js 2026-01-01T10:00:00.12345678901234567890Z
  amazon.ion, C on: from text 2026-01-01T10:00:00.000000000Z, from binary 2026-01-01T10:00:00.000000000Z
  amazon.ion, C off: from text 2026-01-01T10:00:00.12345678901234567890Z, from binary 2026-01-01T10:00:00.12345678901234567890Z
END

#!/usr/bin/env bash
# @plist/binary.parse 1.1.0 (npm) beside bplist-parser 0.5.0 (npm) and Python's plistlib: integers of binary property lists.
#
# One would expect, by the comments of Apple's CFBinaryPList.c: integers of 1, 2 and 4 bytes have no sign, those of 8 have one.
# Seen: @plist/binary.parse reads 200 as -56, 40000 as -25536 and 3000000000 as -1294967296; bplist-parser and plistlib read all
# rightly. No error.
# To a user: counters and sizes that devices report are negative.
. "$(dirname "$0")/lib.sh"
node_packages @plist/binary.parse@1.1.0 bplist-parser@0.5.0

cat >write.py <<'END'
import plistlib

values = [5, 200, 300, 40000, 70000, 3000000000, 2**40, -5, -2**40]
with open("file.plist", "wb") as file:
    plistlib.dump(values, file, fmt=plistlib.FMT_BINARY)
with open("file.plist", "rb") as file:
    print("plistlib:", *plistlib.load(file))
END
python3 write.py >got

cat >program.mjs <<'END'
import { readFileSync } from 'node:fs';
import * as bplist from 'bplist-parser';
import { parse } from '@plist/binary.parse';

const bytes = readFileSync('file.plist');
console.log('bplist-parser:', bplist.parseBuffer(bytes)[0].map(String).join(' '));
console.log('@plist/binary.parse:', parse(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)).map(String).join(' '));
END
node program.mjs >>got

seen got <<'END'
plistlib: 5 200 300 40000 70000 3000000000 1099511627776 -5 -1099511627776
bplist-parser: 5 200 300 40000 70000 3000000000 1099511627776 -5 -1099511627776
@plist/binary.parse: 5 -56 300 -25536 70000 -1294967296 1099511627776 -5 -1099511627776
END

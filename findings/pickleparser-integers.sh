#!/usr/bin/env bash
# pickleparser 0.2.1 (npm): what Python's pickle writes.
#
# One would expect, by the descriptions of LONG1, UNICODE and FLOAT in Python's pickletools: the bytes of a LONG1 are two's complement,
# the texts of protocol 0 have raw-unicode-escape, and its floats are as repr tells them, inf as well.
# Seen: integers below -2^31, of protocol 2 and later, are read as if they were unsigned: -2147483649 is 1097364144127. From protocol
# 0, escapes stay in texts as they are, and infinities are NaN. No error. Other integers and texts are right.
# To a user: a program in JavaScript beside ones in Python reads ids and differences of nanoseconds as others.
. "$(dirname "$0")/lib.sh"
node_packages pickleparser@0.2.1

cat >write.py <<'END'
import pickle

for protocol in 0, 1, 2, 5:
    for value in (-2**31, -2**31 - 1, -2**40, -2**52, 2**40, "\u20ac\n", float("-inf"), -0.25):
        print(protocol, ascii(value), pickle.dumps(value, protocol).hex(), sep="\t")
END
python3 write.py >written

cat >program.js <<'END'
const { Parser } = require('pickleparser');
for (const line of require('fs').readFileSync('written', 'utf8').trim().split('\n')) {
  const [protocol, value, bytes] = line.split('\t');
  const read = new Parser().parse(Buffer.from(bytes, 'hex'));
  console.log(`protocol ${protocol}: ${value} is read as`, typeof read === 'string' ? JSON.stringify(read) : read);
}
END
node program.js >got 2>node.log

seen got <<'END'
protocol 0: -2147483648 is read as -2147483648
protocol 0: -2147483649 is read as -2147483649
protocol 0: -1099511627776 is read as -1099511627776
protocol 0: -4503599627370496 is read as -4503599627370496
protocol 0: 1099511627776 is read as 1099511627776
protocol 0: '\u20ac\n' is read as "\\u20ac\\u000a"
protocol 0: -inf is read as NaN
protocol 0: -0.25 is read as -0.25
protocol 1: -2147483648 is read as -2147483648
protocol 1: -2147483649 is read as -2147483649
protocol 1: -1099511627776 is read as -1099511627776
protocol 1: -4503599627370496 is read as -4503599627370496
protocol 1: 1099511627776 is read as 1099511627776
protocol 1: '\u20ac\n' is read as "€\n"
protocol 1: -inf is read as -Infinity
protocol 1: -0.25 is read as -0.25
protocol 2: -2147483648 is read as -2147483648
protocol 2: -2147483649 is read as 1097364144127
protocol 2: -1099511627776 is read as 280375465082880
protocol 2: -4503599627370496 is read as 67553994410557440
protocol 2: 1099511627776 is read as 1099511627776
protocol 2: '\u20ac\n' is read as "€\n"
protocol 2: -inf is read as -Infinity
protocol 2: -0.25 is read as -0.25
protocol 5: -2147483648 is read as -2147483648
protocol 5: -2147483649 is read as 1097364144127
protocol 5: -1099511627776 is read as 280375465082880
protocol 5: -4503599627370496 is read as 67553994410557440
protocol 5: 1099511627776 is read as 1099511627776
protocol 5: '\u20ac\n' is read as "€\n"
protocol 5: -inf is read as -Infinity
protocol 5: -0.25 is read as -0.25
END

#!/usr/bin/env bash
# pika 1.4.4 (PyPI) beside amqplib 2.3.1 (npm): floating-point numbers in AMQP 0-9-1 headers.
#
# One would expect, by the grammar of AMQP 0-9-1 (section 4.2.1, "f" and "d" are IEEE numbers of 32 and 64 bits): a reader
# gets the number that the writer put into the header.
# Seen: amqplib writes 0.75 as a double, and pika hands over the integer 0; 2.5 becomes 2. Nothing is raised. pika itself
# refuses to write a float. amqp 5.4.2, the client below Celery, reads both.
# To a user: a price, rate or coordinate in a header loses its fraction on the way through a Python consumer with pika.
. "$(dirname "$0")/lib.sh"
node_packages amqplib@2.3.1
python_packages pika==1.4.4 amqp==5.4.2

cat >program.js <<'END'
const codec = require('./node_modules/amqplib/lib/codec.js');
const buffer = Buffer.alloc(500);
for (const rate of [0.75, 2.5, -1.5, { '!': 'float', value: 0.5 }]) {
  console.log(buffer.subarray(0, codec.encodeTable(buffer, { rate }, 0)).toString('hex'));
}
END
node program.js >tables

cat >program.py <<'END'
import pika.data
from amqp.serialization import loads

for line in open("tables"):
    table = bytes.fromhex(line)
    there = loads("F", table, 0)[0][0]["rate"]
    print(f"written {there!r}: pika reads {pika.data.decode_table(table, 0)[0]['rate']!r}")
try:
    pika.data.encode_table([], {"rate": 0.75})
except Exception as error:
    print("pika writes 0.75:", type(error).__name__)
END
venv/bin/python program.py >got

seen got <<'END'
written 0.75: pika reads 0L
written 2.5: pika reads 2L
written -1.5: pika reads -1L
written 0.5: pika reads 0L
pika writes 0.75: UnsupportedAMQPFieldException
END

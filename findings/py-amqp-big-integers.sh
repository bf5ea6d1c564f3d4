#!/usr/bin/env bash
# amqp 5.4.2 (PyPI, the client below Celery and Kombu) beside amqplib 2.3.1 (npm): integers beyond 32 bits in headers.
#
# One would expect, by the grammar of AMQP 0-9-1 (section 4.2.1, where "L" is a signed 64-bit integer) and its errata by
# RabbitMQ (which writes "l" and takes both): what one client writes another one reads.
# Seen: amqp writes "L" for every integer that it does not write as 32 bits, also for -2147483648, which would fit.
# pika reads that, amqplib knows "l" alone and raises an error.
# To a user: a millisecond timestamp that a Celery or Kombu producer puts into a header makes a JavaScript consumer fail.
. "$(dirname "$0")/lib.sh"
node_packages amqplib@2.3.1
python_packages pika==1.4.4 amqp==5.4.2

cat >program.py <<'END'
import pika.data
from amqp.serialization import dumps

for number in (2**31 - 1, 2**31, -(2**31), 1577836800123):
    table = dumps("F", [{"at": number}])
    print(number, "written as", chr(table[7]), "read by pika:", int(pika.data.decode_table(table, 0)[0]["at"]), table.hex())
END
venv/bin/python program.py >tables

cat >program.js <<'END'
const codec = require('./node_modules/amqplib/lib/codec.js');
for (const line of require('fs').readFileSync('tables', 'utf8').trim().split('\n')) {
  const [, said, hex] = line.match(/^(.*) (\w+)$/);
  try {
    console.log(said, 'by amqplib:', codec.decodeFields(Buffer.from(hex, 'hex').subarray(4)).at);
  } catch (error) {
    console.log(said, 'by amqplib:', error.message);
  }
}
END
node program.js >got

seen got <<'END'
2147483647 written as I read by pika: 2147483647 by amqplib: 2147483647
2147483648 written as L read by pika: 2147483648 by amqplib: Unexpected type tag "L"
-2147483648 written as L read by pika: -2147483648 by amqplib: Unexpected type tag "L"
1577836800123 written as L read by pika: 1577836800123 by amqplib: Unexpected type tag "L"
END

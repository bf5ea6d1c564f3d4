#!/usr/bin/env bash
# @cloudamqp/amqp-client 4.1.1 and rabbitmq-client 5.0.8 (npm) beside amqp 5.4.2 (PyPI): values in the headers of AMQP 0-9-1.
#
# One would expect, by the grammar of AMQP 0-9-1 (section 4.2.1) with RabbitMQ's types: an integer that fits no 32 bits with a sign
# is written with 64; a number of JavaScript as a double; a date as a timestamp, bytes as such; a decimal has a sign.
# Seen: @cloudamqp/amqp-client writes integers beyond 31 bits, up to 2^32, as 32 bits with a sign, 3000000000 is -1294967296, and 0.1
# as a float of 32 bits; it reads -1.10 as 42949671.86. rabbitmq-client writes a date as a table without fields, and bytes as a
# table with a field for each. No errors.
# To a user: sizes, ids and times in headers are others at the consumer; a date is gone, and what was binary is no more.
. "$(dirname "$0")/lib.sh"
node_packages @cloudamqp/amqp-client@4.1.1 rabbitmq-client@5.0.8
python_packages amqp==5.4.2

cat >write.js <<'END'
const { AMQPView } = require('./node_modules/@cloudamqp/amqp-client/lib/cjs/amqp-view.js');
const { genContentFrames } = require('./node_modules/rabbitmq-client/lib/codec.js');
const values = [5, 2147483647, 3000000000, -3000000000, 5000000000, 0.1, 'text', new Date('2026-01-02T03:04:05Z'), Buffer.from([0, 255])];
for (const value of values) {
  const told = value instanceof Date ? value.toISOString() : JSON.stringify(value);
  const view = new AMQPView(new ArrayBuffer(200));
  console.log(['@cloudamqp/amqp-client', told, Buffer.from(view.buffer, 0, view.setTable(0, { k: value })).toString('hex')].join('\t'));
  const frames = Buffer.concat([...genContentFrames(1, { exchange: '', routingKey: '', headers: { k: value } }, Buffer.from('x'), 4096)]);
  const start = frames.indexOf('\x01k', 0, 'latin1') - 4;
  console.log(['rabbitmq-client', told, frames.subarray(start, start + 4 + frames.readUInt32BE(start)).toString('hex')].join('\t'));
}
END
node write.js >written

cat >program.py <<'END'
from decimal import Decimal
from amqp.serialization import dumps, loads

for line in sorted(open("written"), key=lambda line: line.split("\t")[0]):
    writer, told, table = line.split("\t")
    print(f"{writer} writes {told} as {table.strip()[12:]}: amqp reads", loads("F", bytes.fromhex(table), 0)[0][0]["k"])
with open("decimal", "w") as file:
    file.write(dumps("F", [{"k": Decimal("-1.10")}]).hex())
END
venv/bin/python program.py >got

cat >read.js <<'END'
const { AMQPView } = require('./node_modules/@cloudamqp/amqp-client/lib/cjs/amqp-view.js');
const bytes = Buffer.from(require('fs').readFileSync('decimal', 'utf8'), 'hex');
const view = new AMQPView(bytes.buffer, bytes.byteOffset, bytes.length);
console.log(`amqp writes -1.10 as ${bytes.subarray(6).toString('hex')}: @cloudamqp/amqp-client reads`, view.getTable(0)[0].k);
END
node read.js >>got

seen got <<'END'
@cloudamqp/amqp-client writes 5 as 4900000005: amqp reads 5
@cloudamqp/amqp-client writes 2147483647 as 497fffffff: amqp reads 2147483647
@cloudamqp/amqp-client writes 3000000000 as 49b2d05e00: amqp reads -1294967296
@cloudamqp/amqp-client writes -3000000000 as 494d2fa200: amqp reads 1294967296
@cloudamqp/amqp-client writes 5000000000 as 6c000000012a05f200: amqp reads 5000000000
@cloudamqp/amqp-client writes 0.1 as 663dcccccd: amqp reads 0.10000000149011612
@cloudamqp/amqp-client writes "text" as 530000000474657874: amqp reads text
@cloudamqp/amqp-client writes 2026-01-02T03:04:05.000Z as 5400000000695735a5: amqp reads 2026-01-02 03:04:05
@cloudamqp/amqp-client writes {"type":"Buffer","data":[0,255]} as 780000000200ff: amqp reads b'\x00\xff'
rabbitmq-client writes 5 as 6205: amqp reads 5
rabbitmq-client writes 2147483647 as 497fffffff: amqp reads 2147483647
rabbitmq-client writes 3000000000 as 6c00000000b2d05e00: amqp reads 3000000000
rabbitmq-client writes -3000000000 as 6cffffffff4d2fa200: amqp reads -3000000000
rabbitmq-client writes 5000000000 as 6c000000012a05f200: amqp reads 5000000000
rabbitmq-client writes 0.1 as 643fb999999999999a: amqp reads 0.1
rabbitmq-client writes "text" as 530000000474657874: amqp reads text
rabbitmq-client writes 2026-01-02T03:04:05.000Z as 4600000000: amqp reads {}
rabbitmq-client writes {"type":"Buffer","data":[0,255]} as 46000000090130620001317300ff: amqp reads {'0': 0, '1': 255}
amqp writes -1.10 as 4402ffffff92: @cloudamqp/amqp-client reads 42949671.86
END

#!/usr/bin/env bash
# kafkajs 2.2.4 (npm) and kafka-python 3.0.12 (PyPI) against Kafka 4.3.1: a header without a value.
#
# One would expect, by KIP-82 and the protocol's record format: a header's value may be null, which is not the same as
# empty; a client that reads it can write it again.
# Seen: both read null and empty apart, and both refuse to write the null that they have just read, each with a type error
# of its own. aiokafka 0.14.0 and confluent-kafka 2.16.1 write it.
# To a user: a program that copies records with their headers (to another cluster, to a retry or dead-letter topic) stops at
# the first such header; Connect's and Java's own producers do write them.
. "$(dirname "$0")/lib.sh"
node_packages kafkajs@2.2.4
python_packages kafka-python==3.0.12 aiokafka==0.14.0 confluent-kafka==2.16.1
kafka_broker

cat >program.py <<'END'
import asyncio
import sys

import aiokafka
import confluent_kafka
import kafka

headers = [("null", None), ("empty", b"")]


def attempt(name, write):
    try:
        write()
        print(name, "writes a null header")
    except Exception as error:
        print(name, "refuses:", type(error).__name__, error)


def with_confluent():
    producer = confluent_kafka.Producer({"bootstrap.servers": sys.argv[1]})
    producer.produce("t", b"v", headers=headers)
    if producer.flush(20):
        raise RuntimeError("not written")


async def with_aiokafka():
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=sys.argv[1])
    await producer.start()
    try:
        await producer.send_and_wait("t", b"v", headers=headers)
    finally:
        await producer.stop()


attempt("confluent-kafka", with_confluent)
attempt("aiokafka", lambda: asyncio.run(with_aiokafka()))
consumer = kafka.KafkaConsumer("t", bootstrap_servers=sys.argv[1], auto_offset_reset="earliest", group_id=None)
read = next(iter(consumer)).headers
print("kafka-python reads", [tuple(header) for header in read])
producer = kafka.KafkaProducer(bootstrap_servers=sys.argv[1])
attempt("kafka-python", lambda: producer.send("t", b"v", headers=read).get(20))
producer.close()
consumer.close()
END
venv/bin/python program.py "$broker" 2>python.log >got || cat python.log >&2

cat >program.js <<'END'
const { Kafka, logLevel } = require('kafkajs');
(async () => {
  const kafka = new Kafka({ brokers: [process.argv[2]], logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: 'g' });
  const producer = kafka.producer();
  await consumer.connect();
  await producer.connect();
  await consumer.subscribe({ topics: ['t'], fromBeginning: true });
  const message = await new Promise((done) => consumer.run({ eachMessage: async ({ message }) => done(message) }));
  console.log('kafkajs reads', message.headers);
  await producer.send({ topic: 't', messages: [{ value: 'v', headers: message.headers }] }).then(
    () => console.log('kafkajs writes a null header'),
    (error) => console.log('kafkajs refuses:', error.code));
  await producer.disconnect();
  await consumer.disconnect();
})();
END
KAFKAJS_NO_PARTITIONER_WARNING=1 node program.js "$broker" >>got

seen got <<'END'
confluent-kafka writes a null header
aiokafka writes a null header
kafka-python reads [('null', None), ('empty', b'')]
kafka-python refuses: TypeError All headers items must be (str, bytes) tuples
kafkajs reads { null: null, empty: <Buffer > }
kafkajs refuses: ERR_INVALID_ARG_TYPE
END

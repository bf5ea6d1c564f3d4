#!/usr/bin/env bash
# @kafkajs/confluent-schema-registry 4.1.0 (npm) beside confluent-kafka 2.16.1 (PyPI): Protobuf records.
#
# One would expect, by "Wire format" in the documentation of Confluent's Schema Registry: between the schema id and the
# message stand the message indexes, [0] as the single byte 0. Both libraries serve this format.
# Seen: the JavaScript library writes no indexes at all. What it writes cannot be read by the Python one, which takes the
# message's first byte for a number of indexes. The other way round it throws zero bytes away, so that the first message
# of a file is read, but the bytes of any other index are taken for the message, and fail.
# To a user: Protobuf topics of JavaScript producers that use it are refused by Java's and Python's converters, a topic
# with the second message of a file cannot be read by such a consumer.
. "$(dirname "$0")/lib.sh"
node_packages @kafkajs/confluent-schema-registry@4.1.0
python_packages 'confluent-kafka[protobuf,schemaregistry]==2.16.1' protobuf==7.36.2

cat >program.js <<'END'
const http = require('http');
const { SchemaRegistry } = require('@kafkajs/confluent-schema-registry');
const schema = 'syntax = "proto3"; package p; message First { string a = 1; } message Second { string b = 1; }';
const server = http.createServer((request, answer) => {
  answer.setHeader('content-type', 'application/json');
  answer.end(JSON.stringify({ schema, schemaType: 'PROTOBUF' }));
}).listen(0, '127.0.0.1', async () => {
  const registry = new SchemaRegistry({ host: `http://127.0.0.1:${server.address().port}` });
  console.log('First written:', (await registry.encode(1, { a: 'abc' })).toString('hex'));
  const message = '0a03616263';
  for (const [name, indexes] of [['First', '00'], ['Second', '0202']]) {
    const record = Buffer.from('0000000001' + indexes + message, 'hex');
    await registry.decode(record).then(
      (value) => console.log(name, 'read:', JSON.stringify(value)),
      (error) => console.log(name, 'not read:', error.message));
  }
  server.close();
});
END
node program.js >got

cat >program.py <<'END'
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

file = descriptor_pb2.FileDescriptorProto(name="p.proto", package="p", syntax="proto3")
for name, field in (("First", "a"), ("Second", "b")):
    message = file.message_type.add(name=name)
    message.field.add(name=field, number=1, type=message.field.add().TYPE_STRING, label=1)
    del message.field[0]
pool = descriptor_pool.DescriptorPool()
pool.Add(file)
first, second = (message_factory.GetMessageClass(pool.FindMessageTypeByName("p." + name)) for name in ("First", "Second"))

registry = SchemaRegistryClient.new_client({"url": "mock://"})
context = SerializationContext("t", MessageField.VALUE)
for kind, value in ((first, first(a="abc")), (second, second(b="abc"))):
    print("Python writes", kind.DESCRIPTOR.name + ":", ProtobufSerializer(kind, registry)(value, context).hex()[10:])
read = ProtobufDeserializer(first, {"use.deprecated.format": False})
for name, record in (("with", "0000000001000a03616263"), ("without", "00000000010a03616263")):
    try:
        print("Python reads First", name, "indexes:", repr(read(bytes.fromhex(record), context).a))
    except Exception as error:
        print("Python reads First", name, "indexes:", type(error).__name__)
END
venv/bin/python program.py >>got

seen got <<'END'
First written: 00000000010a03616263
First read: {"a":"abc"}
Second not read: index out of range: 5 + 8 > 7
Python writes First: 000a03616263
Python writes Second: 02020a03616263
Python reads First with indexes: 'abc'
Python reads First without indexes: EOFError
END

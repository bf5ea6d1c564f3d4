#!/usr/bin/env bash
# confluent-kafka 2.16.1 (PyPI) beside @confluentinc/schemaregistry 1.10.1 (npm): which message of a Protobuf schema a record is.
#
# One would expect, by Confluent's "Wire format", and as its JavaScript client does: the indexes before a record count the messages
# of the schema's text, from 0 on; a map field is no message there.
# Seen: the Python serializer counts the entry too that the compiler makes of a map. Where a message within another one stands behind
# a map field, its index is one too high: the JavaScript deserializer reads a Line as Other, and refuses Other, the last.
# To a user: consumers in other languages take records for another message, silently where the fields fit.
. "$(dirname "$0")/lib.sh"
python_packages 'confluent-kafka[protobuf,schemaregistry]==2.16.1' protobuf==7.36.2 grpcio-tools==1.85.1
node_packages @confluentinc/schemaregistry@1.10.1 @bufbuild/protobuf@2.17.0 @bufbuild/protoc-gen-es@2.13.0

cat >order.proto <<'END'
syntax = "proto3";
package shop;
message Order {
  map<string, string> labels = 1;
  message Line {
    string id = 1;
  }
  message Other {
    string reason = 1;
  }
}
END
PATH=node_modules/.bin:$PATH venv/bin/python -m grpc_tools.protoc -I. --python_out=. --es_out=. \
    --es_opt=target=js,js_import_style=legacy_commonjs order.proto

cat >write.py <<'END'
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from order_pb2 import Order

client = SchemaRegistryClient.new_client({"url": "mock://python"})
for message in (Order(labels={"a": "b"}), Order.Line(id="x"), Order.Other(reason="y")):
    serializer = ProtobufSerializer(type(message), client, {"use.deprecated.format": False})
    name = message.DESCRIPTOR.full_name
    print(name, serializer(message, SerializationContext(name, MessageField.VALUE)).hex(), sep="\t")
END
venv/bin/python write.py >written

cat >program.js <<'END'
const { SchemaRegistryClient, ProtobufSerializer, ProtobufDeserializer, SerdeType } = require('@confluentinc/schemaregistry');
const { create, createMutableRegistry } = require('@bufbuild/protobuf');
const { OrderSchema, Order_LineSchema, Order_OtherSchema } = require('./order_pb.js');

async function main() {
  const client = SchemaRegistryClient.newClient({ baseURLs: ['mock://javascript'] });
  const registry = createMutableRegistry(OrderSchema, Order_LineSchema, Order_OtherSchema);
  const serializer = new ProtobufSerializer(client, SerdeType.VALUE, { autoRegisterSchemas: true, registry });
  const deserializer = new ProtobufDeserializer(client, SerdeType.VALUE, {});
  const messages = [create(OrderSchema, { labels: { a: 'b' } }), create(Order_LineSchema, { id: 'x' }), create(Order_OtherSchema, { reason: 'y' })];
  const python = Object.fromEntries(require('fs').readFileSync('written', 'utf8').trim().split('\n').map((line) => line.split('\t')));
  for (const message of messages) {
    const name = message.$typeName;
    console.log(`${name}: JavaScript writes ${(await serializer.serialize(name, message)).toString('hex')}, Python ${python[name]}`);
    try {
      console.log('  JavaScript reads Python\'s as', JSON.stringify(await deserializer.deserialize(name, Buffer.from(python[name], 'hex'))));
    } catch (error) {
      console.log('  JavaScript reads Python\'s:', error.message);
    }
  }
}
main();
END
node program.js >got

seen got <<'END'
shop.Order: JavaScript writes 0000000001000a060a0161120162, Python 0000000001000a060a0161120162
  JavaScript reads Python's as {"$typeName":"shop.Order","labels":{"a":"b"}}
shop.Order.Line: JavaScript writes 00000000020400000a0178, Python 00000000020400020a0178
  JavaScript reads Python's as {"$typeName":"shop.Order.Other","reason":"x"}
shop.Order.Other: JavaScript writes 00000000030400020a0179, Python 00000000030400040a0179
  JavaScript reads Python's: message index 2 out of range, message has 2 nested message(s)
END

#!/usr/bin/env bash
# confluent-kafka 2.16.1 (PyPI): its Avro reader and short records whose schema is named in a header.
#
# One would expect, by the library's own header_schema_id_serializer: with the schema's GUID in the header
# __value_schema_id the value is the bare Avro datum. Avro's specification gives a small int one byte, null none.
# Seen: the library's reader refuses every value of fewer than 6 bytes as not framed, also what its own writer has just
# written: it measures as if the id still stood in front.
# To a user: records of few and small fields can be written and never be read again with it.
. "$(dirname "$0")/lib.sh"
python_packages 'confluent-kafka[avro,schemaregistry]==2.16.1'

cat >program.py <<'END'
from confluent_kafka.schema_registry import SchemaRegistryClient, dual_schema_id_deserializer, header_schema_id_serializer
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

registry = SchemaRegistryClient.new_client({"url": "mock://"})
schema = '{"type":"record","name":"R","fields":[{"name":"n","type":"long"}]}'
write = AvroSerializer(registry, schema, conf={"schema.id.serializer": header_schema_id_serializer})
read = AvroDeserializer(registry, conf={"schema.id.deserializer": dual_schema_id_deserializer})
for number in (1, 1 << 27, 1 << 40):
    context = SerializationContext("t", MessageField.VALUE, [])
    value = write({"n": number}, context)
    try:
        print(number, len(value), "bytes:", read(value, context))
    except Exception as error:
        print(number, len(value), "bytes:", type(error).__name__, str(error).partition(".")[0])
END
venv/bin/python program.py >got

seen got <<'END'
1 1 bytes: SerializationError Expecting data framing of length 6 bytes or more but total data size is 1 bytes
134217728 5 bytes: SerializationError Expecting data framing of length 6 bytes or more but total data size is 5 bytes
1099511627776 6 bytes: {'n': 1099511627776}
END

#!/usr/bin/env bash
# confluent-kafka 2.16.1 (PyPI): its Avro writer and reader with a decimal that is the whole value, in no record.
#
# One would expect, by Confluent's description of the wire format: what follows the id is the datum as Avro encodes it, with
# raw bytes as the only exception. By Avro's specification a decimal in bytes is encoded as bytes are, a length first.
# Seen: the writer takes the decimal for raw bytes and fails; the reader gives the length and the number as bytes. In a union,
# in a fixed or in a record a decimal is written and read as one.
# To a user: a key or value of the type decimal can neither be produced nor read; code that takes bytes gets a byte too many.
. "$(dirname "$0")/lib.sh"
python_packages 'confluent-kafka[avro,schemaregistry]==2.16.1' fastavro==1.13.1

cat >program.py <<'END'
import decimal
import io
import json

import fastavro
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

registry = SchemaRegistryClient.new_client({"url": "mock://"})
money = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
fixed = {"type": "fixed", "name": "F", "size": 4, "logicalType": "decimal", "precision": 9, "scale": 2}
value = decimal.Decimal("1.50")
for name, schema in (("bytes", money), ("union", ["null", money]), ("fixed", fixed)):
    context = SerializationContext(name, MessageField.VALUE, [])
    text = json.dumps(schema)
    try:
        written = AvroSerializer(registry, text)(value, context)
        print(f"{name}: written as {written[5:].hex()}")
    except Exception as error:
        print(f"{name}: not written: {type(error).__name__}: {error}")
    datum = io.BytesIO()
    fastavro.schemaless_writer(datum, fastavro.parse_schema(schema), value)
    id = registry.get_latest_version(f"{name}-value").schema_id
    framed = b"\0" + id.to_bytes(4, "big") + datum.getvalue()
    print(f"{name}: {datum.getvalue().hex()} is read as {AvroDeserializer(registry)(framed, context)!r}")
END
venv/bin/python program.py >got

seen got <<'END'
bytes: not written: AttributeError: 'decimal.Decimal' object has no attribute 'encode'
bytes: 040096 is read as b'\x04\x00\x96'
union: written as 02040096
union: 02040096 is read as Decimal('1.50')
fixed: written as 00000096
fixed: 00000096 is read as Decimal('1.50')
END

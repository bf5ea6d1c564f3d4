#!/usr/bin/env bash
# cloudevents 2.2.0 (PyPI): events that come out of Kafka's records, and go into others.
#
# One would expect, by CloudEvents 1.0.2 and its Kafka binding: time is optional. Structured or binary is told by content-type,
# and headers as of the binary form may stand beside the structured one (3.3.3). Data of the type JSON goes into a value as
# JSON. What is read and written again is the same event.
# Seen: an event without a time gets the present one. A structured event with such headers is read as binary: the event within
# its own data. The JSON text "abc" is written as abc, and null as nothing. Nanoseconds of a time are cut off.
# To a user: what a service passes on has times that nobody gave, values that are no JSON, or envelopes within envelopes.
. "$(dirname "$0")/lib.sh"
python_packages cloudevents==2.2.0

cat >program.py <<'END'
import json

from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka, to_binary
from cloudevents.core.formats.json import JSONFormat

binary = {"ce_specversion": b"1.0", "ce_id": b"1", "ce_source": b"/s", "ce_type": b"t", "content-type": b"application/json"}
form = JSONFormat()

event = from_kafka(KafkaMessage(binary, None, b"{}"), form)
print("no time: headers again are", *sorted(to_binary(event, form).headers))

event = from_kafka(KafkaMessage({**binary, "ce_time": b"2020-01-01T00:00:00.123456789Z"}, None, b"{}"), form)
print("123456789 ns:", to_binary(event, form).headers["ce_time"].decode())

for value in (b'"abc"', b"null", b"1.5", b'{"a": 1}'):
    event = from_kafka(KafkaMessage(binary, None, value), form)
    print("JSON", value.decode(), "is written again as", to_binary(event, form).value)

value = json.dumps({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"a": 1}}).encode()
structured = {"content-type": b"application/cloudevents+json; charset=UTF-8"}
print("structured:", from_kafka(KafkaMessage(structured, None, value), form).get_data())
print("with headers:", from_kafka(KafkaMessage({**binary, **structured}, None, value), form).get_data())
END
venv/bin/python program.py >got

seen got <<'END'
no time: headers again are ce_id ce_source ce_specversion ce_time ce_type content-type
123456789 ns: 2020-01-01T00:00:00.123456Z
JSON "abc" is written again as b'abc'
JSON null is written again as b''
JSON 1.5 is written again as b'1.5'
JSON {"a": 1} is written again as b'{"a": 1}'
structured: {'a': 1}
with headers: {'specversion': '1.0', 'id': '1', 'source': '/s', 'type': 't', 'data': {'a': 1}}
END

#!/usr/bin/env bash
# azure-servicebus 7.15.0 and rstream 1.1.1 beside python-qpid-proton 0.40.0 (PyPI): values and times of messages of AMQP 1.0.
#
# One would expect, by AMQP 1.0 (part 3.2): a message has a body, and 0, false, "" and the empty list are values of it as others are; of
# several data sections all are the body; texts are no binary data, timestamps no integers; creation-time and absolute-expiry-time are
# instants, wherever the sender runs.
# Seen: both leave such a body out, whole. azure-servicebus, where a time to live is set, takes UTC for local time: in Tokyo a message
# that shall live for an hour has expired 8 hours ago, in Bogota it lives 5 hours longer. rstream reads the last data section only;
# what it has read it writes with texts as binary data and timestamps as longs. No errors.
# To a user: zeros are missing, messages vanish or stay for the hours between the sender's zone and UTC.
. "$(dirname "$0")/lib.sh"
python_packages azure-servicebus==7.15.0 rstream==1.1.1 python-qpid-proton==0.40.0

cat >program.py <<'END'
import datetime
import sys
import time

from azure.servicebus import ServiceBusMessage
from azure.servicebus._pyamqp._encode import encode_payload
from azure.servicebus._transport._pyamqp_transport import PyamqpTransport
from azure.servicebus.amqp import AmqpAnnotatedMessage
from proton import Message, timestamp
from rstream.amqp import AMQPMessage, amqp_decoder


def azure(message):
    written = bytearray()
    encode_payload(written, PyamqpTransport.to_outgoing_amqp_message(message))
    return bytes(written)


def read(written):
    message = Message()
    message.decode(bytes(written))
    return message


def told(value):
    return "binary data" if isinstance(value, memoryview) else f"{type(value).__name__} {value!r}"


def hours(seconds):
    return round((seconds - time.time()) / 3600)


if sys.argv[1:]:
    message = read(azure(ServiceBusMessage("x", time_to_live=datetime.timedelta(hours=1))._raw_amqp_message))
    print(f"azure-servicebus in {sys.argv[1]}: to live for {message.ttl / 3600:g} h, created {hours(message.creation_time):+} h",
          f"from now, expires {hours(message.expiry_time):+} h from now")
    sys.exit()
for value in (5, "text", ["text"], 0, False, "", [], 0.0):
    written = {"azure-servicebus": azure(AmqpAnnotatedMessage(value_body=value)), "rstream": bytes(AMQPMessage(value=value))}
    print(f"the body {value!r}:", ", ".join(f"{name} {'writes ' + told(read(w).body) if w else 'writes none'}" for name, w in written.items()))

sections = b"".join(b"\0\x53\x75\xa0\x01" + text for text in (b"a", b"b"))
print("data sections a and b: rstream reads", amqp_decoder(sections).body)
for value in ("text", b"bytes", timestamp(1700000000123)):
    sent = Message(body=b"x", inferred=True, properties={"p": value}).encode()
    print(f"the property {value!r}: rstream reads and writes", told(read(bytes(amqp_decoder(sent))).properties["p"]))
END
for zone in UTC JST-9 COT5; do TZ=$zone venv/bin/python program.py "$zone"; done >got
venv/bin/python program.py >>got

seen got <<'END'
azure-servicebus in UTC: to live for 1 h, created +0 h from now, expires +1 h from now
azure-servicebus in JST-9: to live for 1 h, created -9 h from now, expires -8 h from now
azure-servicebus in COT5: to live for 1 h, created +5 h from now, expires +6 h from now
the body 5: azure-servicebus writes int32 int32(5), rstream writes int32 int32(5)
the body 'text': azure-servicebus writes str 'text', rstream writes str 'text'
the body ['text']: azure-servicebus writes list ['text'], rstream writes list ['text']
the body 0: azure-servicebus writes none, rstream writes none
the body False: azure-servicebus writes none, rstream writes none
the body '': azure-servicebus writes none, rstream writes none
the body []: azure-servicebus writes none, rstream writes none
the body 0.0: azure-servicebus writes none, rstream writes none
data sections a and b: rstream reads b'b'
the property 'text': rstream reads and writes binary data
the property b'bytes': rstream reads and writes binary data
the property timestamp(1700000000123): rstream reads and writes int 1700000000123
END

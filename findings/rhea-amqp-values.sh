#!/usr/bin/env bash
# rhea 3.0.5 (npm, AMQP 1.0 for JavaScript) beside python-qpid-proton 0.40.0 (PyPI): numbers and ids in a message.
#
# One would expect, by AMQP 1.0 part 1 (types): a long holds 64 bits, uuid is a type of its own, NaN is a double; what a
# client reads it can pass on. rhea hands over a Buffer where a number of JavaScript cannot hold a long.
# Seen: 2^53+1 does not come as a Buffer but as 2^53, one less. Passed on, a long that came as a Buffer is a binary, a uuid
# is a binary, and NaN is null.
# To a user: a bridge in JavaScript changes ids by one, or their type, so that the same message has another id behind it.
. "$(dirname "$0")/lib.sh"
node_packages rhea@3.0.5
python_packages python-qpid-proton==0.40.0

cat >values.py <<'END'
import sys
import uuid

from proton import Message

values = {
    "2^53-1": (1 << 53) - 1,
    "2^53": 1 << 53,
    "2^53+1": (1 << 53) + 1,
    "2^60+1": (1 << 60) + 1,
    "uuid": uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"),
    "NaN": float("nan"),
    "1.5": 1.5,
}
if sys.argv[1] == "write":
    for name, value in values.items():
        print(name, Message(properties={"p": value}).encode().hex())
else:
    for line in open("passed"):
        name, said, bytes_ = line.split("\t")
        message = Message()
        message.decode(bytes.fromhex(bytes_))
        value = message.properties["p"]
        value = "binary " + bytes(value).hex() if isinstance(value, memoryview) else repr(value)
        print(f"{name}: rhea reads {said}; passed on, proton reads {value}")
END
cat >pass.js <<'END'
const { message } = require('rhea');
for (const line of require('fs').readFileSync('messages', 'utf8').trim().split('\n')) {
  const [name, hex] = line.split(' ');
  const value = message.decode(Buffer.from(hex, 'hex')).application_properties.p;
  const said = Buffer.isBuffer(value) ? `a Buffer ${value.toString('hex')}` : String(value);
  console.log([name, said, message.encode({ application_properties: { p: value } }).toString('hex')].join('\t'));
}
END
venv/bin/python values.py write >messages
node pass.js >passed
venv/bin/python values.py read >got

seen got <<'END'
2^53-1: rhea reads 9007199254740991; passed on, proton reads ulong(9007199254740991)
2^53: rhea reads 9007199254740992; passed on, proton reads ulong(9007199254740992)
2^53+1: rhea reads 9007199254740992; passed on, proton reads ulong(9007199254740992)
2^60+1: rhea reads a Buffer 1000000000000001; passed on, proton reads binary 1000000000000001
uuid: rhea reads a Buffer 00112233445566778899aabbccddeeff; passed on, proton reads binary 00112233445566778899aabbccddeeff
NaN: rhea reads NaN; passed on, proton reads None
1.5: rhea reads 1.5; passed on, proton reads 1.5
END

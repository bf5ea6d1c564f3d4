#!/usr/bin/env bash
# protobufjs 7.6.6 (npm, the line below kafkajs's registry client) beside protobuf 7.36.2 (PyPI): keys of maps.
#
# One would expect, by "Maps" and "ProtoJSON" in Protobuf's documentation: a bool key is false or true, an integer key is
# its decimal text in JSON; a message that is read and written again is the same.
# Seen: a map with false and true is written with both entries under true. An int64 key is eight raw bytes as a text in the
# object and in JSON, whatever the options say about longs, and is written again as 0. protobufjs 8.8.1 does both right.
# To a user: entries vanish on the way through a JavaScript program, or stand under another key, without an error.
. "$(dirname "$0")/lib.sh"
node_packages protobufjs@7.6.6
python_packages protobuf==7.36.2

cat >program.py <<'END'
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

kinds = descriptor_pb2.FieldDescriptorProto
file = descriptor_pb2.FileDescriptorProto(name="p.proto", package="p", syntax="proto3")
message = file.message_type.add(name="M")
for number, (name, key) in enumerate((("flags", kinds.TYPE_BOOL), ("counts", kinds.TYPE_INT64)), 1):
    entry = message.nested_type.add(name=name.title() + "Entry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=key, label=1)
    entry.field.add(name="value", number=2, type=kinds.TYPE_STRING, label=1)
    message.field.add(name=name, number=number, type=kinds.TYPE_MESSAGE, label=3, type_name=f".p.M.{entry.name}")
pool = descriptor_pool.DescriptorPool()
pool.Add(file)
M = message_factory.GetMessageClass(pool.FindMessageTypeByName("p.M"))

if sys.argv[1] == "write":
    print(M(flags={False: "off", True: "on"}, counts={5: "five"}).SerializeToString(deterministic=True).hex())
else:
    again = M.FromString(bytes.fromhex(open("again").read()))
    print("Python reads:", json_format.MessageToJson(again, indent=None, sort_keys=True))
END
cat >program.js <<'END'
const { parse } = require('protobufjs');
const { root } = parse('syntax = "proto3"; package p; message M { map<bool, string> flags = 1; map<int64, string> counts = 2; }');
const M = root.lookupType('p.M');
const { readFileSync, writeFileSync } = require('fs');
const read = M.decode(Buffer.from(readFileSync('message', 'utf8').trim(), 'hex'));
console.log('protobufjs reads:', JSON.stringify(M.toObject(read, { json: true, longs: String })));
writeFileSync('again', Buffer.from(M.encode(read).finish()).toString('hex'));
END
venv/bin/python program.py write >message
node program.js >got
venv/bin/python program.py read >>got

seen got <<'END'
protobufjs reads: {"flags":{"true":"on","false":"off"},"counts":{"\u0005\u0000\u0000\u0000\u0000\u0000\u0000\u0000":"five"}}
Python reads: {"counts": {"0": "five"}, "flags": {"true": "off"}}
END

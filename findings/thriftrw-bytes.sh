#!/usr/bin/env bash
# thriftrw 3.12.0 (npm) beside thrift 0.25.0 (PyPI): bytes of Thrift below zero.
#
# One would expect, by Thrift's documents: byte, now called i8, is an integer of 8 bits with a sign, like i16 and i32.
# Seen: thriftrw reads it without one, alone, in a list and as the key of a map: -5 is 251, without an error. It writes -5 rightly,
# and so refuses to write again what it has read. i16 and i32 are read rightly.
# To a user: temperatures and offsets below zero are near 256, and a message that is passed on fails for them only.
. "$(dirname "$0")/lib.sh"
node_packages thriftrw@3.12.0
python_packages thrift==0.25.0

cat >write.py <<'END'
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.Thrift import TType
from thrift.transport.TTransport import TMemoryBuffer

def write(id, kind, write_value):
    buffer = TMemoryBuffer()
    protocol = TBinaryProtocol(buffer)
    protocol.writeFieldBegin("", kind, id)
    write_value(protocol)
    protocol.writeFieldStop()
    return buffer.getvalue()

def read(bytes_, read_value):
    protocol = TBinaryProtocol(TMemoryBuffer(bytes_))
    protocol.readFieldBegin()
    return read_value(protocol)

def write_list(protocol):
    protocol.writeListBegin(TType.BYTE, 2)
    protocol.writeByte(-5)
    protocol.writeByte(5)

def write_map(protocol):
    protocol.writeMapBegin(TType.BYTE, TType.BOOL, 1)
    protocol.writeByte(-5)
    protocol.writeBool(True)

for number in (5, -5):
    for id, kind, name in ((1, TType.BYTE, "Byte"), (2, TType.I16, "I16"), (3, TType.I32, "I32")):
        bytes_ = write(id, kind, lambda protocol: getattr(protocol, f"write{name}")(number))
        print(bytes_.hex(), name, read(bytes_, lambda protocol: getattr(protocol, f"read{name}")()), sep="\t")
print(write(4, TType.LIST, write_list).hex(), "list", "[-5, 5]", sep="\t")
print(write(5, TType.MAP, write_map).hex(), "map", "{-5: True}", sep="\t")
END
venv/bin/python write.py >binary

cat >program.js <<'END'
const { Thrift } = require('thriftrw');
const source = 'struct S { 1: optional byte a, 2: optional i16 b, 3: optional i32 c, 4: optional list<i8> d, 5: optional map<i8, bool> e }';
const { S } = new Thrift({ source, strict: false });
for (const line of require('fs').readFileSync('binary', 'utf8').trim().split('\n')) {
  const [bytes, type, told] = line.split('\t');
  const { value } = S.fromBufferResult(Buffer.from(bytes, 'hex'));
  const read = Object.values(value).find((field) => field !== null);
  const again = S.toBufferResult(value);
  console.log(`${bytes} ${type}: thrift ${told}, thriftrw ${JSON.stringify(read)},`,
    again.err ? again.err.message : again.value.toString('hex') === bytes ? 'written the same' : again.value.toString('hex'));
}
const { value } = S.toBufferResult(new S({ a: -5 }));
console.log('thriftrw writes -5 as', value.toString('hex'));
END
node program.js >got

seen got <<'END'
0300010500 Byte: thrift 5, thriftrw 5, written the same
060002000500 I16: thrift 5, thriftrw 5, written the same
0800030000000500 I32: thrift 5, thriftrw 5, written the same
030001fb00 Byte: thrift -5, thriftrw 251, value 251 out of range, min: -128 max: 127
060002fffb00 I16: thrift -5, thriftrw -5, written the same
080003fffffffb00 I32: thrift -5, thriftrw -5, written the same
0f00040300000002fb0500 list: thrift [-5, 5], thriftrw [251,5], value 251 out of range, min: -128 max: 127
0d0005030200000001fb0100 map: thrift {-5: True}, thriftrw {"251":true}, value 251 out of range, min: -128 max: 127
thriftrw writes -5 as 030001fb00
END

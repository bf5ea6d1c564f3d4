#!/usr/bin/env bash
# thrift 0.24.0 (npm) beside thrift 0.25.0 (PyPI): booleans in lists and maps of Thrift's compact protocol.
#
# One would expect, by Thrift's description of its compact protocol: a boolean in a list, set or map is a byte, 1 if it is true, as
# thrift for JavaScript writes it too.
# Seen: JavaScript reads each of them as false, with both of its transports, also those that it has written itself. Booleans that are
# fields are right, and so are those in lists of the binary protocol. No error.
# To a user: flags in lists and maps are all off.
. "$(dirname "$0")/lib.sh"
node_packages thrift@0.24.0
python_packages thrift==0.25.0

cat >write.py <<'END'
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.protocol.TCompactProtocol import TCompactProtocol
from thrift.Thrift import TType
from thrift.transport.TTransport import TMemoryBuffer

for protocol in TCompactProtocol, TBinaryProtocol:
    memory = TMemoryBuffer()
    output = protocol(memory)
    output.writeStructBegin("S")
    output.writeFieldBegin("flag", TType.BOOL, 1)
    output.writeBool(True)
    output.writeFieldEnd()
    output.writeFieldBegin("flags", TType.LIST, 2)
    output.writeListBegin(TType.BOOL, 3)
    for flag in True, False, True:
        output.writeBool(flag)
    output.writeListEnd()
    output.writeFieldEnd()
    output.writeFieldStop()
    output.writeStructEnd()
    print(protocol.__name__, memory.getvalue().hex())
END
venv/bin/python write.py >written

cat >program.js <<'END'
const thrift = require('thrift');
const { LIST, BOOL } = thrift.Thrift.Type;

const read = (protocol, bytes) => {
  const told = [];
  for (const Transport of [thrift.TBufferedTransport, thrift.TFramedTransport]) {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(bytes.length);
    Transport.receiver((transport) => {
      const input = new thrift[protocol](transport);
      input.readStructBegin();
      input.readFieldBegin();
      const flag = input.readBool();
      input.readFieldEnd();
      input.readFieldBegin();
      const flags = Array.from({ length: input.readListBegin().size }, () => input.readBool());
      told.push(`${Transport.name || 'transport'}: field ${flag}, list ${flags.join(' ')}`);
    })(Transport === thrift.TFramedTransport ? Buffer.concat([size, bytes]) : bytes);
  }
  return told.join('; ');
};
for (const line of require('fs').readFileSync('written', 'utf8').trim().split('\n')) {
  const [protocol, bytes] = line.split(' ');
  console.log(`Python, ${protocol}, ${bytes}: ${read(protocol, Buffer.from(bytes, 'hex'))}`);
  const tell = (own) => console.log(`JavaScript, ${protocol}, ${own.toString('hex')}: ${read(protocol, own)}`);
  const transport = new thrift.TBufferedTransport(null, tell);
  const output = new thrift[protocol](transport);
  output.writeStructBegin('S');
  output.writeFieldBegin('flag', BOOL, 1);
  output.writeBool(true);
  output.writeFieldEnd();
  output.writeFieldBegin('flags', LIST, 2);
  output.writeListBegin(BOOL, 3);
  [true, false, true].forEach((flag) => output.writeBool(flag));
  output.writeListEnd();
  output.writeFieldEnd();
  output.writeFieldStop();
  output.writeStructEnd();
  output.flush();
}
END
node program.js >got 2>node.log

seen got <<'END'
Python, TCompactProtocol, 11193101020100: TBufferedTransport: field true, list false false false; TFramedTransport: field true, list false false false
JavaScript, TCompactProtocol, 11193101020100: TBufferedTransport: field true, list false false false; TFramedTransport: field true, list false false false
Python, TBinaryProtocol, 020001010f0002020000000301000100: TBufferedTransport: field true, list true false true; TFramedTransport: field true, list true false true
JavaScript, TBinaryProtocol, 020001010f0002020000000301000100: TBufferedTransport: field true, list true false true; TFramedTransport: field true, list true false true
END

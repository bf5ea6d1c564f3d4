#!/usr/bin/env bash
# asn1 0.2.6, asn1-ber 1.2.2, asn1.js 5.4.1 beside node-forge 1.4.4 (npm) and pyasn1 0.6.5 (PyPI): object identifiers of ASN.1.
#
# One would expect, by X.690, 8.19: the first two numbers stand together, as 40 times the first and the second, where the first is 2 at
# most and the second any number behind a 2; the numbers behind them have any size.
# Seen: asn1, asn1-ber and asn1.js read 2.999.3 as 26.39.3, 2.40 as 3.0, and a UUID below 2.25 as 32 bits of it; asn1 and asn1.js read
# 4294967295 as -1, and asn1.js writes it as 127. asn1-ber, which is below net-snmp, writes 2.999.3 as other bytes; the other two
# refuse to. No other error. node-forge refuses the UUID, and does the rest rightly. Identifiers with small numbers are right.
# To a user: identifiers of UUIDs, of 2.40 and beyond, and with large numbers in them, are others.
. "$(dirname "$0")/lib.sh"
node_packages asn1@0.2.6 asn1-ber@1.2.2 asn1.js@5.4.1 node-forge@1.4.4
python_packages pyasn1==0.6.5

cat >write.py <<'END'
from pyasn1.codec.ber.encoder import encode
from pyasn1.type.univ import ObjectIdentifier

for text in "1.3.6.1.2.1.1", "2.5.4.3", "2.39.1", "2.40", "2.999.3", "1.3.6.1.4.1.9.4294967295", "2.25.98765432109876543210":
    print(text, encode(ObjectIdentifier(text)).hex())
END
venv/bin/python write.py >written

cat >program.js <<'END'
const asn1 = require('asn1').Ber;
const ber = require('asn1-ber').Ber;
const forge = require('node-forge').asn1;
const { define } = require('asn1.js');
const Identifier = define('Identifier', function () {
  this.objid();
});
const by = (Writer) => (text) => {
  const writer = new Writer();
  writer.writeOID(text);
  return writer.buffer;
};
const byForge = (text) => {
  const { Class, Type } = forge;
  return Buffer.from(forge.toDer(forge.create(Class.UNIVERSAL, Type.OID, false, forge.oidToDer(text).getBytes())).getBytes(), 'binary');
};
const libraries = {
  asn1: [(bytes) => new asn1.Reader(bytes).readOID(), by(asn1.Writer)],
  'asn1-ber': [(bytes) => new ber.Reader(bytes).readOID(), by(ber.Writer)],
  'asn1.js': [(bytes) => Identifier.decode(bytes, 'der').join('.'), (text) => Identifier.encode(text.split('.').map(Number), 'der')],
  'node-forge': [(bytes) => forge.derToOid(forge.fromDer(bytes.toString('binary')).value), byForge],
};
const attempt = (call) => {
  try {
    return call();
  } catch (error) {
    return error.message.split('\n')[0];
  }
};
for (const line of require('fs').readFileSync('written', 'utf8').trim().split('\n')) {
  const [text, bytes] = line.split(' ');
  for (const [name, [read, write]] of Object.entries(libraries)) {
    const seen = attempt(() => read(Buffer.from(bytes, 'hex')));
    const own = attempt(() => write(text).toString('hex'));
    console.log(`${text} is ${bytes}: ${name} reads ${seen === text ? 'the same' : seen}, writes ${own === bytes ? 'the same' : own}`);
  }
}
END
node program.js >got

seen got <<'END'
1.3.6.1.2.1.1 is 06062b0601020101: asn1 reads the same, writes the same
1.3.6.1.2.1.1 is 06062b0601020101: asn1-ber reads the same, writes the same
1.3.6.1.2.1.1 is 06062b0601020101: asn1.js reads the same, writes the same
1.3.6.1.2.1.1 is 06062b0601020101: node-forge reads the same, writes the same
2.5.4.3 is 0603550403: asn1 reads the same, writes the same
2.5.4.3 is 0603550403: asn1-ber reads the same, writes the same
2.5.4.3 is 0603550403: asn1.js reads the same, writes the same
2.5.4.3 is 0603550403: node-forge reads the same, writes the same
2.39.1 is 06027701: asn1 reads the same, writes argument is not a valid OID string
2.39.1 is 06027701: asn1-ber reads the same, writes the same
2.39.1 is 06027701: asn1.js reads the same, writes the same
2.39.1 is 06027701: node-forge reads the same, writes the same
2.40 is 060178: asn1 reads 3.0, writes argument is not a valid OID string
2.40 is 060178: asn1-ber reads 3.0, writes the same
2.40 is 060178: asn1.js reads 3.0, writes Second objid identifier OOB at: (shallow)
2.40 is 060178: node-forge reads the same, writes the same
2.999.3 is 0603883703: asn1 reads 26.39.3, writes argument is not a valid OID string
2.999.3 is 0603883703: asn1-ber reads 26.39.3, writes 06023703
2.999.3 is 0603883703: asn1.js reads 26.39.3, writes Second objid identifier OOB at: (shallow)
2.999.3 is 0603883703: node-forge reads the same, writes the same
1.3.6.1.4.1.9.4294967295 is 060b2b06010401098fffffff7f: asn1 reads 1.3.6.1.4.1.9.-1, writes the same
1.3.6.1.4.1.9.4294967295 is 060b2b06010401098fffffff7f: asn1-ber reads the same, writes the same
1.3.6.1.4.1.9.4294967295 is 060b2b06010401098fffffff7f: asn1.js reads 1.3.6.1.4.1.9.-1, writes 06072b06010401097f
1.3.6.1.4.1.9.4294967295 is 060b2b06010401098fffffff7f: node-forge reads the same, writes the same
2.25.98765432109876543210 is 060b698adad2d3a78ea999fd6a: asn1 reads 2.25.-450461974, writes argument is not a valid OID string
2.25.98765432109876543210 is 060b698adad2d3a78ea999fd6a: asn1-ber reads 2.25.3844505322, writes 0606698ea99a8000
2.25.98765432109876543210 is 060b698adad2d3a78ea999fd6a: asn1.js reads 2.25.-450461974, writes 06026900
2.25.98765432109876543210 is 060b698adad2d3a78ea999fd6a: node-forge reads OID value too large; max is 53-bits., writes OID value too large; max is 32-bits.
END

#!/usr/bin/env bash
# @surrealdb/cbor 2.0.0-alpha.4 (npm, its "latest") beside cbor2 6.2.1 (PyPI): texts and bytes of CBOR that come in chunks.
#
# One would expect, by RFC 8949, 3.2.3: a string of indefinite length is its chunks, one after the other, no more.
# Seen: @surrealdb/cbor hands over the buffer that it gathered them in, with zero bytes behind the chunks: 9 characters are 256, and
# 524 are 1024. Such texts are not equal to the same ones of definite length. No error.
# To a user: keys and values that a streaming writer has sent in chunks match nothing, and bytes do not pass a checksum.
. "$(dirname "$0")/lib.sh"
node_packages @surrealdb/cbor@2.0.0-alpha.4
python_packages cbor2==6.2.1

cat >program.py <<'END'
import cbor2

for bytes_ in ("6973747265616d696e67", "7f657374726561646d696e67ff", "5f42010243030405ff", "7f" + "7818" + "61" * 24 + "7901f4" + "62" * 500 + "ff"):
    value = cbor2.loads(bytes.fromhex(bytes_))
    print(bytes_, type(value).__name__, len(value), sep="\t")
END
venv/bin/python program.py >binary

cat >program.mjs <<'END'
import { readFileSync } from 'node:fs';
import { decode } from '@surrealdb/cbor';
for (const line of readFileSync('binary', 'utf8').trim().split('\n')) {
  const [bytes, type, length] = line.split('\t');
  const read = decode(new Uint8Array(Buffer.from(bytes, 'hex')));
  const text = typeof read === 'string' ? JSON.stringify(read) : Buffer.from(read).toString('hex');
  console.log(`${bytes.slice(0, 30)}: cbor2 ${type} of ${length}; @surrealdb/cbor ${read.length ?? read.byteLength}: ${text.slice(0, 40)}`);
}
END
node program.mjs >got

seen got <<'END'
6973747265616d696e67: cbor2 str of 9; @surrealdb/cbor 9: "streaming"
7f657374726561646d696e67ff: cbor2 str of 9; @surrealdb/cbor 256: "streaming\u0000\u0000\u0000\u0000\u0000
5f42010243030405ff: cbor2 bytes of 5; @surrealdb/cbor 256: 0102030405000000000000000000000000000000
7f7818616161616161616161616161: cbor2 str of 524; @surrealdb/cbor 1024: "aaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbb
END

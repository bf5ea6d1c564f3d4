#!/usr/bin/env bash
# rabbitmq-stream-js-client 1.0.0 (npm) beside rstream 1.1.1 and python-qpid-proton 0.40.0 (PyPI): chunks of RabbitMQ streams.
#
# One would expect, by RabbitMQ's stream protocol (Deliver): a chunk has NumEntries entries, each a message or a batch of them, and a
# message's offset is ChunkFirstOffset plus its place. By AMQP 1.0: 0 and "" are values, a ulong has no sign, 1.5 is no int, and the
# keys of annotations are symbols.
# Seen: where a chunk begins with a batch, the client reads that batch alone, and numbers its messages from 0; the other batches and
# messages are gone. It reads the ulong 200 as -56; it writes 0 and "" as null, 1.5 as 1 and keys of annotations as strings. No errors.
# To a user: of streams that are written in batches most messages never come, and stored offsets begin anew with each chunk.
. "$(dirname "$0")/lib.sh"
node_packages rabbitmq-stream-js-client@1.0.0
python_packages rstream==1.1.1 python-qpid-proton==0.40.0

cat >write.py <<'END'
import zlib
from proton import Message, ulong
from rstream import schema
from rstream.compression import CompressionHelper, CompressionType
from rstream.encoding import decode_frame, encode_frame


def message(text, **properties):
    return Message(body=text.encode(), inferred=True, properties=properties).encode()


def single(encoded):
    return len(encoded).to_bytes(4, "big") + encoded


def batch(*encoded):
    codec = CompressionHelper.compress(encoded, CompressionType.No)
    sizes = codec.uncompressed_size().to_bytes(4, "big") + codec.compressed_size().to_bytes(4, "big")
    return b"\x80" + codec.messages_count().to_bytes(2, "big") + sizes + codec.data()


chunks = {
    "messages": (3, 3, single(message("a")) + single(message("b")) + single(message("c"))),
    "batches": (2, 4, batch(message("a"), message("b")) + batch(message("c"), message("d"))),
    "a batch, then a message": (2, 3, batch(message("a"), message("b")) + single(message("c"))),
    "a property": (1, 1, single(message("a", number=ulong(200)))),
}
for name, (entries, records, data) in chunks.items():
    fields = dict(subscription_id=1, magic_version=0x50, chunk_type=0, num_entries=entries, num_records=records, timestamp=0, epoch=1,
                  chunk_first_offset=1000, chunk_crc=zlib.crc32(data), data_length=len(data), trailer_length=0, _reserved=0, data=data)
    frame = encode_frame(schema.Deliver(**fields))
    read = []
    for place, encoded in enumerate(decode_frame(frame[4:]).get_messages()):
        decoded = Message()
        decoded.decode(bytes(encoded))
        read.append(" ".join([f"{1000 + place}:{bytes(decoded.body).decode()}", *(str(int(v)) for v in decoded.properties.values())]))
    print(f"{name}: rstream: {', '.join(read)}")
    with open("chunks", "a") as file:
        file.write(f"{name}\t{frame.hex()}\n")
END
venv/bin/python write.py >got

cat >program.js <<'END'
const { ResponseDecoder } = require('./node_modules/rabbitmq-stream-js-client/dist/response_decoder.js');
const { NoneCompression } = require('./node_modules/rabbitmq-stream-js-client/dist/compression.js');
const { BufferDataWriter } = require('./node_modules/rabbitmq-stream-js-client/dist/requests/abstract_request.js');
const { amqpEncode } = require('./node_modules/rabbitmq-stream-js-client/dist/amqp10/encoder.js');
const fs = require('fs');
for (const line of fs.readFileSync('chunks', 'utf8').trim().split('\n')) {
  const [name, frame] = line.split('\t');
  const decoder = new ResponseDecoder({}, { debug() {}, info() {} });
  decoder.on('deliverV1', (response) => {
    const read = response.messages.map((m) => [`${m.offset}:${m.content}`, ...Object.values(m.applicationProperties)].join(' '));
    console.log(`${name}: JavaScript: ${read.join(', ')}`);
  });
  decoder.add(Buffer.from(frame, 'hex'), () => NoneCompression.create());
}
const writer = new BufferDataWriter(Buffer.alloc(1000), 0);
const applicationProperties = { five: 5, zero: 0, empty: '', fraction: 1.5 };
amqpEncode(writer, { content: Buffer.from('a'), applicationProperties, messageAnnotations: { 'x-note': 'text' } });
fs.writeFileSync('message', writer.toBuffer().subarray(4));
END
node program.js >>got

cat >read.py <<'END'
from proton import Message, symbol

encoded = open("message", "rb").read()
message = Message()
message.decode(encoded)
print("JavaScript writes:", {key: value for key, value in message.properties.items()})
print("JavaScript writes a key of annotations as", "a string" if b"\xa1\x06x-note" in encoded else "a symbol")
END
venv/bin/python read.py >>got

seen got <<'END'
messages: rstream: 1000:a, 1001:b, 1002:c
batches: rstream: 1000:a, 1001:b, 1002:c, 1003:d
a batch, then a message: rstream: 1000:a, 1001:b, 1002:c
a property: rstream: 1000:a 200
messages: JavaScript: 1000:a, 1001:b, 1002:c
batches: JavaScript: 0:a, 1:b
a batch, then a message: JavaScript: 0:a, 1:b
a property: JavaScript: 1000:a -56
JavaScript writes: {'five': int32(5), 'zero': None, 'empty': None, 'fraction': int32(1)}
JavaScript writes a key of annotations as a string
END

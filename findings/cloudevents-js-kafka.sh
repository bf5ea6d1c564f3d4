#!/usr/bin/env bash
# cloudevents 10.0.0 and kafkajs 2.2.4 (both npm): events to and from the records of Kafka.
#
# One would expect, by the Kafka binding of CloudEvents, that what Kafka.binary makes can be sent, with the data as bytes and
# the attributes that are set as text, and that Kafka.toEvent takes a record as a client reads it, whose headers are bytes.
# Seen: Kafka.binary leaves JSON data an object or a number, and gives a header without a value for every attribute that is
# not set: kafkajs can send none of its records. What Kafka.structured makes is sent, but Kafka.toEvent fails on the record
# read, for its headers are Buffers. A time loses what is below the millisecond.
# To a user: neither way works with this client unless values and headers are changed by hand in between.
. "$(dirname "$0")/lib.sh"
node_packages cloudevents@10.0.0 kafkajs@2.2.4

cat >program.js <<'END'
const { CloudEvent, Kafka } = require('cloudevents');
const Decoder = require('./node_modules/kafkajs/src/protocol/decoder');
const Record = require('./node_modules/kafkajs/src/protocol/recordBatch/record/v0');
const decode = require('./node_modules/kafkajs/src/protocol/recordBatch/record/v0/decoder');

const attempt = (name, action) => {
  try {
    const result = action();
    console.log(`${name}: ${result}`);
    return result;
  } catch (error) {
    console.log(`${name}: ${error.name}: ${error.message.replace(/The "string" .* (?=Received)/, '')}`);
  }
};
const onTheWire = (message) => {
  const decoder = new Decoder(Record({ key: message.key ?? null, value: message.value, headers: message.headers }).buffer);
  decoder.readVarInt(); // the length
  return decode(decoder, { firstOffset: '0', firstTimestamp: '0', magicByte: 2 });
};
const about = { id: '1', source: '/s', type: 't', time: '2020-01-01T00:00:00.123456Z' };
const json = { ...about, datacontenttype: 'application/json' };
for (const [name, event] of Object.entries({
  'an object': { ...json, data: { a: 1 } },
  'a number': { ...json, data: 5 },
  'a text': { ...about, datacontenttype: 'text/plain', data: 'text' },
})) {
  for (const form of ['binary', 'structured']) {
    const message = Kafka[form](new CloudEvent(event));
    const empty = Object.keys(message.headers).filter((key) => message.headers[key] === undefined);
    if (empty.length) console.log(`${name}, ${form}: undefined are ${empty.sort().join(', ')}`);
    attempt(`${name}, ${form}`, () => {
      const record = onTheWire(message);
      attempt(`${name}, ${form}, read as it is`, () => JSON.stringify(Kafka.toEvent(record).data));
      const headers = Object.fromEntries(Object.entries(record.headers).map(([key, value]) => [key, value.toString()]));
      const read = Kafka.toEvent({ ...record, headers, value: record.value.toString() });
      return `sent; read with texts as headers: ${JSON.stringify(read.data)} at ${read.time}`;
    });
  }
}
END
node program.js >got

seen got <<'END'
an object, binary: undefined are ce_datacontentencoding, ce_dataschema, ce_schemaurl, ce_subject
an object, binary: TypeError: Received an instance of Object
an object, structured, read as it is: TypeError: headers[__1.CONSTANTS.HEADER_CONTENT_TYPE]?.startsWith is not a function
an object, structured: sent; read with texts as headers: {"a":1} at 2020-01-01T00:00:00.123Z
a number, binary: undefined are ce_datacontentencoding, ce_dataschema, ce_schemaurl, ce_subject
a number, binary: TypeError: Received type number (5)
a number, structured, read as it is: TypeError: headers[__1.CONSTANTS.HEADER_CONTENT_TYPE]?.startsWith is not a function
a number, structured: sent; read with texts as headers: 5 at 2020-01-01T00:00:00.123Z
a text, binary: undefined are ce_datacontentencoding, ce_dataschema, ce_schemaurl, ce_subject
a text, binary: TypeError: Received undefined
a text, structured, read as it is: TypeError: headers[__1.CONSTANTS.HEADER_CONTENT_TYPE]?.startsWith is not a function
a text, structured: sent; read with texts as headers: "text" at 2020-01-01T00:00:00.123Z
END

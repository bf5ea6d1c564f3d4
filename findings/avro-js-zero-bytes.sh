#!/usr/bin/env bash
# avro-js 1.12.2 (npm) and Avro files whose records take no bytes, written by fastavro 1.13.1 (PyPI).
#
# One would expect, by "Object Container Files" of Avro's specification: a block has as many records as its count says, also
# where one is encoded in no bytes: a record without fields, or whose fields are null. And the package loads once installed.
# Seen: it does not load, since it needs underscore and does not say so. With that beside it, it gives one record for each
# block of such ones, and drops the others without an error. avsc 5.7.9, from which it once came, gives all.
# To a user: events that carry no data of their own, only that they happened, are counted wrong.
. "$(dirname "$0")/lib.sh"
node_packages avro-js@1.12.2 avsc@5.7.9
python_packages fastavro==1.13.1

cat >program.py <<'END'
import fastavro

for name, fields, record in (
    ("no-field", [], {}),
    ("null", [{"name": "c", "type": "null"}], {"c": None}),
    ("long", [{"name": "c", "type": "long"}], {"c": 1}),
):
    with open(f"{name}.avro", "wb") as file:
        fastavro.writer(file, {"type": "record", "name": "R", "fields": fields}, [record] * 3)
END
venv/bin/python program.py

cat >program.js <<'END'
const library = process.argv[2];
let avro;
try {
  avro = require(library);
} catch (error) {
  console.log(library, 'alone:', error.message.split('\n')[0]);
  process.exit();
}
for (const name of ['no-field', 'null', 'long']) {
  const records = [];
  avro.createFileDecoder(`${name}.avro`).on('data', (record) => records.push(record))
    .on('end', () => console.log(`${library}, ${name}: ${records.length} of 3`));
}
END
node program.js avro-js >got
node_packages underscore@1.13.7
for library in avro-js avsc; do
    node program.js $library | sort >>got
done

seen got <<'END'
avro-js alone: Cannot find module 'underscore'
avro-js, long: 3 of 3
avro-js, no-field: 1 of 3
avro-js, null: 1 of 3
avsc, long: 3 of 3
avsc, no-field: 3 of 3
avsc, null: 3 of 3
END

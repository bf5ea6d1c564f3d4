#!/usr/bin/env bash
# serde_amqp 0.18.0 (crates.io, below fe2o3-amqp) beside python-qpid-proton 0.40.0 (PyPI) and rhea 3.0.5 (npm): empty arrays of AMQP.
#
# One would expect, by AMQP 1.0, part 1, 1.4: an array is its size, its count, the constructor of its elements, and these, the
# constructor also where there are none.
# Seen: serde_amqp reads an empty array as if it had none, and takes its constructor for that of the next value: true behind an empty
# array of ubytes is 65 and 7 is 80, silently; two others it refuses. It writes such arrays without a constructor: proton
# refuses what they stand in, and rhea most of it. Arrays of integers that are not empty are read and written rightly.
# To a user: one empty array in a message makes the values behind it others, or the message unreadable, to and from programs in Rust.
. "$(dirname "$0")/lib.sh"
node_packages rhea@3.0.5
python_packages python-qpid-proton==0.40.0
rust_packages <<'END'
serde_amqp = "=0.18.0"
END

cat >write.py <<'END'
from proton import UNDESCRIBED, Array, Data, ubyte

def empty(kind):
    return Array(UNDESCRIBED, kind)

for value in (Array(UNDESCRIBED, Data.INT, 1, 2), empty(Data.INT), [empty(Data.UBYTE), True], [empty(Data.UBYTE), ubyte(7)],
              [empty(Data.INT), True], {"a": empty(Data.INT), "b": "text"}):
    data = Data()
    data.put_object(value)
    print(data.encode().hex(), value, sep="\t")
END
venv/bin/python write.py >written

cat >src/main.rs <<'END'
use serde_amqp::{Value, from_slice, to_vec};

fn main() {
    for line in std::fs::read_to_string("written").unwrap().lines() {
        let (text, told) = line.split_once('\t').unwrap();
        let bytes: Vec<u8> = (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect();
        match from_slice::<Value>(&bytes) {
            Ok(value) => {
                let again: String = to_vec(&value).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
                println!("proton writes {told} as {text}: serde_amqp reads {value:?} and writes\t{again}");
            }
            Err(error) => println!("proton writes {told} as {text}: serde_amqp: {error}"),
        }
    }
}
END
rust_program >told
tr '\t' ' ' <told >got

cat >read.py <<'END'
from proton import Data, DataException

for line in open("told"):
    if "\t" in line:
        text = line.strip().split("\t")[1]
        data = Data()
        try:
            data.decode(bytes.fromhex(text))
            data.rewind()
            data.next()
            print(f"{text}: proton reads", data.get_object())
        except DataException as error:
            print(f"{text}: proton:", error)
END
venv/bin/python read.py >>got

cat >read.js <<'END'
const { types } = require('rhea');
for (const line of require('fs').readFileSync('told', 'utf8').trim().split('\n').filter((line) => line.includes('\t'))) {
  const text = line.split('\t')[1];
  try {
    console.log(`${text}: rhea reads`, JSON.stringify(types.unwrap(new types.Reader(Buffer.from(text, 'hex')).read())));
  } catch (error) {
    console.log(`${text}: rhea:`, error.message);
  }
}
END
node read.js >>got

seen got <<'END'
proton writes Array(UNDESCRIBED, 8, 1, 2) as f00000000d00000002710000000100000002: serde_amqp reads Array(Array([Int(1), Int(2)])) and writes e00a02710000000100000002
proton writes Array(UNDESCRIBED, 8) as f0000000050000000071: serde_amqp reads Array(Array([])) and writes e00100
proton writes [Array(UNDESCRIBED, 3), True] as d00000000f00000002f000000005000000005041: serde_amqp reads List([Array(Array([])), Ubyte(65)]) and writes c00602e001005041
proton writes [Array(UNDESCRIBED, 3), ubyte(7)] as d00000001000000002f00000000500000000505007: serde_amqp reads List([Array(Array([])), Ubyte(80)]) and writes c00602e001005050
proton writes [Array(UNDESCRIBED, 8), True] as d00000000f00000002f000000005000000007141: serde_amqp: IO failed to fill whole buffer
proton writes {'a': Array(UNDESCRIBED, 8), 'b': 'text'} as d10000001a00000004a10161f0000000050000000071a10162a10474657874: serde_amqp: Message Invalid format code
e00a02710000000100000002: proton reads Array(UNDESCRIBED, 8, int32(1), int32(2))
e00100: proton: [-4]: not enough data to decode
c00602e001005041: proton: [-6]: None
c00602e001005050: proton: [-6]: None
e00a02710000000100000002: rhea reads [1,2]
e00100: rhea: The value of "offset" is out of range. It must be >= 0 and <= 2. Received 3
c00602e001005041: rhea reads [[],true]
c00602e001005050: rhea: The value of "offset" is out of range. It must be >= 0 and <= 7. Received 8
END

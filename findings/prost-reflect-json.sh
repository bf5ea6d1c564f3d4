#!/usr/bin/env bash
# prost-reflect 0.16.5 (crates.io) beside protobuf 7.36.2 (PyPI): messages of Protobuf that are read, written again and told as JSON.
#
# One would expect, by Protobuf's ProtoJSON format and its guide to proto3: NaN and infinities of wrappers are the texts that they are
# in other fields; only positive zero is a default and left out; an empty Any is an empty object.
# Seen: of a DoubleValue or FloatValue NaN and infinities are null in JSON, and come back as a field that is not set; minus zero
# is left out of JSON and of the bytes that are written; an empty Any cannot be told. Other fields are right, repeated ones too.
# To a user: measurements that are NaN or infinite become null, the sign of a zero is lost.
. "$(dirname "$0")/lib.sh"
python_packages protobuf==7.36.2 grpcio-tools==1.85.1
rust_packages <<'END'
prost-reflect = { version = "=0.16.5", features = ["serde"] }
serde_json = "1"
END

cat >m.proto <<'END'
syntax = "proto3";
import "google/protobuf/any.proto";
import "google/protobuf/wrappers.proto";
message M {
  double plain = 1;
  repeated double many = 2;
  optional double maybe = 3;
  google.protobuf.DoubleValue wrapped = 4;
  google.protobuf.FloatValue small = 5;
  google.protobuf.Any any = 6;
}
END
venv/bin/python -m grpc_tools.protoc -I. -I"$(venv/bin/python -c 'import grpc_tools; print(grpc_tools.__path__[0])')/_proto" \
    --include_imports --descriptor_set_out=descriptors --python_out=. m.proto

cat >write.py <<'END'
from google.protobuf.any_pb2 import Any
from google.protobuf.json_format import MessageToJson
from google.protobuf.wrappers_pb2 import DoubleValue, FloatValue
from m_pb2 import M

nan, infinity = float("nan"), float("inf")
for message in (M(plain=nan), M(plain=-infinity), M(many=[nan, -0.0]), M(wrapped=DoubleValue(value=1.5)), M(wrapped=DoubleValue(value=nan)),
                M(small=FloatValue(value=-infinity)), M(maybe=-0.0), M(plain=-0.0), M(any=Any())):
    print(message.SerializeToString().hex(), MessageToJson(message, indent=None), sep="\t")
END
venv/bin/python write.py >written

cat >src/main.rs <<'END'
use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn main() {
    let pool = DescriptorPool::decode(std::fs::read("descriptors").unwrap().as_slice()).unwrap();
    let descriptor = pool.get_message_by_name("M").unwrap();
    for line in std::fs::read_to_string("written").unwrap().lines() {
        let (text, told) = line.split_once('\t').unwrap();
        let bytes: Vec<u8> = (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect();
        let message = DynamicMessage::decode(descriptor.clone(), bytes.as_slice()).unwrap();
        print!("{text}, protobuf tells {told}, prost-reflect writes {:?} and tells ", hex(&message.encode_to_vec()));
        match serde_json::to_string(&message) {
            Ok(json) => {
                let again = DynamicMessage::deserialize(descriptor.clone(), &mut serde_json::Deserializer::from_str(&json)).unwrap();
                println!("{json}, which it reads as {:?}", hex(&again.encode_to_vec()));
            }
            Err(error) => println!("{error}"),
        }
    }
}
END
rust_program >got

seen got <<'END'
09000000000000f87f, protobuf tells {"plain": "NaN"}, prost-reflect writes "09000000000000f87f" and tells {"plain":"NaN"}, which it reads as "09000000000000f87f"
09000000000000f0ff, protobuf tells {"plain": "-Infinity"}, prost-reflect writes "09000000000000f0ff" and tells {"plain":"-Infinity"}, which it reads as "09000000000000f0ff"
1210000000000000f87f0000000000000080, protobuf tells {"many": ["NaN", -0.0]}, prost-reflect writes "1210000000000000f87f0000000000000080" and tells {"many":["NaN",-0.0]}, which it reads as "1210000000000000f87f0000000000000080"
220909000000000000f83f, protobuf tells {"wrapped": 1.5}, prost-reflect writes "220909000000000000f83f" and tells {"wrapped":1.5}, which it reads as "220909000000000000f83f"
220909000000000000f87f, protobuf tells {"wrapped": "NaN"}, prost-reflect writes "220909000000000000f87f" and tells {"wrapped":null}, which it reads as ""
2a050d000080ff, protobuf tells {"small": "-Infinity"}, prost-reflect writes "2a050d000080ff" and tells {"small":null}, which it reads as ""
190000000000000080, protobuf tells {"maybe": -0.0}, prost-reflect writes "190000000000000080" and tells {"maybe":-0.0}, which it reads as "190000000000000080"
090000000000000080, protobuf tells {"plain": -0.0}, prost-reflect writes "" and tells {}, which it reads as ""
3200, protobuf tells {"any": {}}, prost-reflect writes "3200" and tells unsupported type url '': missing at least one '/'
END

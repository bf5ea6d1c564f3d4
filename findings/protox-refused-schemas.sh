#!/usr/bin/env bash
# protox 0.10.0 (crates.io) beside protoc, as in grpcio-tools 1.85.1 (PyPI): schemas of Protobuf that are valid.
#
# One would expect, by Protobuf's specifications of its language: a schema begins with a syntax or an edition; inf and nan are numbers
# of options, with a sign as well; a fractional default may be an integer of any size; a text may tell a letter as two surrogates;
# names of proto2 whose JSON names are the same get a warning; options of fields that say who sees them are kept.
# Seen: protox refuses editions, inf, -inf and nan in options, 18446744073709551616 as a default of a double, the surrogates, and the
# names. debug_redact, retention and targets are left out of the descriptor without a word. protoc takes all of them.
# To a user: a program in Rust that compiles schemas of a registry cannot read topics that others can.
. "$(dirname "$0")/lib.sh"
python_packages grpcio-tools==1.85.1
rust_packages <<'END'
protox = "=0.10.0"
END

schema() {
    { echo "$2"; cat; } >"$1.proto"
}
limits='import "google/protobuf/descriptor.proto"; extend google.protobuf.FieldOptions { double limit = 50001; }'
schema number 'syntax = "proto3";' <<<"$limits message M { double a = 1 [(limit) = 1.5]; }"
schema infinity 'syntax = "proto3";' <<<"$limits message M { double a = 1 [(limit) = inf]; }"
schema minus-infinity 'syntax = "proto3";' <<<"$limits message M { double a = 1 [(limit) = -inf]; }"
schema not-a-number 'syntax = "proto3";' <<<"$limits message M { double a = 1 [(limit) = nan]; }"
schema edition 'edition = "2023";' <<<'message M { int32 a = 1; }'
schema large-default 'syntax = "proto2";' <<<'message M { optional double a = 1 [default = 18446744073709551616]; }'
schema surrogates 'syntax = "proto2";' <<<'message M { optional string a = 1 [default = "\ud83d\ude00"]; }'
schema json-names 'syntax = "proto2";' <<<'message M { optional int32 a_b = 1; optional int32 aB = 2; }'
shown='debug_redact = true, retention = RETENTION_SOURCE, targets = TARGET_TYPE_FIELD'
schema options 'syntax = "proto3";' <<<"message M { string a = 1 [$shown, deprecated = true]; }"

cat >src/main.rs <<'END'
use protox::prost::Message;

fn main() {
    for name in std::env::args().skip(1) {
        match protox::compile([&name], ["."]) {
            Ok(files) => std::fs::write(format!("{name}.protox"), files.encode_to_vec()).unwrap(),
            Err(error) => println!("{name}: protox: {error:?}"),
        }
    }
}
END
rust_program -- *.proto >got

cat >program.py <<'END'
import glob
import subprocess
import sys
from os.path import exists
import grpc_tools
from google.protobuf.descriptor_pb2 import FileDescriptorSet

for name in sorted(glob.glob("*.proto")):
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"-I{grpc_tools.__path__[0]}/_proto", f"--descriptor_set_out={name}.protoc", name]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    for tool in "protoc", "protox":
        if exists(f"{name}.{tool}"):
            with open(f"{name}.{tool}", "rb") as told:
                files = FileDescriptorSet.FromString(told.read()).file
            fields = [file for file in files if file.name == name][0].message_type[0].field
            print(f"{name}: {tool} takes it,", *(" ".join(f"{field.name} {str(field.options)} {field.default_value}".split()) for field in fields))
END
venv/bin/python program.py >>got

seen got <<'END'
edition.proto: protox: edition.proto:1:1: expected 'enum', 'extend', 'import', 'message', 'option', 'service', 'package' or ';', but found 'edition'
infinity.proto: protox: infinity.proto:2:132: expected a value of type 'double' for option '(limit)', but found 'inf'
json-names.proto: protox: json-names.proto:2:52: a field with JSON name '' is already defined
large-default.proto: protox: large-default.proto:2:46: integer is too large
minus-infinity.proto: protox: minus-infinity.proto:2:142: identifiers may not be negative
not-a-number.proto: protox: not-a-number.proto:2:132: expected a value of type 'double' for option '(limit)', but found 'nan'
surrogates.proto: protox: surrogates.proto:2:47: invalid string escape
edition.proto: protoc takes it, a
infinity.proto: protoc takes it, a
json-names.proto: protoc takes it, a_b aB
large-default.proto: protoc takes it, a 1.8446744073709552e+19
minus-infinity.proto: protoc takes it, a
not-a-number.proto: protoc takes it, a
number.proto: protoc takes it, a
number.proto: protox takes it, a
options.proto: protoc takes it, a deprecated: true debug_redact: true retention: RETENTION_SOURCE targets: TARGET_TYPE_FIELD
options.proto: protox takes it, a deprecated: true
surrogates.proto: protoc takes it, a 😀
END

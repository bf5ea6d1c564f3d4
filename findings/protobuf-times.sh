#!/usr/bin/env bash
# ts-proto 2.18.0 (npm), betterproto 1.2.5 and betterproto2 0.10.0 (PyPI) beside protobuf 7.36.2 (PyPI): times and spans below zero.
#
# One would expect, by timestamp.proto and duration.proto: the nanoseconds of a time count forward also before 1970, half a second
# before is -1 and 500000000; those of a span have the sign of its seconds, minus half a second is 0 and -500000000.
# Seen: ts-proto writes times with nanoseconds below zero, which protobuf cannot turn into a time. betterproto makes half a second
# before 1970 half a second after it, and adds a second to 1.5 seconds before it. betterproto and its successor betterproto2 turn
# the sign of minus half a second, and write minus 1.5 with two signs; betterproto2 refuses to read "-0.500s". No other errors.
# To a user: differences of clocks have the wrong sign, and dates of birth with fractions are a second off, or refused.
. "$(dirname "$0")/lib.sh"
node_packages ts-proto@2.18.0 @bufbuild/protobuf@2.17.0 typescript@5.6.3
python_packages protobuf==7.36.2 grpcio-tools==1.85.1 betterproto==1.2.5 betterproto2==0.10.0 betterproto2-compiler==0.10.1

cat >times.proto <<'END'
syntax = "proto3";
package times;
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
message Times {
  google.protobuf.Timestamp time = 1;
  google.protobuf.Duration span = 2;
}
END
mkdir google_py two ts
PATH=venv/bin:node_modules/.bin:$PATH venv/bin/python -m grpc_tools.protoc -I. --python_out=google_py --ts_proto_out=ts \
    --ts_proto_opt=esModuleInterop=true --python_betterproto2_out=two times.proto 2>protoc.log || { cat protoc.log >&2; exit 1; }

cat >write.py <<'END'
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import betterproto
from two.times import Times

@dataclass
class Old(betterproto.Message):
    time: datetime = betterproto.message_field(1)
    span: timedelta = betterproto.message_field(2)

start = datetime(1970, 1, 1, tzinfo=timezone.utc)
for seconds in (1.5, -0.5, -1.5):
    span = timedelta(seconds=seconds)
    print("betterproto", f"time {seconds}", bytes(Old(time=start + span)).hex(), sep="\t")
    print("betterproto2", f"time {seconds}", bytes(Times(time=start + span)).hex(), sep="\t")
    print("betterproto", f"span {seconds}", bytes(Old(time=start + timedelta(1), span=span)).hex(), sep="\t")
    print("betterproto2", f"span {seconds}", bytes(Times(span=span)).hex(), sep="\t")
for text in ("1.500s", "-0.500s"):
    try:
        print(f"betterproto2 reads {text}:", Times.from_json('{"span": "%s"}' % text).span, file=sys.stderr)
    except ValueError as error:
        print(f"betterproto2 reads {text}:", error, file=sys.stderr)
END
venv/bin/python write.py >written 2>got || { cat got >&2; exit 1; }

cat >write.js <<'END'
const { readFileSync, writeFileSync, readdirSync } = require('fs');
const ts = require('typescript');
for (const file of readdirSync('ts', { recursive: true })) {
  if (!file.endsWith('.ts')) continue;
  const options = { compilerOptions: { module: 'commonjs', target: 'es2020', esModuleInterop: true } };
  writeFileSync(`ts/${file.slice(0, -3)}.js`, ts.transpileModule(readFileSync(`ts/${file}`, 'utf8'), options).outputText);
}
const { Times } = require('./ts/times.js');
for (const seconds of [1.5, -0.5, -1.5]) {
  const bytes = Times.encode({ time: new Date(seconds * 1000), span: undefined }).finish();
  console.log(['ts-proto', `time ${seconds}`, Buffer.from(bytes).toString('hex')].join('\t'));
}
END
node write.js >>written

cat >read.py <<'END'
import sys

sys.path.insert(0, "google_py")
import times_pb2

for line in open("written"):
    writer, told, bytes_ = line.rstrip("\n").split("\t")
    read = times_pb2.Times.FromString(bytes.fromhex(bytes_))
    value = read.span if told.startswith("span") else read.time
    try:
        print(f"{writer} {told}: {value.seconds} {value.nanos},", value.ToJsonString())
    except ValueError as error:
        print(f"{writer} {told}: {value.seconds} {value.nanos},", error)
END
venv/bin/python read.py | sort -s -k 2,2 -k 3,3 >>got

seen got <<'END'
betterproto2 reads 1.500s: 0:00:01.500000
betterproto2 reads -0.500s: Invalid duration string: -0.500s
betterproto span -0.5: 0 500000000, 0.500s
betterproto2 span -0.5: 0 500000000, 0.500s
betterproto span -1.5: -1 500000000, Duration is not valid: Sign mismatch.
betterproto2 span -1.5: -1 500000000, Duration is not valid: Sign mismatch.
betterproto span 1.5: 1 500000000, 1.500s
betterproto2 span 1.5: 1 500000000, 1.500s
betterproto time -0.5: 0 500000000, 1970-01-01T00:00:00.500Z
betterproto2 time -0.5: -1 500000000, 1969-12-31T23:59:59.500Z
ts-proto time -0.5: 0 -500000000, Timestamp is not valid: Nanos -500000000 must be in a range [0, 999999].
betterproto time -1.5: -1 500000000, 1969-12-31T23:59:59.500Z
betterproto2 time -1.5: -2 500000000, 1969-12-31T23:59:58.500Z
ts-proto time -1.5: -1 -500000000, Timestamp is not valid: Nanos -500000000 must be in a range [0, 999999].
betterproto time 1.5: 1 500000000, 1970-01-01T00:00:01.500Z
betterproto2 time 1.5: 1 500000000, 1970-01-01T00:00:01.500Z
ts-proto time 1.5: 1 500000000, 1970-01-01T00:00:01.500Z
END

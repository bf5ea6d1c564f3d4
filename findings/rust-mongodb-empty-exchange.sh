#!/usr/bin/env bash
# mongodb 3.9.1 (crates.io) beside pymongo 4.20.1 (PyPI): signing in where the server ends SCRAM with one more exchange.
#
# One would expect: the driver asks with skipEmptyExchange to leave the last, empty exchange out. A server that does not
# know the option, as MongoDB before 4.4, says done: false beside its proof, and gets an empty message.
# Seen: mongodb 3.9.1 takes that for an error and does not sign in, whatever wire version the server has; 3.8.2 and pymongo
# send the empty message. The server here is forty lines that do as FerretDB 1.24.2, which says that it speaks wire version
# 21, and does not know skipEmptyExchange.
# To a user: right name and password are refused with "expected SCRAM authentication to have completed".
. "$(dirname "$0")/lib.sh"
python_packages pymongo==4.20.1
rust_packages <<'END'
mongodb = { version = "=3.9.1", default-features = false, features = ["bson-3", "compat-3-3-0", "rustls-tls"] }
tokio = { version = "=1.54.1", features = ["macros", "rt"] }
END
cat >src/main.rs <<'END'
use mongodb::bson::doc;
use mongodb::options::{ClientOptions, ServerApi, ServerApiVersion};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut options = ClientOptions::parse(std::env::args().nth(1).unwrap()).await.unwrap();
    options.server_api = Some(ServerApi::builder().version(ServerApiVersion::V1).build());
    let client = mongodb::Client::with_options(options).unwrap();
    match client.database("admin").run_command(doc! {"ping": 1}).await {
        Ok(_) => println!("mongodb 3.9.1: signs in"),
        Err(error) => println!("mongodb 3.9.1: {}", error.kind),
    }
}
END

cat >server.py <<'END'
import base64
import hashlib
import hmac
import socketserver
import struct
import sys

import bson

salt, rounds, password = b"0123456789abcdef01234567", 4096, b"secret"


def mac(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


class Connection(socketserver.StreamRequestHandler):
    def answer(self, command):
        name = next(iter(command))
        if name == "hello":
            return {"isWritablePrimary": True, "minWireVersion": 0, "maxWireVersion": 21, "maxBsonObjectSize": 1 << 24,
                    "maxMessageSizeBytes": 48000000, "maxWriteBatchSize": 100000, "saslSupportedMechs": ["SCRAM-SHA-256"]}
        if name == "saslStart":
            self.first = bytes(command["payload"])[3:]
            nonce = self.first.split(b"r=")[1] + b"server"
            self.challenge = b"r=%s,s=%s,i=%d" % (nonce, base64.b64encode(salt), rounds)
            return {"conversationId": 1, "done": False, "payload": self.challenge}
        if name == "saslContinue" and command["payload"]:
            said, _, proof = bytes(command["payload"]).rpartition(b",p=")
            salted = hashlib.pbkdf2_hmac("sha256", password, salt, rounds)
            whole = b",".join((self.first, self.challenge, said))
            key = mac(salted, b"Client Key")
            signature = mac(hashlib.sha256(key).digest(), whole)
            if base64.b64decode(proof) != bytes(a ^ b for a, b in zip(key, signature)):
                return {"ok": 0, "code": 18, "errmsg": "Authentication failed."}
            verifier = base64.b64encode(mac(mac(salted, b"Server Key"), whole))
            return {"conversationId": 1, "done": False, "payload": b"v=" + verifier}
        if name == "saslContinue":
            print("empty exchange", flush=True)
            return {"conversationId": 1, "done": True, "payload": b""}
        return {}

    def handle(self):
        while header := self.rfile.read(16):
            length, request, _, _ = struct.unpack("<iiii", header)
            command = bson.decode(self.rfile.read(length - 16)[5:])
            body = bson.encode({"ok": 1, **self.answer(command)})
            self.wfile.write(struct.pack("<iiiiib", 21 + len(body), 1, request, 2013, 0, 0) + body)


socketserver.ThreadingTCPServer.daemon_threads = True
socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Connection).serve_forever()
END
port=$(free_port)
in_background server.log venv/bin/python server.py "$port"
until_true 20 listens "$port"
uri="mongodb://writer:secret@127.0.0.1:$port/?authMechanism=SCRAM-SHA-256&serverSelectionTimeoutMS=5000"

cat >program.py <<'END'
import sys

from pymongo import MongoClient
from pymongo.server_api import ServerApi

with MongoClient(sys.argv[1], server_api=ServerApi("1")) as client:
    client.admin.command("ping")
    print("pymongo 4.20.1: signs in")
END
venv/bin/python program.py "$uri" >got
rust_program -- "$uri" >>got

seen got <<'END'
pymongo 4.20.1: signs in
mongodb 3.9.1: SCRAM failure: expected SCRAM authentication to have completed
END

"""Scenario stranger: a newcomer's first hour, an attacker's, and bad days, against the binary with our own broker.

Each round draws anew, from the seed, what is mistyped, malformed, broken and when. A message of a newcomer's mistake must
name the setting and the remedy; an attack must leave the API as quick as before; a fault of S3 or a signal may cost time,
but no object, no name and no byte, and leaves no upload behind.
"""

import contextlib
import json
import os
import random
import re
import signal
import socket
import string
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from .fake_s3 import FAULTS, FakeS3, Fault
from .services import CREDENTIALS, Embedded, Failed, Millstream, Options, Process, free_ports, http as request, wait_until

# Signs that a message was made for the one who wrote the program.
INNARDS = re.compile(r"panicked|RUST_BACKTRACE|\bSome\(|\bOk\(|\bErr\(|[A-Z]\w+ \{ \w+: |ProviderError\(|service error|dispatch failure|unhandled error")
SECRETS = ("TOPSECRETKEY", "s3cr3tpw")
FLUSH = 2
# Within this a question to REST is answered, whatever else goes on.
QUICK = 2.0
LANES = 6


def config(topic: str, bucket: str, s3_url: str, **more) -> dict:
    """The README's own call."""
    return {
        "connector.class": "io.confluent.connect.s3.S3SinkConnector",
        "tasks.max": 1, "topics": topic,
        "s3.region": "us-east-1", "s3.bucket.name": bucket, "s3.part.size": 5242880, "flush.size": FLUSH,
        "storage.class": "io.confluent.connect.s3.storage.S3Storage",
        "format.class": "io.confluent.connect.s3.format.json.JsonFormat",
        "schema.generator.class": "io.confluent.connect.storage.hive.schema.DefaultSchemaGenerator",
        "partitioner.class": "io.confluent.connect.storage.partitioner.DefaultPartitioner",
        "schema.compatibility": "NONE", "store.url": s3_url, "retry.backoff.ms": 100, **more,
    }  # fmt: skip


class Topics:
    """Topics of one partition, and what was written to each."""

    def __init__(self, bootstrap: str):
        self.admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self.producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "log_level": 0})
        self.values: dict[str, list[str]] = {}

    def create(self, *names: str):
        for future in self.admin.create_topics([NewTopic(name, 1, 1) for name in names]).values():
            future.result(30)
        self.values.update((name, []) for name in names)

    def produce(self, topic: str, count: int):
        values = self.values[topic]
        for _ in range(count):
            value = f"{topic} {len(values)}"
            values.append(value)
            self.producer.produce(topic, value.encode(), partition=0)
        self.producer.flush(30)

    def objects(self, topic: str, folder: str = "topics") -> dict[str, bytes]:
        """What S3 has to hold in the end."""
        values = self.values[topic]
        return {
            f"{folder}/{topic}/partition=0/{topic}+0+{at:010d}.json": "".join(f'"{v}"\n' for v in values[at : at + FLUSH]).encode()
            for at in range(0, len(values) - FLUSH + 1, FLUSH)
        }


@dataclass
class Stranger:
    options: Options
    services: Embedded
    s3: FakeS3
    topics: Topics
    rng: random.Random
    number: int
    folder: Path
    checks: int = 0
    # All of them are told together: each is worth a look.
    failures: list[str] = field(default_factory=list)
    worker: "Worker" = field(init=False)

    def check(self, holds: bool, what: str):
        self.checks += 1
        if not holds:
            raise Failed(what)

    def attempt(self, part, *arguments):
        """Runs one part of a round; what it finds is kept, and the round goes on."""
        try:
            part(*arguments)
        except Failed as error:
            self.failures.append(str(error))

    def start(self):
        self.worker = Worker(self.services.bootstrap, self.folder / "worker")
        self.worker.start()

    def quick(self, what: str, worker: Millstream | None = None, patience: float = 0):
        """REST answers as if nothing had happened; where connections have to give way, not at the first try perhaps."""
        worker = worker or self.worker
        end = time.monotonic() + patience
        while True:
            worker.process.check()
            started = time.monotonic()
            status, _ = request("GET", f"{worker.url}/connectors", timeout=10)
            seconds = time.monotonic() - started
            if status or time.monotonic() > end:
                break
            time.sleep(0.1)
        self.check(status == 200 and seconds < QUICK, f"{what}: GET /connectors then answered {status} after {seconds:.2f} s")

    # --- a newcomer's typing mistakes

    def mistakes(self):
        jobs = [(self.mistake, *case) for case in self.command_mistakes()]
        jobs += [(self.warning, *case) for case in self.warnings()]
        self.rng.shuffle(jobs)
        with ThreadPoolExecutor(3) as pool:
            for job in [pool.submit(self.attempt, *job) for job in jobs]:
                job.result()
        for case in self.post_mistakes():
            self.attempt(self.post_mistake, *case)

    def file(self, text: str) -> str:
        path = self.folder / f"file-{self.rng.randrange(10**9)}"
        path.write_text(text)
        return str(path)

    def worker_file(self, **changes: str) -> str:
        lines = {
            "bootstrap.servers": self.services.bootstrap,
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            "offset.storage.file.filename": "/tmp/connect.offsets",
            "listeners": f"http://127.0.0.1:{free_ports(1)}",
        }
        lines.update((key.replace("__", "."), value) for key, value in changes.items())
        return self.file("".join(f"{key}={value}\n" for key, value in lines.items() if value is not None))

    def command_mistakes(self):
        """Arguments, environment, and what the message that ends the process must hold."""
        stream = {"KAFKA_BOOTSTRAP_SERVERS": self.services.bootstrap, "MONGODB_URI": self.services.uri}
        key = self.file("TOPSECRETKEY\n")
        taken = f"http://127.0.0.1:{self.worker.port}"
        good = self.worker_file()
        posted = self.file(json.dumps({"name": "x", "config": {}}))
        typo = self.slip("standalone")
        missing = str(self.folder / "no-such-file")
        return [
            ([typo], {}, [typo, "standalone|--help"]),
            (["standalone"], {}, ["WORKER", "--help"]),
            (["standalone", missing], {}, [re.escape(missing), "No such file"]),
            (["standalone", posted], {}, ["JSON", "worker.properties"]),
            (["standalone", good, missing], {}, [re.escape(missing)]),
            (["standalone", self.worker_file(key__converter=None)], {}, ["key.converter", "missing"]),
            (["standalone", self.worker_file(value__converter="org.apache.kafka.StringConvertor")], {}, ["value.converter", "StringConvertor", "not be found"]),
            (["standalone", self.worker_file(listeners="localhost:8083")], {}, ["listeners", "protocol://"]),
            (["standalone", self.worker_file(listeners=taken)], {}, [re.escape(taken), "listeners", "port"]),
            (["standalone", self.worker_file(offset__flush__interval__ms="10s")], {}, ["offset.flush.interval.ms", "10s", "LONG"]),
            (["standalone", self.worker_file(millstream__memory__bytes="1")], {}, ["millstream.memory.bytes", "67108864"]),
            (["standalone", "--log-level", "loud", good], {}, ["--log-level", "debug"]),
            (["standalone", good], {"LOG_FORMAT": "yaml"}, ["--log-format", "json"]),
            (["stream"], {}, ["KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URI", "host:port"]),
            (["stream"], {**stream, "HASH_ALGORITHM": "md6"}, ["--hash-algorithm", "md6", "md5"]),
            (["stream"], {**stream, "HASH_ALGORITHM": "hmac-sha256"}, ["HASH_ALGORITHM", "HASH_KEY_FILE"]),
            (["stream"], {**stream, "HASH_KEY_FILE": key}, ["HASH_KEY_FILE", "md5", "hmac_md5"]),
            (["stream"], {**stream, "HASH_ALGORITHM": "hmac_md5", "HASH_KEY_FILE": missing}, ["HASH_KEY_FILE", re.escape(missing)]),
            (["stream"], {**stream, "KAFKA_PROPERTIES": missing}, ["KAFKA_PROPERTIES", re.escape(missing)]),
            (["stream"], {**stream, "MEMORY_BYTES": "1"}, ["MEMORY_BYTES", "67108864"]),
            (["stream"], {**stream, "MEMORY_BYTES": "1g"}, ["--memory-bytes", "1g"]),
            (["stream"], {**stream, "ON_NULL_VALUE": "ignore"}, ["--on-null-value", "skip", "fail"]),
            (["stream"], {**stream, "AUTO_OFFSET_RESET": "smallest"}, ["AUTO_OFFSET_RESET", "smallest", "earliest"]),
            (["stream"], {**stream, "MONGODB_URI": "mongodb://user:s3cr3tpw/with@127.0.0.1/"}, ["MONGODB_URI"]),
            (["stream"], {**stream, "MONGODB_URI": "127.0.0.1:27017"}, ["MONGODB_URI", "mongodb://"]),
            (["stream"], {**stream, "KAFKA_BOOTSTRAP_SERVERS": "localhost"}, ["KAFKA_BOOTSTRAP_SERVERS", "localhost"]),
            (["stream"], {**stream, "LISTENERS": taken}, [re.escape(taken), "port"]),
            (["demo", "--for", "10"], {}, ["--for", "10s"]),
            (["demo", "--dir", posted, "--for", "1s"], {}, [re.escape(posted), "file", "--dir"]),
        ]  # fmt: skip

    def slip(self, word: str) -> str:
        at = self.rng.randrange(1, len(word) - 1)
        return self.rng.choice((word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:], word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]))

    def run_binary(self, arguments: list, environment: dict, seconds: float = 20):
        env = {**os.environ, **CREDENTIALS, **environment}
        return subprocess.run([Process.binary, *arguments], capture_output=True, text=True, env=env, timeout=seconds, cwd=self.folder, stdin=subprocess.DEVNULL)

    def mistake(self, arguments: list, environment: dict, patterns: list):
        what = f"{arguments} with {sorted(environment)}"
        try:
            done = self.run_binary(arguments, environment)
        except subprocess.TimeoutExpired as error:
            raise Failed(f"{what}: the process runs on: {(error.stderr or b'').decode(errors='replace')[-600:]}") from None
        text = done.stdout + done.stderr
        self.check(done.returncode in (1, 2), f"{what}: exit code {done.returncode}: {text[-600:]}")
        self.read(what, text, patterns)

    def read(self, what: str, text: str, patterns: list):
        for pattern in patterns:
            self.check(re.search(pattern, text, re.IGNORECASE) is not None, f"{what}: the message lacks {pattern}: {text[-900:]}")
        self.check(not INNARDS.search(text), f"{what}: the message shows the program's innards: {text[-900:]}")
        leaked = [secret for secret in SECRETS if secret in text]
        self.check(not leaked, f"{what}: the message shows a secret: {text[-900:]}")

    def warnings(self):
        """What starts all the same, with a word in the log."""
        stream = {"KAFKA_BOOTSTRAP_SERVERS": self.services.bootstrap, "MONGODB_URI": self.services.uri}
        client = self.file("group.id=of-the-file\nfetch.min.bytes=1\n")
        return [
            (["standalone", self.worker_file(bootstrap__server="kafka:9092")], {}, ["bootstrap.server\\b", "bootstrap.servers"]),
            (["standalone", self.worker_file(rest__port="8083")], {}, ["rest.port", "listeners"]),
            (["stream"], {**stream, "TOPICNAME": "x"}, ["TOPICNAME", "TOPIC_NAME"]),
            (["stream"], {**stream, "KAFKA_PROPERTIES": client, "GROUP_ID": "g"}, ["of-the-file", "GROUP_ID"]),
            (["stream"], {**stream, "KAFKA_PROPERTIES": self.file("foo=bar\n")}, ["foo"]),
        ]  # fmt: skip

    def warning(self, arguments: list, environment: dict, patterns: list):
        what = f"{arguments} with {sorted(environment)}"
        log = self.folder / f"warning-{abs(hash(what)) % 10**9}.log"
        with open(log, "w") as file:
            env = {**os.environ, **CREDENTIALS, **environment}
            process = subprocess.Popen([Process.binary, *arguments], stdout=file, stderr=file, env=env, cwd=self.folder)
        try:
            wait_until(f"{what}: a warning with {patterns}", 10, lambda: self.has_warning(log, patterns), 0.05)
            self.check(process.poll() is None, f"{what}: the process has ended")
        finally:
            process.terminate()
            ended = process.wait(20)
        self.check(ended == 0, f"{what}: exit code {ended} after SIGTERM")

    @staticmethod
    def has_warning(log: Path, patterns: list) -> bool:
        lines = [line for line in log.read_text(errors="replace").splitlines() if " WARN " in line]
        return any(all(re.search(pattern, line) for pattern in patterns) for line in lines)

    def post_mistakes(self):
        """Bodies of POST /connectors, and what the answer must hold."""
        def changed(**more):
            settings = config("MyTopic", "archive", self.s3.url, **{key.replace("__", "."): value for key, value in more.items()})
            return {"name": "mistyped", "config": {key: value for key, value in settings.items() if value is not None}}

        return [
            (changed(connector__class="io.confluent.connect.s3.S3SinkConector"), ["S3SinkConector"]),
            (changed(connector__class=None), ["connector type"]),
            (changed(topics=None), ["topics"]),
            (changed(s3__bucket__name=None), ["s3.bucket.name"]),
            (changed(flush__size="many"), ["flush.size", "many"]),
            (changed(flush__size=None), ["flush.size"]),
            (changed(format__class="JsonFormatt"), ["format.class", "JsonFormatt"]),
            (changed(s3__part__size="1"), ["s3.part.size", "5242880"]),
            (changed(s3__compression__type="zip"), ["s3.compression.type", "gzip"]),
            (changed(partitioner__class="io.confluent.connect.storage.partitioner.TimeBasedPartitioner"), ["partition.duration.ms"]),
            (changed(value__converter="StringConvertor"), ["value.converter", "StringConvertor"]),
            (changed(tasks__max="0"), ["tasks.max", "at least 1"]),
            (changed(transforms="a"), ["transforms.a.type"]),
            (changed(errors__tolerance="al"), ["errors.tolerance", "all"]),
            ({"nam": "x", "config": {}}, ["nam"]),
            ([], ["deserialize|create"]),
        ]  # fmt: skip

    def post_mistake(self, body, patterns: list):
        """It is refused, or what is made of it fails; either way the answer says why."""
        shown = json.dumps(body)
        if isinstance(body, dict) and body.get("name") == "mistyped":
            usual = config("MyTopic", "archive", self.s3.url).items()
            shown = str(sorted(body["config"].items() - usual) + sorted(key for key, _ in usual if key not in body["config"]))
        status, answer = request("POST", f"{self.worker.url}/connectors", body, timeout=30)
        text = json.dumps(answer)
        if status == 201:
            try:
                text = wait_until(f"POST of {shown}: a failure", 10, lambda: self.worker.trouble("mistyped"), 0.05)
            finally:
                request("DELETE", f"{self.worker.url}/connectors/mistyped")
        else:
            self.check(400 <= status <= 500, f"POST of {shown}: answered {status}: {text[:600]}")
        self.read(f"POST of {shown}", text, patterns)

    # --- an attacker's requests

    def attacks(self):
        for name, data in self.malformed():
            self.attempt(self.attack, name, data)
        for at in range(40):
            self.attempt(self.attack, f"noise {at}", self.noise())
        self.quick("after malformed requests")
        memory = int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.worker.process.process.pid}/status").read_text())[1]) // 1024
        self.check(memory < 200, f"after malformed requests {memory} MiB are resident")

    def malformed(self):
        host = b"Host: x\r\n"
        json_type = b"Content-Type: application/json\r\n"

        def post(body: bytes, length: int | None = None, more: bytes = b"") -> bytes:
            size = len(body) if length is None else length
            return b"POST /connectors HTTP/1.1\r\n" + host + json_type + more + b"Content-Length: %d\r\n\r\n" % size + body

        def get(path: bytes, more: bytes = b"") -> bytes:
            return b"GET " + path + b" HTTP/1.1\r\n" + host + more + b"\r\n"

        deep = b"[" * 100_000
        many = json.dumps({"name": "k", "config": {f"k{i}": "v" for i in range(20_000)}}).encode()
        return [
            ("not a JSON", post(b"name=x")),
            ("half a JSON", post(b'{"name": "x"')),
            ("deep JSON", post(deep)),
            ("deep JSON in place", post(b'{"name":"x","config":{"a":' + b'{"a":' * 50_000)),
            ("many keys", post(many)),
            ("a key twice", post(b'{"name":"a","name":"b","config":{}}')),
            ("a lone surrogate", post(b'{"name":"\\ud800","config":{}}')),
            ("broken UTF-8", post(b'{"name":"\xff\xfe","config":{}}')),
            ("UTF-16", post('{"name":"x"}'.encode("utf-16"))),
            ("NaN", post(b'{"name": NaN}')),
            ("null", post(b"null")),
            ("an empty body", post(b"")),
            ("NUL bytes", post(b"\x00" * 100)),
            ("a large body", post(b'"' + b"x" * 3_000_000 + b'"')),
            ("two lengths", b"POST /connectors HTTP/1.1\r\n" + host + json_type + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
            ("a negative length", b"POST /connectors HTTP/1.1\r\n" + host + json_type + b"Content-Length: -1\r\n\r\n"),
            ("a huge length", b"POST /connectors HTTP/1.1\r\n" + host + json_type + b"Content-Length: 99999999999999999999\r\n\r\n"),
            ("length and chunks", post(b"{}", more=b"Transfer-Encoding: chunked\r\n")),
            ("a bad chunk", b"POST /connectors HTTP/1.1\r\n" + host + json_type + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"),
            ("an endless chunk", b"POST /connectors HTTP/1.1\r\n" + host + json_type + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}"),
            ("dot-dot", get(b"/connectors/../../etc/passwd")),
            ("coded dot-dot", get(b"/connectors/%2e%2e/%2e%2e/etc/passwd")),
            ("a coded slash", get(b"/connectors/a%2fb")),
            ("a coded NUL", get(b"/connectors/%00")),
            ("half an escape", get(b"/connectors/%4")),
            ("a NUL in the path", get(b"/connectors/\x00")),
            ("a long path", get(b"/" + b"a" * 100_000)),
            ("a huge header", get(b"/", b"X: " + b"a" * 1_000_000 + b"\r\n")),
            ("many headers", get(b"/", b"".join(b"X-%d: y\r\n" % i for i in range(5_000)))),
            ("a header without a name", get(b"/", b": y\r\n")),
            ("a header with a line break", get(b"/", b"X: a\r\n b\r\n")),
            ("no host", b"GET / HTTP/1.1\r\n\r\n"),
            ("HTTP/0.9", b"GET /\r\n"),
            ("HTTP/9.9", b"GET / HTTP/9.9\r\n\r\n"),
            ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x11" * 200),
            ("HTTP/2 at once", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 9),
            ("an unknown method", b"BREW / HTTP/1.1\r\n" + host + b"\r\n"),
            ("a long method", b"A" * 10_000 + b" / HTTP/1.1\r\n" + host + b"\r\n"),
            ("CONNECT", b"CONNECT x:1 HTTP/1.1\r\n" + host + b"\r\n"),
            ("a whole address", b"GET http://other/connectors HTTP/1.1\r\n" + host + b"\r\n"),
            ("a WebSocket", get(b"/", b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n")),
        ]  # fmt: skip

    def noise(self) -> bytes:
        """A good request with bytes changed, lost or doubled."""
        body = json.dumps({"name": "".join(self.rng.choices(string.printable, k=9)), "config": {"topics": "x"}}).encode()
        data = bytearray(b"POST /connectors HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        for _ in range(self.rng.randint(1, 6)):
            at = self.rng.randrange(len(data))
            match self.rng.randrange(3):
                case 0:
                    data[at] = self.rng.randrange(256)
                case 1:
                    del data[at : at + self.rng.randint(1, 9)]
                case _:
                    data[at:at] = data[at : at + self.rng.randint(1, 30)]
        return bytes(data)

    def attack(self, name: str, data: bytes):
        """The answer is an error, or the connection ends; neither takes long."""
        started = time.monotonic()
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", self.worker.port), timeout=5) as s:
            # Whoever is refused in the middle may find the connection gone.
            with contextlib.suppress(OSError):
                s.sendall(data)
                # No more comes: a request that is not whole ends here.
                s.shutdown(socket.SHUT_WR)
            answer = b""
            with contextlib.suppress(ConnectionError):
                try:
                    while part := s.recv(65536):
                        answer += part
                except TimeoutError:
                    raise Failed(f"{name}: neither an answer nor an end within 5 s") from None
        seconds = time.monotonic() - started
        self.check(seconds < 2, f"{name}: took {seconds:.1f} s")
        status = re.match(rb"HTTP/1.[01] (\d{3})", answer)
        if name == "HTTP/2 at once" and b"HTTP/1" not in answer:
            return  # hyper speaks it
        harmless = {"a whole address", "a WebSocket", "a header with a line break", "HTTP/0.9", "no host"}
        fine = not answer or (status and (400 <= int(status[1]) <= 505 or name in harmless or name.startswith("noise")))
        self.check(bool(fine), f"{name}: answered {answer[:300]!r}")
        self.check(b"panicked" not in answer, f"{name}: answered {answer[:300]!r}")
        self.worker.process.check()

    def crowd(self) -> list[socket.socket]:
        """Clients that say nothing, half a head, or half a body, and stay."""
        sockets = []
        head = b"POST /connectors HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
        for at in range(240):
            s = socket.create_connection(("127.0.0.1", self.worker.port), timeout=5)
            s.sendall((b"", head, head + b"\r\n{")[at % 3])
            sockets.append(s)
        self.quick("with 240 clients that say nothing more")
        return sockets

    def crowd_has_gone(self, sockets: list[socket.socket], since: float):
        """Those with half a head are sent away within seconds; nobody else was kept waiting."""
        halves = sockets[1::3]

        def all_ended() -> bool:
            return all(has_ended(s) for s in halves)

        wait_until("clients with half a head are sent away", max(1, since + 25 - time.monotonic()), all_ended, 0.2)
        self.checks += 1
        self.quick("after them")
        for s in sockets:
            s.close()

    # --- names that somebody chose to do harm

    def names(self):
        chosen = ["../../etc", "a/b", "a\\b", "a%2Fb", "%00", "a b", "ä", "🦀", "\u202eabc", "x" * 300, "a?b#c", "a;b=c", "..", " "]
        for name in self.rng.sample(chosen, 7):
            self.attempt(self.name, name)

    def name(self, name: str):
        """A connector is refused, or it can be read and deleted by the name it has."""
        shown = json.dumps(name)[:40]
        body = {"name": name, "config": config("names", "names", self.s3.url)}
        status, answer = request("POST", f"{self.worker.url}/connectors", body)
        if status == 201:
            path = f"{self.worker.url}/connectors/{quote(answer['name'], safe='')}"
            found, _ = request("GET", f"{path}/status")
            gone, _ = request("DELETE", path)
            # Java's worker makes these, too, and refuses every path that leads to them.
            is_out_of_reach = any(part in name for part in ("/", "\\", "%")) or name == ".."
            self.check(is_out_of_reach or (found, gone) == (200, 204), f"connector {shown} was made, but reading it gives {found} and deleting it {gone}")
        else:
            message = answer.get("message", "") if isinstance(answer, dict) else ""
            self.check(400 <= status <= 500 and message != "", f"connector {shown}: {status} {answer}")
        self.quick(f"after connector {shown}")

    def object_names(self):
        """Folders from hostile settings arrive in S3 as they are, and nowhere else."""
        folder = self.rng.choice(["../../etc", "a//b", "%2F", "a b", "ü", "🦀", "\u202e", "x" * 200, "a?b", "a#b", "a+b", "a&b=c", "a'b\"c", "a<b>"])
        topic = f"names-{self.number}"
        self.topics.create(topic)
        self.worker.create(topic, config(topic, topic, self.s3.url, **{"topics.dir": folder}))
        self.topics.produce(topic, 2 * FLUSH)
        self.arrived(topic, topic, folder)
        request("DELETE", f"{self.worker.url}/connectors/{topic}")

    # --- S3 in all its moods

    def faults(self):
        """Some connectors side by side; each has one fault after the other, and loses nothing by any of them."""
        order = list(FAULTS)
        random.Random(f"{self.options.seed}/faults").shuffle(order)
        third = (self.number % 3, 3) if self.options.rounds >= 3 else (0, 1)
        chosen = order[third[0] :: third[1]]
        lanes = [f"lane-{self.number}-{at}" for at in range(LANES)]
        self.topics.create(*lanes)
        seeds = [self.rng.randrange(10**9) for _ in lanes]
        with ThreadPoolExecutor(LANES) as pool:
            running = [pool.submit(self.attempt, self.lane, lane, chosen[at::LANES], random.Random(seeds[at])) for at, lane in enumerate(lanes)]
            for lane in running:
                lane.result()
        self.quick("after the faults of S3")

    def lane(self, topic: str, faults: list[Fault], rng: random.Random):
        self.worker.create(topic, config(topic, topic, self.s3.url))
        self.topics.produce(topic, FLUSH)
        self.arrived(topic, topic)
        for fault in faults:
            operation = rng.choice(fault.operations)
            what = f"{fault.name} at {operation}"
            started = time.monotonic()
            self.s3.begin(topic, fault, operation)
            self.topics.produce(topic, rng.choice((1, 2, 3)) * FLUSH)
            try:
                wait_until(f"{what}: a request", 20, lambda: self.s3.bucket(topic).hits, 0.01)
                if fault.rides:
                    time.sleep(rng.random() * 0.5)
                    self.check(self.worker.failure_for_good(topic) is None, f"{what}: the task is FAILED: {self.worker.failure(topic)}")
                else:
                    self.says(what, topic, fault)
            finally:
                self.s3.end(topic)
            if self.worker.failure_for_good(topic):
                self.check(not fault.rides, f"{what}: the task is FAILED: {self.worker.failure(topic)}")
                request("POST", f"{self.worker.url}/connectors/{topic}/tasks/0/restart")
            self.arrived(topic, topic, what=what)
            self.options.log(step="fault", fault=fault.name, at=operation, hits=self.s3.bucket(topic).hits, seconds=round(time.monotonic() - started, 1))
        request("DELETE", f"{self.worker.url}/connectors/{topic}")

    def says(self, what: str, topic: str, fault: Fault):
        """Where a person is needed, the status tells what for; a redirect may be followed, and then there is nothing to say."""
        def told() -> str | None:
            text = self.worker.trouble(topic)
            return text if text and re.search(fault.says, text, re.IGNORECASE) else None

        try:
            text = wait_until(f"{what}: a status with {fault.says}", 20, told, 0.1)
        except Failed:
            raise Failed(f"{what}: the status says {self.worker.trouble(topic)!r}, not {fault.says}") from None
        self.read(what, text, [fault.says])

    def arrived(self, topic: str, bucket_name: str, folder: str = "topics", what: str = "no fault"):
        bucket, wanted = self.s3.bucket(bucket_name), self.topics.objects(topic, folder)

        def complete() -> bool:
            self.worker.process.check()
            return wanted.keys() <= bucket.objects.keys() and not bucket.uploads

        try:
            wait_until(f"{what}: {len(wanted)} objects of {topic}", 60, complete, 0.02)
        except Failed as error:
            lacking = sorted(wanted.keys() - bucket.objects.keys())
            raise Failed(f"{error}; missing {lacking[:3]}, uploads {list(bucket.uploads)[:3]}, status {self.worker.trouble(topic)}") from None
        self.check(dict(bucket.objects) == wanted, f"{what}: {topic}: other objects than expected: {sorted(bucket.objects.items() ^ wanted.items())[:4]}")

    # --- bad days

    def bad_days(self):
        days = [self.stopped_and_continued, self.ended_in_a_hang, self.no_temporary_folder, self.few_descriptors, self.other_signals]
        with ThreadPoolExecutor(3) as pool:
            for day in [pool.submit(self.attempt, day) for day in days]:
                day.result()

    def day(self, name: str, **more) -> tuple["Worker", str]:
        """A worker of its own with one connector that has worked."""
        topic = f"{name}-{self.number}"
        self.topics.create(topic)
        worker = Worker(self.services.bootstrap, self.folder / name, **more)
        worker.start()
        worker.create(topic, config(topic, topic, self.s3.url))
        self.topics.produce(topic, FLUSH)
        self.day_arrived(worker, topic)
        return worker, topic

    def day_arrived(self, worker: "Worker", topic: str, seconds: float = 40):
        bucket, wanted = self.s3.bucket(topic), self.topics.objects(topic)

        def complete() -> bool:
            worker.process.check()
            return wanted.keys() <= bucket.objects.keys()

        wait_until(f"{len(wanted)} objects of {topic} ({worker.trouble(topic)})", seconds, complete, 0.02)
        self.check(dict(bucket.objects) == wanted, f"{topic}: other objects than expected")

    def stopped_and_continued(self):
        """A machine that sleeps longer than the group's session."""
        worker, topic = self.day("sleep")
        try:
            for _ in range(2):
                worker.process.process.send_signal(signal.SIGSTOP)
                self.topics.produce(topic, 3 * FLUSH)
                time.sleep(self.rng.choice((0.3, 2.0)))
                worker.process.process.send_signal(signal.SIGCONT)
                self.day_arrived(worker, topic)
            self.quick("after SIGCONT", worker)
        finally:
            worker.kill()

    def ended_in_a_hang(self):
        """SIGTERM while S3 says nothing: the process ends soon, and the next one writes what is missing."""
        worker, topic = self.day("hang")
        try:
            self.s3.begin(topic, next(fault for fault in FAULTS if fault.name == "silence"), "part")
            self.topics.produce(topic, 2 * FLUSH)
            wait_until("a request that hangs", 20, lambda: self.s3.bucket(topic).hits, 0.01)
            started = time.monotonic()
            self.check(worker.terminate() == 0, "SIGTERM in a hang: the exit code is not 0")
            seconds = time.monotonic() - started
            self.check(seconds < 15, f"SIGTERM in a hang: the process ended after {seconds:.1f} s")
            self.s3.end(topic)
            worker.start()
            worker.create(topic, config(topic, topic, self.s3.url))
            self.day_arrived(worker, topic)
        finally:
            self.s3.end(topic)
            worker.kill()

    def no_temporary_folder(self):
        """Nothing is lost where nothing can be spilled."""
        worker, topic = self.day("tmp", environment={"TMPDIR": str(self.folder / "no-such-folder")})
        try:
            self.topics.produce(topic, 40 * FLUSH)
            self.day_arrived(worker, topic)
            self.quick("without a temporary folder", worker)
        finally:
            worker.kill()

    def few_descriptors(self):
        """64 open files for four connectors: slow perhaps, but alive, and with few words."""
        worker, topic = self.day("files", descriptors=64)
        try:
            others = [f"{topic}-{at}" for at in range(3)]
            self.topics.create(*others)
            for other in others:
                body = {"name": other, "config": config(other, other, self.s3.url)}
                wait_until(f"{other} is created", 20, lambda body=body: request("POST", f"{worker.url}/connectors", body)[0] in (201, 409), 0.1)
                self.topics.produce(other, 10 * FLUSH)
            self.topics.produce(topic, 20 * FLUSH)
            for each in (topic, *others):
                self.day_arrived(worker, each)
            # Idle connections to S3 are closed after 5 s, and leave room then.
            self.quick("with 64 descriptors", worker, patience=10)
            lines = [line for line in worker.log().splitlines() if "open files" in line.lower()]
            self.check(1 <= len(lines) <= 20, f"64 descriptors: {len(lines)} lines about open files")
        finally:
            worker.kill()

    def other_signals(self):
        """SIGQUIT and SIGUSR1 are questions; SIGHUP is an orderly stop."""
        worker, topic = self.day("signals")
        try:
            for question in self.rng.sample([signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2], 2):
                worker.process.process.send_signal(question)
                self.topics.produce(topic, FLUSH)
                self.day_arrived(worker, topic)
            self.check(worker.terminate(signal.SIGHUP) == 0, "SIGHUP: the exit code is not 0")
            self.check("stopped" in worker.log().splitlines()[-1], f"the last line is {worker.log().splitlines()[-1]}")
        finally:
            worker.kill()

    # --- all of it

    def round(self):
        started = time.monotonic()
        self.start()
        try:
            crowd, since = self.crowd(), time.monotonic()
            with ThreadPoolExecutor(2) as pool:
                # Faults and bad days mostly wait, so that there is time for mistakes beside them.
                waiting = [pool.submit(self.attempt, part) for part in (self.faults, self.bad_days)]
                self.mistakes()
                for part in waiting:
                    part.result()
            for part in (self.attacks, self.names, self.object_names):
                self.attempt(part)
            self.attempt(self.crowd_has_gone, crowd, since)
            self.check(self.worker.terminate() == 0, "the worker's exit code is not 0")
            self.attempt(self.log_is_readable)
        finally:
            self.worker.kill()
        self.options.log(step="round", round=self.number, checks=self.checks, failed=len(self.failures), seconds=round(time.monotonic() - started, 1))
        if self.failures:
            raise Failed(f"{len(self.failures)} checks failed:\n" + "\n".join(self.failures))

    def log_is_readable(self):
        """No line shows innards or secrets, and no fault fills the disk."""
        lines = self.worker.log().splitlines()
        strange = [line for line in lines if INNARDS.search(line) or any(secret in line for secret in SECRETS)]
        self.check(not strange, f"{len(strange)} lines of the log show innards, first {strange[0][:400] if strange else ''}")
        self.check(len(lines) < 2_000, f"the log has {len(lines)} lines")


class Worker(Millstream):
    """A worker with limits and an environment of its own."""

    def __init__(self, bootstrap: str, folder: Path, environment: dict[str, str] | None = None, descriptors: int | None = None):
        super().__init__(bootstrap, folder)
        self.environment, self.descriptors = environment or {}, descriptors
        launch = self.process.launch
        self.process.launch = lambda *arguments, **env: self.limited(launch, *arguments, **env, **self.environment)

    def limited(self, launch, *arguments, **env):
        if self.descriptors is None:
            return launch(*arguments, **env)
        # A child has the limits of its parent at its birth.
        binary = self.process.binary
        self.process.binary = "bash"
        try:
            command = f'ulimit -n {self.descriptors}; exec "$0" "$@"'
            return launch("-c", command, str(binary), *map(str, arguments), **env)
        finally:
            self.process.binary = binary

    def log(self) -> str:
        return (self.folder / "millstream.log").read_text(errors="replace")

    def status(self, name: str) -> dict:
        status, body = request("GET", f"{self.url}/connectors/{name}/status", timeout=10)
        return body if status == 200 and isinstance(body, dict) else {}

    def failure_for_good(self, name: str) -> str | None:
        """The trace of a task that nobody will start again by itself."""
        tasks = self.status(name).get("tasks", [])
        return next((task["trace"] for task in tasks if task["state"] == "FAILED" and "self_healing" not in task), None)

    def trouble(self, name: str) -> str | None:
        """What the status says of trouble."""
        status = self.status(name)
        for part in [*status.get("tasks", []), status.get("connector", {})]:
            if "trace" in part:
                return part["trace"]
            if "degraded" in part:
                return part["degraded"]["reason"]
        return None

    def terminate(self, by: signal.Signals = signal.SIGTERM) -> int:
        self.process.process.send_signal(by)
        return self.process.process.wait(60)


def has_ended(s: socket.socket) -> bool:
    s.setblocking(False)
    try:
        while s.recv(4096):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def run(options: Options) -> None:
    with contextlib.ExitStack() as stack:
        services = Embedded(options.folder / "services", 0)
        stack.callback(services.stop)
        s3 = FakeS3()
        stack.callback(s3.stop)
        topics = Topics(services.bootstrap)
        topics.create("names")
        for number in range(options.rounds):
            folder = options.folder / f"round-{number}"
            folder.mkdir(parents=True)
            rng = random.Random(f"{options.seed}/round {number}")
            Stranger(options, services, s3, topics, rng, number, folder).round()

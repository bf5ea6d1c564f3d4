"""Servers and workers in their own processes, on loopback only, each stopped by the one who started it."""

import contextlib
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "compat" / "tools"
# For a JVM that lives for a minute: compiled once, quickly. Half of the processor time of one that starts goes into more.
SHORT_LIVED = "-XX:TieredStopAtLevel=1 -Xshare:auto"
# moto takes any pair, the embedded S3 this one.
KEY_PAIR = ("demo", "demodemo")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": KEY_PAIR[0], "AWS_SECRET_ACCESS_KEY": KEY_PAIR[1], "AWS_REGION": "us-east-1"}


# Several workers of one machine would all want the usual one.
HEALTH_PORT = {"HEALTHCHECK_PORT": "off"}


# The name of our own broker among versions of Kafka.
EMBEDDED = "embedded"


@dataclass
class Options:
    """What one run of a scenario is asked for."""

    kafka: str
    rounds: int
    records: int
    seed: int
    worker: str
    # How many variants are also compared with what Java's worker writes.
    java: int
    folder: Path
    # Called with one keyword argument per fact of a finished step; kept as the run's log.
    log: Callable[..., None]
    # A regular expression for the parts that are wanted; all of them without one.
    only: str = ""
    # How long a scenario goes on that has no rounds.
    minutes: float = 1.0
    # Called with a part of the scenario that cannot be run here and the reason; it counts as skipped.
    skip: Callable[[str, str], None] = lambda what, why: None


class Failed(Exception):
    """What the scenario promises does not hold; the text says what."""


def s3_plugin() -> Path | None:
    """The folder with Confluent's own S3 sink, which stays outside this project."""
    folder = os.environ.get("MILLSTREAM_S3_PLUGIN")
    return Path(folder).resolve() if folder else None


def mongo_plugin() -> Path | None:
    """The folder or jar with MongoDB's own sink: from Maven, or what MILLSTREAM_MONGODB_PLUGIN names; empty it names none."""
    named = os.environ.get("MILLSTREAM_MONGODB_PLUGIN")
    if named is not None:
        return Path(named).resolve() if named else None
    done = subprocess.run([TOOLS / "plugins", "mongodb"], capture_output=True, text=True)
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def add_plugin(plugins: Path, name: str, source: Path):
    """Puts a jar, a folder of jars or a folder with such a folder into a plugin path."""
    plugins.mkdir(parents=True, exist_ok=True)
    if source.is_file():
        (plugins / name).mkdir()
        (plugins / name / source.name).symlink_to(source)
    else:
        (plugins / name).symlink_to(next((child for child in sorted(source.iterdir()) if child.is_dir()), source))


def free_ports(count: int) -> int:
    """The first of `count` neighbouring ports that nobody listens on."""
    for _ in range(100):
        # Below the ports that the system gives to outgoing connections, which could take one before it is used.
        first = random.randrange(10_000, 32_000 - count)
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for port in range(first, first + count):
                held.enter_context(bound(port))
            return first
    raise Failed(f"found no {count} free neighbouring ports")


def bound(port: int) -> socket.socket:
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        s.bind(("127.0.0.1", port))
    except OSError:
        s.close()
        raise
    return s


def wait_until(what: str, seconds: float, condition, pause: float = 0.02):
    """Polls until the condition gives a true value, and returns it."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds:.0f} s")
        time.sleep(pause)


def http(method: str, url: str, body=None, timeout: float = 30, context: ssl.SSLContext | None = None):
    """Status and decoded JSON; status 0 where nobody answers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return 0, None
    try:
        return status, json.loads(text) if text else None
    except ValueError:
        return status, text.decode(errors="replace")


class Kafka:
    """A real Apache Kafka cluster of one version."""

    def __init__(self, version: str, folder: Path, brokers: int = 1, more: tuple[str, ...] = (), is_short_lived: bool = False):
        self.version = version
        self.folder = folder
        self.brokers = brokers
        port = free_ports(10 * brokers)
        command = [TOOLS / "kafka", "up", "--version", version, "--port", str(port), "--dir", str(folder)]
        command += ["--heap", "768m", "--brokers", str(brokers)]
        if brokers >= 3 and not version.startswith("2."):
            command += ["--controllers", "3"]
        environment = {**os.environ, **({"JAVA_TOOL_OPTIONS": SHORT_LIVED} if is_short_lived else {})}
        done = subprocess.run([*command, *more], capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            raise Failed(f"Kafka {version} did not start: {done.stderr.strip()[-400:]}")
        # What the tool tells of the cluster, such as the addresses of its other listeners.
        self.facts = dict(line.split("=", 1) for line in done.stdout.splitlines())
        self.bootstrap = ",".join(f"127.0.0.1:{port + 10 * i}" for i in range(brokers))

    def broker(self, action: str, node: int, *more: str):
        """kill, pause, continue, stop or start one broker."""
        command = [TOOLS / "kafka", "broker", str(self.folder), action, str(node), *more]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"{action} of broker {node} failed: {done.stderr.strip()[-400:]}")

    def consumer_command(self, topic: str) -> list[str]:
        """Java's own consumer, which prints a line per record."""
        options = ["--bootstrap-server", self.bootstrap, "--topic", topic, "--group", "java-consumer", "--from-beginning"]
        return [str(TOOLS / "kafka"), "consumer", "--version", self.version, *options]

    def stop(self):
        subprocess.run([TOOLS / "kafka", "down", "--dir", str(self.folder), "--wipe"], capture_output=True)


class S3:
    """An S3 at a URL, looked at with boto3."""

    def __init__(self, url: str):
        import boto3
        import botocore.config

        self.url = url
        self.client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=KEY_PAIR[0],
            aws_secret_access_key=KEY_PAIR[1],
            config=botocore.config.Config(s3={"addressing_style": "path"}),
        )

    def objects(self, bucket: str) -> dict[str, tuple[int, str]]:
        """Name to size and ETag of every object; the embedded S3 lists no tags."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        found = (entry for page in pages for entry in page.get("Contents", []))
        return {entry["Key"]: (entry["Size"], entry.get("ETag", "").strip('"')) for entry in found}

    def body(self, bucket: str, name: str) -> bytes:
        return self.client.get_object(Bucket=bucket, Key=name)["Body"].read()

    def drop(self, bucket: str):
        """Gives the space of a finished round back."""
        for name in self.objects(bucket):
            self.client.delete_object(Bucket=bucket, Key=name)


class S3Server(S3):
    """moto's S3, in memory."""

    def __init__(self, folder: Path, **environment: str):
        folder.mkdir(parents=True, exist_ok=True)
        port = free_ports(1)
        super().__init__(f"http://127.0.0.1:{port}")
        with open(folder / "moto.log", "w") as log:
            command = [Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment})
        wait_until("moto's S3 answers", 120, lambda: http("GET", f"{self.url}/moto-api/data.json")[0] == 200)

    def stop(self):
        self.process.kill()
        self.process.wait()


class DocumentServer:
    """A server behind compat/tools/docstore: mongo-java-server in memory, or another engine of that tool."""

    def __init__(self, folder: Path, engine: str = "java", is_tls: bool = False):
        import pymongo

        self.folder = folder
        command = [TOOLS / "docstore", "up", "--port", str(free_ports(1)), "--dir", str(folder), "--engine", engine, *(["--tls"] if is_tls else [])]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"the document server did not start: {done.stderr.strip()[-400:]}")
        self.uri = done.stdout.split()[-1]
        self.client = pymongo.MongoClient(self.uri, **({"tlsCAFile": str(folder / "ca.pem")} if is_tls else {}))

    def stop(self):
        self.client.close()
        subprocess.run([TOOLS / "docstore", "down", "--dir", str(self.folder)], capture_output=True)


def embedded_program(name: str) -> Path:
    """An example of the crate with our stand-ins, built where it is not there yet."""
    program = ROOT / "target" / "release" / "examples" / name
    if not program.exists():
        build = ["cargo", "build", "--release", "--quiet", "-p", "millstream-embedded", "--example", name]
        subprocess.run(build, check=True, cwd=ROOT)
    return program


class Embedded:
    """Our own broker, S3 and document server, in two processes that are not the worker's; nothing else is needed."""

    def __init__(self, folder: Path, slow_fetch_ms: int):
        import pymongo

        folder.mkdir(parents=True, exist_ok=True)
        broker, documents, s3 = (free_ports(1) for _ in range(3))
        self.bootstrap, self.uri = f"127.0.0.1:{broker}", f"mongodb://127.0.0.1:{documents}"
        self.processes = [
            self.launch(folder, "broker", broker, "memory", "--slow-fetch", slow_fetch_ms),
            self.launch(folder, "servers", f"127.0.0.1:{documents}", "-", f"127.0.0.1:{s3}", folder / "s3"),
        ]
        for port in (broker, documents, s3):
            wait_until("the embedded services listen", 60, lambda: is_open(port))
        self.s3 = S3(f"http://127.0.0.1:{s3}")
        self.client = pymongo.MongoClient(self.uri)

    @staticmethod
    def launch(folder: Path, name: str, *arguments) -> subprocess.Popen:
        with open(folder / f"{name}.log", "w") as log:
            return subprocess.Popen([embedded_program(name), *map(str, arguments)], stdout=log, stderr=log)

    def stop(self):
        self.client.close()
        for process in self.processes:
            process.kill()
            process.wait()


def is_open(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """The binary with one of its commands; `kill` is kill -9."""

    binary = Path(os.environ.get("MILLSTREAM_BINARY", ROOT / "target" / "release" / "millstream"))

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.process: subprocess.Popen | None = None

    def launch(self, *arguments, **environment: str):
        with open(self.folder / "millstream.log", "a") as log:
            command = [self.binary, *arguments]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env={**HEALTH_PORT, **os.environ, **environment})

    def check(self):
        if self.process.poll() is not None:
            tail = (self.folder / "millstream.log").read_text(errors="replace")[-800:]
            raise Failed(f"millstream ended with {self.process.returncode}: {tail}")

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


class Worker:
    """A worker's REST side and its end, whoever wrote it; subclasses start the process."""

    session_ms = 1500
    fetch_bytes = 1_048_576

    def __init__(self, bootstrap: str, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.bootstrap = bootstrap
        self.folder = folder
        self.port = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"

    def settings(self) -> dict[str, str]:
        # Short sessions, so that the group forgets a killed worker soon; frequent commits, so that a restart finds some.
        return {
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            "offset.flush.interval.ms": "500",
            "consumer.session.timeout.ms": str(self.session_ms),
            "consumer.heartbeat.interval.ms": "400",
            "consumer.max.partition.fetch.bytes": str(self.fetch_bytes),
        }

    def create(self, name: str, config: dict):
        status, body = http("POST", f"{self.url}/connectors", {"name": name, "config": config})
        if status not in (201, 409):
            raise Failed(f"POST /connectors answered {status}: {body}")

    def failure(self, name: str) -> str | None:
        """The trace of a failed connector or task."""
        status, body = http("GET", f"{self.url}/connectors/{name}/status", timeout=5)
        if status != 200:
            return None
        parts = [body["connector"], *body["tasks"]]
        return next((part.get("trace", "no trace") for part in parts if part["state"] == "FAILED"), None)


class Millstream(Worker):
    def __init__(self, bootstrap: str, folder: Path):
        super().__init__(bootstrap, folder)
        self.process = Process(folder)

    def start(self):
        properties = {
            "bootstrap.servers": self.bootstrap,
            "listeners": f"http://127.0.0.1:{self.port}",
            "offset.storage.file.filename": str(self.folder / "offsets.dat"),
            **self.settings(),
        }
        file = self.folder / "worker.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        self.process.launch("standalone", file, **CREDENTIALS)
        wait_until("the worker's REST answers", 20, self.answers, 0.005)

    def answers(self) -> bool:
        self.process.check()
        return http("GET", self.url, timeout=2)[0] == 200

    def kill(self):
        self.process.kill()

    stop = kill


class JavaWorker(Worker):
    """Kafka Connect's own distributed worker with the plugins of one folder."""

    pid = None

    def __init__(self, bootstrap: str, folder: Path, plugins: Path, version: str = "4.3.1"):
        super().__init__(bootstrap, folder)
        self.plugins = plugins
        self.version = version

    def start(self):
        command = [TOOLS / "connect-java", "up", "--bootstrap", self.bootstrap, "--port", str(self.port)]
        command += ["--dir", str(self.folder), "--plugins", str(self.plugins), "--version", self.version]
        command += ["--group", f"java-{self.port}", "--heap", "1g"]
        for topic in ("config", "offset", "status"):
            command += [f"--{topic}-topic", f"java-{self.port}-{topic}"]
        for key, value in self.settings().items():
            command += ["--set", f"{key}={value}"]
        environment = dict(os.environ, **CREDENTIALS)
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            raise Failed(f"the Java worker did not start: {done.stderr.strip()[-400:]}")
        self.pid = int(next(line for line in done.stdout.splitlines() if line.startswith("PID="))[4:])

    def kill(self):
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            wait_until("the Java worker is gone", 10, lambda: not Path(f"/proc/{self.pid}/fd").is_dir())
            self.pid = None

    stop = kill

"""A Connect cluster of Java's workers and one of ours, each with a broker of its own, that are asked the same requests."""

import json
import os
import shutil
import signal
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from . import exchange
from .services import TOOLS, DocumentServer, Failed, Kafka, Process, free_ports, wait_until

PACKAGES = ("converters", "file", "json", "storage", "transforms")
JSON = "org.apache.kafka.connect.json.JsonConverter"
# Until a worker answers; two cores start two of them beside each other.
START_S = 240


@dataclass
class Setup:
    """What the workers of a chapter are started with; texts may have placeholders."""

    name: str
    workers: int = 1
    config: dict[str, str] = field(default_factory=dict)
    # Settings in which ours must differ, such as files of another format; None takes one away.
    ours: dict[str, str | None] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    test_plugins: bool = False
    standalone: bool = False
    # A login configuration file for the JVM and for who stands in for it.
    jaas: str | None = None
    # Folders of plugins for Java, and the classes in them that ours has too.
    plugins: Path | None = None
    classes: tuple[str, ...] = ()
    # The versions of the original that Java has, and of the one that ours is like; and keys and groups that came in between.
    versions: tuple[str, str] | None = None
    newer_keys: tuple[str, ...] = ()
    newer_groups: tuple[str, ...] = ()
    # Converters that lie in Java's folder beside the sink.
    converters: tuple[str, ...] = ()
    # Whether {{MONGODB}} stands for a document server, which both sides share.
    documents: bool = False
    # What a client needs to know for https.
    tls: ssl.SSLContext | None = None


class Side:
    """One kind of worker. A chapter starts its workers anew, under names that no chapter before it had."""

    name: str
    # Which of `Setup.versions` is this side's.
    version: int
    documents: DocumentServer | None = None

    def __init__(self, kafka: Kafka, folder: Path):
        self.kafka, self.folder = kafka, folder
        self.chapters = 0
        self.admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 2})
        self.setup = Setup("none")
        self.ports: list[int] = []
        self.dir = folder
        self.placeholders: dict[str, str] = {}

    def start(self, setup: Setup):
        self.setup = setup
        self.chapters += 1
        self.dir = self.folder / f"{self.chapters}-{setup.name}"
        shutil.rmtree(self.dir, ignore_errors=True)
        (self.dir / "files").mkdir(parents=True)
        first = free_ports(4)
        self.ports = [first + i for i in range(setup.workers)]
        self.placeholders = {
            "{{DIR}}": str(self.dir / "files"),
            "{{ADMIN_PORT}}": str(first + 3),
            "{{BOOTSTRAP}}": self.kafka.bootstrap,
            "{{CLUSTER_ID}}": self.kafka.facts["CLUSTER_ID"],
            "{{VERSION}}": "4.3.1",
        }
        for number, port in enumerate(self.ports):
            self.placeholders["{{WORKER_ID}}" if number == 0 else f"{{{{WORKER_ID_{number + 1}}}}}"] = self.host(port)
        if setup.versions:
            self.placeholders["{{PLUGIN_VERSION}}"] = setup.versions[self.version]
        if self.documents:
            self.placeholders["{{MONGODB}}"] = self.documents.uri
        for path, text in setup.files.items():
            self.write(path, text, "w")
        for number, port in enumerate(self.ports):
            # The first one leads.
            self.launch(number, port)
            wait_until(f"{self.name} answers in {setup.name}", START_S, lambda: self.is_up(number, port), 0.05)

    def settings(self, port: int) -> dict[str, str]:
        common = {
            "bootstrap.servers": self.kafka.bootstrap,
            "listeners": f"http://127.0.0.1:{port}",
            "rest.advertised.host.name": "127.0.0.1",
            "rest.advertised.port": str(port),
            "key.converter": JSON,
            "value.converter": JSON,
            "key.converter.schemas.enable": "false",
            "value.converter.schemas.enable": "false",
            "offset.flush.interval.ms": "1000",
        }
        if self.setup.standalone:
            common["offset.storage.file.filename"] = str(self.dir / "offsets.dat")
        else:
            common["group.id"] = f"kc{self.chapters}"
            for topic in ("config", "offset", "status"):
                common |= {f"{topic}.storage.topic": f"kc{self.chapters}_{topic}", f"{topic}.storage.replication.factor": "1"}
        more = {key: self.fill(value).replace("{{PORT}}", str(port)) for key, value in self.setup.config.items()}
        return common | more

    def connector_file(self) -> Path:
        """What a standalone worker is started with."""
        file = self.dir / "cli.properties"
        lines = ["name=cli", "connector.class=FileStreamSink", "tasks.max=1", "topics=cli", f"file={self.dir}/files/cli.out"]
        file.write_text("\n".join(lines) + "\n")
        return file

    def launch(self, number: int, port: int):
        raise NotImplementedError

    def check(self, number: int):
        raise NotImplementedError

    def end(self):
        raise NotImplementedError

    def is_up(self, number: int, port: int) -> bool:
        self.check(number)
        # Java's worker answers requests before it can write what they ask for, and then refuses them with 500.
        request = exchange.request_bytes(self.host(port), "GET", "/health", {}, b"")
        return exchange.send(port, request, "GET", self.setup.tls, 5).status in (200, 401)

    def host(self, port: int) -> str:
        """As it stands in a request: Jetty refuses one that its certificate is not for."""
        return f"127.0.0.1:{port}" if self.setup.tls is None else f"localhost:{port}"

    def clear(self):
        """Takes the chapter's topics away, so that the next one finds a clean broker."""
        topics = [name for name in self.admin.list_topics(timeout=30).topics if not name.startswith(("__", "kc"))]
        for future in self.admin.delete_topics(topics, operation_timeout=30).values() if topics else ():
            future.result(60)

    def fill(self, text: str) -> str:
        for name, value in self.placeholders.items():
            text = text.replace(name, value)
        return text

    def write(self, path: str, text: str, mode: str):
        file = Path(self.fill(path))
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, mode) as out:
            out.write(self.fill(text))

    def request(self, request: dict) -> exchange.Reply:
        """One exchange; a body is sent as JSON, a text as it stands, `raw` is the whole request."""
        port = self.ports[request.get("worker", 1) - 1]
        if "port" in request:
            port = int(self.fill(str(request["port"])))
        host = self.host(port)
        method = request.get("method", "GET")
        if "raw" in request:
            whole = self.fill(request["raw"]).replace("{{HOST}}", host).encode()
        else:
            text = self.fill(json.dumps(request["body"])) if "body" in request else self.fill(request.get("text", ""))
            headers = json.loads(self.fill(json.dumps(request.get("headers", {}))))
            whole = exchange.request_bytes(host, method, self.fill(request["path"]), headers, text.encode())
        return exchange.send(port, whole, method, self.setup.tls if request.get("tls", True) else None)

    def perform(self, deed: dict):
        (kind, what), = deed.items()
        if kind in ("write_file", "append_file"):
            self.write(what["path"], what["text"], "w" if kind == "write_file" else "a")
        elif kind == "make_dir":
            Path(self.fill(what["path"])).mkdir(parents=True)
        elif kind == "create_topic":
            for future in self.admin.create_topics([NewTopic(what["topic"], what["partitions"], 1)]).values():
                future.result(60)
        elif kind == "produce":
            producer = Producer({"bootstrap.servers": self.kafka.bootstrap})
            for value in what["values"]:
                producer.produce(what["topic"], value.encode(), partition=what.get("partition", -1))
            if producer.flush(30):
                raise Failed(f"records for {what['topic']} were not produced")
        elif kind == "sleep_ms":
            time.sleep(what / 1000)
        elif kind == "await_file":
            file = Path(self.fill(what["path"]))
            # Which partition is read first is nobody's promise.
            wanted = sorted(what["text"].splitlines())
            wait_until(f"{self.name}: {file.name} holds {wanted}", 60, lambda: file.exists() and sorted(file.read_text().splitlines()) == wanted)
        elif kind == "stop_worker":
            self.stop_one(what - 1)
        else:
            raise Failed(f"no such deed: {kind}")

    def stop_one(self, number: int):
        raise NotImplementedError


class JavaSide(Side):
    name = "java"
    version = 0

    def __init__(self, kafka: Kafka, folder: Path):
        super().__init__(kafka, folder)
        self.workers: dict[int, Path] = {}

    def launch(self, number: int, port: int):
        setup, folder = self.setup, self.dir / f"worker-{number + 1}"
        command = [TOOLS / "connect-java", "up", "--bootstrap", self.kafka.bootstrap, "--port", str(port), "--dir", folder, "--no-wait", "--version", self.kafka.version]
        for key, value in self.settings(port).items():
            command += ["--set", f"{key}={value}"]
        if setup.test_plugins:
            command.append("--test-plugins")
        if setup.standalone:
            command += ["--standalone", self.connector_file()]
        if setup.plugins:
            command += ["--plugins", setup.plugins]
        # The language decides which words messages have.
        options = "-XX:TieredStopAtLevel=1 -Duser.language=en -Duser.country=US"
        if setup.jaas:
            options += f" -Djava.security.auth.login.config={self.fill(setup.jaas)}"
        environment = {**os.environ, "CONNECT_JAVA_OPTS": options, "KAFKA_VERSION": self.kafka.version}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            raise Failed(f"the Java worker did not start: {done.stderr.strip()[-400:]}")
        self.workers[number] = folder

    def check(self, number: int):
        folder = self.workers[number]
        done = subprocess.run([TOOLS / "connect-java", "status", "--dir", folder], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"the Java worker ended, see {folder / 'connect.log'}")

    def stop_one(self, number: int):
        subprocess.run([TOOLS / "connect-java", "down", "--dir", self.workers.pop(number)], capture_output=True)

    def end(self):
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(self.stop_one, list(self.workers)))


class OurSide(Side):
    name = "ours"
    version = 1

    def __init__(self, kafka: Kafka, folder: Path):
        super().__init__(kafka, folder)
        self.processes: dict[int, Process] = {}

    def launch(self, number: int, port: int):
        setup, process = self.setup, Process(self.dir / f"worker-{number + 1}")
        packages = [*PACKAGES, "tools"] if setup.test_plugins else PACKAGES
        classes = [*(f"org.apache.kafka.connect.{package}.*" for package in packages), *setup.classes]
        properties = self.settings(port) | {"millstream.plugins.include": ",".join(classes)}
        properties |= {key: value and self.fill(value) for key, value in setup.ours.items()}
        file = process.folder / "worker.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in properties.items() if value is not None))
        arguments = ["standalone", file, self.connector_file()] if setup.standalone else ["worker", file]
        more = {"KAFKA_OPTS": f"-Djava.security.auth.login.config={self.fill(setup.jaas)}"} if setup.jaas else {}
        process.launch(*arguments, **more)
        self.processes[number] = process

    def check(self, number: int):
        self.processes[number].check()

    def stop_one(self, number: int):
        process = self.processes.pop(number)
        process.process.send_signal(signal.SIGTERM)
        try:
            process.process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Failed(f"ours did not end within 40 s of SIGTERM, see {process.folder}") from None

    def end(self):
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(self.stop_one, list(self.processes)))

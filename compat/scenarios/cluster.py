"""Workers of one Connect cluster, Java's and ours, what is asked of them, and a look at their group."""

import contextlib
import json
import os
import signal
import ssl
import struct
import subprocess
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from .services import CREDENTIALS, SHORT_LIVED, TOOLS, Failed, Process, free_ports, http, wait_until

JAVA, OURS = "java", "millstream"
START_SECONDS = 120


class Tls:
    """One authority, and one certificate for all workers and their clients, which everybody has to show."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        # Every request is a handshake: a kind of key that is cheap.
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self.run("openssl", "req", "-x509", *key, "-days", "9", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
        self.run("openssl", "req", *key, "-subj", "/CN=worker", "-keyout", "worker.key", "-out", "worker.csr")
        self.run("openssl", "x509", "-req", "-in", "worker.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "7", "-days", "9",
                 "-extfile", "names", "-out", "worker.pem")  # fmt: skip
        self.run("openssl", "pkcs12", "-export", "-in", "worker.pem", "-inkey", "worker.key", "-passout", "pass:changeit", "-out", "worker.p12")
        self.run("keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", "ca.pem", "-keystore", "trust.p12", "-storetype", "PKCS12",
                 "-storepass", "changeit")  # fmt: skip
        both = (folder / "worker.key").read_text() + (folder / "worker.pem").read_text()
        (folder / "both.pem").write_text(both)
        self.context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        self.context.load_cert_chain(folder / "both.pem")

    def run(self, *command: str):
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder)

    def settings(self, program: str) -> dict[str, str]:
        """PKCS#12 stores for Java's workers, PEM files for ours."""
        stores = {"ssl.keystore.location": "worker.p12", "ssl.truststore.location": "trust.p12"}
        if program == OURS:
            stores = {"ssl.keystore.location": "both.pem", "ssl.truststore.location": "ca.pem"}
        settings = {key: str(self.folder / name) for key, name in stores.items()}
        settings["ssl.client.auth"] = "required"
        for store in ("keystore", "truststore"):
            settings[f"ssl.{store}.type"] = "PEM" if program == OURS else "PKCS12"
            if program == JAVA:
                settings[f"ssl.{store}.password"] = "changeit"
        if program == JAVA:
            settings["ssl.key.password"] = "changeit"
        return {f"listeners.https.{key}": value for key, value in settings.items()}


@dataclass
class Cluster:
    """What the workers of one cluster share."""

    name: str
    bootstrap: str
    folder: Path
    settings: dict[str, str]
    tls: Tls | None = None
    java_version: str = "4.3.1"
    # Folders of plugins that Java's workers have.
    plugins: list[Path] = field(default_factory=list)
    # Settings of one kind of worker alone.
    own: dict[str, dict[str, str]] = field(default_factory=dict)
    # Java's workers stand in for ours, so that a scenario is checked itself.
    all_java: bool = False
    workers: list["Member"] = field(default_factory=list)

    def __post_init__(self):
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 2})

    def members(self) -> list:
        """Of the group at rest, with what its leader has told each; none while it rebalances."""
        with warnings.catch_warnings():
            # The newer call does not show assignments of groups that are no consumers'.
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                found = self.admin.list_groups(self.name, 10)
            except KafkaException:
                # A broker that has just started may still be reading its groups.
                return []
        return found[0].members if found and found[0].state == "Stable" else []

    def add(self, kind: str, name: str, host: str = "127.0.0.1", port: int | None = None) -> "Member":
        program = JavaMember if kind == JAVA or self.all_java else OurMember
        worker = program(self, kind, name, host, port or free_ports(1))
        self.workers.append(worker)
        return worker

    def live(self, kind: str | None = None) -> list["Member"]:
        return [worker for worker in self.workers if worker.is_up and kind in (None, worker.kind)]

    def start(self, *workers: "Member"):
        with ThreadPoolExecutor(len(workers)) as starts:
            for started in [starts.submit(worker.start) for worker in workers]:
                started.result()

    def stop_all(self):
        for worker in self.live():
            worker.kill()

    def leader(self) -> "Member | None":
        """Who leads the group, if it is at rest; its members have all been told the leader's address."""
        for member in self.members():
            url = leader_url(member.assignment)
            return next((worker for worker in self.live() if worker.url == url.rstrip("/")), None)
        return None

    def await_leader(self, *among: "Member") -> "Member":
        """Until all live workers are members and one of them leads."""

        def found():
            leader = self.leader()
            return leader if leader in (among or self.live()) and len(self.members()) == len(self.live()) else None

        return wait_until(f"a leader of {self.name}", 60, found, 0.1)

    def await_state(self, name: str, connector: str, tasks: list[str], ask: "list[Member] | None" = None, seconds: float = 60):
        """Until each of the workers shows these states, of live workers."""
        seen = None

        def shown() -> bool:
            nonlocal seen
            ids = {worker.id for worker in self.live()}
            for worker in ask or self.live():
                status, body = worker.ask("GET", f"/connectors/{quote(name)}/status")
                seen = f"{worker.name} answers {status}: {body}"
                if status != 200:
                    return False
                parts = [body["connector"], *body["tasks"]]
                states = [part["state"] for part in parts]
                if states != [connector, *tasks] or any(part["worker_id"] not in ids for part in parts if part["state"] == "RUNNING"):
                    return False
            return True

        try:
            wait_until(f"{name} with {connector} and {tasks}", seconds, shown, 0.1)
        except Failed as error:
            raise Failed(f"{error}; last, {seen}") from None

    def await_gone(self, name: str):
        def gone() -> bool:
            return all(worker.ask("GET", f"/connectors/{quote(name)}/status")[0] == 404 for worker in self.live())

        wait_until(f"{name} is gone everywhere", 60, gone, 0.1)


class Member:
    """A worker of a cluster in its own process; subclasses know the program."""

    # Whose stores it reads.
    stores: str

    def __init__(self, cluster: Cluster, kind: str, name: str, host: str, port: int):
        self.cluster = cluster
        self.kind = kind
        self.name = name
        self.folder = cluster.folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        scheme = "https" if cluster.tls else "http"
        self.id = f"{host}:{port}"
        self.url = f"{scheme}://{self.id}"
        self.host, self.port = host, port
        self.is_up = False
        self.starts = 0

    def settings(self) -> dict[str, str]:
        cluster = self.cluster
        scheme = "https" if cluster.tls else "http"
        return {
            "listeners": f"{scheme}://127.0.0.1:{self.port}",
            "rest.advertised.host.name": self.host,
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            **(cluster.tls.settings(self.stores) if cluster.tls else {}),
            **cluster.settings,
            **cluster.own.get(self.kind, {}),
        }

    def topics(self) -> dict[str, str]:
        return {name: f"{self.cluster.name}-{name}" for name in ("config", "offset", "status")}

    def start(self):
        self.launch()
        self.is_up = True
        self.starts += 1
        wait_until(f"{self.name} answers", START_SECONDS, self.answers, 0.1)

    def answers(self) -> bool:
        self.check()
        return self.ask("GET", "/", timeout=5)[0] == 200

    def ask(self, method: str, path: str, body=None, timeout: float = 100):
        context = self.cluster.tls.context if self.cluster.tls else None
        return http(method, self.url + path, body, timeout, context)

    def want(self, method: str, path: str, body=None, status: int | tuple[int, ...] = 200, seconds: float = 60):
        """The answer, which must have this status. What a rebalance refuses is asked again, as clients do."""
        wanted = status if isinstance(status, tuple) else (status,)
        end = time.monotonic() + seconds
        while True:
            found, answer = self.ask(method, path, body)
            if found in wanted:
                return answer
            # Java's words, with 500: for reads through its herder, and for writes in a transaction that a rebalance ends.
            is_refused = found == 409 or any(words in str(answer) for words in ("because a rebalance is expected", "can be safely retried"))
            if not is_refused or time.monotonic() > end:
                raise Failed(f"{method} {path} at {self.name} answers {found}, not {status}: {json.dumps(answer)[:800]}")
            time.sleep(0.1)

    def launch(self):
        raise NotImplementedError

    def check(self):
        raise NotImplementedError

    @property
    def pid(self) -> int:
        raise NotImplementedError

    def stop(self):
        """SIGTERM, and until the process has ended."""
        os.kill(self.pid, signal.SIGTERM)
        self.is_up = False
        self.await_end()

    def kill(self):
        """kill -9."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.is_up = False
        self.await_end()

    def freeze(self):
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.pid, signal.SIGCONT)

    def await_end(self):
        raise NotImplementedError


class OurMember(Member):
    stores = OURS

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.process = Process(self.folder)

    def launch(self):
        topics = self.topics()
        properties = {
            "bootstrap.servers": self.cluster.bootstrap,
            "group.id": self.cluster.name,
            **{f"{name}.storage.topic": topic for name, topic in topics.items()},
            **{f"{name}.storage.replication.factor": "1" for name in topics},
            **self.settings(),
        }
        file = self.folder / "worker.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        self.process.launch("worker", file, **CREDENTIALS)

    def check(self):
        self.process.check()

    @property
    def pid(self) -> int:
        return self.process.process.pid

    def await_end(self):
        try:
            self.process.process.wait(40)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} has not ended 40 s after it was told to") from None
        finally:
            self.process.kill()


class JavaMember(Member):
    stores = JAVA

    def launch(self):
        command = [TOOLS / "connect-java", "up", "--no-wait", "--bootstrap", self.cluster.bootstrap, "--port", str(self.port)]
        command += ["--dir", str(self.folder), "--version", self.cluster.java_version, "--group", self.cluster.name, "--heap", "512m"]
        for name, topic in self.topics().items():
            command += [f"--{name}-topic", topic]
        # Plugins are found by their manifests, which is quick.
        plugins = ",".join(str(folder) for folder in self.cluster.plugins)
        for key, value in {"plugin.path": plugins, "plugin.discovery": "service_load", **self.settings()}.items():
            if value:
                command += ["--set", f"{key}={value}"]
        environment = {"CONNECT_JAVA_OPTS": SHORT_LIVED, **os.environ, **CREDENTIALS}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            raise Failed(f"the Java worker {self.name} did not start: {done.stderr.strip()[-400:]}")
        self._pid = int(next(line for line in done.stdout.splitlines() if line.startswith("PID="))[4:])

    def check(self):
        if not self.is_there():
            tail = (self.folder / "connect.log").read_text(errors="replace")[-800:]
            raise Failed(f"the Java worker {self.name} has ended: {tail}")

    def is_there(self) -> bool:
        return Path(f"/proc/{self._pid}/fd").is_dir()

    @property
    def pid(self) -> int:
        return self._pid

    def await_end(self):
        try:
            wait_until(f"the Java worker {self.name} is gone", 60, lambda: not self.is_there())
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)


def leader_url(assignment: bytes) -> str:
    """The address of the leader, as the protocol of Connect's groups has it after version, error and leader."""
    _, _, length = struct.unpack_from(">hhh", assignment)
    (url,) = struct.unpack_from(">h", assignment, 6 + length)
    start = 8 + length
    return assignment[start : start + url].decode()

"""Scenario migrate: the walks of docs/migrate.md, by the commands that stand there, where their services run here.

Two chapters are walked: from a Java worker in a running group to ours and back, and from the workshop's stack to one binary. The blocks
marked `sh` are read out of the page and run in one shell each, in their order, with the page's own variables; ports alone are replaced. What a
person does between the blocks (a new image, a stop, a start) is done here, and after each step stands what has to hold. A step that the page has
and this file does not know ends the run, and the other way round. Records flow all the time; at the end each stands in one object.
"""

import ctypes
import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import datetime, timezone
from pathlib import Path

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from . import topics
from .cluster import JAVA, OURS, Cluster, JavaMember
from .flows import FileFlow, S3Flow
from .moves import Source
from .services import CREDENTIALS, HEALTH_PORT, ROOT, DocumentServer, Failed, Kafka, Options, Process, S3Server, free_ports, http, s3_plugin, wait_until

PAGE = ROOT / "docs" / "migrate.md"
INTERNAL = {"config": "kc_config", "offset": "kc_offset", "status": "kc_status"}
# The port of the worker that step 2 of the second walk starts to check a connector.
CHECK_PORT = "8085"
FLUSH_SIZE = 50
STEP_SECONDS = 180
# Quick to notice what happens.
SETTINGS = {
    "session.timeout.ms": "4000",
    "heartbeat.interval.ms": "300",
    "rebalance.timeout.ms": "8000",
    "scheduled.rebalance.max.delay.ms": "500",
    "offset.flush.interval.ms": "500",
    "offset.storage.partitions": "5",
    "status.storage.partitions": "1",
    "consumer.session.timeout.ms": "1500",
    "consumer.heartbeat.interval.ms": "400",
}
PR_SET_CHILD_SUBREAPER = 36


def chapters() -> dict[str, dict[str, list[str]]]:
    """The page's blocks marked `sh`, by chapter and step; what stands before the first chapter or step has an empty name."""
    if not PAGE.exists():
        raise Failed(f"{PAGE} is not there")
    found: dict[str, dict[str, list[str]]] = {}
    chapter = step = ""
    block = None
    for line in PAGE.read_text().splitlines():
        if block is not None:
            if line.startswith("```"):
                if block.pop(0) == "sh":
                    found[chapter][step].append("\n".join(block) + "\n")
                block = None
            else:
                block.append(line)
        elif line.startswith("```"):
            block = [line[3:].strip()]
            found.setdefault(chapter, {}).setdefault(step, [])
        elif line.startswith("## "):
            chapter, step = line[3:].strip(), ""
        elif line.startswith("### "):
            step = line[4:].strip()
            found.setdefault(chapter, {}).setdefault(step, [])
    return found


class Shell:
    """One shell for a whole walk: a block that fails ends it."""

    def __init__(self, folder: Path, environment: dict[str, str], replaced: dict[str, str]):
        self.folder, self.replaced = folder, replaced
        programs = folder / "bin"
        programs.mkdir(parents=True)
        (programs / "millstream").symlink_to(Process.binary.resolve())
        path = f"{programs}:{os.environ['PATH']}"
        self.blocks = 0
        ours = {**HEALTH_PORT, **os.environ, **CREDENTIALS, **environment, "PATH": path}
        self.log = open(folder / "shell.log", "w")
        self.process = subprocess.Popen(["bash", "-e", "-o", "pipefail"], cwd=folder, env=ours, stdin=subprocess.PIPE, stdout=self.log, stderr=self.log, text=True)

    def set(self, **variables: str):
        for name, value in variables.items():
            self.say(f"export {name}={value!r}")

    def say(self, line: str):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def run(self, block: str) -> str:
        """What the block prints."""
        for text, other in self.replaced.items():
            block = block.replace(text, other)
        self.blocks += 1
        file = self.folder / f"block-{self.blocks:02}.sh"
        output, done = file.with_suffix(".out"), file.with_suffix(".done")
        file.write_text(block)
        with suppress(BrokenPipeError):
            self.say(f". ./{file.name} > {output.name} 2>&1 && touch {done.name} || exit 1")

        def ended() -> bool:
            return done.exists() or self.process.poll() is not None

        try:
            wait_until(f"the end of {file.name}", STEP_SECONDS, ended, 0.05)
        except Failed as error:
            raise Failed(f"{error}:\n{block}\n{tail(output)}") from None
        if not done.exists():
            raise Failed(f"a block of {PAGE.name} fails:\n{block}\n{tail(output)}")
        return output.read_text(errors="replace")

    def stop(self):
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        # What a walk that failed has left running.
        for process in children(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(process, 9)
        self.process.kill()
        self.process.wait()
        self.log.close()


def children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def tail(file: Path) -> str:
    return file.read_text(errors="replace")[-1500:] if file.exists() else ""


class JavaWorker(JavaMember):
    """With the workshop's topics. What kills it need not be its parent: it is waited for here, so that it is gone then."""

    def topics(self) -> dict[str, str]:
        return INTERNAL

    def launch(self):
        super().launch()
        threading.Thread(target=self.reap, args=(self.pid,), daemon=True).start()

    @staticmethod
    def reap(pid: int):
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


class Walk:
    """What both walks have: a topic with records that come all the time, and a Java worker that archives it."""

    chapter = ""
    partitions = 2

    def __init__(self, options: Options, kafka: Kafka, s3: S3Server | None, number: int):
        self.options, self.kafka, self.s3 = options, kafka, s3
        self.folder = options.folder / f"walk-{number}"
        self.folder.mkdir()
        topic = (kafka.bootstrap, f"walk-{number}", self.partitions)
        self.flow = S3Flow(s3, *topic, FLUSH_SIZE) if s3 else FileFlow(self.folder / "flow.txt", *topic)
        plugins = [s3_plugin()] if s3 else []
        self.cluster = Cluster(f"group-{number}", kafka.bootstrap, self.folder, SETTINGS, None, kafka.version, plugins)
        self.java = JavaWorker(self.cluster, JAVA, "java", "127.0.0.1", free_ports(1))
        self.cluster.workers.append(self.java)
        self.admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 2})
        self.source = Source(kafka.bootstrap, options.seed, self.flow.topic, self.partitions, 20, 0.1)
        self.ours = f"http://localhost:{free_ports(1)}"
        self.began = time.monotonic()

    def log(self, step: str, **facts):
        self.options.log(step=step, chapter=self.chapter, second=round(time.monotonic() - self.began, 1), **facts)

    def environment(self) -> dict[str, str]:
        return {}

    def steps(self) -> dict[str, Callable[[list[str]], None]]:
        """By the page's headings: each is given the blocks of its step."""
        raise NotImplementedError

    def run(self, page: dict[str, dict[str, list[str]]]):
        steps, of_page = self.steps(), page.get(self.chapter, {})
        of_page = {step: blocks for step, blocks in of_page.items() if step}
        if list(steps) != list(of_page):
            raise Failed(f"{PAGE.name}, {self.chapter}, has the steps {list(of_page)}, and this scenario knows {list(steps)}")
        shell = self.shell = Shell(self.folder / "shell", self.environment(), {f"localhost:{CHECK_PORT}": f"localhost:{free_ports(1)}"})
        try:
            self.source.start()
            self.begin()
            shell.set(BOOTSTRAP=self.kafka.bootstrap, OURS=self.ours, JAVA=self.java.url, CONNECTOR="s3-sink", TOPIC=self.flow.topic)
            for block in page[""][""]:
                shell.run(block)
            for step, walk in steps.items():
                walk(of_page[step])
                self.log("step", heading=step, commands=len(of_page[step]))
            self.end()
        finally:
            self.source.done.set()
            shell.stop()
            self.cluster.stop_all()

    def begin(self):
        """The Java worker runs the connector, and has archived something."""
        self.cluster.start(self.java)
        self.java.want("POST", "/connectors", {"name": "s3-sink", "config": self.flow.config()}, 201)
        self.await_running(self.java.url, {self.java.id})

    def end(self):
        self.source.finish()
        self.log("records", **self.flow.check())

    def await_running(self, url: str, workers: set[str]):
        """All tasks run, at these workers alone."""
        seen = None

        def running() -> bool:
            nonlocal seen
            seen = self.java.ask("GET", "/connectors/s3-sink/status") if url == self.java.url else self.ask("/connectors/s3-sink/status")
            status, body = seen
            parts = [body["connector"], *body["tasks"]] if status == 200 else []
            return len(parts) == 1 + self.partitions and all(part["state"] == "RUNNING" and part["worker_id"] in workers for part in parts)

        try:
            wait_until(f"s3-sink runs at {sorted(workers)}", 90, running, 0.2)
        except Failed as error:
            raise Failed(f"{error}; last, {seen}") from None

    def ask(self, path: str):
        """One of ours, which stands at an address of its own."""
        return http("GET", self.ours + path, timeout=10)

    @property
    def our_id(self) -> str:
        return self.ours.removeprefix("http://")

    def blocks(self, blocks: list[str]) -> str:
        return "".join(self.shell.run(block) for block in blocks)


def expect(what: str, output: str, *parts: str):
    for part in parts:
        if not re.search(part, output):
            raise Failed(f"{what}: the commands print no {part!r}:\n{output[-1500:]}")


class RunningGroup(Walk):
    chapter = "From a Java worker in a running group"

    def steps(self):
        return {
            "1. See what there is": self.look,
            "2. Let ours read the configuration, without running it": self.validate,
            "3. Look at the three topics": self.look_at_topics,
            "4. Start the first of ours in the group": self.join,
            "5. See both at work": self.both,
            "6. Stop the Java workers, one by one": self.stop_java,
            "7. See that nothing was lost": self.alone,
            "Back": self.back,
        }

    def begin(self):
        super().begin()
        file = self.java.folder / "worker.properties"
        (self.folder / "shell" / "worker.properties").write_text(file.read_text())

    def look(self, blocks):
        output = self.blocks(blocks)
        expect("what there is", output, '"version"', '"s3-sink"', "RUNNING")
        saved = json.loads((self.folder / "shell" / "s3-sink.json").read_text())
        if saved["connector.class"] != self.flow.config()["connector.class"]:
            raise Failed(f"the file of the connector holds {saved}")

    def validate(self, blocks):
        expect("validation", self.blocks(blocks), r'"error_count":0\b')

    def look_at_topics(self, blocks):
        output = self.blocks(blocks)
        if output.count("right already") != 3:
            raise Failed(f"the three topics are not all right already:\n{output}")

    def join(self, blocks):
        self.blocks(blocks)
        wait_until("two members of the group", 60, lambda: len(self.cluster.members()) == 2, 0.2)

    def both(self, blocks):
        self.await_running(self.java.url, {self.java.id, self.our_id})
        output = self.blocks(blocks)
        expect("both", output, "RUNNING", "healthy", f"connect-s3-sink.*{self.flow.topic}")

    def stop_java(self, blocks):
        self.shell.set(JAVA_PID=str(self.java.pid))
        self.blocks(blocks)
        self.java.is_up = False
        self.await_running(self.ours, {self.our_id})

    def alone(self, blocks):
        expect("what is left", self.blocks(blocks), "RUNNING", f"connect-s3-sink.*{self.flow.topic}")

    def back(self, blocks):
        self.cluster.start(self.java)
        wait_until("two members of the group", 60, lambda: len(self.cluster.members()) == 2, 0.2)
        self.blocks(blocks)
        self.await_running(self.java.url, {self.java.id})


class Workshop(Walk):
    """The Java worker stands for the workshop's, at an address that stays; its topics are not compacted, as the workshop makes them."""

    chapter = "From the workshop's stack"
    partitions = 1

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.documents: DocumentServer | None = None
        self.worker, self.stream = Process(self.folder / "connect"), Process(self.folder / "stream")
        # The address of the load balancer, whoever stands behind it.
        self.ours = self.java.url

    def steps(self):
        return {
            "1. See what the variables come to": self.variables,
            "2. Repair the three topics": self.repair,
            "3. Give the topic partitions": self.more_partitions,
            "4. Exchange the Connect service": self.exchange,
            "5. See it run": self.look,
            "6. Exchange the stream processor": self.exchange_stream,
            "7. Take the rest away": self.blocks,
            "Back": self.blocks,
        }

    def environment(self) -> dict[str, str]:
        self.documents = DocumentServer(self.folder / "documents")
        return {**self.connect(), **self.of_stream()}

    def connect(self) -> dict[str, str]:
        string = "org.apache.kafka.connect.storage.StringConverter"
        settings = {key: value for key, value in SETTINGS.items() if not key.startswith(("offset.storage", "status.storage"))}
        return {
            "CONNECT_BOOTSTRAP_SERVERS": self.kafka.bootstrap,
            "CONNECT_GROUP_ID": self.cluster.name,
            **{f"CONNECT_{name.upper()}_STORAGE_TOPIC": topic for name, topic in INTERNAL.items()},
            "CONNECT_KEY_CONVERTER": string,
            "CONNECT_VALUE_CONVERTER": string,
            "CONNECT_REST_PORT": str(self.java.port),
            "CONNECT_REST_ADVERTISED_HOST_NAME": "127.0.0.1",
            "CONNECT_PLUGIN_PATH": "/usr/share/java",
            **{"CONNECT_" + key.upper().replace(".", "_"): value for key, value in settings.items()},
        }

    def of_stream(self) -> dict[str, str]:
        return {"KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap, "TOPIC_NAME": self.flow.topic, "MONGODB_URI": self.documents.uri, "HASH_ALGORITHM": "sha224"}

    def begin(self):
        # A worker of today's refuses such topics at its start, so they become so while it runs.
        super().begin()
        delete = [ConfigEntry("cleanup.policy", "delete", incremental_operation=AlterConfigOpType.SET)]
        resources = [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=delete) for topic in INTERNAL.values()]
        for done in self.admin.incremental_alter_configs(resources).values():
            done.result(30)

    def variables(self, blocks):
        output = self.blocks(blocks)
        expect("the variables", output, "bootstrap.servers", "HASH_ALGORITHM +sha224", "MONGODB_URI")

    def repair(self, blocks):
        expect("the repair", self.blocks(blocks), *INTERNAL.values())
        resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in INTERNAL.values()]
        for resource, found in self.admin.describe_configs(resources).items():
            if (policy := found.result(30)["cleanup.policy"].value) != "compact":
                raise Failed(f"{resource} has cleanup.policy={policy} after its repair")

    def more_partitions(self, blocks):
        self.blocks(blocks)
        # Asked by the producer, which has to know of them before it writes there.
        topic = self.source.producer.list_topics(self.flow.topic, 30).topics[self.flow.topic]
        if len(topic.partitions) != 12:
            raise Failed(f"the topic has {len(topic.partitions)} partitions")
        self.flow.partitions = self.source.partitions = 12

    def exchange(self, blocks):
        save, *create = blocks
        self.shell.run(save)
        self.java.stop()
        self.worker.launch("worker", **{**self.connect(), **CREDENTIALS})
        wait_until("ours stands in its place", 60, self.is_there, 0.1)
        self.await_running(self.ours, {self.our_id})
        self.blocks(create)

    def is_there(self) -> bool:
        self.worker.check()
        return self.ask("/connectors/s3-sink")[0] == 200

    def look(self, blocks):
        self.await_running(self.ours, {self.our_id})
        expect("the connector", self.blocks(blocks), "RUNNING", f"connect-s3-sink.*{self.flow.topic}")

    def exchange_stream(self, blocks):
        at = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
        self.shell.set(STOPPED_AT=at)
        expect("the offsets", self.blocks(blocks), self.flow.topic)
        self.stream.launch("stream", **{**self.of_stream(), **CREDENTIALS})
        hashed = self.documents.client["kafka"]["hashed"]

        def is_stored() -> bool:
            self.stream.check()
            return hashed.estimated_document_count() > 0

        wait_until("documents of the stream processor", 60, is_stored, 0.2)
        value = hashed.find_one()["value"]
        if not re.fullmatch("[0-9a-f]{56}", value):
            raise Failed(f"{value} is no SHA-224")

    def run(self, page):
        try:
            super().run(page)
        finally:
            self.worker.kill()
            self.stream.kill()
            if self.documents:
                self.documents.stop()


def run(options: Options) -> None:
    # The Java workers are started by a tool that ends: they become children of this process, which hears of their end.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    page = chapters()
    with ExitStack() as stack:
        s3 = None
        if s3_plugin():
            s3 = S3Server(options.folder / "moto")
            stack.callback(s3.stop)
        for number, walk in enumerate((RunningGroup, Workshop)):
            # The workshop's topics have one name each: a broker for each walk.
            kafka = Kafka(options.kafka, options.folder / f"kafka-{number}", more=("--set", "group.min.session.timeout.ms=1000"), is_short_lived=True)
            try:
                walk(options, kafka, s3, number).run(page)
            finally:
                kafka.stop()

"""A walk through a chapter of docs/migrate.md, by the commands that stand there.

The page's blocks are read out of it and run in one shell for each walk, in their order, with the page's own variables. What a person does
between the blocks (a new image, a stop, a start) is done by the walk, and after each step stands what has to hold. Records flow all the time.
"""

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from confluent_kafka.admin import AdminClient

from .cluster import JAVA, Cluster, JavaMember
from .flows import FileFlow, S3Flow
from .moves import Source
from .services import CREDENTIALS, HEALTH_PORT, ROOT, Failed, Kafka, Options, Process, S3Server, free_ports, http, s3_plugin, wait_until

PAGE = ROOT / "docs" / "migrate.md"
INTERNAL = {"config": "kc_config", "offset": "kc_offset", "status": "kc_status"}
# The port of the worker that one of the chapters starts to check a connector.
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


def chapters(kinds: tuple[str, ...]) -> dict[str, dict[str, list[str]]]:
    """The page's blocks of these kinds, by chapter and step; what stands before the first chapter or step has an empty name."""
    if not PAGE.exists():
        raise Failed(f"{PAGE} is not there")
    found: dict[str, dict[str, list[str]]] = {}
    chapter = step = ""
    block = None
    for line in PAGE.read_text().splitlines():
        if block is not None:
            if line.startswith("```"):
                if block.pop(0) in kinds:
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

    def __init__(self, folder: Path, environment: dict[str, str], replaced: dict[str, str], programs: dict[str, Path]):
        """`replaced` are texts of the page that are others here; `programs` are in the search path under their names."""
        self.folder, self.replaced = folder, replaced
        bin = folder / "bin"
        bin.mkdir(parents=True)
        for name, program in {"millstream": Process.binary.resolve(), **programs}.items():
            (bin / name).symlink_to(program)
        path = f"{bin}:{os.environ['PATH']}"
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
    """What all walks have: a topic with records that come all the time, and a Java worker that archives it."""

    chapter = ""
    partitions = 2
    # The blocks that are run.
    kinds: tuple[str, ...] = ("sh",)
    java_worker: type[JavaWorker] = JavaWorker

    def __init__(self, options: Options, kafka: Kafka, s3: S3Server | None, number: int):
        self.options, self.kafka, self.s3 = options, kafka, s3
        self.folder = options.folder / f"walk-{number}"
        self.folder.mkdir()
        topic = (kafka.bootstrap, f"walk-{number}", self.partitions)
        self.flow = S3Flow(s3, *topic, FLUSH_SIZE) if s3 else FileFlow(self.folder / "flow.txt", *topic)
        plugins = [s3_plugin()] if s3 and s3_plugin() else []
        self.cluster = Cluster(f"group-{number}", kafka.bootstrap, self.folder, SETTINGS, None, kafka.version, plugins)
        self.java = self.java_worker(self.cluster, JAVA, "java", "127.0.0.1", free_ports(1))
        self.cluster.workers.append(self.java)
        self.admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 2})
        self.source = Source(kafka.bootstrap, options.seed, self.flow.topic, self.partitions, 20, 0.1)
        self.ours = f"http://localhost:{free_ports(1)}"
        self.began = time.monotonic()

    def log(self, step: str, **facts):
        self.options.log(step=step, chapter=self.chapter, second=round(time.monotonic() - self.began, 1), **facts)

    def environment(self) -> dict[str, str]:
        return {}

    def programs(self) -> dict[str, Path]:
        return {}

    def replaced(self) -> dict[str, str]:
        return {f"localhost:{CHECK_PORT}": f"localhost:{free_ports(1)}"}

    def steps(self) -> dict[str, Callable[[list[str]], None]]:
        """By the page's headings: each is given the blocks of its step."""
        raise NotImplementedError

    def run(self):
        page = chapters(self.kinds)
        steps, of_page = self.steps(), page.get(self.chapter, {})
        of_page = {step: blocks for step, blocks in of_page.items() if step}
        if list(steps) != list(of_page):
            raise Failed(f"{PAGE.name}, {self.chapter}, has the steps {list(of_page)}, and this scenario knows {list(steps)}")
        shell = self.shell = Shell(self.folder / "shell", self.environment(), self.replaced(), self.programs())
        try:
            self.source.start()
            self.begin()
            shell.set(BOOTSTRAP=self.kafka.bootstrap, OURS=self.ours, JAVA=self.java.url, CONNECTOR="s3-sink", TOPIC=self.flow.topic)
            # What the page tells the shell first.
            for block in chapters(("sh",))[""][""]:
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

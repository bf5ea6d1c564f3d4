"""Scenario rolling: the workers of one Connect cluster are replaced one by one, Java's by ours and back, under load.

Two workers of Java's are joined by two of ours, killed and stopped until ours are alone, and come back. Every worker leads
for a while. A sink with eight tasks writes into S3 all the time, a source of lines into a topic; in each phase a
connector lives its life through each kind of worker: created, changed, paused, resumed, restarted, stopped, deleted. In
between stand what clients see of a rebalance that does not end, of a dead leader, and of a class that only Java has. At
the end each offset stands in one object, and a worker of either kind, started on the topics, shows the same.

Rounds take turns: all requests over HTTPS with client certificates (round 0), sources of Java's exactly once (round 1),
neither (round 2). Round 0, which is CI's, leaves out the rebalance that does not end. Without Confluent's sink lines are
written into a file instead, at least once.
"""

import contextlib
import json
import random
import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from . import topics
from .cluster import JAVA, OURS, Cluster, Member, Tls
from .flows import FILE_SINK, FILE_SOURCE, FileFlow, Lines, S3Flow
from .group_member import HandMade
from .moves import Source
from .services import TOOLS, Failed, Kafka, Options, S3Server, s3_plugin, wait_until

TASKS = 8
FLUSH_SIZE = 100
SESSION_MS, REBALANCE_MS = 4_000, 8_000
FLOW = "flow"
JAVA_ONLY = "scenario.JavaOnlySinkConnector"
NO_CLASS = "Failed to find any class"
RUNNING = "RUNNING"
# Quick to notice what happens; restarts find offsets that were stored.
SETTINGS = {
    "session.timeout.ms": str(SESSION_MS),
    "heartbeat.interval.ms": "300",
    "rebalance.timeout.ms": str(REBALANCE_MS),
    "scheduled.rebalance.max.delay.ms": "500",
    "worker.unsync.backoff.ms": "1000",
    "offset.storage.partitions": "5",
    "offset.flush.interval.ms": "500",
    "status.storage.partitions": "3",
    "consumer.session.timeout.ms": "1500",
    "consumer.heartbeat.interval.ms": "400",
}
# What a rebalance that does not end holds up: at once; at its end; refused.
AT_ONCE, AT_THE_END, REFUSED = "at once", "at the end", "refused"


def java_only(folder: Path, version: str) -> Path:
    """A plugin folder with a connector that is compiled here, and that ours does not have."""
    plugin, classes = folder / "java-only", folder / "classes"
    classes.mkdir(parents=True, exist_ok=True)
    plugin.mkdir(exist_ok=True)
    class_path = subprocess.run([TOOLS / "kafka", "classpath", "--version", version, "--connect"], capture_output=True, text=True, check=True)
    source = TOOLS / "JavaOnlySinkConnector.java"
    subprocess.run(["javac", "-nowarn", "-cp", ":".join(class_path.stdout.split()), "-d", str(classes), str(source)], check=True, capture_output=True)
    with zipfile.ZipFile(plugin / "java-only.jar", "w") as jar:
        for file in classes.rglob("*.class"):
            jar.write(file, file.relative_to(classes))
        jar.writestr("META-INF/services/org.apache.kafka.connect.sink.SinkConnector", JAVA_ONLY)
    return plugin


class Round:
    def __init__(self, options: Options, kafka: Kafka, s3: S3Server | None, plugins: list[Path], number: int):
        self.options, self.kafka, self.number = options, kafka, number
        self.rng = random.Random(f"{options.seed}/round {number}")
        self.folder = options.folder / f"round-{number}"
        self.folder.mkdir()
        name = f"rolling-{number}"
        self.small_topic = f"{name}-small"
        topics.create(kafka.bootstrap, self.small_topic)
        topic = (kafka.bootstrap, f"{name}-flow", TASKS)
        self.flow = S3Flow(s3, *topic, FLUSH_SIZE) if s3 else FileFlow(self.folder / "flow.txt", *topic)
        tls = Tls(self.folder / "tls") if number % 3 == 0 else None
        own = {JAVA: {"exactly.once.source.support": "enabled"}, OURS: {"exactly.once.source.support": "preparing"}} if number % 3 == 1 else {}
        self.cluster = Cluster(name, kafka.bootstrap, self.folder, SETTINGS, tls, kafka.version, plugins, own, options.worker == JAVA)
        self.led: set[str] = set()
        self.lines = Lines(kafka.bootstrap, f"{name}-lines", self.folder / "lines.txt")
        self.source = Source(kafka.bootstrap, options.seed, self.flow.topic, TASKS, 20, 0.1)
        self.phase = "none"
        self.began = time.monotonic()

    def log(self, step: str, **facts):
        self.options.log(step=step, round=self.number, second=round(time.monotonic() - self.began, 1), **facts)

    def pick(self, kind: str | None = None) -> Member:
        return self.rng.choice(self.cluster.live(kind))

    def enter(self, phase: str, kind_that_leads: str) -> Member:
        """A phase begins once the group is at rest and all that runs, runs."""
        self.phase = phase
        leader = self.note_leader(kind_that_leads)
        self.await_flow()
        self.log("phase", phase=phase, leader=leader.name, live=[worker.name for worker in self.cluster.live()])
        return leader

    def note_leader(self, kind: str) -> Member:
        leader = self.cluster.await_leader(*self.cluster.live(kind))
        self.led.add(leader.name)
        return leader

    def await_flow(self):
        self.cluster.await_state(FLOW, RUNNING, [RUNNING] * TASKS)
        self.cluster.await_state("lines", RUNNING, [RUNNING])

    def file_sink(self, name: str, tasks: int = 1) -> dict:
        file = str(self.folder / f"{name}.txt")
        return {"connector.class": FILE_SINK, "tasks.max": str(tasks), "topics": self.small_topic, "file": file, "a.note": "ü 水 🦀 \\ \""}

    def lives(self):
        """One connector through each kind of worker that is there, side by side."""
        through = [self.pick(kind) for kind in (JAVA, OURS) if self.cluster.live(kind)]
        began = time.monotonic()
        with ThreadPoolExecutor(2) as both:
            for life in [both.submit(self.life, worker) for worker in through]:
                life.result()
        self.await_flow()
        self.log("lives", phase=self.phase, through=[worker.name for worker in through], seconds=round(time.monotonic() - began, 1))

    def life(self, worker: Member):
        name = f"life-{self.phase}-{worker.kind}".replace(" ", "-")
        config, path, shown = self.file_sink(name, 2), f"/connectors/{name}", self.cluster.await_state
        worker.want("POST", "/connectors", {"name": name, "config": config}, 201)
        shown(name, RUNNING, [RUNNING] * 2)
        worker.want("PUT", f"{path}/config", {**config, "tasks.max": "3"})
        shown(name, RUNNING, [RUNNING] * 3)
        worker.want("PATCH", f"{path}/config", {"tasks.max": "1", "a.note": None})
        shown(name, RUNNING, [RUNNING])
        if (found := worker.want("GET", f"{path}/config")) != (wanted := {**config, "name": name, "tasks.max": "1", "a.note": None}):
            wanted.pop("a.note")
            if found != wanted:
                raise Failed(f"{name} has the configuration {found}, not {wanted}")
        worker.want("PUT", f"{path}/pause", status=202)
        shown(name, "PAUSED", ["PAUSED"])
        worker.want("PUT", f"{path}/resume", status=202)
        shown(name, RUNNING, [RUNNING])
        worker.want("POST", f"{path}/restart?includeTasks=true&onlyFailed=false", status=202)
        shown(name, RUNNING, [RUNNING])
        worker.want("POST", f"{path}/tasks/0/restart", status=204)
        shown(name, RUNNING, [RUNNING])
        worker.want("PUT", f"{path}/stop", status=(202, 204))
        shown(name, "STOPPED", [])
        worker.want("GET", f"{path}/offsets")
        worker.want("DELETE", path, status=204)
        self.cluster.await_gone(name)

    def keep(self, name: str, worker: Member, state: str):
        """A connector that stays to the end, in one of the states."""
        body = {"name": name, "config": self.file_sink(name), "initial_state": state}
        worker.want("POST", "/connectors", body, 201)
        # One that is not to run is never asked for tasks.
        self.cluster.await_state(name, state, [RUNNING] if state == RUNNING else [])

    def java_only(self, name: str):
        """A class that only Java's workers have: made, replaced and patched through both kinds, whoever leads."""
        if self.cluster.all_java:
            return
        for kind in (JAVA, OURS):
            one = f"{name}-{kind}"
            config, path = {"connector.class": JAVA_ONLY, "tasks.max": "1", "topics": self.small_topic}, f"/connectors/{one}"
            self.pick(kind).want("POST", "/connectors", {"name": one, "config": config}, 201)
            for number, other in enumerate((JAVA, OURS)):
                self.pick(other).want("PUT", f"{path}/config", {**config, "drop.what": str(number)})
                self.pick(other).want("PATCH", f"{path}/config", {"drop.what": str(10 + number)})
                status, answer = self.pick(other).ask("PATCH", f"{path}/config", {"drop.what": "no number"})
                if status != 400 or "drop.what" not in str(answer):
                    raise Failed(f"PATCH of {one} through {other} with a wrong value answers {status}: {answer}")
            self.await_java_only(one)

    def java_only_is_away(self):
        """Nobody is there who has the class: what runs it has failed, and nothing new is made of it."""
        if self.cluster.all_java:
            return
        for kind in (JAVA, OURS):
            self.await_java_only(f"only-1-{kind}")
        body = {"name": "nobody-has-it", "config": {"connector.class": JAVA_ONLY, "topics": self.small_topic}}
        status, answer = self.pick().ask("POST", "/connectors", body)
        if status != 400 or NO_CLASS not in answer["message"]:
            raise Failed(f"POST of a class that nobody has answers {status}: {answer}")

    def fences(self):
        """Where Java's sources are exactly once, the leader shuts out former tasks for whoever is to run the next ones."""
        if not self.cluster.own:
            return
        names = [f"fenced-{number}" for number in range(4)]
        file = self.folder / "few-lines.txt"
        file.write_text("line\n")
        config = {"connector.class": FILE_SOURCE, "tasks.max": "1", "topic": self.small_topic, "file": str(file)}
        owners = set()
        for name in names:
            self.pick().want("POST", "/connectors", {"name": name, "config": config}, 201)
        for batch in ("1", "2"):
            for name in names:
                self.pick().want("PUT", f"/connectors/{name}/config", {**config, "batch.size": batch})
            for name in names:
                self.cluster.await_state(name, RUNNING, [RUNNING])
                owners.add(self.pick().want("GET", f"/connectors/{name}/status")["tasks"][0]["worker_id"])
        java = {worker.id for worker in self.cluster.live(JAVA)}
        if not owners & java:
            raise Failed(f"none of {names} ran at Java's, but at {sorted(owners)}")
        for name in names:
            self.pick().want("DELETE", f"/connectors/{name}", status=204)
        self.log("fenced", workers=sorted(owners), of_java=sorted(owners & java))

    def await_java_only(self, name: str):
        """It runs where Java has it; what ours was given has failed, and says why."""
        seen = None

        def is_settled() -> bool:
            nonlocal seen
            seen = self.cluster.live()[0].ask("GET", f"/connectors/{name}/status")
            status, body = seen
            if status != 200:
                return False
            java, ours = ({worker.id for worker in self.cluster.live(kind)} for kind in (JAVA, OURS))

            def is_right(part: dict) -> bool:
                if part["worker_id"] in java:
                    return part["state"] == RUNNING
                return part["worker_id"] in ours and part["state"] == "FAILED" and NO_CLASS in part["trace"]

            return all(is_right(part) for part in [body["connector"], *body["tasks"]]) and (body["tasks"] or body["connector"]["worker_id"] in ours)

        try:
            wait_until(f"{name} runs at Java's or fails at ours", 60, is_settled, 0.05)
        except Failed as error:
            raise Failed(f"{error}; last, {seen}") from None

    def dead_leader(self, leader: Member):
        """Killed; until its session ends, what only a leader does fails at once, and all else works."""
        others = [worker for worker in self.cluster.live() if worker is not leader]
        asked = [self.rng.choice(of_kind) for kind in (JAVA, OURS) if (of_kind := [worker for worker in others if worker.kind == kind])]
        body = {"name": "not-made", "config": self.file_sink("not-made")}
        leader.kill()
        killed = time.monotonic()

        def ask(worker: Member, method: str, path: str, content) -> tuple:
            answer = worker.ask(method, path, content)
            return worker, method, path, *answer, time.monotonic() - killed

        with ThreadPoolExecutor(8) as pool:
            posts = [pool.submit(ask, worker, "POST", "/connectors", body) for worker in asked]
            paths = ("/connectors", f"/connectors/{FLOW}/status", "/health")
            reads = [pool.submit(ask, worker, "GET", path, None) for worker in asked for path in paths]
        for worker, method, path, status, answer, after in (read.result() for read in reads):
            if status != 200:
                raise Failed(f"{after:.1f} s after the leader's death {method} {path} at {worker.name} answers {status}: {answer}")
        made = False
        for worker, method, path, status, answer, after in (post.result() for post in posts):
            is_refused = status == 500 and "IO Error trying to forward REST request: java.net.ConnectException" in answer["message"]
            # On a machine that is slow there may be another leader by now.
            made = made or (status in (201, 409) and after > SESSION_MS / 2000)
            if not is_refused and not made:
                raise Failed(f"{after:.1f} s after the leader's death {method} {path} at {worker.name} answers {status}: {answer}")
        if made:
            self.pick().want("DELETE", "/connectors/not-made", status=(204, 404))
        self.log("dead leader", leader=leader.name, asked=[worker.name for worker in asked], refused=not made)

    def blocked(self):
        """A member that heartbeats and does not join again holds up the herder of every worker, and nobody's reads."""
        asked = [self.pick(kind) for kind in (JAVA, OURS)]
        made = [(worker, what) for worker in asked for what in ("put", "stop", "delete", "pause")]

        def make(worker: Member, what: str):
            name = f"held-{what}-{worker.kind}"
            worker.want("POST", "/connectors", {"name": name, "config": self.file_sink(name), "initial_state": "PAUSED"}, 201)
            self.cluster.await_state(name, "PAUSED", [])

        with ThreadPoolExecutor(len(made)) as makers:
            for done in [makers.submit(make, *each) for each in made]:
                done.result()
        hand = HandMade(self.kafka.bootstrap, self.cluster.name, "http://127.0.0.1:9/", REBALANCE_MS)
        try:
            hand.settle()
            hand.rejoins = False
            self.pick().want("POST", "/connectors", {"name": "held-trigger", "config": self.file_sink("held-trigger")}, 201)
            wait_until("the rebalance begins", 10, lambda: hand.is_asked_to_rejoin)
            # The workers hear of it with their next heartbeats.
            time.sleep(0.5)
            began = time.monotonic()
            with ThreadPoolExecutor(40) as pool:
                asking = [pool.submit(self.ask_held, worker, began, *request) for worker in asked for request in self.held_requests(worker)]
                found = [one.result() for one in asking]
        finally:
            hand.leave()
        wrong = [line for line, is_right in found if not is_right]
        if wrong:
            raise Failed(f"while the group rebalances: {'; '.join(wrong)}; beside {[line for line, _ in found]}")
        self.log("blocked", asked=[worker.name for worker in asked], answers=[line for line, _ in found])
        for name in [f"held-{what}-{worker.kind}" for worker, what in made if what != "delete"] + [f"held-post-{worker.kind}" for worker in asked] + ["held-trigger"]:
            self.pick().want("DELETE", f"/connectors/{name}", status=204)
            self.cluster.await_gone(name)

    def held_requests(self, worker: Member) -> Iterator[tuple]:
        kind = worker.kind

        def held(what: str) -> str:
            return f"/connectors/held-{what}-{kind}"

        config = self.file_sink(f"held-post-{kind}")
        yield from ((AT_ONCE, "GET", path, None, (200,)) for path in ("/connectors", "/connectors?expand=status&expand=info", "/connector-plugins"))
        yield AT_ONCE, "GET", f"{held('pause')}/status", None, (200,)
        yield AT_ONCE, "PUT", "/connector-plugins/FileStreamSink/config/validate", {**config, "name": "v"}, (200,)
        yield AT_ONCE, "PUT", f"{held('pause')}/pause", None, (202,)
        yield AT_THE_END, "POST", "/connectors", {"name": f"held-post-{kind}", "config": config}, (201,)
        yield AT_THE_END, "PUT", f"{held('put')}/config", {**config, "a.note": "another"}, (200,)
        yield AT_THE_END, "PUT", f"{held('stop')}/stop", None, (202, 204)
        yield AT_THE_END, "DELETE", held("delete"), None, (204,)
        # Java's reads through its herder wait, too, and may be refused then; ours tell what is known.
        if worker.stores == OURS:
            yield from ((AT_ONCE, "GET", held("pause") + path, None, (200,)) for path in ("", "/config", "/tasks", "/offsets"))
        else:
            yield AT_THE_END, "GET", f"{held('pause')}/offsets", None, (200,)
        # Java's waits to the end, too; what it says then depends on what else has waited.
        yield REFUSED, "POST", f"{held('pause')}/restart", None, (409,) if worker.stores == OURS else (204, 409)

    @staticmethod
    def ask_held(worker: Member, began: float, when: str, method: str, path: str, body, statuses: tuple[int, ...]) -> tuple[str, bool]:
        status, answer = worker.ask(method, path, body)
        took = time.monotonic() - began
        is_in_time = when == REFUSED or (took < REBALANCE_MS / 2000) == (when == AT_ONCE)
        is_right = status in statuses and is_in_time
        return f"{worker.kind} {method} {path}: {status} after {took:.1f} s" + ("" if is_right else f", not {when}: {str(answer)[:300]}"), is_right

    def replace(self, kind: str, other: str):
        """Those of one kind go: the leader with kill -9, then the other one with SIGTERM."""
        self.dead_leader(self.note_leader(kind))
        # Any of those who are left; the coordinator chooses.
        self.cluster.await_leader()
        self.cluster.live(kind)[0].stop()
        self.note_leader(other)

    def hand_over(self, leader: Member):
        """The other one leads, too: this one is stopped and comes back."""
        leader.stop()
        self.note_leader(leader.kind)
        self.cluster.start(leader)

    def run(self):
        cluster = self.cluster
        hosts = ("127.0.0.1", "localhost")
        javas = [cluster.add(JAVA, f"java-{number}", self.rng.choice(hosts)) for number in range(2)]
        ours = [cluster.add(OURS, f"millstream-{number}", self.rng.choice(hosts)) for number in range(2)]
        names = {worker.name for worker in cluster.workers}
        self.source.start()
        self.lines.start()
        cluster.start(*javas)
        self.pick().want("POST", "/connectors", {"name": FLOW, "config": self.flow.config()}, 201)
        self.pick().want("POST", "/connectors", {"name": "lines", "config": self.lines.config()}, 201)
        self.enter("java alone", JAVA)
        self.keep("kept ü 1", self.pick(JAVA), "PAUSED")
        self.lives()

        cluster.start(*ours)
        self.enter("java leads", JAVA)
        self.keep("kept-2", self.pick(OURS), "STOPPED")
        self.lives()
        self.java_only("only-1")
        if self.number:
            self.blocked()
        self.replace(JAVA, OURS)

        leader = self.enter("millstream alone", OURS)
        self.keep("kept-3", self.pick(OURS), RUNNING)
        self.lives()
        self.java_only_is_away()
        self.hand_over(leader)

        cluster.start(*javas)
        self.enter("millstream leads", OURS)
        self.lives()
        self.java_only("only-2")
        self.fences()
        self.replace(OURS, JAVA)

        leader = self.enter("java again", JAVA)
        for name in () if cluster.all_java else ("only-1", "only-2"):
            for kind in (JAVA, OURS):
                cluster.await_state(f"{name}-{kind}", RUNNING, [RUNNING])
                self.pick().want("DELETE", f"/connectors/{name}-{kind}", status=204)
        self.lives()
        self.source.finish()
        lines = self.lines.check("read_committed" if self.cluster.own else "read_uncommitted")
        self.log("records", **self.flow.check(), **lines)
        self.compare(leader)
        if names - self.led:
            raise Failed(f"{sorted(names - self.led)} never led the group")

    def compare(self, leader: Member):
        """The last worker of Java's and then one of ours alone, at the same address, show the same of what is stored."""
        leader.stop()
        last = self.cluster.live(JAVA)[0]
        self.enter("the last of java's", JAVA)
        first = self.snapshot(last)
        last.stop()
        same = self.cluster.add(OURS, "millstream-last", last.host, last.port)
        self.cluster.start(same)
        self.enter("the first of millstream's", OURS)
        second = self.snapshot(same)
        same.stop()
        if first != second:
            raise Failed(f"what is stored looks different: {differences(first, second)}")
        self.log("compared", connectors=len(first["connectors"]), led=sorted(self.led))

    def snapshot(self, worker: Member) -> dict:
        names = sorted(worker.want("GET", "/connectors"))
        size = self.lines.file.stat().st_size
        position = ("offsets", 0, "offset", "position")
        wait_until("the source's offset is stored", 30, lambda: dig(worker.want("GET", "/connectors/lines/offsets"), position) == size, 0.2)

        def answers(what: str) -> dict:
            return {name: worker.want("GET", f"/connectors/{quote(name)}/{what}") for name in names}

        offsets = answers("offsets")
        for each in offsets.values():
            each["offsets"].sort(key=lambda entry: json.dumps(entry["partition"], sort_keys=True))
        # What the flow has committed last depends on the moment of the stop.
        offsets.pop(FLOW)
        used = {name: sorted(answer[name]["topics"]) for name, answer in answers("topics").items()}
        tasks = {name: sorted(answer, key=lambda task: task["id"]["task"]) for name, answer in answers("tasks").items()}
        connectors = worker.want("GET", "/connectors?expand=info&expand=status")
        if self.options.kafka.startswith("3."):
            # Java's workers tell no version of what runs before 4.x; ours always does.
            for each in connectors.values():
                for status in (each["status"]["connector"], *each["status"]["tasks"]):
                    status.pop("version", None)
        return {"connectors": connectors, "offsets": offsets, "topics": used, "tasks": tasks}


def dig(value, path):
    with contextlib.suppress(LookupError, TypeError):
        for step in path:
            value = value[step]
        return value
    return None


def differences(first, second, at: str = "") -> list[str]:
    """Where two JSON values differ, each place in a line."""
    if isinstance(first, dict) and isinstance(second, dict):
        keys = sorted(first.keys() | second.keys())
        return [line for key in keys for line in differences(first.get(key), second.get(key), f"{at}/{key}")]
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return [line for n, (a, b) in enumerate(zip(first, second)) for line in differences(a, b, f"{at}/{n}")]
    return [] if first == second else [f"{at}: java {json.dumps(first)[:300]}, ours {json.dumps(second)[:300]}"]


def run(options: Options) -> None:
    with contextlib.ExitStack() as stack:
        kafka = Kafka(options.kafka, options.folder / "kafka", more=("--set", "group.min.session.timeout.ms=1000"), is_short_lived=True)
        stack.callback(kafka.stop)
        s3 = None
        plugins = [java_only(options.folder / "plugins", options.kafka)]
        if s3_plugin():
            s3 = S3Server(options.folder / "moto")
            stack.callback(s3.stop)
            plugins.append(s3_plugin())
        else:
            print("NOT COMPARED: objects in S3, each record once, for Confluent's sink is not there: lines of a file instead, at least once", flush=True)
        for number in range(options.rounds):
            one = Round(options, kafka, s3, plugins, number)
            try:
                one.run()
            finally:
                one.cluster.stop_all()
                one.lines.done.set()
                one.source.done.set()
            shutil.rmtree(one.folder)

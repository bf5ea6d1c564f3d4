"""Scenario workers: three of ours in one Connect cluster on our own broker, killed, frozen and restarted under load.

Needs neither Java nor Maven. Each round something happens to one worker: kill -9, SIGSTOP and SIGCONT, for less or for more
than its session lasts, or SIGTERM; one that has ended comes back under another address. A topic flows into S3 and lines
of a file into a topic meanwhile, and a connector's configuration is changed. At the end each offset stands in one
object, no line is lost, and the last configuration that was accepted is the one there is. Told are the times for
which a task did not run anywhere.
"""

import contextlib
import random
import threading
import time

from .cluster import JAVA, OURS, Cluster, Member
from .flows import FILE_SINK, Lines, S3Flow
from .moves import Source
from .services import Embedded, Failed, Options, s3_plugin, wait_until

WORKERS = 3
TASKS = 6
FLUSH_SIZE = 100
SESSION_MS, DELAY_MS = 2_000, 500
FLOW, LINES, KEPT = "flow", "lines", "kept"
SETTINGS = {
    "session.timeout.ms": str(SESSION_MS),
    "heartbeat.interval.ms": "300",
    "rebalance.timeout.ms": "5000",
    "scheduled.rebalance.max.delay.ms": str(DELAY_MS),
    "offset.storage.partitions": "5",
    "offset.flush.interval.ms": "500",
    "status.storage.partitions": "3",
    "consumer.session.timeout.ms": "1500",
    "consumer.heartbeat.interval.ms": "400",
}


def kinds(rng: random.Random):
    """What happens, round after round: in every three rounds each kind once."""
    while True:
        yield from rng.sample(["kill", "freeze", "restart"], 3)


class Watch(threading.Thread):
    """Looks all the time which tasks run, by what a worker tells that is there, and for how long each did not."""

    def __init__(self, cluster: Cluster):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.frozen: Member | None = None
        now = time.monotonic()
        self.last_seen = {(name, task): now for name, count in ((FLOW, TASKS), (LINES, 1)) for task in range(count)}
        self.longest = 0.0
        self.whole_at = 0.0
        self.failure: str | None = None
        self.done = threading.Event()

    def run(self):
        while not self.done.wait(0.02):
            there = [worker for worker in self.cluster.live() if worker is not self.frozen]
            status, body = there[0].ask("GET", "/connectors?expand=status", timeout=2) if there else (0, None)
            if status == 200:
                self.look(body, {worker.id for worker in there}, time.monotonic())

    def look(self, body: dict, there: set[str], now: float):
        running = set()
        for name in (FLOW, LINES):
            for part in body.get(name, {}).get("status", {}).get("tasks", []):
                if part["state"] == "FAILED":
                    self.failure = f"{name} {part['id']} has failed: {part['trace'][:800]}"
                if part["state"] == "RUNNING" and part["worker_id"] in there:
                    running.add((name, part["id"]))
        for task in running & self.last_seen.keys():
            self.longest = max(self.longest, now - self.last_seen[task])
            self.last_seen[task] = now
        if running >= self.last_seen.keys():
            self.whole_at = now

    def await_whole(self, since: float):
        def is_whole() -> bool:
            if self.failure:
                raise Failed(self.failure)
            for worker in self.cluster.live():
                worker.check()
            return self.whole_at > since

        try:
            wait_until("every task runs", 60, is_whole)
        except Failed as error:
            away = [task for task, seen in self.last_seen.items() if seen <= since]
            raise Failed(f"{error}: {away} do not") from None

    def take_longest(self) -> float:
        longest, self.longest = self.longest, 0.0
        return round(longest, 2)


class Scenario:
    def __init__(self, options: Options, services: Embedded):
        self.options = options
        self.rng = random.Random(options.seed)
        is_java = options.worker == JAVA
        self.cluster = Cluster("workers", services.bootstrap, options.folder, SETTINGS, plugins=[s3_plugin()] if is_java else [], all_java=is_java)
        self.flow = S3Flow(services.s3, services.bootstrap, "workers-flow", TASKS, FLUSH_SIZE)
        self.lines = Lines(services.bootstrap, "workers-lines", options.folder / "lines.txt")
        self.source = Source(services.bootstrap, options.seed, self.flow.topic, TASKS, 40, 0.1)
        self.watch = Watch(self.cluster)
        self.count = 0
        self.accepted = -1

    def new_worker(self) -> Member:
        self.count += 1
        return self.cluster.add(OURS, f"worker-{self.count}")

    def stop(self):
        self.watch.done.set()
        self.lines.done.set()
        self.source.done.set()
        self.cluster.stop_all()

    def change(self, number: int, through: Member):
        """Changes the configuration while the worker is away; an answer of success is a promise."""
        config = {"connector.class": FILE_SINK, "tasks.max": "1", "topics": "none", "a.note": str(number)}
        status, _ = through.ask("PUT", f"/connectors/{KEPT}/config", config)
        if status in (200, 201):
            self.accepted = number

    def trouble(self, kind: str, worker: Member) -> str:
        """What happens to the worker, and its end."""
        rng = self.rng
        if kind == "freeze":
            # Those who return within their session keep what they have; the others find it given away.
            seconds = rng.choice((rng.uniform(0.2, 1.0), SESSION_MS / 1000 + rng.uniform(0.5, 3)))
            self.watch.frozen = worker
            worker.freeze()
            time.sleep(seconds)
            worker.thaw()
            self.watch.frozen = None
            return f"{kind} for {seconds:.1f} s"
        if kind == "kill":
            worker.kill()
        else:
            worker.stop()
        self.cluster.workers.remove(worker)
        pause = rng.choice((0, rng.uniform(0, 4)))
        time.sleep(pause)
        self.cluster.start(self.new_worker())
        return f"{kind}, back after {pause:.1f} s"

    def round(self, number: int, kind: str):
        worker = self.rng.choice(self.cluster.live())
        is_leader = worker is self.cluster.leader()
        through = self.rng.choice([other for other in self.cluster.live() if other is not worker])
        self.watch.take_longest()
        changing = threading.Thread(target=self.change, args=(number, through), daemon=True)
        changing.start()
        happened = self.trouble(kind, worker)
        changing.join(120)
        self.watch.await_whole(time.monotonic())
        self.cluster.await_leader()
        unassigned = self.watch.take_longest()
        self.options.log(step="round", round=number, happened=happened, worker=worker.name, led=is_leader, unassigned_s=unassigned, accepted=self.accepted == number)
        return unassigned

    def run(self):
        self.source.start()
        self.lines.start()
        self.cluster.start(*(self.new_worker() for _ in range(WORKERS)))
        first = self.cluster.live()[0]
        for name, config in ((FLOW, self.flow.config()), (LINES, self.lines.config())):
            first.want("POST", "/connectors", {"name": name, "config": config}, 201)
        kept = {"connector.class": FILE_SINK, "tasks.max": "1", "topics": "none"}
        first.want("POST", "/connectors", {"name": KEPT, "config": kept, "initial_state": "STOPPED"}, 201)
        self.watch.start()
        self.watch.await_whole(time.monotonic())
        self.cluster.await_leader()
        unassigned = []
        for number, kind in zip(range(self.options.rounds), kinds(self.rng)):
            time.sleep(self.rng.uniform(0.2, 1.5))
            unassigned.append((self.round(number, kind), kind))
        self.source.finish()
        lines = self.lines.check()
        facts = {**self.flow.check(), **lines}
        for worker in self.cluster.live():
            found = worker.want("GET", f"/connectors/{KEPT}/config").get("a.note", "-1")
            if int(found) < self.accepted:
                raise Failed(f"{worker.name} has the configuration of round {found}, though that of {self.accepted} was accepted")
        longest = {kind: max(seconds for seconds, its in unassigned if its == kind) for kind in {its for _, its in unassigned}}
        self.options.log(step="end", lost=0, **facts, longest_unassigned_s=longest)


def run(options: Options) -> None:
    with contextlib.ExitStack() as stack:
        services = Embedded(options.folder / "services", 0)
        stack.callback(services.stop)
        scenario = Scenario(options, services)
        stack.callback(scenario.stop)
        scenario.run()

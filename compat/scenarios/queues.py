"""Scenario queues: both of the workshop's patterns over message queues, on brokers that somebody else wrote.

For each kind of queue two queues are filled; one worker archives the one in S3 and hashes the other into a collection, and is killed
with -9 at random instants, one a round. In the end every id that was sent is in the bucket and in the collection, once. Nothing is
left in the queues.

Further chapters (queue_chapters.py): ends in order with a message in hand, queues that give less than an object takes, SIGTERM under
load, S3 away for `--minutes`, consumer timeouts, what messages look like (queue_types.py), and RabbitMQ's streams (queue_streams.py).
`--only` takes some by a regular expression over kind and chapter, such as 'classic-stomp kills'.
"""

import contextlib
import random
import re
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import queue_chapters, queue_streams, queue_types
from .queue_brokers import Unavailable, need
from .queue_jobs import Jobs, Stores, body
from .queue_kinds import BROKERS, KINDS, Kind, Queues, await_empty
from .services import DocumentServer, Failed, Options, S3Server, wait_until

CHAPTERS = {"kills": lambda stage: stage.kills(), **queue_chapters.CHAPTERS, **queue_types.CHAPTERS, **queue_streams.CHAPTERS}


class Stage:
    """One kind of queue on its broker, with stores to read it into."""

    def __init__(self, options: Options, kind: Kind, broker, stores: Stores):
        self.options, self.kind, self.broker, self.stores = options, kind, broker, stores
        self.rng = random.Random(f"{options.seed}/{kind.name}")
        self.queues = Queues(kind, broker)
        self.folder = options.folder / kind.name
        self.sent = 0

    def jobs(self, name: str, **more) -> Jobs:
        return Jobs(self.kind, self.broker, self.stores, self.folder / name, **more)

    def send(self, queue, count: int) -> list[str]:
        """Messages with new ids."""
        ids = [f"m-{self.sent + number:07}" for number in range(count)]
        self.sent += count
        queue.send({message_id: body(message_id) for message_id in ids})
        return ids

    def log(self, chapter: str, **facts):
        self.options.log(step=chapter, kind=self.kind.name, **facts)

    def kills(self):
        """Killed at random instants, with new messages each time."""
        started = time.monotonic()
        share = min(self.kind.share, max(200, self.options.records // self.options.rounds))
        queues = [self.queues.make(), self.queues.make()]
        jobs = self.jobs("kills", archive=queues[0], documents=queues[1])
        sent: list[list[str]] = [[], []]

        def send():
            for queue, ids in zip(queues, sent):
                ids += self.send(queue, share)

        in_the_middle = 0
        try:
            for number in range(self.options.rounds):
                # What was there before this round is waited for, by one job in each: brokers delete what has come back ten or
                # twenty times, and what waits behind it is delivered as often. SQS hides it meanwhile.
                stored = (jobs.bucket.records, jobs.collection.count)[number % 2]
                before = stored() if self.kind.lapse else len(sent[number % 2])
                # Mostly they wait for the worker, now and then it waits for them.
                is_late = self.rng.random() < 0.2
                if not is_late:
                    send()
                jobs.start()
                if is_late:
                    send()
                # Mostly in the middle of things, now and then before there are any.
                if self.rng.random() < 0.8:
                    wait_until(f"{self.kind.name}: more than {before} are stored", 180, lambda: self.goes_on(jobs, lambda: stored() > before), 0.01)
                    in_the_middle += 1
                time.sleep(self.rng.random() * self.rng.choice((0.01, 0.1, 0.5)))
                jobs.kill()
                jobs.bucket.look()
            jobs.start()
            jobs.await_all(*sent, seconds=180 + 2 * self.kind.lapse)
            for queue in queues if self.kind.lapse else []:
                # What was stored before a kill and is still invisible comes again.
                await_empty(queue, 30 + 2 * self.kind.lapse)
            took = jobs.end()
        finally:
            jobs.kill()
        for queue in queues:
            await_empty(queue, 30)
        doubles = self.count_doubles(jobs)
        seconds = round(time.monotonic() - started, 1)
        facts = {"kills": self.options.rounds, "while_storing": in_the_middle, "sent": sum(map(len, sent)), "objects": len(jobs.bucket.objects)}
        self.log("kills", **facts, doubles=doubles, end_s=took, seconds=seconds)

    @staticmethod
    def goes_on(jobs: Jobs, stores) -> bool:
        jobs.process.check()
        return stores()

    def count_doubles(self, jobs: Jobs) -> dict[str, int]:
        """What is there twice: by two runs of the worker, no more of each than it can have had in hand, and where it may be."""
        jobs.bucket.look(is_last=True)
        runs = jobs.bucket.by_run(jobs.starts)
        for number, run in enumerate(runs):
            if run.total() > len(run):
                twice = [message_id for message_id, times in run.items() if times > 1]
                raise Failed(f"{self.kind.name}: run {number} has stored {len(twice)} messages twice, such as {twice[0]}")
            later = set().union(*runs[number + 1 :])
            if len(run.keys() & later) > self.kind.room:
                raise Failed(f"{self.kind.name}: {len(run.keys() & later)} messages of run {number} are stored again: more than are in hand")
        doubles = jobs.doubles()
        for job, count in doubles.items():
            if count > 0:
                raise Failed(f"{self.kind.name}: {count} messages are twice in the {job}")
        return doubles


def run_broker(options: Options, name: str, chosen: list[tuple[Kind, str]], stores: Stores) -> list[str]:
    """What does not hold of the chapters on one broker; each of them is run."""
    failures: list[str] = []
    with contextlib.ExitStack() as stack:
        started = time.monotonic()
        try:
            broker = BROKERS[name](options.folder / name)
        except Unavailable as error:
            options.skip(f"queues on {name}", str(error))
            return failures
        stack.callback(broker.stop)
        broker.start()
        options.log(step="broker", name=broker.name, seconds=round(time.monotonic() - started, 1))
        stages: dict[str, Stage] = {}
        for kind, chapter in chosen:
            if kind.broker == name:
                stage = stages.setdefault(kind.name, Stage(options, kind, broker, stores))
                try:
                    CHAPTERS[chapter](stage)
                except Failed as error:
                    stage.log(chapter, failed=str(error))
                    failures.append(f"{kind.name} {chapter}: {error}")
    return failures


def choose(only: str) -> list[tuple[Kind, str]]:
    every = ((kind, chapter) for kind in KINDS for chapter in CHAPTERS if queue_chapters.is_for(kind, chapter))
    return [(kind, chapter) for kind, chapter in every if re.search(only, f"{kind.name} {chapter}")]


def fetch(only: str) -> None:
    """Brings the brokers of what `only` chooses; one that cannot be had is told of when it is run."""
    with tempfile.TemporaryDirectory() as folder:
        for name in dict.fromkeys(kind.broker for kind, _ in choose(only)):
            with contextlib.suppress(Unavailable):
                BROKERS[name](Path(folder) / name).stop()


def run(options: Options) -> None:
    try:
        need("java", "javac", "mvn")
    except Unavailable as error:
        return options.skip("queues", str(error))
    chosen = choose(options.only)
    brokers = list(dict.fromkeys(kind.broker for kind, _ in chosen))
    with contextlib.ExitStack() as stack:
        s3 = S3Server(options.folder / "s3")
        stack.callback(s3.stop)
        documents = DocumentServer(options.folder / "docstore")
        stack.callback(documents.stop)
        stores = Stores(s3, documents)
        # SQS is waited for most of the time.
        lanes = [[name for name in brokers if (name in ("moto", "elasticmq")) is waits] for waits in (True, False)]
        pool = stack.enter_context(ThreadPoolExecutor(len(lanes)))
        running = [pool.submit(lambda lane: [run_broker(options, name, chosen, stores) for name in lane], lane) for lane in lanes]
        failures = [failure for lane in running for of_broker in lane.result() for failure in of_broker]
    if failures:
        raise Failed("; ".join(failures))

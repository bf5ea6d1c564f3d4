"""Scenario moves: three brokers that are killed, paused, stopped and started at random while both jobs run.

Two workers share the connector's group and two processes the hash job's, so that partitions move too. Afterwards every
record stands once in S3 and once in the collection. The longest standstill of the flow is reported beside that of
Java's own consumer on the same topic.
"""

import contextlib
import random
import subprocess
import threading
import time

from confluent_kafka import ElectionType, Producer
from confluent_kafka.admin import AdminClient

from . import model, stream, topics
from .s3 import variants, workshop_config
from .services import DocumentServer, Failed, Kafka, Millstream, Options, Process, S3Server, http, wait_until

FLUSH_SIZE = 500
SESSION_MS = 6000
BUCKET = "moves"


class Source(threading.Thread):
    """Produces a steady trickle until it is told to stop; idempotent, so that a retry doubles nothing."""

    def __init__(self, bootstrap: str, seed: int, topic: str = stream.TOPIC, partitions: int = topics.PARTITIONS, at_once: int = 20, pause: float = 0.01):
        super().__init__(daemon=True)
        self.topic = topic
        self.partitions = partitions
        # So many records, and so many seconds to the next ones.
        self.at_once, self.pause = at_once, pause
        settings = {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5, "delivery.timeout.ms": 300_000, "log_level": 2}
        self.producer = Producer(settings)
        self.rng = random.Random(f"{seed}/source")
        self.done = threading.Event()
        self.sent = 0

    def run(self):
        while not self.done.wait(self.pause):
            for _ in range(self.at_once):
                text = f"{self.sent} {topics.words(self.rng)} {self.rng.choice(topics.ODD_TEXTS)}"
                with contextlib.suppress(BufferError):
                    self.producer.produce(self.topic, text.encode(), partition=self.rng.randrange(self.partitions))
                    self.sent += 1
            self.producer.poll(0)

    def finish(self):
        self.done.set()
        self.join()
        if left := self.producer.flush(120):
            raise Failed(f"{left} records could not be produced")
        self.producer = None


class Gap(threading.Thread):
    """The longest time between two signs of flow; `look` blocks until there may be one, and tells whether there was."""

    def __init__(self, look):
        super().__init__(daemon=True)
        self.look = look
        self.longest = 0.0
        self.done = False

    def run(self):
        last = None
        while not self.done:
            if self.look():
                now = time.monotonic()
                self.longest = max(self.longest, now - (last or now))
                last = now


def kinds(rng: random.Random):
    """What happens, round after round: in every four rounds each kind once."""
    while True:
        yield from rng.sample(["kill", "pause", "stop", "elect"], 4)


def trouble(kafka: Kafka, rng: random.Random, kind: str) -> list[str]:
    """One thing that happens to one broker, and its end; or leaders go back to where they belong."""
    if kind == "elect":
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 2})
        admin.elect_leaders(ElectionType.PREFERRED, None).result(60)
        return [kind]
    node = rng.randint(1, kafka.brokers)
    kafka.broker(kind, node)
    time.sleep(rng.uniform(0.5, 9))
    kafka.broker("continue" if kind == "pause" else "start", node)
    return [kind, str(node)]


def run(options: Options) -> None:
    variant = variants()[0]
    variant.topic = stream.TOPIC
    with contextlib.ExitStack() as stack:
        kafka = Kafka(options.kafka, options.folder / "kafka", brokers=3)
        stack.callback(kafka.stop)
        s3 = S3Server(options.folder / "moto")
        stack.callback(s3.stop)
        documents = DocumentServer(options.folder / "docstore")
        stack.callback(documents.stop)
        topics.create(kafka.bootstrap, stream.TOPIC, replicas=3)
        s3.client.create_bucket(Bucket=BUCKET)
        collection = documents.client["kafka"]["hashed_0"]

        workers = [Millstream(kafka.bootstrap, options.folder / f"worker-{i}") for i in range(2)]
        for worker in workers:
            stack.callback(worker.stop)
            worker.session_ms = SESSION_MS
            worker.start()
            worker.create("moves", workshop_config(variant, s3, BUCKET, FLUSH_SIZE))
        hashers = [Process(options.folder / f"stream-{i}") for i in range(2)]
        for hasher in hashers:
            stack.callback(hasher.kill)
            stream.start(hasher, kafka, documents, 0, "md5", **{"session.timeout.ms": SESSION_MS})

        source = Source(kafka.bootstrap, options.seed)
        source.start()
        java = stack.enter_context(
            subprocess.Popen(kafka.consumer_command(stream.TOPIC), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        )
        stack.callback(java.kill)
        gaps = {"java_consumer": Gap(lambda: java.stdout.readline() != b"" or time.sleep(0.1)), "stream": Gap(growth(collection))}
        wait_until("the first document", 60, lambda: collection.estimated_document_count() > 0)
        for gap in gaps.values():
            gap.start()

        rng = random.Random(options.seed)
        for number, kind in zip(range(options.rounds), kinds(rng)):
            happened = trouble(kafka, rng, kind)
            time.sleep(rng.uniform(0.5, 3))
            check_alive(workers, hashers)
            options.log(step="round", round=number, trouble=happened, sent=source.sent, documents=collection.estimated_document_count())
        for gap in gaps.values():
            gap.done = True
        source.finish()

        records = topics.read_back(kafka.bootstrap, stream.TOPIC)
        wanted = stream.expected(records, stream.ALGORITHMS["md5"])
        objects = model.expected(variant, records, FLUSH_SIZE)
        wait_until(f"{len(wanted)} documents", 180, lambda: collection.estimated_document_count() >= len(wanted), 0.2)
        wait_until(f"{len(objects)} objects", 180, lambda: objects.keys() <= s3.objects(BUCKET).keys(), 0.2)
        check_alive(workers, hashers)
        stream.compare(wanted, {document["_id"]: document for document in collection.find(batch_size=10_000)})
        found = {name: s3.body(BUCKET, name) for name in s3.objects(BUCKET)}
        if found != objects:
            wrong = sorted(name for name in found.keys() | objects.keys() if found.get(name) != objects.get(name))
            raise Failed(f"{len(wrong)} objects are wrong or too many, first {wrong[:3]}")
        longest = {name: round(gap.longest, 1) for name, gap in gaps.items()}
        options.log(step="end", records=sum(map(len, records)), documents=len(wanted), objects=len(found), longest_standstill_s=longest)


def growth(collection):
    seen = 0

    def look() -> bool:
        nonlocal seen
        time.sleep(0.05)
        now = collection.estimated_document_count()
        grew, seen = now > seen, now
        return grew

    return look


def check_alive(workers: list[Millstream], hashers: list[Process]):
    for worker in workers:
        worker.process.check()
        status, body = http("GET", f"{worker.url}/connectors/moves/status", timeout=10)
        if status == 200 and (trace := worker.failure("moves")):
            raise Failed(f"the connector is FAILED: {trace[:1500]}")
        if status != 200:
            raise Failed(f"the status of the connector answers {status}: {body}")
    for hasher in hashers:
        hasher.check()

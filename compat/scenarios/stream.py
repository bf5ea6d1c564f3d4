"""Scenario stream: a topic, hashed, into a document server that somebody else wrote, with kill -9 at random moments.

Afterwards every record that has a value stands in the collection exactly once: the document's id is its topic, partition
and offset, the value the hash of its raw bytes, worked out a second time here.
"""

import contextlib
import hashlib
import hmac
import random
import time

from . import topics
from .services import DocumentServer, Embedded, Failed, Kafka, Options, Process, wait_until

TOPIC = "MyTopic"
KEY = b"a key of the workshop"
ISOLATIONS = ("read_uncommitted", "read_committed")
ALGORITHMS = {
    "md5": lambda data: hashlib.md5(data).hexdigest(),
    "sha256": lambda data: hashlib.sha256(data).hexdigest(),
    "hmac-sha256": lambda data: hmac.new(KEY, data, "sha256").hexdigest(),
    "sha224": lambda data: hashlib.sha224(data).hexdigest(),
}


def launch(process: Process, kafka: Kafka | Embedded, documents: DocumentServer | Embedded, name: str, environment: dict[str, str], **client):
    """A job with a group and a collection of this name; settings come from the environment alone, as in a container."""
    # A short session, so that the group forgets a killed member soon.
    client = {"session.timeout.ms": 1500, "heartbeat.interval.ms": 400, **client}
    file = process.folder / "client.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in client.items()))
    common = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "KAFKA_PROPERTIES": str(file),
        "GROUP_ID": f"stream-{name}",
        "MONGODB_URI": documents.uri,
        "MONGODB_COLLECTION": name,
    }
    process.launch("stream", **common, **environment)


def start(process: Process, kafka: Kafka | Embedded, documents: DocumentServer | Embedded, number: int, algorithm: str, **client):
    environment = {"HASH_ALGORITHM": algorithm}
    if algorithm.startswith("hmac"):
        (process.folder / "key").write_bytes(KEY)
        environment["HASH_KEY_FILE"] = str(process.folder / "key")
    launch(process, kafka, documents, f"hashed_{number}", environment, **client)


def expected(records, digest) -> dict[str, str]:
    """The value of every document by its id."""
    return {
        f"{TOPIC}#{partition}#{offset}": digest(value)
        for partition, rows in enumerate(records)
        for offset, value in rows
        if value is not None
    }


def one_round(options: Options, kafka: Kafka | Embedded, documents: DocumentServer | Embedded, number: int) -> None:
    """Rounds take turns in reading all records and only those of committed transactions."""
    isolation = ISOLATIONS[number % 2]
    records = topics.read_back(kafka.bootstrap, TOPIC, isolation)
    rng = random.Random(f"{options.seed}/round {number}")
    algorithm = list(ALGORITHMS)[number % len(ALGORITHMS)]
    digest = ALGORITHMS[algorithm]
    wanted = expected(records, digest)
    collection = documents.client["kafka"][f"hashed_{number}"]
    process = Process(options.folder / f"round-{number}")
    # Small fetches stretch the flow, so that more of the moments fall into it.
    client = {"max.partition.fetch.bytes": rng.choice((1_024, 4_096, 16_384)), "isolation.level": isolation}
    moments = sorted(rng.randrange(len(wanted)) for _ in range(rng.randint(2, 4)))
    kills, started = [], time.monotonic()

    def reached(count: int) -> bool:
        process.check()
        return collection.estimated_document_count() >= count

    try:
        for moment in moments:
            start(process, kafka, documents, number, algorithm, **client)
            wait_until(f"{moment} documents", 300, lambda: reached(moment), 0.005)
            time.sleep(rng.random() * rng.choice((0.005, 0.02, 0.1)))
            process.kill()
            kills.append(collection.estimated_document_count())
        start(process, kafka, documents, number, algorithm, **{"isolation.level": isolation})
        wait_until(f"{len(wanted)} documents", 300, lambda: reached(len(wanted)), 0.05)
    finally:
        process.kill()
    compare(wanted, {document["_id"]: document for document in collection.find(batch_size=10_000)})
    seconds = round(time.monotonic() - started, 1)
    options.log(step="round", round=number, algorithm=algorithm, isolation=isolation, documents=len(wanted), documents_at_kills=kills, seconds=seconds)
    collection.drop()


def compare(wanted: dict[str, str], found: dict[str, dict]) -> None:
    if found.keys() != wanted.keys():
        missing, excess = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys(), key=str)
        raise Failed(f"{len(missing)} documents missing, first {missing[:3]}; {len(excess)} too many, first {excess[:3]}")
    for name, value in wanted.items():
        if found[name] != {"_id": name, "value": value}:
            raise Failed(f"document {name} is {found[name]}, not {value}")


def run(options: Options) -> None:
    with contextlib.ExitStack() as stack:
        kafka = Kafka(options.kafka, options.folder / "kafka")
        stack.callback(kafka.stop)
        documents = DocumentServer(options.folder / "docstore")
        stack.callback(documents.stop)
        topics.fill(kafka.bootstrap, TOPIC, topics.byte_values, options.records, options.seed)
        options.log(step="fill", topic=TOPIC, records=options.records)
        for number in range(options.rounds):
            one_round(options, kafka, documents, number)

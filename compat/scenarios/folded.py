"""The jobs of scenario kills whose documents are made of many records: totals by key and window, and the rows of a table by its change events.

Both are killed with -9 at random moments; then the totals are those that are added up here, each record once, and the collection holds every row as
its last event left it, whatever was read again.
"""

import hashlib
import json
import random
import time
from collections import defaultdict
from datetime import UTC

from confluent_kafka import Producer

from . import draws, stream, topics
from .services import Embedded, Failed, Millstream, Options, Process, http, wait_until

SALES, EVENTS = "sales", "events"
KEYS, ROWS = 12, 150
WINDOW_MS, LATENESS_MS = 1000, 2000
BEGIN_MS = 1_700_000_000_000


def fill(options: Options, kafka: Embedded):
    """Sales with times of their own, some of them late, and events of rows, those of a row in one partition."""
    rng = random.Random(f"{options.seed}/folded")
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 20, "batch.num.messages": 50})
    for topic in (SALES, EVENTS):
        topics.create(kafka.bootstrap, topic)
    for i in range(options.records // 2):
        value = {"k": f"k{rng.randrange(KEYS)}", "n": rng.randrange(-(10**6), 10**6) / 100}
        moment = BEGIN_MS + i * 4 - (rng.randrange(10_000) if rng.random() < 0.05 else 0)
        producer.produce(SALES, json.dumps(value).encode(), partition=rng.randrange(topics.PARTITIONS), timestamp=moment)
        row = rng.randrange(ROWS)
        after = None if rng.random() < 0.2 else {"id": row, "n": i, "name": topics.words(rng, 1, 3)}
        event = {"op": "d" if after is None else rng.choice("cu"), "before": {"id": row}, "after": after}
        producer.produce(EVENTS, json.dumps(event).encode(), json.dumps({"id": row}).encode(), row % topics.PARTITIONS)
        producer.poll(0)
    if producer.flush(60):
        raise Failed("the topics of totals and events are not filled")


class Totals:
    """Count, sum, least and most of each key and window, in hundredths; `late` are in none."""

    def __init__(self, kafka: Embedded):
        self.by_id: dict[tuple[str, int], list[int]] = {}
        self.records = self.late = 0
        latest: dict[int, int] = defaultdict(int)
        for message in topics.messages(kafka.bootstrap, SALES):
            moment, value = message.timestamp()[1], json.loads(message.value())
            window, cents = moment - moment % WINDOW_MS, round(value["n"] * 100)
            self.records += 1
            is_late = window + WINDOW_MS + LATENESS_MS <= latest[message.partition()]
            latest[message.partition()] = max(latest[message.partition()], moment)
            if is_late:
                self.late += 1
                continue
            count, total, least, most = self.by_id.get((value["k"], window), (0, 0, cents, cents))
            self.by_id[value["k"], window] = [count + 1, total + cents, min(least, cents), max(most, cents)]


def aggregate_round(options: Options, services: Embedded, wanted: Totals, number: int):
    """Rounds take turns in the key as it is and its hash."""
    rng = random.Random(f"{options.seed}/totals {number}")
    is_plain = number % 2 == 0
    group, started, kills = f"totals_{number}", time.monotonic(), []
    collection = services.client["kafka"][group]
    process = Process(options.folder / f"totals-{number}")
    environment = {
        "TOPIC_NAME": SALES, "AGGREGATE": "true", "AGGREGATE_KEY": "k", "AGGREGATE_KEY_AS": "plain" if is_plain else "hash",
        "AGGREGATE_FIELDS": "sum:n,min:n,max:n", "AGGREGATE_WINDOW_MS": str(WINDOW_MS), "AGGREGATE_LATENESS_MS": str(LATENESS_MS),
        "AGGREGATE_LINGER_MS": str(rng.choice((0, 10, 50))),
    }  # fmt: skip

    def seen() -> int:
        process.check()
        return sum(place["counted"] + place["late"] for place in collection.find({"next": {"$exists": True}}))

    try:
        for moment in sorted(rng.randrange(wanted.records) for _ in range(rng.randint(2, 3))):
            stream.launch(process, services, services, group, environment, **{"max.partition.fetch.bytes": rng.choice((1_024, 4_096))})
            wait_until(f"{moment} records in totals", 300, lambda: seen() >= moment, 0.01)
            time.sleep(rng.random() * rng.choice((0.005, 0.02, 0.1)))
            process.kill()
            kills.append(moment)
        stream.launch(process, services, services, group, environment)
        wait_until(f"{wanted.records} records in totals", 300, lambda: seen() >= wanted.records, 0.05)
    finally:
        process.kill()
    found, late = {}, 0
    for document in collection.find():
        if "next" in document:
            late += document["late"]
            continue
        window = int(document["_id"]["window"].replace(tzinfo=UTC).timestamp() * 1000)
        numbers = (cents(document[name]["n"]) for name in ("sum", "min", "max"))
        found[document["_id"]["key"], window] = [document["count"], *numbers]
    names = {f"k{i}": f"k{i}" if is_plain else hashlib.md5(f"k{i}".encode()).hexdigest() for i in range(KEYS)}
    compare("totals", {(names[key], window): sums for (key, window), sums in wanted.by_id.items()}, found)
    if late != wanted.late:
        raise Failed(f"{late} records are late instead of {wanted.late}")
    options.log(step="totals", round=number, documents=len(found), late=late, kills=kills, seconds=round(time.monotonic() - started, 1))
    collection.drop()


def cents(number) -> int:
    return round(float(str(number)) * 100)


class Rows:
    """Every row as its last event leaves it, and the ends of the topic's partitions."""

    def __init__(self, kafka: Embedded):
        self.by_id: dict[int, dict] = {}
        self.ends: dict[int, int] = {}
        for message in topics.messages(kafka.bootstrap, EVENTS):
            row, after = json.loads(message.key())["id"], json.loads(message.value())["after"]
            self.by_id.pop(row, None)
            if after:
                self.by_id[row] = {"_id": {"id": row}, **{name: value for name, value in after.items() if name != "id"}}
            self.ends[message.partition()] = message.offset() + 1


class FewBytes(Millstream):
    fetch_bytes = 4_096


def events_round(options: Options, services: Embedded, wanted: Rows, number: int):
    rng = random.Random(f"{options.seed}/events {number}")
    name, started, kills = f"events_{number}", time.monotonic(), []
    collection = services.client["kafka"][name]
    json_converter = "org.apache.kafka.connect.json.JsonConverter"
    converters = {f"{half}.converter{more}": value for half in ("key", "value") for more, value in (("", json_converter), (".schemas.enable", "false"))}
    config = {
        "connector.class": draws.MONGO_SINK, "tasks.max": "1", "topics": EVENTS, "connection.uri": services.uri, "database": "kafka", "collection": name,
        "change.data.capture.handler": "com.mongodb.kafka.connect.sink.cdc.debezium.rdbms.RdbmsHandler", **converters,
    }  # fmt: skip
    worker = FewBytes(services.bootstrap, options.folder / name)

    def latest() -> int:
        if trace := worker.failure(name):
            raise Failed(f"{name} is FAILED: {trace[:1500]}")
        return max((row["n"] for row in collection.find({}, {"n": 1})), default=0)

    def committed() -> dict[int, int]:
        status, body = http("GET", f"{worker.url}/connectors/{name}/offsets", timeout=10)
        offsets = body["offsets"] if status == 200 else []
        return {each["partition"]["kafka_partition"]: each["offset"]["kafka_offset"] for each in offsets}

    try:
        for moment in sorted(rng.randrange(options.records // 2) for _ in range(rng.randint(2, 3))):
            worker.start()
            worker.create(name, config)
            wait_until(f"event {moment} in {name}", 300, lambda: latest() >= moment, 0.01)
            time.sleep(rng.random() * rng.choice((0.005, 0.02, 0.1)))
            worker.kill()
            kills.append(moment)
        worker.start()
        worker.create(name, config)
        # Rows may be right before what came last is read again, so the end is told by the group.
        wait_until(f"the end of {EVENTS} committed", 300, lambda: committed() == wanted.ends, 0.05)
        latest()
    finally:
        worker.stop()
    compare("rows", wanted.by_id, {row["_id"]["id"]: row for row in collection.find()})
    options.log(step="events", round=number, rows=len(wanted.by_id), kills=kills, seconds=round(time.monotonic() - started, 1))
    collection.drop()


def compare(what: str, wanted: dict, found: dict):
    if wanted != found:
        wrong = sorted((key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key)), key=str)
        first = wrong[0]
        raise Failed(f"{len(wrong)} {what} are wrong, first {first}: {found.get(first)} instead of {wanted.get(first)}")

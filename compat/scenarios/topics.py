"""Topics full of awkward records, made from a seed, and read back as the broker keeps them."""

import json
import random
from collections.abc import Iterator

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from .services import Failed

PARTITIONS = 3
# Records of each aborted transaction. A sink sees them unless it reads committed ones only.
ABORTED = 30
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
WORDS = "mill stream wheel water stone grain flour sluice river wharf barge sack".split()
ODD_TEXTS = (
    'say "hello" \\ back', "tab\there", "line\nbreak\r\n", "\x00\x01\x1f\x7f", "grüße, señor", "水車と川の流れ",
    "\u2028 and \u2029", "🦀 emoji 👩‍👩‍👧 family", "</script>&'", "{\"a\":1}", "", "null", "\ufeffbom", "\U0010ffff",
)
ODD_BYTES = (
    b"\xff\xfe", b"cut \xe6\xb0", b"over\xc0\xaflong", b"sur\xed\xa0\x80rogate", b"pair \xed\xa0\xbd\xed\xb8\x80",
    b"\xf0\x9f\x98", b"\xf4\x90\x80\x80", b"\x80\x80", b"\xed", b"\xed\xbf", b"mix \xf0\x9f\x98\x80\xe2\x82",
)
ODD_JSON = (
    "1", "-0", "-0.0", "1e2", "1.10", "0.001", "12345678901234567890123", "true", '"plain"', "[]", "{}", "[1,[2,[3,{}]]]",
    '{"Aa":1,"BB":2,"C#":3}', '{"a":1,"b":2,"a":3}', '{"a":1} {"b":2}', ' { "spaced" : [ 1 , 2 ] } ', '"\\ud83d\\ude00 \\u00e9"',
    '{"é":"水","🦀":null,"":0}', '{"t":"line\\nbreak \\"q\\" \\/ \\u001f"}', "null", '"\\ud800 alone"', '{"n":{"m":{"k1":1.5E10,"k2":-7.25}}}',
)


def words(rng: random.Random, low: int = 6, high: int = 16) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(low, high)))


def byte_values(rng: random.Random, count: int) -> Iterator[bytes | None]:
    """Text, broken text, nothing at all, and a run of megabytes that fills several parts of one object."""
    large = range(count // 3, count // 3 + 60)
    for i in range(count):
        dice = rng.random()
        if i in large:
            yield (f"{i} " + words(rng)).encode() + rng.choice((b"x", b'"', b"\xc3\xa9")) * rng.choice((200_000, 400_000, 490_000))
        elif dice < 0.90:
            yield f"{i} {words(rng)}".encode()
        elif dice < 0.94:
            yield f"{i} {rng.choice(ODD_TEXTS)}".encode()
        elif dice < 0.98:
            yield f"{i} ".encode() + rng.choice(ODD_BYTES) + rng.randbytes(rng.randint(0, 12))
        elif dice < 0.99:
            yield rng.choice((b"", b"\n", rng.choice(ODD_TEXTS).encode(), rng.choice(ODD_BYTES)))
        else:
            yield None


def json_values(rng: random.Random, count: int) -> Iterator[bytes | None]:
    """Valid JSON of every kind: mostly flat objects, some nested, some bare values, some tombstones."""
    names = ["id", "name", "amount", "timestamp", "user_id", "currency", "status", "country", *(f"k{i}" for i in range(20))]
    for i in range(count):
        dice = rng.random()
        if dice < 0.80:
            record = {"id": i, "user": words(rng, 1, 3), "amount": rng.randrange(10**7) / 100, "ok": rng.random() < 0.5, "note": words(rng)}
        elif dice < 0.92:
            record = {name: scalar(rng) for name in rng.sample(names, rng.randint(0, len(names)))}
        elif dice < 0.95:
            record = [i, {"inner": {"deep": [scalar(rng) for _ in range(4)]}}]
        elif dice < 0.99:
            yield rng.choice(ODD_JSON).encode()
            continue
        else:
            yield None
            continue
        yield json.dumps(record, ensure_ascii=rng.random() < 0.5, separators=rng.choice(((",", ":"), (", ", ": ")))).encode()


def scalar(rng: random.Random):
    kinds = (rng.randint(-(2**63), 2**63 - 1), rng.randrange(10**9) / 1000, rng.choice(ODD_TEXTS), None, rng.random() < 0.5, words(rng, 1, 4))
    return rng.choice(kinds)


def field(kind: str, name: str, optional: bool = False, **more) -> dict:
    return {"type": kind, "field": name, "optional": optional, **more}


SCHEMAS = tuple(
    {"type": "struct", "name": "mill.Order", "optional": False, "fields": fields}
    for fields in (
        [field("int64", "id"), field("string", "name", True), field("double", "amount")],
        [field("int64", "id"), field("string", "name", True), field("double", "amount"), field("boolean", "paid", True)],
        [field("string", "name"), field("int32", "count"), field("array", "tags", True, items={"type": "string", "optional": False})],
    )
)


def struct_values(rng: random.Random, count: int) -> Iterator[bytes | None]:
    """JSON with schemas; the schema changes now and then, which closes the open object."""
    schema, change = SCHEMAS[0], 0
    for i in range(count):
        if i == change:
            schema, change = rng.choice(SCHEMAS), i + rng.randint(1, 6000)
        everything = {
            "id": i, "name": rng.choice((words(rng, 1, 3), rng.choice(ODD_TEXTS))), "amount": rng.randrange(10**7) / 100,
            "paid": rng.choice((True, False, None)), "count": rng.randint(-(2**31), 2**31 - 1), "tags": rng.sample(WORDS, rng.randint(0, 3)),
        }
        payload = {f["field"]: everything[f["field"]] for f in schema["fields"]}
        yield json.dumps({"schema": schema, "payload": payload}).encode() if rng.random() < 0.995 else None


def create(bootstrap: str, topic: str, replicas: int = 1, partitions: int = PARTITIONS):
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    for future in admin.create_topics([NewTopic(topic, partitions, replicas)]).values():
        future.result(30)


def produce(bootstrap: str, topic: str, values: Iterator[bytes | None], count: int, rng: random.Random):
    """Fills the topic: every codec in turn, then transactions, some aborted, whose markers leave holes in the offsets."""
    share = -(-count // (len(CODECS) + 1))
    # Small batches, so that a fetch may end almost anywhere.
    common = {"bootstrap.servers": bootstrap, "message.max.bytes": 1_000_000, "linger.ms": 20, "batch.num.messages": 50}
    for codec in CODECS:
        producer = Producer({**common, "compression.type": codec, "enable.idempotence": True})
        send(producer, topic, values, share, rng)
        producer.flush(120)
    producer = Producer({**common, "transactional.id": f"{topic}-writer"})
    producer.init_transactions(60)
    for last in (False, False, True):
        producer.begin_transaction()
        send(producer, topic, values, ABORTED, rng)
        # What has not left the producer by then never would.
        producer.flush(60)
        producer.abort_transaction(60)
        producer.begin_transaction()
        send(producer, topic, values, count if last else share // 3, rng)
        producer.commit_transaction(60)


def send(producer: Producer, topic: str, values: Iterator[bytes | None], limit: int, rng: random.Random):
    for _, value in zip(range(limit), values):
        key = rng.choice((None, b"", b"key", rng.randbytes(4)))
        headers = [("trace", rng.randbytes(3)), ("empty", None)] if rng.random() < 0.05 else None
        while True:
            try:
                producer.produce(topic, value, key, rng.randrange(PARTITIONS), headers=headers)
                break
            except BufferError:
                producer.poll(0.05)
        producer.poll(0)


def fill(bootstrap: str, topic: str, source, count: int, seed: int) -> list[list[tuple[int, bytes | None]]]:
    """A new topic with `count` records of `source`, and what the broker then has in it."""
    rng = random.Random(f"{seed}/{topic}")
    create(bootstrap, topic)
    produce(bootstrap, topic, source(rng, count), count, rng)
    records = read_back(bootstrap, topic)
    if sum(map(len, records)) != count:
        raise Failed(f"topic {topic} has {sum(map(len, records))} records, not {count}")
    return records


def read_back(
    bootstrap: str, topic: str, isolation: str = "read_uncommitted", partitions: int = PARTITIONS
) -> list[list[tuple[int, bytes | None]]]:
    """Offset and value of every record, by partition."""
    records: list[list[tuple[int, bytes | None]]] = [[] for _ in range(partitions)]
    for message in messages(bootstrap, topic, isolation, partitions):
        records[message.partition()].append((message.offset(), message.value()))
    return records


def messages(bootstrap: str, topic: str, isolation: str = "read_uncommitted", partitions: int = PARTITIONS):
    """Every message there is, those of a partition in their order."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "witness", "enable.auto.commit": False, "isolation.level": isolation}
    consumer = Consumer(settings)
    ends = [consumer.get_watermark_offsets(TopicPartition(topic, p), 30)[1] for p in range(partitions)]
    consumer.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    # The last offset of a partition is a transaction's marker, which no consumer sees: hence the positions.
    while any(position.offset < ends[position.partition] for position in consumer.position(consumer.assignment())):
        for message in consumer.consume(10_000, 0.5):
            if message.error():
                raise RuntimeError(str(message.error()))
            yield message
    consumer.close()

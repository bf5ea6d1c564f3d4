"""Scenario dead-letters: the same poison through Java's worker and through ours, and the dead letters of both compared.

Keys, values, times and headers must be equal, by name, order and bytes, in the order of the records. Of
`__connect.errors.exception.stacktrace` the first line is compared, which has the class and the message: the frames below
it and the texts of Java's JSON parser are Java's own. So is the message of a NullPointerException: the JVM makes it up.

Converters and transforms fail before any sink sees the record, so Java may run its file sink there; the rejections
of the S3 sink itself need Confluent's (MILLSTREAM_S3_PLUGIN).
"""

import contextlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaConsumer, TopicPartition

from .services import Failed, JavaWorker, Kafka, Millstream, Options, S3Server, Worker, s3_plugin, wait_until

CONNECT = "org.apache.kafka.connect"
PREFIX = "__connect.errors."
STRING = f"{CONNECT}.storage.StringConverter"
JSON = f"{CONNECT}.json.JsonConverter"
NULL_POINTER = b"java.lang.NullPointerException"
HEADERS = [("trace", b"\x01\xff"), ("trace", b"again"), ("empty", None), ("", "grüße".encode())]


@dataclass
class Record:
    value: bytes | None
    key: bytes | None = b"key"
    headers: list[tuple[str, bytes | None]] = field(default_factory=lambda: HEADERS)


@dataclass
class Case:
    """One connector and its topic; the last record is one that both must refuse, so that the end is known."""

    name: str
    config: dict[str, str]
    records: list[Record]
    # The S3 sink itself refuses them.
    late: bool = False
    # Nothing is tolerated: the task fails at the first dead letter.
    strict: bool = False


def values(*texts: bytes | str | None) -> list[Record]:
    return [Record(text.encode() if isinstance(text, str) else text) for text in texts]


def envelope(schema, payload) -> str:
    return json.dumps({"schema": schema, "payload": payload})


def struct(*fields: dict) -> dict:
    return {"type": "struct", "optional": False, "fields": list(fields)}


def converted(value: str = STRING, key: str = STRING, **more: str) -> dict[str, str]:
    """Settings; `__` stands for a dot."""
    return {"key.converter": key, "value.converter": value, **{name.replace("__", "."): text for name, text in more.items()}}


def transformed(kind: str, base: dict[str, str] | None = None, **settings: str) -> dict[str, str]:
    settings = {f"transforms.t.{name.replace('__', '.')}": text for name, text in settings.items()}
    return {**(base or converted()), "transforms": "t", "transforms.t.type": f"{CONNECT}.transforms.{kind}", **settings}


SCHEMALESS = converted(JSON, value__converter__schemas__enable="false")
WITH_SCHEMA = converted(JSON, value__converter__schemas__enable="true")
INT = {"type": "int32", "optional": False}
NUMBERED = struct({"field": "a", **INT})


def converter_cases() -> list[Case]:
    broken = values(
        '{"a":1}', '{"a":', "nope", b"", '{"a":1}}', b"\xff\xfe", "{'a':1}", '{"a":1,}', "[1,2", '"open', "1 2", '{"a":NaN}',
        '{"a":01}', "tru", " ", "+1", ".5", '{"a" 1}', '{a:1}', '"\x01"', '"\\x"', "[" * 1001 + "]" * 1001, "9" * 1001, "{} []", None, "{",
    )  # fmt: skip
    wrong = values(
        envelope(INT, 1), '{"a":1}', "[]", "5", '"x"', b"", "{", '{"payload":1}', '{"schema":{"type":"int32"}}', envelope(None, {"a": 1}),
        envelope({}, 1), envelope("int32", 1), envelope({"type": "zork"}, 1), envelope(INT, "x"), envelope(INT, None), envelope(INT, 1.5),
        envelope({"type": "int8"}, 300), envelope({"type": "boolean"}, "true"), envelope({"type": "string"}, 1),
        envelope({"type": "bytes"}, "%%%"), envelope({"type": "array"}, []), envelope({"type": "map"}, {}), envelope({"type": "struct"}, {}),
        envelope(struct({"type": "int32"}), {}), envelope(NUMBERED, {}), envelope(NUMBERED, {"a": "x"}), envelope(NUMBERED, []),
        envelope({"type": "array", "items": INT}, {}), envelope({"type": "array", "items": INT}, [None]),
        '{"schema":{"type":"int32"},"payload":1,"more":2}', envelope({"type": "int32", "version": "x"}, 1),
        envelope({"type": "int32", "default": "x"}, 1), None, "[]",
    )  # fmt: skip
    keys = [Record(b"v", key) for key in (b'{"k":1}', b"{", b"", None, b"nope", b"\xff", b"[1")]
    tags = [Record(b"v", headers=[("h", header)]) for header in (b'{"a":1}', b"{", None, b"", b"nope")]
    cases = [
        Case("json", SCHEMALESS, broken),
        Case("json-schema", WITH_SCHEMA, wrong),
        Case("json-key", {**converted(STRING, JSON), "key.converter.schemas.enable": "false"}, keys),
        Case("json-key-schema", {**converted(STRING, JSON), "key.converter.schemas.enable": "true"}, keys),
        Case("both", {**SCHEMALESS, "key.converter": JSON, "key.converter.schemas.enable": "false"}, [Record(b"{", b"["), Record(b"1", b"[")]),
        Case("headers", {**converted(), "header.converter": JSON, "header.converter.schemas.enable": "false"}, tags),
    ]
    cases.append(Case("no-context", {**SCHEMALESS, "errors.deadletterqueue.context.headers.enable": "false"}, values("{}", "{")))
    for kind, size in ("Short", 2), ("Integer", 4), ("Long", 8), ("Float", 4), ("Double", 8), ("Boolean", 1):
        data = values(b"\x01" * size, b"", b"\x01" * (size + 1), None, b"123")
        cases.append(Case(kind.lower(), converted(f"{CONNECT}.converters.{kind}Converter"), data))
    return cases


def transform_cases() -> list[Case]:
    texts = values("a text", None, "")
    texts = [texts[1], texts[0], texts[2]]
    numbers = values("12", "1.5", "x", "99999999999", "", " 1", "true", None, "-", "١")
    numbers.append(Record(b"last"))
    maps = values('{"a":1}', '{"a":"x"}', '{"a":[1]}', '{"a":{"b":1}}', '{"a":null}', "{}", "5", '"s"', "[]", None, '{"a":["last"]}')
    moments = values('{"a":"2024-02-30"}', '{"a":"2024-01-01"}', '{"a":"yesterday"}', '{"a":true}', '{"a":1}', '{"a":"last"}')
    structs = values(envelope(NUMBERED, {"a": 1}), envelope(INT, 5), None, envelope(NUMBERED, {"a": 2}))
    chain = {
        "transforms": "a,b", "transforms.a.type": f"{CONNECT}.transforms.InsertField$Value", "transforms.a.static.field": "s",
        "transforms.a.static.value": "v", "transforms.b.type": f"{CONNECT}.transforms.Cast$Value", "transforms.b.spec": "a:int32",
        "transforms.b.predicate": "p", "predicates": "p", "predicates.p.pattern": "poison-.*",
        "predicates.p.type": f"{CONNECT}.transforms.predicates.TopicNameMatches",
    }  # fmt: skip
    lists = values(envelope(struct({"field": "a", "type": "array", "items": INT}), {"a": [1]}))
    return [
        Case("insert-text", transformed("InsertField$Value", static__field="s", static__value="v"), texts),
        Case("insert-key", transformed("InsertField$Key", static__field="s", static__value="v"), texts),
        Case("strict", transformed("InsertField$Value", static__field="s", static__value="v"), values("first", "second"), strict=True),
        Case("replace-text", transformed("ReplaceField$Value", exclude="a"), texts),
        Case("mask-text", transformed("MaskField$Value", fields="a"), texts),
        Case("extract-text", transformed("ExtractField$Value", field="a"), texts),
        Case("to-key-text", transformed("ValueToKey", fields="a"), texts),
        Case("flatten-text", transformed("Flatten$Value"), texts),
        Case("headers-text", transformed("HeaderFrom$Value", fields="a", headers="h", operation="copy"), texts),
        Case("cast-field-text", transformed("Cast$Value", spec="a:int32"), texts),
        Case("cast-int8", transformed("Cast$Value", spec="int8"), numbers),
        Case("cast-int32", transformed("Cast$Value", spec="int32"), numbers),
        Case("cast-int64", transformed("Cast$Value", spec="int64"), numbers),
        Case("cast-float64", transformed("Cast$Value", spec="float64"), numbers),
        Case("cast-map", transformed("Cast$Value", SCHEMALESS, spec="a:int32"), maps),
        Case("chain", {**SCHEMALESS, **chain}, maps),
        Case("mask-map", transformed("MaskField$Value", SCHEMALESS, fields="a"), [*maps, Record(b"5")]),
        Case("to-key-map", transformed("ValueToKey", SCHEMALESS, fields="a"), [*maps, Record(b"5")]),
        Case("flatten-map", transformed("Flatten$Value", SCHEMALESS), [*maps, Record(b"5")]),
        Case("moment-map", transformed("TimestampConverter$Value", SCHEMALESS, field="a", target__type="unix", format="yyyy-MM-dd"), moments),
        Case("extract-struct", transformed("ExtractField$Value", WITH_SCHEMA, field="z"), structs),
        Case("to-key-struct", transformed("ValueToKey", WITH_SCHEMA, fields="z"), structs),
        Case("headers-struct", transformed("HeaderFrom$Value", WITH_SCHEMA, fields="z", headers="h", operation="copy"), structs),
        Case("cast-struct", transformed("Cast$Value", WITH_SCHEMA, spec="a:boolean"), [*lists, *structs[:2], *lists]),
        Case("moment-struct", transformed("TimestampConverter$Value", WITH_SCHEMA, field="a", target__type="string", format="yyyy"), structs),
    ]  # fmt: skip


def late_cases() -> list[Case]:
    """What the S3 sink refuses once it has the record."""
    storage = "io.confluent.connect.storage.partitioner"
    raw = {"format.class": "io.confluent.connect.s3.format.bytearray.ByteArrayFormat"}
    json_format = "io.confluent.connect.s3.format.json.JsonFormat"

    def stored(part: str) -> dict[str, str]:
        return {f"store.kafka.{part}": "true", f"{part}.format.class": json_format}

    by_field = {"partitioner.class": f"{storage}.FieldPartitioner", "partition.field.name": "a"}
    mixed = values("a text", None, "", "last")
    keyed = [Record(b"v", None), Record(b"v", b"k"), Record(b"v", b"k", []), Record(b"v", None)]
    return [
        Case("late-bytes", {**converted(), **raw}, mixed, late=True),
        Case("late-null", converted(), values("a text", None, "", None), late=True),
        Case("late-field", {**converted(), **by_field}, values("a text", "last"), late=True),
        Case("late-field-map", {**SCHEMALESS, **by_field}, values('{"a":1}', '{"b":1}'), late=True),
        Case("late-field-type", {**WITH_SCHEMA, **by_field}, values(envelope(NUMBERED, {"a": 1}), envelope(
            struct({"field": "a", "type": "double", "optional": False}), {"a": 1.5})), late=True),
        Case("late-key", {**converted(), **stored("keys")}, keyed, late=True),
        Case("late-headers", {**converted(), **stored("headers")}, [Record(b"v", headers=[("h", b"1")]), Record(b"v", headers=[])],
             late=True),
    ]  # fmt: skip


class Scenario:
    def __init__(self, options: Options, stack: contextlib.ExitStack):
        self.options = options
        self.kafka = Kafka(options.kafka, options.folder / "kafka")
        stack.callback(self.kafka.stop)
        self.s3 = S3Server(options.folder / "moto")
        stack.callback(self.s3.stop)
        # Each record's time is this and its offset. Kafka would drop what is older than its retention.
        self.moment = int(time.time() * 1000)

    def fill(self, cases: list[Case]):
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        for future in admin.create_topics([NewTopic(f"poison-{case.name}", 1, 1) for case in cases]).values():
            future.result(60)
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap})
        for case in cases:
            for number, record in enumerate(case.records):
                producer.produce(f"poison-{case.name}", record.value, record.key, 0, headers=record.headers, timestamp=self.moment + number)
        producer.flush(60)

    def connector(self, case: Case, worker: str, java_sink: bool) -> dict[str, str]:
        topic = f"poison-{case.name}"
        common = {
            "tasks.max": "1",
            "topics": topic,
            "errors.tolerance": "none" if case.strict else "all",
            "errors.deadletterqueue.topic.name": f"dead-{worker}-{case.name}",
            "errors.deadletterqueue.topic.replication.factor": "1",
            "errors.deadletterqueue.context.headers.enable": "true",
            # The names are the same for both, since they are in the headers; the groups are not.
            "consumer.override.group.id": f"{worker}-{case.name}",
            **case.config,
        }
        if java_sink:
            sink = {"connector.class": f"{CONNECT}.file.FileStreamSinkConnector", "file": str(self.options.folder / f"{case.name}.txt")}
            return {**common, **sink}
        sink = {
            "connector.class": "io.confluent.connect.s3.S3SinkConnector",
            "s3.region": "us-east-1",
            "s3.bucket.name": worker,
            "flush.size": "3",
            "storage.class": "io.confluent.connect.s3.storage.S3Storage",
            "format.class": "io.confluent.connect.s3.format.json.JsonFormat",
            "store.url": self.s3.url,
            "behavior.on.null.values": "ignore",
            "report.null.values.to.dlq": str(case.late).lower(),
        }
        return {**sink, **common}

    def collect(self, name: str, worker: Worker, cases: list[Case]) -> dict[str, list]:
        """The dead letters of every case from this worker."""
        self.s3.client.create_bucket(Bucket=name)
        worker.start()
        for case in cases:
            worker.create(f"poison-{case.name}", self.connector(case, name, name == "java" and not case.late))
        return {case.name: self.read(name, worker, case) for case in cases}

    def read(self, name: str, worker: Worker, case: Case) -> list:
        topic = f"dead-{name}-{case.name}"
        # A client that shares no code with the one that wrote the poison.
        consumer = KafkaConsumer(bootstrap_servers=self.kafka.bootstrap, enable_auto_commit=False)
        wait_until(f"topic {topic}", 60, lambda: topic in consumer.topics(), 0.2)
        consumer.assign([TopicPartition(topic, 0)])
        consumer.seek_to_beginning()
        last = len(case.records) - (not case.strict)
        letters: list = []

        def is_over() -> bool:
            trace = worker.failure(f"poison-{case.name}")
            if trace and not case.strict:
                raise Failed(f"{name}: {case.name} is FAILED after {len(letters)} dead letters: {trace[:1500]}")
            for messages in consumer.poll(timeout_ms=300, max_records=1000).values():
                for message in messages:
                    offset = message.timestamp - self.moment
                    letters.append((offset, message.key, message.value, list(message.headers)))
            if trace and letters:
                # The trace without its frames, as one more entry.
                told = [line for line in trace.splitlines() if not line.startswith("\t")]
                letters.append((len(case.records), None, None, [("trace", "\n".join(told).encode())]))
            return any(offset >= last for offset, *_ in letters)

        try:
            wait_until(f"{name}: the last dead letter of {case.name}", 240, is_over)
        except Failed as error:
            raise Failed(f"{error}; {len(letters)} came") from None
        finally:
            consumer.close()
        return letters


def comparable(letter) -> dict:
    """A dead letter in words, without what is Java's own."""
    offset, key, value, headers = letter
    named = []
    is_null_pointer = (f"{PREFIX}exception.class.name", NULL_POINTER) in headers
    for name, content in headers:
        if name == f"{PREFIX}exception.stacktrace" and content is not None:
            content = content.split(b":" if is_null_pointer else b"\n")[0].rstrip()
        elif name == f"{PREFIX}exception.message" and is_null_pointer:
            content = b"(made up)"
        named.append((name, content))
    return {"offset": offset, "key": key, "value": value, "headers": named}


def differences(case: Case, java: list, ours: list) -> list[str]:
    if case.late:
        # Java's sink refuses some records at once and others when their turn comes.
        java = sorted(java, key=lambda letter: letter[0])
    refused, by_us = [letter[0] for letter in java], [letter[0] for letter in ours]
    if refused != by_us:
        return [f"Java refuses offsets {refused}, we {by_us}"]
    found = []
    for theirs, mine in zip(map(comparable, java), map(comparable, ours)):
        value = str(theirs["value"])[:60]
        for part in ("key", "value"):
            if theirs[part] != mine[part]:
                found.append(f"{value}: {part} {mine[part]} instead of {theirs[part]}")
        if [name for name, _ in theirs["headers"]] != [name for name, _ in mine["headers"]]:
            found.append(f"{value}: headers {[name for name, _ in mine['headers']]} instead of {[name for name, _ in theirs['headers']]}")
            continue
        for (name, wanted), (_, actual) in zip(theirs["headers"], mine["headers"]):
            if wanted != actual:
                found.append(f"{value}: {name} {actual} instead of {wanted}")
    return found


def run(options: Options) -> None:
    cases = converter_cases() + transform_cases()
    if s3_plugin():
        cases += late_cases()
    else:
        options.log(step="skipped", what="what the S3 sink itself refuses", why="MILLSTREAM_S3_PLUGIN names no folder")
    with contextlib.ExitStack() as stack:
        scenario = Scenario(options, stack)
        scenario.fill(cases)
        java = JavaWorker(scenario.kafka.bootstrap, options.folder / "java", s3_plugin() or Path("/nowhere"), options.kafka)
        stack.callback(java.stop)
        ours = Millstream(scenario.kafka.bootstrap, options.folder / "millstream")
        stack.callback(ours.stop)
        started = time.monotonic()
        wanted = scenario.collect("java", java, cases)
        options.log(step="java", dead_letters=sum(map(len, wanted.values())), seconds=round(time.monotonic() - started, 1))
        found = scenario.collect("ours", ours, cases)
        failures = 0
        for case in cases:
            different = differences(case, wanted[case.name], found[case.name])
            failures += bool(different)
            options.log(step="compared", case=case.name, records=len(case.records), dead_letters=len(wanted[case.name]), different=different)
        if failures:
            raise Failed(f"dead letters of {failures} of {len(cases)} cases differ from Java's")

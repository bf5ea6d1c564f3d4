"""Scenario evolution: a schema that changes, under each `schema.compatibility`, in each format.

Versions of a schema alternate in a topic: a field with a default comes and goes, or a number grows wider. Which objects there are and what
their rows and schemas hold is written down here, as Java's worker with Confluent's sink has it (`--worker java`, on a Kafka), and the
same for JSON, Avro and Parquet, which fastavro and pyarrow read.
"""

import contextlib
import io
import json

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from .files import CLASSES, CONNECT, field
from .services import EMBEDDED, S3, Embedded, Failed, JavaWorker, Kafka, Millstream, Options, S3Server, Worker, s3_plugin, wait_until

FORMATS = {"json": "io.confluent.connect.s3.format.json.JsonFormat", **CLASSES}
MODES = ("NONE", "BACKWARD", "FORWARD", "FULL")
FLUSH = 3


def schema(version: int, *fields: dict) -> dict:
    return {"type": "struct", "name": "com.x.Row", "version": version, "fields": list(fields)}


ID, NOTE = field("int32", "id"), field("string", "note", True)
# Versions of the schema, and which version the record at each offset has.
TOPICS = {
    "comes": ({1: schema(1, ID, NOTE), 2: schema(2, ID, field("double", "amount", default=0.5), NOTE)}, [1, 2, 1, 1, 2, 2, 1, 1, 2]),
    "goes": ({1: schema(1, ID, field("double", "amount", default=0.5), NOTE), 2: schema(2, ID, NOTE)}, [2, 1, 2, 2, 1, 1, 2, 2, 1]),
    "widens": ({1: schema(1, ID, field("int32", "size")), 2: schema(2, ID, field("int64", "size"))}, [1, 1, 2, 1, 2, 2, 1, 1, 1]),
}


def payload(version: int, offset: int) -> dict:
    """Texts and numbers tell which record it is."""
    return {"id": offset, "note": None if offset % 3 == 2 else f"of {version}", "amount": offset + 0.25, "size": offset * 10}


# The first offset of each object, the version of its file, and how many records it has.
EACH_CHANGE = [(0, 1, 1), (1, 2, 1), (2, 1, 2), (4, 2, 2), (6, 1, 2)]
EXPECTED = {
    ("comes", "NONE"): EACH_CHANGE,
    # A file closes for a newer version, and a file that was full is followed by one of whatever comes.
    ("comes", "BACKWARD"): [(0, 1, 1), (1, 2, 3), (4, 2, 3), (7, 1, 1)],
    ("comes", "FORWARD"): [(0, 1, 3), (3, 1, 3), (6, 1, 3)],
    ("goes", "NONE"): [(first, 3 - version, count) for first, version, count in EACH_CHANGE],
    ("goes", "BACKWARD"): [(0, 2, 3), (3, 2, 3), (6, 2, 3)],
    ("goes", "FORWARD"): [(0, 2, 1), (1, 1, 3), (4, 1, 3), (7, 2, 1)],
    ("widens", "NONE"): [(0, 1, 2), (2, 2, 1), (3, 1, 1), (4, 2, 2), (6, 1, 3)],
    ("widens", "BACKWARD"): [(0, 1, 2), (2, 2, 3), (5, 2, 3)],
    # The wider number does not fit into the older file.
    ("widens", "FORWARD"): [(0, 1, 2), (2, 2, 1), (3, 1, 1), (4, 2, 2), (6, 1, 3)],
}
# The original makes no difference between these two.
EXPECTED |= {(topic, "FULL"): EXPECTED[topic, "BACKWARD"] for topic in TOPICS}
# How a schema tells the types.
OPTIONAL_TEXT = '["null", "string"]'
TYPES = {
    "avro": {"int32": "int", "int64": "long", "double": '{"connect.default": 0.5, "type": "double"}', "string": OPTIONAL_TEXT},
    "parquet": {"int32": "int32", "int64": "int64", "double": "double", "string": "string"},
}


def rows(topic: str, first: int, version: int, count: int) -> list[dict]:
    """What the rows of an object hold: what the record's own version lacks has its default."""
    versions, sequence = TOPICS[topic]
    names = [one["field"] for one in versions[version]["fields"]]
    found = []
    for offset in range(first, first + count):
        own = [one["field"] for one in versions[sequence[offset]]["fields"]]
        sent = payload(sequence[offset], offset)
        found.append({name: sent[name] if name in own else 0.5 for name in names})
    return found


def read(form: str, body: bytes) -> tuple[list[dict], list[str] | None]:
    """The rows of an object, and the types that its schema gives to their fields."""
    import fastavro
    import pyarrow.parquet

    if form == "json":
        return [json.loads(line) for line in body.splitlines()], None
    if form == "avro":
        file = fastavro.reader(io.BytesIO(body))
        fields = file.writer_schema["fields"]
        return list(file), [f"{one['name']}:{one['type'] if isinstance(one['type'], str) else json.dumps(one['type'])}" for one in fields]
    table = pyarrow.parquet.read_table(io.BytesIO(body))
    return table.to_pylist(), [f"{one.name}:{one.type}" for one in table.schema]


class Stage:
    def __init__(self, bootstrap: str, s3: S3, worker: Worker):
        self.bootstrap, self.s3, self.worker = bootstrap, s3, worker

    def fill(self):
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        producer = Producer({"bootstrap.servers": self.bootstrap})
        for topic, (versions, sequence) in TOPICS.items():
            admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
            for offset, version in enumerate(sequence):
                names = [one["field"] for one in versions[version]["fields"]]
                sent = {name: payload(version, offset)[name] for name in names}
                producer.produce(topic, json.dumps({"schema": versions[version], "payload": sent}), partition=0)
        producer.flush(60)

    def create(self, topic: str, mode: str, form: str):
        name = f"{topic}-{mode.lower()}-{form}"
        self.s3.client.create_bucket(Bucket=name)
        config = {
            "connector.class": "io.confluent.connect.s3.S3SinkConnector", "topics": topic, "s3.bucket.name": name, "s3.region": "us-east-1",
            "store.url": self.s3.url, "flush.size": str(FLUSH), "storage.class": "io.confluent.connect.s3.storage.S3Storage",
            "format.class": FORMATS[form], "schema.compatibility": mode, "value.converter": f"{CONNECT}.json.JsonConverter",
            **({"parquet.codec": "none"} if form == "parquet" else {}),
        }  # fmt: skip
        self.worker.create(name, config)

    def check(self, topic: str, mode: str, form: str):
        name = f"{topic}-{mode.lower()}-{form}"
        expected = {f"topics/{topic}/partition=0/{topic}+0+{first:010}.{form}": (first, *more) for first, *more in EXPECTED[topic, mode]}

        def is_whole() -> bool:
            if trace := self.worker.failure(name):
                raise Failed(f"{name}: {trace[:1500]}")
            return len(self.s3.objects(name)) >= len(expected)

        wait_until(f"{len(expected)} objects of {name}", 120, is_whole, 0.05)
        found = self.s3.objects(name)
        if found.keys() != expected.keys():
            raise Failed(f"{name} holds {sorted(found)} instead of {sorted(expected)}")
        for key, (first, version, count) in expected.items():
            read_rows, types = read(form, self.s3.body(name, key))
            if read_rows != rows(topic, first, version, count):
                raise Failed(f"{name}: {key} holds\n  {read_rows} instead of\n  {rows(topic, first, version, count)}")
            wanted = [f"{one['field']}:{TYPES[form][one['type']]}" for one in TOPICS[topic][0][version]["fields"]] if form in TYPES else None
            if types != wanted:
                raise Failed(f"{name}: {key} has the schema {types} instead of {wanted}")


def run(options: Options) -> None:
    with contextlib.ExitStack() as stack:
        if options.kafka == EMBEDDED:
            services = Embedded(options.folder / "services", 0)
            bootstrap, s3 = services.bootstrap, services.s3
            stack.callback(services.stop)
        else:
            kafka = Kafka(options.kafka, options.folder / "kafka")
            stack.callback(kafka.stop)
            bootstrap, s3 = kafka.bootstrap, S3Server(options.folder / "moto")
            stack.callback(s3.stop)
        java = options.worker == "java"
        worker = JavaWorker(bootstrap, options.folder / "worker", s3_plugin()) if java else Millstream(bootstrap, options.folder / "worker")
        stack.callback(worker.stop)
        stage = Stage(bootstrap, s3, worker)
        stage.fill()
        worker.start()
        combinations = [(topic, mode, form) for topic in TOPICS for mode in MODES for form in FORMATS]
        for combination in combinations:
            stage.create(*combination)
        for combination in combinations:
            stage.check(*combination)
        options.log(step="compared", connectors=len(combinations), objects=sum(map(len, EXPECTED.values())) * len(FORMATS))

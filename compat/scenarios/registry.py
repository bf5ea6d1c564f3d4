"""Scenario registry: records of other people's serializers, with the schemas in a registry of other people's.

Apicurio's registry, asked in Confluent's words, has the schemas; Confluent's serializers for Python write records of Avro, JSON Schema and
Protobuf. They are archived as JSON and as Avro, and each has to be what was written. Then lines of a file go into topics by the three
converters, and come back by Confluent's deserializers.
"""

import contextlib
import datetime
import decimal
import io
import json
import random
import shutil
from pathlib import Path

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from . import topics
from .files import CLASSES, encoded
from .flows import FILE_SOURCE
from .queue_brokers import CACHE, Broker, Unavailable, made_once, maven, need
from .services import SHORT_LIVED, Embedded, Failed, Millstream, Options, free_ports, http, wait_until

RECORDS, FLUSH, LINES = 600, 200, 50
CONVERTERS = {
    "avro": "io.confluent.connect.avro.AvroConverter",
    "json": "io.confluent.connect.json.JsonSchemaConverter",
    "protobuf": "io.confluent.connect.protobuf.ProtobufConverter",
}
FORMATS = {"json": "io.confluent.connect.s3.format.json.JsonFormat", "avro": CLASSES["avro"]}


class Apicurio(Broker):
    """Apicurio Registry, in memory."""

    version = "2.6.13.Final"

    def __init__(self, folder):
        super().__init__(folder)
        self.name = f"Apicurio Registry {self.version}"
        self.jar = self.home() / f"apicurio-registry-app-{self.version}-runner.jar"
        self.port = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}/apis/ccompat/v7"

    @classmethod
    def home(cls) -> Path:
        need("java")
        home = CACHE / f"apicurio-{cls.version}"
        with made_once(home) as made:
            if made:
                artifact = f"io.apicurio:apicurio-registry-app:{cls.version}:zip:all"
                maven(artifact, made, "dependency:unpack", f"-Dartifact={artifact}")
        return home

    def start(self):
        settings = [f"-Dquarkus.http.port={self.port}", "-Dquarkus.http.host=127.0.0.1"]
        self.launch(["java", "-Xmx400m", *SHORT_LIVED.split(), *settings, "-jar", self.jar], [self.port])
        wait_until(f"{self.name} answers", 60, lambda: http("GET", f"{self.url}/subjects")[0] == 200, 0.1)


AVRO = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "amount", "type": "double"},
        {"name": "ok", "type": "boolean"},
        {"name": "raw", "type": "bytes"},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["OPEN", "PAID"]}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "more", "type": {"type": "map", "values": "int"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
        {"name": "inner", "type": {"type": "record", "name": "Inner", "fields": [{"name": "f", "type": "float"}]}},
    ],
}
JSON_SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "Order",
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "amount", "ok", "tags", "inner"],
    "properties": {
        "id": {"type": "integer"},
        "note": {"oneOf": [{"type": "null"}, {"type": "string"}]},
        "amount": {"type": "number"},
        "ok": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "inner": {"type": "object", "properties": {"f": {"type": "number"}}},
    },
}


def message_class(name: str, fields: list[tuple[str, str]]):
    """A class of Protobuf messages with these fields, as a compiler of its language would make it."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name=f"{name.lower()}.proto", package="shop", syntax="proto3")
    message = file.message_type.add(name=name)
    for number, (label, kind) in enumerate(fields, 1):
        field = message.field.add(name=label, number=number, label=1)
        field.type = getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{kind.removesuffix('[]').upper()}")
        if kind.endswith("[]"):
            field.label = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"shop.{name}"))


class Avro:
    """What is sent, and what JsonFormat and AvroFormat have to make of it."""

    name = "avro"

    def __init__(self, client, rng: random.Random):
        from confluent_kafka.schema_registry.avro import AvroSerializer

        self.serializer = AvroSerializer(client, json.dumps(AVRO))
        self.rng = rng

    def record(self, number: int) -> tuple[object, dict, dict]:
        rng = self.rng
        millis, cents = rng.randrange(10**12), rng.randint(-(10**9), 10**9)
        same = {
            "id": number,
            "note": rng.choice([None, topics.words(rng)]),
            "amount": rng.randrange(10**7) / 64,
            "ok": rng.random() < 0.5,
            "state": rng.choice(["OPEN", "PAID"]),
            "tags": rng.choices(["a", "grüße"], k=rng.randrange(4)),
            "more": {word: rng.randrange(1000) for word in rng.sample(topics.WORDS, rng.randrange(4))},
            "inner": {"f": rng.randrange(100) / 4},
        }
        raw = rng.randbytes(rng.randrange(6))
        at = datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(milliseconds=millis)
        sent = {**same, "raw": raw, "at": at, "price": decimal.Decimal(cents).scaleb(-2)}
        unscaled = cents.to_bytes((cents + (cents < 0)).bit_length() // 8 + 1, "big", signed=True)
        as_json = {**same, "raw": encoded(raw), "at": millis, "price": encoded(unscaled)}
        return sent, as_json, sent


class Json:
    name = "json"

    def __init__(self, client, rng: random.Random):
        from confluent_kafka.schema_registry.json_schema import JSONSerializer

        self.serializer = JSONSerializer(json.dumps(JSON_SCHEMA), client)
        self.rng = rng

    def record(self, number: int) -> tuple[object, dict, None]:
        rng = self.rng
        sent = {
            "id": number,
            "note": rng.choice([None, topics.words(rng)]),
            "amount": rng.randrange(10**7) / 64,
            "ok": rng.random() < 0.5,
            "tags": rng.choices(["a", "grüße"], k=rng.randrange(4)),
            "inner": {"f": rng.randrange(100) / 4},
        }
        return sent, sent, None


class Protobuf:
    name = "protobuf"

    def __init__(self, client, rng: random.Random):
        from confluent_kafka.schema_registry.protobuf import ProtobufSerializer

        fields = [("id", "int64"), ("note", "string"), ("amount", "double"), ("ok", "bool"), ("tags", "string[]"), ("small", "sint32")]
        self.made = message_class("Order", fields)
        self.serializer = ProtobufSerializer(self.made, client)
        self.rng = rng

    def record(self, number: int) -> tuple[object, dict, None]:
        rng = self.rng
        wanted = {
            "id": number,
            "note": topics.words(rng),
            "amount": rng.randrange(10**7) / 64,
            "ok": rng.random() < 0.5,
            "tags": rng.choices(["a", "grüße"], k=rng.randrange(4)),
            "small": rng.randint(-(10**6), 10**6),
        }
        return self.made(**wanted), wanted, None


def archive(language: str, form: str, registry: str, s3: str) -> dict:
    return {
        "connector.class": "io.confluent.connect.s3.S3SinkConnector",
        "topics": language,
        "s3.bucket.name": f"registry-{language}-{form}",
        "store.url": s3,
        "flush.size": str(FLUSH),
        "storage.class": "io.confluent.connect.s3.storage.S3Storage",
        "format.class": FORMATS[form],
        "value.converter": CONVERTERS[language],
        "value.converter.schema.registry.url": registry,
    }


def rows(form: str, body: bytes) -> list[dict]:
    if form == "json":
        return [json.loads(line) for line in body.splitlines()]
    import fastavro

    return list(fastavro.reader(io.BytesIO(body)))


def equal(what: str, found: list, wanted: list):
    if len(found) != len(wanted):
        raise Failed(f"{what}: {len(found)} records instead of {len(wanted)}")
    for at, (one, other) in enumerate(zip(found, wanted)):
        if one != other:
            raise Failed(f"{what}, record {at}:\n  read     {one}\n  expected {other}")


class Stage:
    def __init__(self, options: Options, registry: Apicurio, services: Embedded, worker: Millstream):
        from confluent_kafka.schema_registry import SchemaRegistryClient

        self.options, self.registry, self.services, self.worker = options, registry, services, worker
        self.client = SchemaRegistryClient({"url": registry.url})
        self.admin = AdminClient({"bootstrap.servers": services.bootstrap})

    def read(self, made):
        """Serialized there, archived here."""
        from confluent_kafka.serialization import MessageField, SerializationContext

        topic = made.name
        self.admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
        records = [made.record(number) for number in range(RECORDS)]
        producer = Producer({"bootstrap.servers": self.services.bootstrap})
        for sent, *_ in records:
            producer.produce(topic, made.serializer(sent, SerializationContext(topic, MessageField.VALUE)), partition=0)
        producer.flush(60)
        for form in ("json", "avro") if topic == "avro" else ("json",):
            bucket = f"registry-{topic}-{form}"
            self.services.s3.client.create_bucket(Bucket=bucket)
            self.worker.create(bucket, archive(topic, form, self.registry.url, self.services.s3.url))

            def is_whole() -> bool:
                if trace := self.worker.failure(bucket):
                    raise Failed(f"{bucket}: {trace}")
                return len(self.services.s3.objects(bucket)) == RECORDS // FLUSH

            wait_until(f"the objects of {bucket}", 60, is_whole, 0.1)
            keys = sorted(self.services.s3.objects(bucket))
            found = [row for key in keys for row in rows(form, self.services.s3.body(bucket, key))]
            equal(bucket, found, [record[1 if form == "json" else 2] for record in records])
            self.options.log(step="read", language=topic, format=form, records=len(found))

    def written(self, language: str):
        """Lines of a file, serialized here, deserialized there."""
        topic = f"lines-{language}"
        self.admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
        lines = [f"{number} {topics.words(random.Random(number))} grüße" for number in range(LINES)]
        file = self.options.folder / f"{topic}.txt"
        file.write_text("".join(f"{line}\n" for line in lines))
        hoist = {"transforms": "h", "transforms.h.type": "org.apache.kafka.connect.transforms.HoistField$Value", "transforms.h.field": "line"}
        converter = {"value.converter": CONVERTERS[language], "value.converter.schema.registry.url": self.registry.url}
        self.worker.create(topic, {"connector.class": FILE_SOURCE, "tasks.max": "1", "topic": topic, "file": str(file), **hoist, **converter})
        consumer = Consumer({"bootstrap.servers": self.services.bootstrap, "group.id": topic, "auto.offset.reset": "earliest"})
        consumer.subscribe([topic])
        read = self.deserializer(language)
        found: list[str] = []

        def is_there() -> bool:
            if trace := self.worker.failure(topic):
                raise Failed(f"{topic}: {trace}")
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                found.append(read(topic, message.value()))
            return len(found) == LINES

        try:
            wait_until(f"the records of {topic}", 60, is_there)
        finally:
            consumer.close()
        equal(topic, found, lines)
        subject = self.client.get_latest_version(f"{topic}-value")
        self.options.log(step="written", language=language, records=len(found), schema_type=subject.schema.schema_type)

    def deserializer(self, language: str):
        from confluent_kafka.schema_registry.avro import AvroDeserializer
        from confluent_kafka.schema_registry.json_schema import JSONDeserializer
        from confluent_kafka.serialization import MessageField, SerializationContext

        if language == "protobuf":
            # Confluent's asks for the class, and finds the message by its index: the first one, which is one byte of 0.
            made = message_class("Line", [("line", "string")])

            def read(topic: str, value: bytes) -> str:
                if value[0] != 0 or value[5] != 0:
                    raise Failed(f"{topic}: a record begins with {value[:6].hex()}")
                return made.FromString(value[6:]).line

            return read
        read_by = {"avro": lambda: AvroDeserializer(self.client), "json": lambda: JSONDeserializer(None, schema_registry_client=self.client)}[language]()
        return lambda topic, value: read_by(value, SerializationContext(topic, MessageField.VALUE))["line"]


def fetch():
    with contextlib.suppress(Unavailable):
        Apicurio.home()


def run(options: Options) -> None:
    rng = random.Random(options.seed)
    try:
        registry = Apicurio(options.folder / "registry")
    except Unavailable as error:
        return options.skip("the registry", str(error))
    services = Embedded(options.folder / "services", 0)
    worker = Millstream(services.bootstrap, options.folder / "worker")
    try:
        registry.start()
        worker.start()
        stage = Stage(options, registry, services, worker)
        for kind in (Avro, Json, Protobuf):
            stage.read(kind(stage.client, rng))
        for language in CONVERTERS:
            stage.written(language)
    finally:
        worker.stop()
        services.stop()
        registry.stop()
        shutil.rmtree(options.folder / "registry", ignore_errors=True)

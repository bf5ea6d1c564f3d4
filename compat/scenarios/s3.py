"""Scenario s3: a topic into S3 through the workshop's connector call, with kill -9 while files are open.

Every round gives one connector its own bucket, kills the worker at random moments, and ends when all full objects stand.
Then every offset must be in exactly one object, under the names and with the bytes of the model, and, where
Confluent's own sink is at hand, of the Java worker's objects for the same topic, ETags (part counts) included.
"""

import contextlib
import random
import shutil
import time
from pathlib import Path

from . import model, topics
from .model import Variant
from .services import Embedded, Failed, JavaWorker, Kafka, Millstream, Options, S3, S3Server, Worker, http, s3_plugin, wait_until

PART_SIZE = 5_242_880
CONNECT = "org.apache.kafka.connect"
JSON_FORMAT = "io.confluent.connect.s3.format.json.JsonFormat"
BYTE_FORMAT = "io.confluent.connect.s3.format.bytearray.ByteArrayFormat"


def variants() -> list[Variant]:
    def converter(name: str, **more: str) -> dict[str, str]:
        return {"value.converter": name, **{f"value.converter.{key}": value for key, value in more.items()}}

    json_class = f"{CONNECT}.json.JsonConverter"
    byte_class = f"{CONNECT}.converters.ByteArrayConverter"
    text = {"format.class": JSON_FORMAT, **converter(f"{CONNECT}.storage.StringConverter")}
    schemaless = {"format.class": JSON_FORMAT, **converter(json_class, **{"schemas.enable": "false"})}
    raw = {"format.class": BYTE_FORMAT, **converter(byte_class)}
    structs = {"format.class": JSON_FORMAT, **converter(json_class, **{"schemas.enable": "true"})}
    coded = {"format.class": JSON_FORMAT, **converter(byte_class)}
    return [
        Variant("string-json", "bytes", text, "json", model.text_line),
        Variant("schemaless-json", "objects", schemaless, "json", model.json_line),
        Variant("bytearray", "bytes", raw, "bin", model.raw_line),
        Variant("struct-json", "structs", structs, "json", model.struct_line),
        Variant("base64-json", "bytes", coded, "json", model.base64_line),
    ]


SOURCES = {"bytes": topics.byte_values, "objects": topics.json_values, "structs": topics.struct_values}


def workshop_config(variant: Variant, s3: S3, bucket: str, flush_size: int) -> dict:
    """The workshop's own call, pointed at the test's store."""
    return {
        "connector.class": "io.confluent.connect.s3.S3SinkConnector",
        "tasks.max": 1,
        "topics": variant.topic,
        "s3.region": "us-east-1",
        "s3.bucket.name": bucket,
        "s3.part.size": PART_SIZE,
        "flush.size": flush_size,
        "storage.class": "io.confluent.connect.s3.storage.S3Storage",
        "schema.generator.class": "io.confluent.connect.storage.hive.schema.DefaultSchemaGenerator",
        "partitioner.class": "io.confluent.connect.storage.partitioner.DefaultPartitioner",
        "schema.compatibility": "NONE",
        "store.url": s3.url,
        "behavior.on.null.values": "ignore",
        **variant.config,
    }


class Scenario:
    def __init__(self, options: Options, kafka: Kafka | Embedded, s3: S3):
        self.options = options
        self.kafka = kafka
        self.s3 = s3
        # Hundreds of objects, so that the work lasts long enough to be interrupted several times.
        self.flush_size = max(100, options.records // topics.PARTITIONS // 100)
        self.records: dict[str, list] = {}
        self.java_objects: dict[str, dict[str, tuple[int, str]]] = {}

    def fill(self, name: str, source):
        started = time.monotonic()
        self.records[name] = topics.fill(self.kafka.bootstrap, name, source, self.options.records, self.options.seed)
        self.options.log(step="fill", topic=name, records=self.options.records, seconds=round(time.monotonic() - started, 1))

    def ask_java(self, chosen: list[Variant], plugins: Path):
        """What the original writes for each variant, all of them on one worker."""
        worker = JavaWorker(self.kafka.bootstrap, self.options.folder / "java", plugins)
        try:
            worker.start()
            for variant in chosen:
                wanted = model.expected(variant, self.records[variant.topic], self.flush_size)
                self.s3.client.create_bucket(Bucket=f"java-{variant.name}")
                worker.create(f"java-{variant.name}", workshop_config(variant, self.s3, f"java-{variant.name}", self.flush_size))
                self.await_objects(worker, f"java-{variant.name}", set(wanted), 300)
                found = self.s3.objects(f"java-{variant.name}")
                self.java_objects[variant.name] = found
                self.compare_with_model(f"java-{variant.name}", wanted, found)
                http("DELETE", f"{worker.url}/connectors/java-{variant.name}")
                self.options.log(step="java", variant=variant.name, objects=len(found))
        finally:
            worker.stop()

    def await_objects(self, worker: Worker, name: str, wanted: set[str], seconds: float):
        def complete() -> bool:
            if trace := worker.failure(name):
                raise Failed(f"{name} is FAILED: {trace[:1500]}")
            return wanted <= self.s3.objects(name).keys()

        try:
            wait_until(f"{len(wanted)} objects of {name}", seconds, complete, 0.2)
        except Failed as error:
            lacking = sorted(wanted - self.s3.objects(name).keys())
            raise Failed(f"{error}; {len(lacking)} missing, first {lacking[:3]}") from None

    def compare_with_model(self, bucket: str, wanted: dict[str, bytes], found: dict[str, tuple[int, str]]):
        excess = sorted(found.keys() - wanted.keys())
        if excess:
            raise Failed(f"{bucket} has {len(excess)} objects that nobody expects, first {excess[:3]}")
        for name, body in wanted.items():
            actual = self.s3.body(bucket, name)
            if actual != body:
                raise Failed(f"{bucket}: {first_difference(name, actual, body)}")
            # The tag tells how many parts there were.
            if found[name] != (len(body), found[name][1] and model.etag(body, PART_SIZE)):
                raise Failed(f"{bucket}: {name} has size and ETag {found[name]}, not {(len(body), model.etag(body, PART_SIZE))}")

    def round(self, number: int, variant: Variant):
        rng = random.Random(f"{self.options.seed}/round {number}")
        name = f"round-{number}-{variant.name}"
        wanted = model.expected(variant, self.records[variant.topic], self.flush_size)
        config = workshop_config(variant, self.s3, name, self.flush_size)
        self.s3.client.create_bucket(Bucket=name)
        worker = self.worker(self.options.folder / name)
        # Small fetches stretch the flow, so that more of the kills fall into it.
        worker.fetch_bytes = rng.choice((1_024, 16_384, 65_536))
        kills, started = [], time.monotonic()
        try:
            for _ in range(rng.randint(3, 5)):
                before = len(self.s3.objects(name))
                if before == len(wanted):
                    break
                worker.start()
                worker.create(name, config)
                # Mostly a moment after the first new object, now and then while the worker still finds its group.
                if rng.random() < 0.8:
                    wait_until(f"more than {before} objects of {name}", 300, lambda: self.progressed(worker, name, before), 0.02)
                    time.sleep(rng.random() * rng.choice((0.01, 0.1, 0.5)))
                else:
                    time.sleep(rng.random() * 2)
                worker.kill()
                kills.append(len(self.s3.objects(name)))
            worker.start()
            worker.create(name, config)
            self.await_objects(worker, name, set(wanted), 300)
        finally:
            worker.stop()
        found = self.s3.objects(name)
        self.compare_with_model(name, wanted, found)
        java = self.java_objects.get(variant.name)
        if java is not None and found != java:
            raise Failed(f"{name}: names, sizes or ETags differ from Java's: {sorted(found.items() ^ java.items())[:4]}")
        seconds = round(time.monotonic() - started, 1)
        self.options.log(
            step="round", round=number, variant=variant.name, objects=len(found), objects_at_kills=kills,
            compared_with_java=java is not None, seconds=seconds,
        )  # fmt: skip
        self.s3.drop(name)
        shutil.rmtree(worker.folder, ignore_errors=True)

    def progressed(self, worker: Worker, name: str, before: int) -> bool:
        if trace := worker.failure(name):
            raise Failed(f"{name} is FAILED: {trace[:1500]}")
        return len(self.s3.objects(name)) > before

    def worker(self, folder: Path) -> Worker:
        if self.options.worker == "java":
            return JavaWorker(self.kafka.bootstrap, folder, s3_plugin())
        return Millstream(self.kafka.bootstrap, folder)


def first_difference(name: str, actual: bytes, wanted: bytes) -> str:
    ours, theirs = actual.split(b"\n"), wanted.split(b"\n")
    for line, (a, b) in enumerate(zip(ours, theirs)):
        if a != b:
            at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            low = max(0, at - 40)
            return f"{name} line {line} byte {at}: {a[low : at + 40]!r} instead of {b[low : at + 40]!r}"
    return f"{name} has {len(ours)} lines instead of {len(theirs)}"


def run(options: Options) -> None:
    everything = variants()
    chosen = [everything[i % len(everything)] for i in range(options.rounds)]
    distinct = [variant for variant in everything if variant in chosen]
    with contextlib.ExitStack() as stack:
        kafka = Kafka(options.kafka, options.folder / "kafka")
        stack.callback(kafka.stop)
        s3 = S3Server(options.folder / "moto")
        stack.callback(s3.stop)
        scenario = Scenario(options, kafka, s3)
        for topic in dict.fromkeys(variant.topic for variant in distinct):
            scenario.fill(topic, SOURCES[topic])
        if s3_plugin() and options.java:
            scenario.ask_java(distinct[: options.java], s3_plugin())
        for number, variant in enumerate(chosen):
            scenario.round(number, variant)

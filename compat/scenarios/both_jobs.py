"""Both jobs at the same time over several ways to sign in: connectors into S3, and `stream` into the document store."""

import contextlib
import json
import re
from pathlib import Path

from confluent_kafka import Producer

from . import topics
from .services import DocumentServer, Failed, Kafka, Millstream, Options, Process, S3Server, wait_until

TOPIC = "sealed"
# Records per partition and batch; one object each.
SHARE = 10
# A connector that names no way of its own.
WORKERS_OWN = "the-workers-own"


def properties(settings: dict[str, str]) -> str:
    """A properties file; line breaks within a value are continued on the next line or escaped."""
    lines = []
    for key, value in settings.items():
        value = value.replace("\\", "\\\\")
        value = re.sub("\n( *)", lambda found: " \\\n    " if found[1] else "\\n\\\n", value)
        lines.append(f"{key}={value}\n")
    return "".join(lines)


def override(settings: dict[str, str]) -> dict[str, str]:
    return {f"consumer.override.{key}": value for key, value in settings.items()}


def connector(s3: S3Server, bucket: str, settings: dict[str, str]) -> dict[str, str]:
    return {
        "connector.class": "io.confluent.connect.s3.S3SinkConnector",
        "tasks.max": "1",
        "topics": TOPIC,
        "s3.region": "us-east-1",
        "s3.bucket.name": bucket,
        "flush.size": str(SHARE),
        "storage.class": "io.confluent.connect.s3.storage.S3Storage",
        "format.class": "io.confluent.connect.s3.format.json.JsonFormat",
        "store.url": s3.url,
        **override(settings),
    }


class SecureWorker(Millstream):
    """A worker that signs in itself and hands its own way on to connectors that name none."""

    def __init__(self, way: dict[str, str], folder: Path):
        super().__init__(way["bootstrap.servers"], folder)
        self.way = {key: value.replace("\n", "\\n") for key, value in way.items() if key != "bootstrap.servers"}

    def settings(self) -> dict[str, str]:
        return {**super().settings(), **self.way, **{f"consumer.{key}": value for key, value in self.way.items()}}


class BothJobs:
    """Each way feeds a connector and a `stream`, and both have every record of the topic once in the end."""

    # How long the last records may take.
    PATIENCE_S = 60
    options: Options
    kafka: Kafka

    def serve(self, stack: contextlib.ExitStack):
        """Where both jobs store."""
        self.s3 = S3Server(self.options.folder / "moto")
        stack.callback(self.s3.stop)
        self.documents = DocumentServer(self.options.folder / "docstore")
        stack.callback(self.documents.stop)
        self.produced: list[str] = []

    def produce(self):
        """One batch, the same number of records for each partition."""
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap})
        for i in range(SHARE * topics.PARTITIONS):
            value = f"record {len(self.produced)}"
            producer.produce(TOPIC, value.encode(), partition=i % topics.PARTITIONS)
            self.produced.append(value)
        producer.flush(60)

    def begin(self, worker: Millstream, ways: dict[str, dict[str, str]], stack: contextlib.ExitStack) -> dict[str, Process]:
        """The streams by their ways; the connector of the worker's own way has none beside it."""
        streams: dict[str, Process] = {}
        for name, settings in {**ways, WORKERS_OWN: {}}.items():
            self.s3.client.create_bucket(Bucket=name)
            worker.create(name, connector(self.s3, name, settings))
            if settings:
                streams[name] = self.stream(name, settings)
                stack.callback(streams[name].kill)
        return streams

    def stream(self, name: str, settings: dict[str, str]) -> Process:
        process = Process(self.options.folder / f"stream-{name}")
        file = process.folder / "client.properties"
        file.write_text(properties({key: value for key, value in settings.items() if key != "bootstrap.servers"}))
        process.launch(
            "stream", KAFKA_BOOTSTRAP_SERVERS=settings["bootstrap.servers"], KAFKA_PROPERTIES=str(file), TOPIC_NAME=TOPIC,
            GROUP_ID=f"stream-{name}", MONGODB_URI=self.documents.uri, MONGODB_COLLECTION=name,
        )  # fmt: skip
        return process

    def await_all(self, worker: Millstream, ways: dict[str, dict[str, str]], streams: dict[str, Process]):
        for name in [*ways, WORKERS_OWN]:
            self.await_one(worker, name, streams.get(name))

    def await_one(self, worker: Millstream, name: str, stream: Process | None):
        collection = self.documents.client["kafka"][name]
        objects = len(self.produced) // SHARE

        def complete() -> bool:
            if trace := worker.failure(name):
                raise Failed(f"{name} is FAILED: {trace[:1500]}")
            if stream:
                stream.check()
            documents = collection.count_documents({}) if stream else len(self.produced)
            return len(self.s3.objects(name)) >= objects and documents >= len(self.produced)

        wait_until(f"{name}: all records in {objects} objects and in the collection", self.PATIENCE_S, complete, 0.2)
        lines = [json.loads(line) for key in self.s3.objects(name) for line in self.s3.body(name, key).splitlines()]
        if sorted(lines) != sorted(self.produced):
            raise Failed(f"{name}: the objects have {len(lines)} records, {len(set(lines))} of them distinct, not {len(self.produced)} each once")
        if stream and collection.count_documents({}) != len(self.produced):
            raise Failed(f"{name}: the collection has {collection.count_documents({})} documents, not {len(self.produced)}")

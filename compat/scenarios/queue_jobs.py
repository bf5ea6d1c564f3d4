"""Both of the workshop's patterns over queues: an archive in S3, and hashes in a collection, each from a queue of its own."""

import bisect
import hashlib
import json
import re
import signal
import subprocess
import time
import urllib.request
from collections import Counter
from pathlib import Path

from .queue_kinds import Kind
from .services import CREDENTIALS, S3, DocumentServer, Failed, Process, free_ports, http, wait_until

JSON = "org.apache.kafka.connect.json.JsonConverter"
ARCHIVE, DOCUMENTS = "archive", "documents"
# The digits of a ULID, of which the first ten are milliseconds since the epoch.
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# In seconds: an end in order, and the longest wait for what was sent.
END, PATIENCE = 60, 180


def body(message_id: str) -> str:
    return json.dumps({"id": message_id, "text": f"the text of {message_id}, as it was sent"})


def digest(message_id: str) -> str:
    return hashlib.sha256(f"the text of {message_id}, as it was sent".encode()).hexdigest()


def opened_at(name: str) -> int:
    """When an object was opened, epoch milliseconds: the ULID in its name begins with it."""
    digits = re.search(r"\+([0-9A-Z]{10})[0-9A-Z]{16}[+.]", name)[1]
    millis = 0
    for digit in digits:
        millis = millis * 32 + CROCKFORD.index(digit)
    return millis


class Bucket:
    """What the archive of one queue has stored."""

    def __init__(self, s3: S3, name: str, queue: str):
        self.s3, self.name = s3, name
        self.prefix = f"topics/{queue}/"
        # The ids in each object.
        self.objects: dict[str, list[str]] = {}
        # Names rise with time, unless they are offsets, which are stored again in any order. What a killed worker had sent may be stored a
        # moment after others with later names.
        self.names_rise = True
        self.last = self.settled = ""
        s3.client.create_bucket(Bucket=name)

    def has_more(self) -> bool:
        answer = self.s3.client.list_objects_v2(Bucket=self.name, Prefix=self.prefix, StartAfter=self.last, MaxKeys=1)
        return "Contents" in answer

    def look(self, is_last: bool = False):
        """Reads the objects that are new; the last look is at all names."""
        after = "" if is_last or not self.names_rise else self.settled
        pages = self.s3.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=self.prefix, StartAfter=after)
        names = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        for name in names:
            if name not in self.objects:
                self.objects[name] = [json.loads(line)["id"] for line in self.s3.body(self.name, name).splitlines()]
        if names and names[-1] > self.last:
            self.settled, self.last = self.last, names[-1]

    def records(self) -> int:
        """How many are stored, as far as names show it that have come since the last look."""
        self.look()
        return sum(map(len, self.objects.values()))

    def ids(self) -> Counter:
        return Counter(message_id for ids in self.objects.values() for message_id in ids)

    def by_run(self, starts: list[int]) -> list[Counter]:
        """The ids that each run of the worker has stored, by when it began: epoch microseconds. Names have when an object was opened."""
        found = [Counter() for _ in starts]
        for name, ids in self.objects.items():
            # The last microsecond of that millisecond: no run begins and opens an object in the same.
            found[bisect.bisect(starts, opened_at(name) * 1000 + 999) - 1].update(ids)
        return found


class Collection:
    """What the hash job of one queue has stored."""

    def __init__(self, documents: DocumentServer, name: str):
        self.name = name
        self.collection = documents.client["queues"][name]

    def count(self) -> int:
        return self.collection.estimated_document_count()

    def ids(self) -> Counter:
        found = list(self.collection.find(batch_size=10_000))
        wrong = [document for document in found if document["text"] != digest(document["id"])]
        if wrong:
            raise Failed(f"{self.name}: {len(wrong)} documents are not hashed as they should be, such as {wrong[0]}")
        return Counter(document["id"] for document in found)


class Stores:
    """Where what is read goes."""

    def __init__(self, s3: S3, documents: DocumentServer):
        self.s3, self.documents = s3, documents


class Jobs:
    """A worker on one node with the archive and the hash job over two queues of a kind, or one of them."""

    def __init__(self, kind: Kind, broker, stores: Stores, folder: Path, archive=None, documents=None, s3_url: str = "", worker: dict | None = None, **more):
        self.kind, self.stores = kind, stores
        self.process = Process(folder)
        self.folder = folder
        self.starts: list[int] = []
        self.port = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        name = re.sub("[^a-z0-9]+", "-", f"{kind.name}-{folder.name}")
        properties = {
            # No Kafka is needed where records come from a queue.
            "bootstrap.servers": "127.0.0.1:9",
            "listeners": self.url,
            "offset.storage.file.filename": folder / "offsets.dat",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": JSON,
            "value.converter.schemas.enable": "false",
            **(worker or {}),
        }
        self.files = [self.write("worker", properties)]
        shared = {"tasks.max": "1", "input.idle.flush.ms": "300", "input.max.hold.ms": "30000", **{key.replace("_", "."): str(value) for key, value in more.items()}}
        if archive:
            self.bucket = Bucket(stores.s3, name, archive.name)
            config = {
                "connector.class": "io.confluent.connect.s3.S3SinkConnector",
                "s3.region": "us-east-1",
                "s3.bucket.name": name,
                "s3.part.size": "5242880",
                "flush.size": "100",
                "storage.class": "io.confluent.connect.s3.storage.S3Storage",
                "format.class": "io.confluent.connect.s3.format.json.JsonFormat",
                "store.url": s3_url or stores.s3.url,
            }
            self.files.append(self.write(ARCHIVE, {"name": ARCHIVE, **config, **kind.settings(broker, archive.name), **shared}))
        if documents:
            self.collection = Collection(stores.documents, name)
            config = {
                "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector",
                "connection.uri": stores.documents.uri,
                "database": "queues",
                "collection": name,
                "transforms": "hash",
                "transforms.hash.type": "io.aiven.kafka.connect.transforms.Hash$Value",
                "transforms.hash.field.name": "text",
                "transforms.hash.function": "sha256",
            }
            shared.pop("flush.size", None)
            self.files.append(self.write(DOCUMENTS, {"name": DOCUMENTS, **config, **kind.settings(broker, documents.name), **shared}))

    def write(self, name: str, properties: dict) -> Path:
        file = self.folder / f"{name}.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        return file

    def start(self):
        self.starts.append(time.time_ns() // 1000)
        self.process.launch("standalone", *self.files, **CREDENTIALS)

    def kill(self):
        self.process.kill()

    def end(self) -> float:
        """In order, by SIGTERM; how many seconds it took."""
        self.process.check()
        started = time.monotonic()
        self.process.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.process.wait(END)
        except subprocess.TimeoutExpired:
            raise Failed(f"the worker has not ended {END} s after SIGTERM: {self.said()[-800:]}") from None
        self.process.process = None
        if status != 0:
            raise Failed(f"the worker ended with {status}: {self.said()[-800:]}")
        return round(time.monotonic() - started, 2)

    def said(self) -> str:
        return (self.folder / "millstream.log").read_text(errors="replace")

    def complaints(self) -> list[str]:
        """What the worker has warned of."""
        return [line for line in self.said().splitlines() if re.search("WARN|ERROR", line)]

    def check(self) -> bool:
        """Raises what has failed."""
        self.process.check()
        for name in (ARCHIVE, DOCUMENTS):
            status, state = http("GET", f"{self.url}/connectors/{name}/status", timeout=5)
            parts = [state["connector"], *state["tasks"]] if status == 200 else []
            for part in parts:
                if part["state"] == "FAILED":
                    raise Failed(f"{name} is FAILED: {part.get('trace', 'no trace')[:1500]}")
        return True

    def metrics(self) -> dict[str, float]:
        """The worker's series by their whole names; none while nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return {}
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line and not line.startswith("#"))}

    def metric(self, name: str, job: str = ARCHIVE, **labels: str) -> float:
        """The sum over a job's tasks of a series of queues."""
        wanted = [f'connector="{job}"', *(f'{key}="{value}"' for key, value in labels.items())]
        series = self.metrics().items()
        return sum(value for key, value in series if key.startswith(f"millstream_queue_{name}{{") and all(label in key for label in wanted))

    def await_metric(self, what: str, seconds: float, condition):
        try:
            wait_until(what, seconds, lambda: self.process.check() or condition(), 0.05)
        except Failed as error:
            raise Failed(f"{error}; {self.said()[-600:]}") from None

    def await_all(self, archived: list[str], hashed: list[str], seconds: float = PATIENCE):
        """Returns once everything that was sent is stored."""
        lacking: dict[str, set[str]] = {}

        def complete() -> bool:
            self.check()
            if archived:
                # One that a store has carried out after its sender was killed may come behind others with later names.
                self.bucket.look(is_last=True)
                lacking[ARCHIVE] = set(archived) - self.bucket.ids().keys()
            if hashed and self.collection.count() >= len(hashed):
                lacking[DOCUMENTS] = set(hashed) - self.collection.ids().keys()
            elif hashed:
                lacking[DOCUMENTS] = set(hashed)
            return not any(lacking.values())

        try:
            wait_until(f"{len(archived)} messages in S3, {len(hashed)} in the collection", seconds, complete, 0.5)
        except Failed as error:
            missing = {job: (len(ids), sorted(ids)[:3]) for job, ids in lacking.items() if ids}
            raise Failed(f"{error}; missing: {missing}; {self.said()[-800:]}") from None
        self.expect_nothing_else(archived, hashed)

    def expect_nothing_else(self, archived: list[str], hashed: list[str]):
        strange = set()
        if archived:
            strange |= self.bucket.ids().keys() - set(archived)
        if hashed:
            strange |= self.collection.ids().keys() - set(hashed)
        if strange:
            raise Failed(f"messages that nobody sent: {sorted(strange)[:3]}")

    def doubles(self) -> dict[str, int]:
        """How many records are there beside the first of each message."""
        found = {}
        if hasattr(self, "bucket"):
            ids = self.bucket.ids()
            found[ARCHIVE] = ids.total() - len(ids)
        if hasattr(self, "collection"):
            ids = self.collection.ids()
            found[DOCUMENTS] = ids.total() - len(ids)
        return found

"""What flows through a cluster while its workers come and go: a topic into S3 or a file, lines into a topic."""

import re
import threading
from pathlib import Path

from . import model, topics
from .s3 import variants, workshop_config
from .services import S3, Failed, wait_until

FILE_SINK = "org.apache.kafka.connect.file.FileStreamSinkConnector"
FILE_SOURCE = "org.apache.kafka.connect.file.FileStreamSourceConnector"


class Lines(threading.Thread):
    """Appends numbered lines, which a source brings into a topic, to a file until it is told to stop."""

    def __init__(self, bootstrap: str, topic: str, file: Path):
        super().__init__(daemon=True)
        self.bootstrap, self.topic, self.file = bootstrap, topic, file
        topics.create(bootstrap, topic, partitions=1)
        file.touch()
        self.done = threading.Event()
        self.written = 0

    def run(self):
        with open(self.file, "a") as file:
            while not self.done.wait(0.04):
                file.write(f"{self.written}\n")
                file.flush()
                self.written += 1

    def config(self) -> dict:
        return {"connector.class": FILE_SOURCE, "tasks.max": "1", "topic": self.topic, "file": str(self.file)}

    def check(self, isolation: str = "read_uncommitted") -> dict:
        """Ends the writing, and waits until every line is in the topic."""
        self.done.set()
        self.join()
        wanted = {str(number).encode() for number in range(self.written)}
        found: list[bytes] = []

        def are_there() -> bool:
            found[:] = (value for _, value in topics.read_back(self.bootstrap, self.topic, isolation, 1)[0])
            return wanted <= set(found)

        try:
            wait_until(f"{len(wanted)} lines in {self.topic}", 60, are_there, 0.5)
        except Failed as error:
            lacking = sorted(map(int, wanted - set(found)))
            raise Failed(f"{error}; {len(lacking)} missing, first {lacking[:3]}") from None
        return {"lines": len(wanted), "lines_doubled": len(found) - len(wanted)}


class S3Flow:
    """A topic, written into S3 by a task for each partition."""

    def __init__(self, s3: S3, bootstrap: str, topic: str, partitions: int, flush_size: int):
        self.s3, self.bootstrap, self.topic, self.partitions, self.flush_size = s3, bootstrap, topic, partitions, flush_size
        self.bucket = topic
        topics.create(bootstrap, topic, partitions=partitions)
        self.variant = variants()[0]
        self.variant.topic = topic
        s3.client.create_bucket(Bucket=self.bucket)

    def config(self) -> dict:
        return {**workshop_config(self.variant, self.s3, self.bucket, self.flush_size), "tasks.max": str(self.partitions)}

    def check(self) -> dict:
        """Waits until every full object stands; then names and bytes are those of the model."""
        records = topics.read_back(self.bootstrap, self.topic, partitions=self.partitions)
        wanted = model.expected(self.variant, records, self.flush_size)
        wait_until(f"{len(wanted)} objects", 120, lambda: wanted.keys() <= self.s3.objects(self.bucket).keys(), 0.2)
        found = {name: self.s3.body(self.bucket, name) for name in self.s3.objects(self.bucket)}
        if found != wanted:
            wrong = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
            raise Failed(f"{len(wrong)} objects are wrong or too many, first {wrong[:3]}")
        self.s3.drop(self.bucket)
        return {"records": sum(map(len, records)), "objects": len(found), "doubled": 0}


class FileFlow:
    """The same into a file, where there is no sink for S3 that both kinds have."""

    def __init__(self, file: Path, bootstrap: str, topic: str, partitions: int):
        self.bootstrap, self.topic, self.partitions, self.file = bootstrap, topic, partitions, file
        topics.create(bootstrap, topic, partitions=partitions)

    def config(self) -> dict:
        return {"connector.class": FILE_SINK, "tasks.max": str(self.partitions), "topics": self.topic, "file": str(self.file)}

    def check(self) -> dict:
        records = topics.read_back(self.bootstrap, self.topic, partitions=self.partitions)
        wanted = {int(value.split(b" ", 1)[0]) for rows in records for _, value in rows}

        def found() -> list[int]:
            return [int(number) for number in re.findall(r"(?m)^(\d+) (?=\w+ \w+)", self.file.read_text(errors="replace"))]

        wait_until(f"{len(wanted)} records in {self.file.name}", 120, lambda: wanted <= set(found()), 0.2)
        return {"records": len(wanted), "objects": 0, "doubled": len(found()) - len(wanted)}

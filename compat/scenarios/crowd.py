"""Scenario crowd: how fast a worker tells the status of very many connectors while one of them hangs.

`--records` says how many connectors there are (a thousand is what the bar is for). Each is a file source that waits for its file, so
that the worker has nothing else to do; the one that hangs is an S3 sink whose store takes connections and never answers, and a request
for its offsets, a stop and a restart of it wait beside. `GET /connectors?expand=status` is then asked for again and again over one
connection.
"""

import contextlib
import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from .services import CREDENTIALS, Failed, Kafka, Options, http as ask, wait_until
from .sides import JavaSide, OurSide, Setup, Side

QUESTIONS = 500
BAR_MS = 20


class BlackHole:
    """Takes connections and what comes, and says nothing."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.taken: list[socket.socket] = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                self.taken.append(self.socket.accept()[0])

    def stop(self):
        self.socket.close()
        for each in self.taken:
            each.close()


def hanging(port: int) -> dict[str, str]:
    text = "org.apache.kafka.connect.storage.StringConverter"
    return {"connector.class": "io.confluent.connect.s3.S3SinkConnector", "topics": "t", "s3.bucket.name": "b", "flush.size": "1", "s3.region": "us-east-1",
            "storage.class": "io.confluent.connect.s3.storage.S3Storage", "format.class": "io.confluent.connect.s3.format.json.JsonFormat",
            "store.url": f"http://127.0.0.1:{port}", "key.converter": text, "value.converter": text,
            "aws.access.key.id": CREDENTIALS["AWS_ACCESS_KEY_ID"], "aws.secret.access.key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"]}  # fmt: skip


def waiting(number: int, folder) -> dict[str, str]:
    return {"connector.class": "FileStreamSource", "topic": "lines", "file": f"{folder}/{number}.txt", "tasks.max": "1"}


def run(options: Options) -> None:
    count = options.records
    with contextlib.ExitStack() as stack:
        kafka = Kafka(options.kafka, options.folder / "kafka")
        stack.callback(kafka.stop)
        hole = BlackHole()
        stack.callback(hole.stop)
        side: Side = (JavaSide if options.worker == "java" else OurSide)(kafka, options.folder / "workers")
        side.start(Setup("crowd", classes=("io.confluent.connect.*",)))
        stack.callback(side.end)
        url = f"http://127.0.0.1:{side.ports[0]}"
        side.perform({"create_topic": {"topic": "t", "partitions": 1}})
        side.perform({"produce": {"topic": "t", "values": ["one"] * 100}})

        started = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            configs = [{"name": f"c-{number}", "config": waiting(number, options.folder)} for number in range(count)]
            answers = list(pool.map(lambda each: ask("POST", f"{url}/connectors", each, 120)[0], configs))
        if set(answers) != {201}:
            raise Failed(f"POST answers {sorted(set(answers))}")
        created = time.monotonic()

        def running() -> bool:
            status, body = ask("GET", f"{url}/connectors?expand=status", timeout=60)
            return status == 200 and sum([task["state"] for task in each["status"]["tasks"]] == ["RUNNING"] for each in body.values()) == count

        wait_until(f"{count} connectors run", 600, running, 0.5)
        options.log(step="created", connectors=count, posts_s=round(created - started, 1), all_running_s=round(time.monotonic() - started, 1))

        if options.worker != "java":
            ask("POST", f"{url}/connectors", {"name": "hangs", "config": hanging(hole.port)})
            wait_until("the store is asked", 60, lambda: hole.taken)
        with ThreadPoolExecutor(3) as pool:
            # These wait for the one that hangs, or are refused; either is fine.
            for method, path in (("PUT", "/connectors/hangs/stop"), ("POST", "/connectors/hangs/restart?includeTasks=true"), ("GET", "/connectors/hangs/offsets")):
                pool.submit(ask, method, f"{url}{path}", None, 60)
            took, size = measure(side.ports[0])
        p50, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
        options.log(step="asked", questions=len(took), bytes=size, p50_ms=p50, p99_ms=p99, longest_ms=took[-1], bar_ms=BAR_MS)
        if p99 > BAR_MS and options.worker != "java":
            raise Failed(f"p99 of GET /connectors?expand=status is {p99} ms with {count} connectors, more than {BAR_MS} ms")


def measure(port: int) -> tuple[list[float], int]:
    """How long each answer took in ms, in order of length, and how long the last one is in bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    took, body = [], b""
    for _ in range(QUESTIONS):
        before = time.monotonic()
        connection.request("GET", "/connectors?expand=status")
        answer = connection.getresponse()
        body = answer.read()
        took.append(round((time.monotonic() - before) * 1000, 2))
        if answer.status != 200 or not json.loads(body):
            raise Failed(f"GET /connectors?expand=status answers {answer.status}")
    connection.close()
    return sorted(took), len(body)

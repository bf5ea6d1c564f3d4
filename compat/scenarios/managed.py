"""The walks from what AWS runs itself. A Java worker on real Kafka stands for MSK Connect, with topics as that names them, and an
account of the test's own answers for it; moto's Firehose and a consumer of the topic stand for Firehose, whose source on MSK moto lacks.
What no stand-in does is told as a step of its own that was not walked.
"""

import base64
import gzip
import json
import re
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
from confluent_kafka import Consumer, Producer, TopicPartition

from .flows import Lines
from .services import CREDENTIALS, Failed, Process, S3Server, wait_until
from .walks import JavaWorker, Walk, expect

ID = "12345678-09e7-4abc-8be8-c657f7e4ff32-2"
ARN = f"arn:aws:kafkaconnect:us-east-1:123456789012:connector/{{}}/{ID}"
WORKER_ARN = f"arn:aws:kafkaconnect:us-east-1:123456789012:worker-configuration/text/{ID}"
VERSION = "K2EUQ1WTGCTBG2"
STRING = "org.apache.kafka.connect.storage.StringConverter"
HOURS = 3_600_000


def aws_command(folder: Path) -> Path:
    """The command with this Python."""
    program = folder / "aws.sh"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).parent / "aws_command.py"} "$@"\n')
    program.chmod(0o755)
    return program


class Account:
    """Answers as the API of MSK Connect does, as far as the page asks it."""

    def __init__(self, describe: Callable[[str], dict], delete: Callable[[str], None], properties: str):
        account = self
        self.describe, self.delete = describe, delete
        self.worker_configuration = {
            "workerConfigurationArn": WORKER_ARN,
            "name": "text",
            "latestRevision": {"revision": 1, "propertiesFileContent": base64.b64encode(properties.encode()).decode()},
        }

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(account.get)

            def do_DELETE(self):
                self.answer(account.remove)

            def answer(self, by: Callable[[str, str, dict], tuple[int, dict]]):
                url = urlsplit(self.path)
                _, version, kind, arn = unquote(url.path).split("/", 3)
                status, body = by(f"{version}/{kind}", arn, parse_qs(url.query))
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def get(self, kind: str, arn: str, _: dict) -> tuple[int, dict]:
        if (kind, arn) == ("v1/worker-configurations", WORKER_ARN):
            return 200, self.worker_configuration
        if kind == "v1/connectors" and (name := name_in(arn)):
            worker = {"workerConfigurationArn": WORKER_ARN, "revision": 1}
            facts = {"connectorArn": arn, "connectorName": name, "connectorState": "RUNNING", "currentVersion": VERSION}
            return 200, {**facts, "connectorConfiguration": self.describe(name), "workerConfiguration": worker}
        return 404, {"message": f"{kind} {arn}"}

    def remove(self, kind: str, arn: str, query: dict) -> tuple[int, dict]:
        if kind != "v1/connectors" or not (name := name_in(arn)):
            return 404, {"message": f"{kind} {arn}"}
        if query.get("currentVersion") != [VERSION]:
            return 400, {"message": f"currentVersion is {VERSION}"}
        self.delete(name)
        return 200, {"connectorArn": arn, "connectorName": name, "connectorState": "DELETING"}

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def name_in(arn: str) -> str | None:
    match = re.fullmatch(re.escape(ARN).replace(re.escape("{}"), "([^/]+)"), arn)
    return match[1] if match else None


class MskConnectWorker(JavaWorker):
    """Its topics have the names that MSK Connect gives to those of the source."""

    def topics(self) -> dict[str, str]:
        names = {"config": "configs", "offset": "offsets", "status": "status"}
        return {role: f"__amazon_msk_connect_{name}_lines_{ID}" for role, name in names.items()}


class MskConnect(Walk):
    """A sink, which goes on from its group's offsets, and a source, which goes on from those in the topic."""

    chapter = "From MSK Connect"
    kinds = ("sh", "console")
    java_worker = MskConnectWorker

    def __init__(self, *arguments):
        super().__init__(*arguments)
        # In the worker configuration alone, as the page warns of.
        properties = {"key.converter": STRING, "value.converter": STRING, "offset.flush.interval.ms": "500"}
        # There is one broker here.
        properties |= {f"{role}.storage.replication.factor": "1" for role in ("config", "offset", "status")}
        text = "".join(f"{key}={value}\n" for key, value in properties.items())
        self.account = Account(self.configuration, self.delete, text)
        self.lines = Lines(self.kafka.bootstrap, f"{self.flow.topic}-lines", self.folder / "lines.txt")

    def environment(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL_KAFKACONNECT": self.account.url, "AWS_DEFAULT_REGION": "us-east-1"}

    def programs(self) -> dict[str, Path]:
        return {"aws": aws_command(self.folder)}

    def steps(self):
        return {
            "1. Save configuration and worker configuration": self.save,
            "2. Start a worker, and leave it without the connector": self.start_ours,
            "3. Stop it there": self.stop_there,
            "4. Start it here": self.start_here,
            "Back": self.back,
        }

    def configuration(self, name: str) -> dict:
        config = self.java.want("GET", f"/connectors/{name}/config")
        # The name is not among the settings there.
        return {key: value for key, value in config.items() if key != "name"}

    def delete(self, name: str):
        self.java.want("DELETE", f"/connectors/{name}", status=204)

    def begin(self):
        super().begin()
        self.lines.start()
        self.java.want("POST", "/connectors", {"name": "lines", "config": self.lines.config()}, 201)
        self.cluster.await_state("lines", "RUNNING", ["RUNNING"])
        wait_until("lines", 60, lambda: self.lines.written > 20)

    def name(self, connector: str):
        self.shell.set(CONNECTOR=connector, ARN=ARN.format(connector))

    def save(self, blocks):
        for connector in ("lines", "s3-sink"):
            self.name(connector)
            self.blocks(blocks)
            saved = json.loads((self.folder / "shell" / f"{connector}.json").read_text())
            if saved != self.configuration(connector):
                raise Failed(f"the file of {connector} holds {saved}")
        properties = (self.folder / "shell" / "mskconnect.properties").read_text()
        expect("the worker configuration", properties, "(?m)^value.converter=.*StringConverter$")

    def start_ours(self, blocks):
        offsets, start, look = blocks
        self.name("lines")
        self.shell.run(offsets)
        self.name("s3-sink")
        self.shell.run(start)
        properties = (self.folder / "shell" / "millstream.properties").read_text()
        expect("the worker's settings", properties, f"(?m)^offset.storage.topic={self.java.topics()['offset']}$")
        output = self.shell.run(look)
        if output.count("right already") != 3:
            raise Failed(f"the three topics are not all right already:\n{output}")
        expect("the classes", output, self.flow.config()["connector.class"])
        self.idle()

    def idle(self):
        status, connectors = self.ask("/connectors")
        if (status, connectors) != (200, []):
            raise Failed(f"our worker has {connectors} before anything has moved")

    def stop_there(self, blocks):
        delete, look = blocks
        for connector in ("lines", "s3-sink"):
            self.name(connector)
            self.shell.run(delete)
        self.java.stop()
        wait_until("the group is empty", 60, lambda: "Empty" in self.shell.run(look), 1)

    def start_here(self, blocks):
        start, look = blocks
        for connector in ("lines", "s3-sink"):
            self.name(connector)
            self.shell.run(start)
        self.await_running(self.ours, {self.our_id})
        expect("the group", self.shell.run(look), f"connect-s3-sink.*{self.flow.topic}")
        wait_until("the source runs here", 60, lambda: (self.ask("/connectors/lines/status")[1] or {}).get("tasks"), 0.2)
        # Both go on for a while.
        written = self.lines.written
        wait_until("more lines", 60, lambda: self.lines.written > written + 50, 0.1)

    def back(self, blocks):
        self.blocks(blocks)
        wait_until("the connector is gone", 60, lambda: self.ask("/connectors/s3-sink")[0] == 404, 0.2)
        self.cluster.start(self.java)
        self.java.want("PUT", "/connectors/s3-sink/config", self.flow.config(), (200, 201))
        self.await_running(self.java.url, {self.java.id})
        self.log("not walked", what="create-connector of MSK Connect itself, its roles and its secrets", why="only AWS has them")

    def end(self):
        super().end()
        found = self.lines.check()
        self.log("lines", **found)
        if found["lines_doubled"]:
            raise Failed(f"the source began anew: {found}")

    def run(self):
        try:
            super().run()
        finally:
            self.lines.done.set()
            self.account.stop()


class Delivery(threading.Thread):
    """Reads the topic under a group of its own and puts it into moto's Firehose, a line for each record."""

    def __init__(self, bootstrap: str, topic: str, firehose):
        super().__init__(daemon=True)
        self.consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "firehose", "auto.offset.reset": "earliest", "enable.auto.commit": False, "log_level": 2})
        self.consumer.subscribe([topic])
        self.firehose = firehose
        self.done = threading.Event()
        self.newest = 0
        # Values by partition and offset.
        self.delivered: dict[tuple[int, int], bytes] = {}

    def run(self):
        while not self.done.is_set():
            messages = [message for message in self.consumer.consume(400, 0.2) if not message.error()]
            if not messages:
                continue
            lines = [{"Data": message.value() + b"\n"} for message in messages]
            self.firehose.put_record_batch(DeliveryStreamName="to-s3", Records=lines)
            for message in messages:
                self.newest = max(self.newest, message.timestamp()[1])
                self.delivered[message.partition(), message.offset()] = message.value()
        self.consumer.close()


class Firehose(Walk):
    chapter = "From Firehose"
    kinds = ("sh", "console")

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.s3: S3Server
        settings = {"region_name": "us-east-1", "aws_access_key_id": "demo", "aws_secret_access_key": "demodemo"}
        self.firehose = boto3.client("firehose", endpoint_url=self.s3.url, **settings)
        self.delivery = Delivery(self.kafka.bootstrap, self.flow.topic, self.firehose)
        self.worker = Process(self.folder / "worker")

    def environment(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL_FIREHOSE": self.s3.url, "AWS_DEFAULT_REGION": "us-east-1"}

    def programs(self) -> dict[str, Path]:
        return {"aws": aws_command(self.folder)}

    def replaced(self) -> dict[str, str]:
        # Five minutes are for earnest.
        return {'"rotate.schedule.interval.ms": "300000"': '"rotate.schedule.interval.ms": "1000"'}

    def steps(self):
        return {
            "1. See what there is, and what the load comes to": self.look,
            "2. Stop Firehose, and write down when": self.stop_firehose,
            "3. Let the archive begin there": self.reset,
            "4. Create the connector and see it run": self.create,
            "Back": self.back,
        }

    def begin(self):
        # Records of two hours ago: how fast they come is known by them, and they have an hour of their own.
        self.produce(b"early", -2 * HOURS)
        target = {
            "RoleARN": "arn:aws:iam::123456789012:role/firehose",
            "BucketARN": f"arn:aws:s3:::{self.flow.bucket}",
            "Prefix": "data/",
            "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 60},
            "CompressionFormat": "UNCOMPRESSED",
        }
        self.firehose.create_delivery_stream(DeliveryStreamName="to-s3", DeliveryStreamType="DirectPut", ExtendedS3DestinationConfiguration=target)
        self.delivery.start()
        topics = {f"CONNECT_{role}_STORAGE_TOPIC": f"archive-{role.lower()}" for role in ("CONFIG", "OFFSET", "STATUS")}
        replicas = {f"CONNECT_{role}_STORAGE_REPLICATION_FACTOR": "1" for role in ("CONFIG", "OFFSET", "STATUS")}
        self.worker.launch(
            "worker",
            CONNECT_BOOTSTRAP_SERVERS=self.kafka.bootstrap,
            CONNECT_GROUP_ID="archive",
            CONNECT_KEY_CONVERTER=STRING,
            CONNECT_VALUE_CONVERTER=STRING,
            CONNECT_LISTENERS=self.ours,
            CONNECT_REST_ADVERTISED_HOST_NAME="localhost",
            CONNECT_OFFSET_FLUSH_INTERVAL_MS="500",
            AWS_ENDPOINT_URL_S3=self.s3.url,
            **topics,
            **replicas,
            **CREDENTIALS,
        )
        wait_until("our worker answers", 60, self.is_there, 0.1)
        wait_until("Firehose has delivered something", 60, lambda: len(self.delivery.delivered) > 200, 0.1)
        self.shell.set(STREAM="to-s3", BUCKET=self.flow.bucket, REGION="us-east-1")

    def is_there(self) -> bool:
        self.worker.check()
        return self.ask("/connectors")[0] == 200

    def produce(self, text: bytes, milliseconds: int):
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap, "log_level": 2})
        for number in range(100):
            at = int(time.time() * 1000) + milliseconds
            producer.produce(self.flow.topic, b"%s %d" % (text, number), partition=number % self.partitions, timestamp=at)
        producer.flush(30)

    def look(self, blocks):
        output = self.blocks(blocks)
        expect("the stream and the load", output, '"data/"', f"arn:aws:s3:::{self.flow.bucket}", "messages a day", "(?m)^Take ")

    def stop_firehose(self, blocks):
        self.delivery.done.set()
        self.delivery.join()
        self.blocks(blocks)
        # Its interval earlier than its newest record, as the page says; of the stand-in's it is a second.
        at = datetime.fromtimestamp(self.delivery.newest / 1000 - 1, timezone.utc)
        self.stopped_at = at.replace(microsecond=0)
        self.shell.set(STOPPED_AT=f"{self.stopped_at:%Y-%m-%dT%H:%M:%S}")

    def reset(self, blocks):
        expect("the offsets", self.blocks(blocks), self.flow.topic)
        # Late ones go where their time belongs.
        self.produce(b"late", -3 * HOURS)

    def create(self, blocks):
        self.blocks(blocks)
        try:
            wait_until("the connector runs", 60, self.is_running, 0.2)
        except Failed as error:
            raise Failed(f"{error}; last, {self.ask('/connectors/s3-sink/status')}") from None

    def is_running(self) -> bool:
        status, body = self.ask("/connectors/s3-sink/status")
        return status == 200 and len(body["tasks"]) == 2 and all(part["state"] == "RUNNING" for part in (body["connector"], *body["tasks"]))

    def back(self, blocks):
        self.source.finish()
        self.records = self.read()
        wait_until("all is archived", 60, lambda: sum(map(len, self.archived().values())) >= sum(len(value) + 1 for value in self.wanted().values()), 1)
        self.blocks(blocks)
        wait_until("it is stopped", 60, lambda: self.ask("/connectors/s3-sink/status")[1]["connector"]["state"] == "STOPPED", 0.2)
        self.log("not walked", what="create-delivery-stream with AT_TIMESTAMP", why="only AWS reads from MSK")

    def read(self) -> dict[tuple[int, int], tuple[int, bytes]]:
        """Time and value of every record, by partition and offset."""
        consumer = Consumer({"bootstrap.servers": self.kafka.bootstrap, "group.id": "witness", "enable.auto.commit": False, "log_level": 2})
        parts = [TopicPartition(self.flow.topic, number, 0) for number in range(self.partitions)]
        ends = sum(consumer.get_watermark_offsets(part, 30)[1] for part in parts)
        milliseconds = int(self.stopped_at.timestamp() * 1000)
        at = [TopicPartition(self.flow.topic, number, milliseconds) for number in range(self.partitions)]
        self.first = {part.partition: part.offset for part in consumer.offsets_for_times(at, 30)}
        consumer.assign(parts)
        found = {}
        while len(found) < ends:
            for message in consumer.consume(10_000, 0.5):
                found[message.partition(), message.offset()] = (message.timestamp()[1], message.value())
        consumer.close()
        return found

    def wanted(self) -> dict[tuple[int, int], bytes]:
        """What the archive is to have: all from the offsets on that the time stands for."""
        return {at: value for at, (_, value) in sorted(self.records.items()) if at[1] >= self.first[at[0]]}

    def archived(self) -> dict[str, bytes]:
        names = [name for name in self.s3.objects(self.flow.bucket) if name.startswith(f"data/{self.flow.topic}/")]
        return {name: gzip.decompress(self.s3.body(self.flow.bucket, name)) for name in sorted(names)}

    def end(self):
        wanted, found, hours = self.wanted(), self.archived(), set()
        left = dict(wanted)
        for name, content in found.items():
            match = re.fullmatch(rf"data/{self.flow.topic}/(\d{{4}}/\d\d/\d\d/\d\d)/{self.flow.topic}\+(\d+)\+(\d{{10}})\.json\.gz", name)
            if not match:
                raise Failed(f"{name} is no name of ours")
            hour, partition = match[1], int(match[2])
            hours.add(hour)
            # Of the hour, from the offset in the name on.
            rows = [at for at in left if at[0] == partition and at[1] >= int(match[3]) and hour_of(self.records[at][0]) == hour]
            text = b""
            while len(text) < len(content) and rows:
                text += left.pop(rows.pop(0)) + b"\n"
            if text != content:
                raise Failed(f"{name} holds something else than the records from its offset on")
        if left:
            raise Failed(f"{len(left)} of {len(wanted)} records are in no object, first {min(left)}")
        if len(hours) < 2:
            raise Failed(f"late records have no hour of their own: {hours}")
        if lacking := self.records.keys() - wanted.keys() - self.delivery.delivered.keys():
            raise Failed(f"{len(lacking)} records are neither in Firehose's objects nor in ours, first {min(lacking)}")
        theirs = [name for name in self.s3.objects(self.flow.bucket) if re.match(r"data/\d{4}/\d\d/\d\d/\d\d/to-s3-", name)]
        text = b"".join(self.s3.body(self.flow.bucket, name) for name in theirs)
        if len(text) != sum(len(value) + 1 for value in self.delivery.delivered.values()):
            raise Failed("Firehose's objects are not what was delivered")
        both = len(wanted.keys() & self.delivery.delivered.keys())
        self.log("records", records=len(self.records), objects=len(found), hours=len(hours), of_firehose=len(theirs), in_both=both)

    def run(self):
        try:
            super().run()
        finally:
            self.delivery.done.set()
            self.worker.kill()


def hour_of(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, timezone.utc):%Y/%m/%d/%H}"

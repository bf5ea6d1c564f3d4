"""Scenario migrate: the walks of docs/migrate.md, by the commands that stand there, where their services run here.

All four chapters are walked: from a Java worker in a running group to ours and back, from the workshop's stack to one binary, and, with
stand-ins for what AWS runs itself, from MSK Connect and from Firehose. Ports alone are replaced, and times that would take minutes. A step
that the page has and this file does not know ends the run, and the other way round. At the end each record stands in one object.
"""

import ctypes
import json
import re
from contextlib import ExitStack
from datetime import datetime, timezone

from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from .managed import Firehose, MskConnect
from .services import CREDENTIALS, DocumentServer, Failed, Kafka, Options, Process, S3Server, s3_plugin, wait_until
from .walks import INTERNAL, SETTINGS, Walk, expect

PR_SET_CHILD_SUBREAPER = 36


class RunningGroup(Walk):
    chapter = "From a Java worker in a running group"

    def steps(self):
        return {
            "1. See what there is": self.look,
            "2. Let ours read the configuration, without running it": self.validate,
            "3. Look at the three topics": self.look_at_topics,
            "4. Start the first of ours in the group": self.join,
            "5. See both at work": self.both,
            "6. Stop the Java workers, one by one": self.stop_java,
            "7. See that nothing was lost": self.alone,
            "Back": self.back,
        }

    def begin(self):
        super().begin()
        file = self.java.folder / "worker.properties"
        (self.folder / "shell" / "worker.properties").write_text(file.read_text())

    def look(self, blocks):
        output = self.blocks(blocks)
        expect("what there is", output, '"version"', '"s3-sink"', "RUNNING")
        saved = json.loads((self.folder / "shell" / "s3-sink.json").read_text())
        if saved["connector.class"] != self.flow.config()["connector.class"]:
            raise Failed(f"the file of the connector holds {saved}")

    def validate(self, blocks):
        expect("validation", self.blocks(blocks), r'"error_count":0\b')

    def look_at_topics(self, blocks):
        output = self.blocks(blocks)
        if output.count("right already") != 3:
            raise Failed(f"the three topics are not all right already:\n{output}")

    def join(self, blocks):
        self.blocks(blocks)
        wait_until("two members of the group", 60, lambda: len(self.cluster.members()) == 2, 0.2)

    def both(self, blocks):
        self.await_running(self.java.url, {self.java.id, self.our_id})
        output = self.blocks(blocks)
        expect("both", output, "RUNNING", "healthy", f"connect-s3-sink.*{self.flow.topic}")

    def stop_java(self, blocks):
        self.shell.set(JAVA_PID=str(self.java.pid))
        self.blocks(blocks)
        self.java.is_up = False
        self.await_running(self.ours, {self.our_id})

    def alone(self, blocks):
        expect("what is left", self.blocks(blocks), "RUNNING", f"connect-s3-sink.*{self.flow.topic}")

    def back(self, blocks):
        self.cluster.start(self.java)
        wait_until("two members of the group", 60, lambda: len(self.cluster.members()) == 2, 0.2)
        self.blocks(blocks)
        self.await_running(self.java.url, {self.java.id})


class Workshop(Walk):
    """The Java worker stands for the workshop's, at an address that stays; its topics are not compacted, as the workshop makes them."""

    chapter = "From the workshop's stack"
    partitions = 1

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.documents: DocumentServer | None = None
        self.worker, self.stream = Process(self.folder / "connect"), Process(self.folder / "stream")
        # The address of the load balancer, whoever stands behind it.
        self.ours = self.java.url

    def steps(self):
        return {
            "1. See what the variables come to": self.variables,
            "2. Repair the three topics": self.repair,
            "3. Give the topic partitions": self.more_partitions,
            "4. Exchange the Connect service": self.exchange,
            "5. See it run": self.look,
            "6. Exchange the stream processor": self.exchange_stream,
            "7. Take the rest away": self.blocks,
            "Back": self.blocks,
        }

    def environment(self) -> dict[str, str]:
        self.documents = DocumentServer(self.folder / "documents")
        return {**self.connect(), **self.of_stream()}

    def connect(self) -> dict[str, str]:
        string = "org.apache.kafka.connect.storage.StringConverter"
        settings = {key: value for key, value in SETTINGS.items() if not key.startswith(("offset.storage", "status.storage"))}
        return {
            "CONNECT_BOOTSTRAP_SERVERS": self.kafka.bootstrap,
            "CONNECT_GROUP_ID": self.cluster.name,
            **{f"CONNECT_{name.upper()}_STORAGE_TOPIC": topic for name, topic in INTERNAL.items()},
            "CONNECT_KEY_CONVERTER": string,
            "CONNECT_VALUE_CONVERTER": string,
            "CONNECT_REST_PORT": str(self.java.port),
            "CONNECT_REST_ADVERTISED_HOST_NAME": "127.0.0.1",
            "CONNECT_PLUGIN_PATH": "/usr/share/java",
            **{"CONNECT_" + key.upper().replace(".", "_"): value for key, value in settings.items()},
        }

    def of_stream(self) -> dict[str, str]:
        return {"KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap, "TOPIC_NAME": self.flow.topic, "MONGODB_URI": self.documents.uri, "HASH_ALGORITHM": "sha224"}

    def begin(self):
        # A worker of today's refuses such topics at its start, so they become so while it runs.
        super().begin()
        delete = [ConfigEntry("cleanup.policy", "delete", incremental_operation=AlterConfigOpType.SET)]
        resources = [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=delete) for topic in INTERNAL.values()]
        for done in self.admin.incremental_alter_configs(resources).values():
            done.result(30)

    def variables(self, blocks):
        output = self.blocks(blocks)
        expect("the variables", output, "bootstrap.servers", "HASH_ALGORITHM +sha224", "MONGODB_URI")

    def repair(self, blocks):
        expect("the repair", self.blocks(blocks), *INTERNAL.values())
        resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in INTERNAL.values()]
        for resource, found in self.admin.describe_configs(resources).items():
            if (policy := found.result(30)["cleanup.policy"].value) != "compact":
                raise Failed(f"{resource} has cleanup.policy={policy} after its repair")

    def more_partitions(self, blocks):
        self.blocks(blocks)
        # Asked by the producer, which has to know of them before it writes there.
        topic = self.source.producer.list_topics(self.flow.topic, 30).topics[self.flow.topic]
        if len(topic.partitions) != 12:
            raise Failed(f"the topic has {len(topic.partitions)} partitions")
        self.flow.partitions = self.source.partitions = 12

    def exchange(self, blocks):
        save, *create = blocks
        self.shell.run(save)
        self.java.stop()
        self.worker.launch("worker", **{**self.connect(), **CREDENTIALS})
        wait_until("ours stands in its place", 60, self.is_there, 0.1)
        self.await_running(self.ours, {self.our_id})
        self.blocks(create)

    def is_there(self) -> bool:
        self.worker.check()
        return self.ask("/connectors/s3-sink")[0] == 200

    def look(self, blocks):
        self.await_running(self.ours, {self.our_id})
        expect("the connector", self.blocks(blocks), "RUNNING", f"connect-s3-sink.*{self.flow.topic}")

    def exchange_stream(self, blocks):
        at = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
        self.shell.set(STOPPED_AT=at)
        expect("the offsets", self.blocks(blocks), self.flow.topic)
        self.stream.launch("stream", **{**self.of_stream(), **CREDENTIALS})
        hashed = self.documents.client["kafka"]["hashed"]

        def is_stored() -> bool:
            self.stream.check()
            return hashed.estimated_document_count() > 0

        wait_until("documents of the stream processor", 60, is_stored, 0.2)
        value = hashed.find_one()["value"]
        if not re.fullmatch("[0-9a-f]{56}", value):
            raise Failed(f"{value} is no SHA-224")

    def run(self):
        try:
            super().run()
        finally:
            self.worker.kill()
            self.stream.kill()
            if self.documents:
                self.documents.stop()


def run(options: Options) -> None:
    # The Java workers are started by a tool that ends: they become children of this process, which hears of their end.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    walks = [walk for walk in (RunningGroup, Workshop, MskConnect, Firehose) if re.search(options.only, walk.chapter)]
    with ExitStack() as stack:
        s3 = S3Server(options.folder / "moto")
        stack.callback(s3.stop)
        for number, walk in enumerate(walks):
            # The workshop's topics have one name each: a broker for each walk.
            kafka = Kafka(options.kafka, options.folder / f"kafka-{number}", more=("--set", "group.min.session.timeout.ms=1000"), is_short_lived=True)
            try:
                # Where Java's worker has no sink for S3, both write a file.
                walk(options, kafka, s3 if s3_plugin() or walk is Firehose else None, number).run()
            finally:
                kafka.stop()

"""Chapter types of scenario queues: what messages of each type look like in the archive, byte for byte, by the protocol they are read by."""

import base64
import json
import subprocess
from dataclasses import dataclass, field

from .queue_brokers import PASSWORD, USER, Artemis, Classic, jars
from .queue_jobs import Jobs
from .queue_kinds import RabbitQueue
from .services import SHORT_LIVED, TOOLS, Failed

ARTIFACTS = ("org.apache.qpid:qpid-jms-client:1.12.1", "org.apache.activemq:activemq-client:5.18.6", "org.slf4j:slf4j-nop:2.0.17")
BYTES = "org.apache.kafka.connect.converters.ByteArrayConverter"
# Java's serialization of the text hello, behind which ActiveMQ's client resets its stream.
OBJECT = bytes.fromhex("aced0005740005") + b"hello"
RESET = b"\x79"


@dataclass
class Seen:
    """What a message is in the archive: the bytes of its body, which are JSON where it had structure, and some of its headers."""

    body: bytes | dict
    headers: dict[str, str] = field(default_factory=dict)


def of_jms(protocol: str) -> dict[str, Seen]:
    """The messages of compat/tools/JmsTypes.java that have a body; an empty one and a null text are a null, which the archive passes over."""
    shared = {"number": "3"}
    if protocol != "stomp":
        shared |= {"amqp.subject": "order", "amqp.correlation-id": "c-1"} if protocol == "amqp" else {}
    found = {"text": Seen("grün €".encode(), shared), "bytes": Seen(bytes([0, 1, 255]), shared)}
    if protocol == "stomp":
        # A map, an object and an empty text are the same there.
        return found
    kind = {"queue.body.type": "map"}
    found["map"] = Seen({"n": 1, "s": "x", "b": base64.b64encode(bytes([1, 2])).decode()}, {**shared, **kind})
    found["object"] = Seen(OBJECT, shared)
    return found


def send_jms(url: str, queue: str, *only_with_body: str):
    home = jars("jms-clients", *ARTIFACTS)
    command = ["java", *SHORT_LIVED.split(), "-cp", f"{home}/*", TOOLS / "JmsTypes.java", url, USER, PASSWORD, queue, *only_with_body]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise Failed(f"messages of JMS cannot be sent to {url}: {done.stderr.strip()[-600:]}")


def send_amqp091(queue: RabbitQueue) -> dict[str, Seen]:
    import pika

    table = {"case": "table", "text": "grün", "number": -3, "flag": True, "list": [1, "b"], "inner": {"k": "v"}}
    properties = pika.BasicProperties(
        delivery_mode=2, content_type="text/plain", message_id="id-1", correlation_id="c-1", type="order", app_id="a", timestamp=1_700_000_000,
        priority=4, reply_to="r", expiration="600000", user_id=USER, headers=table,
    )  # fmt: skip
    with queue.channel() as channel:
        channel.basic_publish("", queue.name, bytes([0, 1, 255]), properties)
        channel.basic_publish("", queue.name, "grün €".encode(), pika.BasicProperties(delivery_mode=2, headers={"case": "plain"}))
    names = {
        "content.type": "text/plain", "message.id": "id-1", "correlation.id": "c-1", "type": "order", "app.id": "a", "timestamp": "1700000000000",
        "priority": "4", "reply.to": "r", "expiration": "600000", "user.id": USER,
    }  # fmt: skip
    headers = {f"rabbitmq.{name}": value for name, value in names.items()}
    plain = {"text": "grün", "number": "-3", "flag": "true", "list": '[1,"b"]', "inner": '{"k":"v"}'}
    return {"table": Seen(bytes([0, 1, 255]), {**headers, **plain}), "plain": Seen("grün €".encode())}


def send_sqs(queue) -> dict[str, Seen]:
    attributes = {
        "case": {"DataType": "String", "StringValue": "attributes"},
        "number": {"DataType": "Number", "StringValue": "3.50"},
        "text": {"DataType": "String.custom", "StringValue": "grün"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"bytes"},
    }
    sent = queue.client.send_message(QueueUrl=queue.address, MessageBody='{"a": "grün €"}\n', MessageAttributes=attributes)
    headers = {"number": "3.50", "text": "grün", "bytes": "bytes", "queue.message.id": sent["MessageId"], "queue.delivery.count": "1"}
    return {"attributes": Seen('{"a": "grün €"}\n'.encode(), headers)}


def sent(stage, queue) -> tuple[dict[str, Seen], int]:
    """What is to be seen, and how many messages there are."""
    if stage.kind.lapse:
        return send_sqs(queue), 1
    broker = stage.broker
    if isinstance(broker, (Classic, Artemis)):
        protocol = "stomp" if stage.kind.name.endswith("stomp") else "amqp"
        is_openwire = isinstance(broker, Classic)
        seen = of_jms(protocol)
        if is_openwire and protocol == "amqp":
            seen["object"].body = OBJECT + RESET
        send_jms(f"tcp://127.0.0.1:{broker.ports['openwire']}" if is_openwire else f"amqp://127.0.0.1:{broker.port}", queue.name)
        return seen, 6
    seen = send_amqp091(queue) if "amqp1" not in stage.kind.name else {}
    # RabbitMQ refuses a message without any section for its body, and the client waits for ever.
    send_jms(f"amqp://127.0.0.1:{broker.port}", f"/queues/{queue.name.replace(' ', '%20')}", "bodies")
    protocol = "amqp" if "amqp1" in stage.kind.name else "amqp091"
    return {**of_jms(protocol), **seen}, 5 + len(seen)


def types(stage):
    queue = stage.queues.make()
    wanted, count = sent(stage, queue)
    more = {
        "value_converter": BYTES, "header_converter": "org.apache.kafka.connect.storage.StringConverter", "store_kafka_headers": "true",
        "headers_format_class": "io.confluent.connect.s3.format.json.JsonFormat", "behavior_on_null_values": "ignore",
    }  # fmt: skip
    if stage.kind.name.endswith("stomp"):
        more["input_stomp_empty_body"] = "null"
    jobs = stage.jobs("types", archive=queue, **more)
    jobs.start()
    try:
        jobs.await_metric(f"{count} messages are taken off", 60, lambda: jobs.check() and jobs.metric("settled_total") == count)
        jobs.end()
    finally:
        jobs.kill()
    found = archived(jobs)
    if found.keys() != wanted.keys():
        raise Failed(f"{stage.kind.name}: the archive has {sorted(found)}, not {sorted(wanted)}")
    for name, seen in wanted.items():
        compare(f"{stage.kind.name}: {name}", seen, *found[name])
    stage.log("types", messages=count, compared=sorted(wanted))


def archived(jobs: Jobs) -> dict[str, tuple[bytes, dict[str, str]]]:
    """Bodies and headers by the name of the case."""
    bucket, found = jobs.bucket, {}
    for name in bucket.s3.objects(bucket.name):
        if not name.startswith(bucket.prefix) or ".headers." in name:
            continue
        headers = bucket.s3.body(bucket.name, name.replace(".json", ".headers.json")).splitlines()
        for line, of_line in zip(bucket.s3.body(bucket.name, name).splitlines(), headers, strict=True):
            pairs = {header["key"]: header["value"] for header in json.loads(of_line)["headers"]}
            # What came first counts.
            found.setdefault(pairs["case"], (base64.b64decode(json.loads(line)), pairs))
    return found


def compare(what: str, seen: Seen, body: bytes, headers: dict[str, str]):
    actual = json.loads(body) if isinstance(seen.body, dict) else body
    if actual != seen.body:
        raise Failed(f"{what}: the body is {body!r}, not {seen.body!r}")
    wrong = {name: headers.get(name) for name, value in seen.headers.items() if headers.get(name) != value}
    if wrong:
        raise Failed(f"{what}: headers {wrong} instead of {({name: seen.headers[name] for name in wrong})}; all: {headers}")


CHAPTERS = {"types": types}

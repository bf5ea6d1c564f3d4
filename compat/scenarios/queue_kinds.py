"""The kinds of queues that scenario queues reads, and each of them as who sends to it sees it."""

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .cluster import Tls
from .queue_brokers import PASSWORD, USER, Artemis, Broker, Classic, ElasticMQ, RabbitMQ, need
from .services import KEY_PAIR, Failed, S3Server, wait_until

QUORUM = {"x-queue-type": "quorum"}
CLASSIC = {"x-queue-type": "classic"}


@dataclass
class Kind:
    """A kind of queue on a broker, and how it is read."""

    name: str
    broker: str
    # What its queues are called; each has a number behind it.
    queue: str
    # The keys of a connector that reads a queue of this name.
    settings: Callable[["Broker", str], dict[str, str]]
    # Arguments of the queue, for RabbitMQ.
    arguments: dict | None = None
    # How many messages may be in hand: the default of `input.max.held.messages`.
    room: int = 5_000
    # Seconds after which a message comes again that a killed worker had in hand.
    lapse: int = 0
    # Whether it hands out as many as are asked for, however few were settled.
    hands_out_all: bool = True
    # A stop, a restart or a lost connection brings a message nearer to the end of its deliveries.
    counts_give_back: bool = False
    # Messages that wait where many are wanted.
    many: int = 20_000
    # Messages that are sent for each kill, at the most.
    share: int = 1_000


def rabbit(**more: str):
    def settings(broker: RabbitMQ, queue: str) -> dict[str, str]:
        who = {"rabbitmq.username": USER, "rabbitmq.password": PASSWORD}
        place = {"rabbitmq.host": "127.0.0.1", "rabbitmq.port": str(broker.port), "rabbitmq.queue": queue}
        return {"input.type": "rabbitmq", **place, **who, **{key.replace("_", "."): value for key, value in more.items()}}

    return settings


def rabbit_tls(**more: str):
    def settings(broker: RabbitMQ, queue: str) -> dict[str, str]:
        password = PASSWORD.replace("/", "%2F")
        # RabbitMQ asks who comes where it checks that.
        stores = {"truststore": "ca.pem", "keystore": "both.pem"}
        files = {f"rabbitmq.ssl.{store}.location": str(broker.folder / name) for store, name in stores.items()}
        place = {"rabbitmq.host": f"amqps://{USER}:{password}@127.0.0.1:{broker.tls_port}", "rabbitmq.queue": queue}
        return {"input.type": "rabbitmq", **place, **files, **{key.replace("_", "."): value for key, value in more.items()}}

    return settings


def active(protocol: str, **more: str):
    def settings(broker, queue: str) -> dict[str, str]:
        place = {"activemq.url": f"{protocol}://127.0.0.1:{broker.ports[protocol]}", "jms.destination.name": queue}
        who = {"activemq.username": USER, "activemq.password": PASSWORD}
        return {"input.type": "activemq", **place, **who, **{key.replace("_", "."): value for key, value in more.items()}}

    return settings


def sqs(**more: str):
    def settings(broker, queue: str) -> dict[str, str]:
        place = {"sqs.queue.url": SqsQueue.url(broker, queue), "sqs.waittime.seconds": "1"}
        return {"input.type": "sqs", **place, **{key.replace("_", "."): value for key, value in more.items()}}

    return settings


KINDS = [
    Kind("rabbitmq-4.0-quorum", "trixie", "quorum queue", rabbit(), QUORUM, counts_give_back=True),
    Kind("rabbitmq-4.0-classic", "trixie", "classic", rabbit(), CLASSIC),
    Kind("rabbitmq-4.0-amqp1", "trixie", "amqp1", rabbit(rabbitmq_protocol="amqp1"), QUORUM, counts_give_back=True),
    Kind("rabbitmq-4.3-quorum", "forky", "quorum", rabbit(), QUORUM),
    Kind("rabbitmq-4.3-classic", "forky", "classic", rabbit(), CLASSIC),
    Kind("rabbitmq-4.3-amqp1", "forky", "amqp1", rabbit(rabbitmq_protocol="amqp1"), QUORUM),
    Kind("rabbitmq-4.3-tls", "forky", "tls", rabbit_tls(), QUORUM),
    Kind("rabbitmq-4.3-amqp1-tls", "forky", "amqp1.tls", rabbit_tls(rabbitmq_protocol="amqp1"), QUORUM),
    Kind("classic-amqp", "classic", "amqp.orders", active("amqp"), room=2_000),
    # Over STOMP Classic hands out two hundred messages until they are acknowledged.
    Kind("classic-stomp", "classic", "stomp.orders", active("stomp"), room=200, hands_out_all=False, many=3_000),
    # It gives no id to what is sent over STOMP, as here.
    Kind("artemis-amqp", "artemis", "amqp.orders", active("amqp", input_id="body-hash"), room=2_000),
    # Nobody takes a message back from a worker that is gone but its visibility timeout, which is a minute at the least.
    Kind("sqs-elasticmq", "elasticmq", "orders", sqs(), room=20_000, lapse=60),
    # It gives a message to two receives that it answers at a time, and looks at every message that waits for each.
    Kind("sqs-moto", "moto", "orders", sqs(sqs_receivers="1"), room=20_000, lapse=60, many=6_000, share=100),
]


class Moto(S3Server):
    """moto's SQS, beside an S3 that nobody asks."""

    name = "moto"

    def start(self):
        """It listens already."""


def certificates(folder: Path) -> Tls:
    need("keytool", "openssl")
    return Tls(folder)


BROKERS: dict[str, Callable[[Path], Broker]] = {
    "trixie": lambda folder: RabbitMQ("trixie", folder),
    "forky": lambda folder: RabbitMQ("forky", folder, certificates(folder / "tls")),
    "classic": Classic,
    "artemis": Artemis,
    "elasticmq": ElasticMQ,
    "moto": Moto,
}


class RabbitQueue:
    """A queue of RabbitMQ, made new."""

    def __init__(self, broker: RabbitMQ, name: str, arguments: dict | None):
        self.broker, self.name = broker, name
        with self.channel() as channel:
            channel.queue_declare(name, durable=True, arguments=arguments)

    @contextlib.contextmanager
    def channel(self):
        import pika

        who = pika.PlainCredentials(USER, PASSWORD)
        connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.broker.port, "/", who))
        try:
            yield connection.channel()
        finally:
            connection.close()

    def send(self, bodies: dict[str, str]):
        import pika

        with self.channel() as channel:
            for message_id, body in bodies.items():
                channel.basic_publish("", self.name, body.encode(), pika.BasicProperties(delivery_mode=2, message_id=message_id))
        # The end of the connection is answered behind all that was sent on it.

    def left(self) -> int:
        with self.channel() as channel:
            return channel.queue_declare(self.name, passive=True).method.message_count


class Stomp:
    """As much of a STOMP client as it takes to send, and to look at what is left."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), 300)
        self.file = self.socket.makefile("rb")
        self.frame("CONNECT", {"accept-version": "1.2", "host": "/", "login": USER, "passcode": PASSWORD})
        self.answer("CONNECTED")

    def frame(self, command: str, headers: dict[str, str], body: bytes = b""):
        head = "".join(f"{key}:{value}\n" for key, value in headers.items())
        self.socket.sendall(f"{command}\n{head}\n".encode() + body + b"\0\n")

    def answer(self, *commands: str) -> str:
        """The command of the next frame, which has to be one of these; no body has a zero in it."""
        text = b""
        while not text.endswith(b"\0"):
            byte = self.file.read(1)
            if not byte:
                raise Failed(f"the broker ended the connection instead of {commands}")
            text += byte
        command = text.lstrip().split(b"\n", 1)[0].decode().strip()
        if command not in commands:
            raise Failed(f"the broker answers {text[:300]!r} instead of {commands}")
        return command

    def close(self):
        self.socket.close()


class JmsQueue:
    """A queue of ActiveMQ, which is made when it is first used."""

    def __init__(self, broker, name: str):
        self.broker, self.name = broker, name
        # Each has its own way of saying that it is a queue.
        is_classic = isinstance(broker, Classic)
        self.destination = {"destination": f"/queue/{name}"} if is_classic else {"destination": name, "destination-type": "ANYCAST"}
        self.subscription = {**self.destination, **({} if is_classic else {"subscription-type": "ANYCAST"})}

    def send(self, bodies: dict[str, str], **headers: str):
        with contextlib.closing(Stomp(self.broker.ports["stomp"])) as stomp:
            for at, body in enumerate(bodies.values(), 1):
                last = {"receipt": "r"} if at == len(bodies) else {}
                stomp.frame("SEND", {**self.destination, **headers, "persistent": "true", **last}, body.encode())
            stomp.answer("RECEIPT")

    def left(self) -> int:
        """Those that come to another reader, up to a page of them: a message that is left comes before a few seconds are over."""
        found = 0
        with contextlib.closing(Stomp(self.broker.ports["stomp"])) as stomp:
            stomp.frame("SUBSCRIBE", {**self.subscription, "id": "0", "ack": "client-individual"})
            stomp.socket.settimeout(3)
            with contextlib.suppress(TimeoutError):
                while stomp.answer("MESSAGE"):
                    found += 1
        return found


class SqsQueue:
    """A queue of a stand-in for SQS, made new."""

    ACCOUNT = {"ElasticMQ": "000000000000", "Moto": "123456789012"}

    def __init__(self, broker, name: str):
        import boto3

        self.name = name
        keys = {"aws_access_key_id": KEY_PAIR[0], "aws_secret_access_key": KEY_PAIR[1]}
        self.client = boto3.client("sqs", endpoint_url=broker.url, region_name="us-east-1", **keys)
        self.client.create_queue(QueueName=name)
        self.address = self.url(broker, name)

    @classmethod
    def url(cls, broker, name: str) -> str:
        return f"{broker.url}/{cls.ACCOUNT[type(broker).__name__]}/{name}"

    def send(self, bodies: dict[str, str]):
        listed = list(bodies.values())
        for at in range(0, len(listed), 10):
            entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(listed[at : at + 10])]
            answer = self.client.send_message_batch(QueueUrl=self.address, Entries=entries)
            if answer.get("Failed"):
                raise Failed(f"{self.name} does not take {answer['Failed'][:2]}")

    def left(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.client.get_queue_attributes(QueueUrl=self.address, AttributeNames=names)
        return sum(int(value) for value in answer["Attributes"].values())


class Queues:
    """Makes queues of one kind, each with a name of its own."""

    def __init__(self, kind: Kind, broker: Broker):
        self.kind, self.broker = kind, broker
        self.count = 0

    def make(self, arguments: dict | None = None):
        self.count += 1
        name = f"{self.kind.queue}{'-' if self.kind.lapse else '.'}{self.count}"
        if isinstance(self.broker, RabbitMQ):
            return RabbitQueue(self.broker, name, {**(self.kind.arguments or {}), **(arguments or {})})
        return SqsQueue(self.broker, name) if self.kind.lapse else JmsQueue(self.broker, name)


class Sender(threading.Thread):
    """Sends on and on until it is told to stop; `sent` has what is there for sure once it has ended."""

    def __init__(self, send: Callable[[int], None], at_once: int):
        super().__init__(daemon=True)
        self.send_some, self.at_once = send, at_once
        self.done = threading.Event()
        self.error: Exception | None = None

    def run(self):
        try:
            while not self.done.wait(0.02):
                self.send_some(self.at_once)
        except Exception as error:
            self.error = error

    def finish(self):
        self.done.set()
        self.join()
        if self.error:
            raise self.error


def await_empty(queue, seconds: float):
    """Everything was taken off: the last acknowledgements may be on their way."""
    wait_until(f"{queue.name} is empty", seconds, lambda: queue.left() == 0, 0.3)

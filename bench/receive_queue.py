"""Receives so many messages of a queue, acknowledges them in batches, and does nothing else: KIND URL USER PASSWORD QUEUE COUNT."""

import sys
import threading


def rabbitmq(url: str, user: str, password: str, queue: str, count: int):
    import pika

    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=2_000)
    received = 0

    def take(channel, method, properties, body):
        nonlocal received
        received += 1
        if received % 500 == 0 or received == count:
            channel.basic_ack(method.delivery_tag, multiple=True)
        if received == count:
            channel.stop_consuming()

    if count:
        channel.basic_consume(queue, take)
        channel.start_consuming()
    connection.close()


def activemq(url: str, user: str, password: str, queue: str, count: int):
    import stomp

    host, _, port = url.rpartition("//")[2].rpartition(":")
    connection = stomp.Connection12([(host, int(port))])
    done = threading.Event()

    class Listener(stomp.ConnectionListener):
        received = 0

        def on_message(self, frame):
            self.received += 1
            if self.received % 100 == 0 or self.received == count:
                connection.ack(frame.headers["ack"])
            if self.received == count:
                done.set()

    connection.set_listener("", Listener())
    connection.connect(user, password, wait=True)
    if count:
        connection.subscribe(f"/queue/{queue}", "0", "client")
        done.wait()
    connection.disconnect(receipt="end")


def sqs(url: str, user: str, password: str, queue: str, count: int):
    import boto3

    keys = {"aws_access_key_id": user, "aws_secret_access_key": password}
    client = boto3.client("sqs", endpoint_url=url, region_name="us-east-1", **keys)
    left, lock = count, threading.Lock()

    def receive():
        nonlocal left
        while left > 0:
            messages = client.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
            if not messages:
                continue
            entries = [{"Id": str(at), "ReceiptHandle": message["ReceiptHandle"]} for at, message in enumerate(messages)]
            client.delete_message_batch(QueueUrl=queue, Entries=entries)
            with lock:
                left -= len(messages)

    threads = [threading.Thread(target=receive) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    kind, url, user, password, queue, count = sys.argv[1:]
    {"rabbitmq": rabbitmq, "activemq": activemq, "sqs": sqs}[kind](url, user, password, queue, int(count))

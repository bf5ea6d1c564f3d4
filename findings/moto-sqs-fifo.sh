#!/usr/bin/env bash
# moto 5.2.5 (PyPI): FIFO queues of its SQS.
#
# One would expect, by Amazon's SQS guide: sequence numbers of a message group rise; and a message whose deduplication id
# was sent in the last five minutes is accepted but not delivered, also when the first one has been received and deleted.
# Seen: sequence numbers are random. The deduplication ends as soon as the first message is deleted: the repeated one is
# delivered.
# To a user: tests against moto can neither order by sequence number nor show that a producer's retry does no harm.
. "$(dirname "$0")/lib.sh"
python_packages 'moto[sqs]==5.2.5' boto3==1.44.8

cat >program.py <<'END'
import boto3
from moto import mock_aws

with mock_aws():
    sqs = boto3.client("sqs", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="a")
    queue = sqs.create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]

    def send(id):
        return sqs.send_message(QueueUrl=queue, MessageBody=id, MessageGroupId="g", MessageDeduplicationId=id)

    numbers = [int(send(f"m{n}")["SequenceNumber"]) for n in range(20)]
    print("20 sequence numbers rise:", numbers == sorted(numbers))
    for n in range(2):
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])

    send("once")
    send("once")
    received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    print("while it waits, a second send is delivered:", len(received) > 1)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=received[0]["ReceiptHandle"])
    send("once")
    again = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    print("once it is deleted, the next send is delivered:", len(again) > 0)
END
venv/bin/python program.py >got

seen got <<'END'
20 sequence numbers rise: False
while it waits, a second send is delivered: False
once it is deleted, the next send is delivered: True
END

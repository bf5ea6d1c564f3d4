#!/usr/bin/env bash
# local-aws-sqs 2.0.2 and fauxqs 1.9.2 (npm, the newest for Node.js 20) beside moto 5.2.5, by boto3 1.44.8 (PyPI): queues in the place of SQS.
#
# One would expect, by the developer guide and API reference of SQS: while a message of a group of a FIFO queue is in flight, no other
# of the group comes; an id of deduplication counts for 5 minutes, also once its message is deleted; one answer has a message once;
# ApproximateNumberOfMessages are those that can be received; attributes come only if their names are asked for;
# MessageSystemAttributeNames asks for those of the system.
# Seen: local-aws-sqs gives the next messages of a group that is in flight, delivers a deleted id again (so does moto), has a message
# three times in one answer where the visibility timeout is 0, counts what is in flight among the others too, and gives no attributes of
# the system under the newer name. fauxqs gives all attributes unasked, and loses the trace header; 2.4.1 does so too.
# To a user: a test of order or attributes passes that fails against AWS, or the other way round.
. "$(dirname "$0")/lib.sh"
node_packages local-aws-sqs@2.0.2 fauxqs@1.9.2
python_packages 'moto[sqs,server]==5.2.5' boto3==1.44.8

cat >local.mjs <<'END'
import { createSqsServer } from 'local-aws-sqs';
await createSqsServer({ port: Number(process.argv[2]), hostname: '127.0.0.1' });
END
cat >fauxqs.mjs <<'END'
import { startFauxqs } from 'fauxqs';
await startFauxqs({ port: Number(process.argv[2]), logger: false });
END

cat >program.py <<'END'
import sys
import boto3

name, port = sys.argv[1:]
sqs = boto3.client("sqs", endpoint_url=f"http://127.0.0.1:{port}", aws_access_key_id="key", aws_secret_access_key="secret",
                   region_name="us-east-1")


def queue(name, **attributes):
    return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def receive(url, count=10, **more):
    return sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=count, **more).get("Messages", [])


def bodies(messages):
    return " ".join(message["Body"] for message in messages) or "nothing"


url = queue("groups.fifo", FifoQueue="true", ContentBasedDeduplication="true")
for body in ("g1", "g2", "h1"):
    sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=body[0])
print(f"{name}: FIFO: first {bodies(receive(url, 1))}, then, with it in flight, {bodies(receive(url))}")

url = queue("ids.fifo", FifoQueue="true")
for _ in range(2):
    sqs.send_message(QueueUrl=url, MessageBody="a", MessageGroupId="g", MessageDeduplicationId="1")
    got = receive(url)
    for message in got:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
print(f"{name}: the id of a deleted message, sent again: {bodies(got)}")

url = queue("again")
sqs.send_message(QueueUrl=url, MessageBody="a")
print(f"{name}: one message, one call with VisibilityTimeout=0: {bodies(receive(url, VisibilityTimeout=0))}")

url = queue("counts")
for body in "abc":
    sqs.send_message(QueueUrl=url, MessageBody=body)
receive(url, 1)
counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
print(f"{name}: 3 messages, one in flight:", counts["ApproximateNumberOfMessages"], counts["ApproximateNumberOfMessagesNotVisible"])

url = queue("attributes")
trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-63441c4a-abcdef012345678912345678"}}
sqs.send_message(QueueUrl=url, MessageBody="a", MessageSystemAttributes=trace,
                 MessageAttributes={"note": {"DataType": "String", "StringValue": "text"}})
message = receive(url, MessageSystemAttributeNames=["All"], VisibilityTimeout=0)[0]
system = message.get("Attributes", {})
print(f"{name}: attributes, no names told: {sorted(message.get('MessageAttributes', []))}; MessageSystemAttributeNames=All:",
      " ".join(key for key in ("SentTimestamp", "AWSTraceHeader") if key in system) or "none")
END
each_server "moto venv/bin/moto_server --port" "local-aws-sqs node local.mjs" "fauxqs node fauxqs.mjs" >got

seen got <<'END'
moto: FIFO: first g1, then, with it in flight, h1
moto: the id of a deleted message, sent again: a
moto: one message, one call with VisibilityTimeout=0: a
moto: 3 messages, one in flight: 2 1
moto: attributes, no names told: []; MessageSystemAttributeNames=All: SentTimestamp AWSTraceHeader
local-aws-sqs: FIFO: first g1, then, with it in flight, g2 h1
local-aws-sqs: the id of a deleted message, sent again: a
local-aws-sqs: one message, one call with VisibilityTimeout=0: a a a
local-aws-sqs: 3 messages, one in flight: 3 1
local-aws-sqs: attributes, no names told: []; MessageSystemAttributeNames=All: none
fauxqs: FIFO: first g1, then, with it in flight, h1
fauxqs: the id of a deleted message, sent again: nothing
fauxqs: one message, one call with VisibilityTimeout=0: a
fauxqs: 3 messages, one in flight: 2 1
fauxqs: attributes, no names told: ['note']; MessageSystemAttributeNames=All: SentTimestamp
END

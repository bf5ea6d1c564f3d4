#!/usr/bin/env bash
# fauxqs 1.9.2 (npm, the newest for Node.js 20) and moto 5.2.5, by boto3 1.44.8 (PyPI): topics in the place of SNS, with queues of SQS.
#
# One would expect, by the developer guide and API reference of SNS: a filter compares each element of a String.Array, and of an array
# in a body, by itself; equals-ignore-case ignores case; with MessageStructure=json a queue gets the text under "sqs"; raw delivery
# passes attributes of all types on; a FIFO topic makes the id of deduplication from the content and passes it on to the queue.
# Seen: fauxqs lets no message with arrays through, nor any with equals-ignore-case, and delivers the whole object of
# MessageStructure=json. In moto equals-ignore-case matches nothing if the policy has a capital letter; it answers 500 to raw delivery
# of bytes, and refuses a message without an id of its own unless the queue makes one too. Where messages vanish, there is no error.
# To a user: what a subscription of the queue that is archived gets in tests is not what it gets from AWS.
. "$(dirname "$0")/lib.sh"
node_packages fauxqs@1.9.2
python_packages 'moto[sns,sqs,server]==5.2.5' boto3==1.44.8

cat >fauxqs.mjs <<'END'
import { startFauxqs } from 'fauxqs';
await startFauxqs({ port: Number(process.argv[2]), logger: false });
END

cat >program.py <<'END'
import itertools
import json
import sys
import time
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

name, port = sys.argv[1:]
settings = dict(endpoint_url=f"http://127.0.0.1:{port}", aws_access_key_id="key", aws_secret_access_key="secret",
                region_name="us-east-1", config=Config(retries={"max_attempts": 0}))
sns, sqs = boto3.client("sns", **settings), boto3.client("sqs", **settings)
numbers = itertools.count()


def delivered(message, policy=None, topic=None, queue=None, scope=None, raw=True, suffix="", **more):
    """Publishes a message on a new topic with one queue; what the queue gets: body and attributes."""
    number = next(numbers)
    arn = sns.create_topic(Name=f"t{number}{suffix}", Attributes=topic or {})["TopicArn"]
    url = sqs.create_queue(QueueName=f"q{number}{suffix}", Attributes=queue or {})["QueueUrl"]
    attributes = {"RawMessageDelivery": "true"} if raw else {}
    if policy:
        attributes |= {"FilterPolicy": json.dumps(policy), "FilterPolicyScope": scope or "MessageAttributes"}
    target = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=target, Attributes=attributes)
    try:
        sns.publish(TopicArn=arn, Message=message, **more)
        time.sleep(0.3)
        messages = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages", [])
    except ClientError as error:
        return "error " + error.response["Error"]["Code"]
    return " ".join([m["Body"] if raw else json.loads(m["Body"])["Message"], *m.get("MessageAttributes", {})][0] for m in messages) or "nothing"


def attribute(kind, value):
    return {"MessageAttributes": {"a": {"DataType": kind, "BinaryValue" if kind == "Binary" else "StringValue": value}}}


print(f"{name}: a text:", delivered("m", {"a": ["x"]}, **attribute("String", "x")))
print(f"{name}: an array of texts:", delivered("m", {"a": ["x"]}, **attribute("String.Array", '["y", "x"]')))
print(f"{name}: an array in the body:", delivered('{"a": [3, 1]}', {"a": [1]}, scope="MessageBody"))
print(f"{name}: equals-ignore-case:", delivered("m", {"a": [{"equals-ignore-case": "Tennis"}]}, **attribute("String", "Tennis")))
print(f"{name}: MessageStructure=json:", delivered('{"default": "d", "sqs": "q"}', MessageStructure="json", raw=False))
print(f"{name}: bytes as an attribute, raw:", delivered("m", **attribute("Binary", b"\0\xff")))
fifo = {"FifoTopic": "true", "ContentBasedDeduplication": "true"}
print(f"{name}: FIFO:", delivered("m", topic=fifo, queue={"FifoQueue": "true"}, suffix=".fifo", MessageGroupId="g"))
END
each_server "moto venv/bin/moto_server --port" "fauxqs node fauxqs.mjs" >got

seen got <<'END'
moto: a text: m
moto: an array of texts: m
moto: an array in the body: {"a": [3, 1]}
moto: equals-ignore-case: nothing
moto: MessageStructure=json: q
moto: bytes as an attribute, raw: error 500
moto: FIFO: error InvalidParameterValue
fauxqs: a text: m
fauxqs: an array of texts: nothing
fauxqs: an array in the body: nothing
fauxqs: equals-ignore-case: nothing
fauxqs: MessageStructure=json: {"default": "d", "sqs": "q"}
fauxqs: bytes as an attribute, raw: m
fauxqs: FIFO: m
END

#!/usr/bin/env bash
# ElasticMQ 1.7.1 (Maven Central): deleting an SQS message that has been handed out again meanwhile.
#
# One would expect, by DeleteMessage in Amazon's SQS reference: after a second receive a delete with the first receipt
# handle succeeds, but deletes nothing; only the newest handle does.
# Seen: the request fails with ReceiptHandleIsInvalid, alone and in a batch. moto 5.2.5 answers with success.
# To a user: code that has been tried on ElasticMQ expects an error that tells late acknowledgements apart; in AWS none
# comes, and the message is processed twice without a word.
. "$(dirname "$0")/lib.sh"
python_packages 'moto[sqs,server]==5.2.5' boto3==1.44.8
java_packages org.elasticmq:elasticmq-server_2.13:1.7.1

port=$(free_port)
cat >elasticmq.conf <<END
include classpath("application.conf")
node-address { protocol = http, host = localhost, port = $port, context-path = "" }
rest-sqs { enabled = true, bind-port = $port, bind-hostname = "127.0.0.1", sqs-limits = strict }
rest-stats { enabled = false }
END
in_background elasticmq.log java -Dconfig.file=elasticmq.conf -cp 'jars/*' org.elasticmq.server.Main
other=$(free_port)
in_background moto.log venv/bin/moto_server -H 127.0.0.1 -p "$other"
until_true 60 listens "$port"
until_true 60 listens "$other"

cat >program.py <<'END'
import sys
import time

import boto3
import botocore

for name, port in (("ElasticMQ", sys.argv[1]), ("moto", sys.argv[2])):
    sqs = boto3.client(
        "sqs", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="a", endpoint_url=f"http://127.0.0.1:{port}"
    )
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="m")
    first = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=1)["Messages"][0]["ReceiptHandle"]
    time.sleep(1.5)
    second = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=60)["Messages"][0]["ReceiptHandle"]
    batch = sqs.delete_message_batch(QueueUrl=queue, Entries=[{"Id": "1", "ReceiptHandle": first}])
    print(name, "in a batch:", [e["Code"] for e in batch.get("Failed", [])] or "succeeds")
    try:
        print(name, "alone:", sqs.delete_message(QueueUrl=queue, ReceiptHandle=first)["ResponseMetadata"]["HTTPStatusCode"])
    except botocore.exceptions.ClientError as error:
        print(name, "alone:", error.response["Error"]["Code"])
END
venv/bin/python program.py "$port" "$other" >got

seen got <<'END'
ElasticMQ in a batch: ['ReceiptHandleIsInvalid']
ElasticMQ alone: ReceiptHandleIsInvalid
moto in a batch: succeeds
moto alone: 200
END

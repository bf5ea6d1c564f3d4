#!/usr/bin/env bash
# moto 5.2.5 (PyPI): Firehose streams that deliver to its S3.
#
# One would expect, by Firehose's API reference: with CompressionFormat GZIP the objects in the bucket are gzip, and records
# that come within the buffering hints go into one object.
# Seen: the objects are not compressed, nor named .gz, though the stream's description says GZIP; each call makes an object.
# To a user: a reader of such objects that passes its tests against moto fails on its first real one.
. "$(dirname "$0")/lib.sh"
python_packages 'moto[firehose,s3]==5.2.5' boto3==1.44.8

cat >program.py <<'END'
import boto3
from moto import mock_aws

with mock_aws():
    sign = {"region_name": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "a"}
    s3 = boto3.client("s3", **sign)
    s3.create_bucket(Bucket="bucket")
    firehose = boto3.client("firehose", **sign)
    to = {
        "RoleARN": "arn:aws:iam::123456789012:role/r",
        "BucketARN": "arn:aws:s3:::bucket",
        "CompressionFormat": "GZIP",
        "BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 300},
    }
    firehose.create_delivery_stream(DeliveryStreamName="d", ExtendedS3DestinationConfiguration=to)
    described = firehose.describe_delivery_stream(DeliveryStreamName="d")["DeliveryStreamDescription"]
    print("described as", described["Destinations"][0]["ExtendedS3DestinationDescription"]["CompressionFormat"])
    for data in (b"a\n", b"b\n"):
        firehose.put_record(DeliveryStreamName="d", Record={"Data": data})
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket="bucket")["Contents"]]
    bodies = sorted(s3.get_object(Bucket="bucket", Key=key)["Body"].read() for key in keys)
    print("objects:", len(keys), "named .gz:", any(key.endswith(".gz") for key in keys), "bodies:", bodies)
END
venv/bin/python program.py >got

seen got <<'END'
described as GZIP
objects: 2 named .gz: False bodies: [b'a\n', b'b\n']
END

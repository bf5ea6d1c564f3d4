#!/usr/bin/env bash
# s3rver 3.7.1 (npm) beside moto 5.2.5 (PyPI), by boto3 1.44.8: ranges of objects, lists of keys, and writes that must not replace.
#
# One would expect, by RFC 9110, 14.1.2, and the API reference of S3: bytes=-3 are the last three bytes, bytes=0-0 is the first one.
# Keys are listed in the order of their bytes, page after page, none left out. With If-None-Match: * nothing is replaced.
# Seen: s3rver gives four bytes from the start for the last three, and the whole object for its first byte, both as 206. It lists a/b
# before a and "a b": pages of the first version of the list leave out a and have a/b twice, those of the second end with error 500.
# A write with If-None-Match replaces.
# To a user: a reader of Parquet that asks for the end of a file gets its start; a reader that goes through a bucket misses objects.
. "$(dirname "$0")/lib.sh"
node_packages s3rver@3.7.1
python_packages 'moto[s3,server]==5.2.5' boto3==1.44.8

cat >program.py <<'END'
import sys
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

name, port = sys.argv[1:]
config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1})
s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", aws_access_key_id="S3RVER", aws_secret_access_key="S3RVER",
                  region_name="us-east-1", config=config)

def told(call):
    try:
        return call()
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]

def pages(operation, token, next_token):
    found, more = [], {}
    while True:
        page = operation(Bucket="archive", MaxKeys=2, **more)
        found.append([entry["Key"] for entry in page.get("Contents", [])])
        if not page["IsTruncated"]:
            return found
        more = {token: page.get(next_token) or found[-1][-1]}

s3.create_bucket(Bucket="archive")
for key in ("a", "a b", "a/b", "b", "c"):
    s3.put_object(Bucket="archive", Key=key, Body=b"0123456789")
for span in ("bytes=2-4", "bytes=-3", "bytes=0-0"):
    answer = s3.get_object(Bucket="archive", Key="c", Range=span)
    print(f"{name}: {span}", answer["ResponseMetadata"]["HTTPStatusCode"], answer["ContentRange"], answer["Body"].read())
print(f"{name}: pages, first version", told(lambda: pages(s3.list_objects, "Marker", "NextMarker")))
print(f"{name}: pages, second version", told(lambda: pages(s3.list_objects_v2, "ContinuationToken", "NextContinuationToken")))
print(f"{name}: If-None-Match", told(lambda: s3.put_object(Bucket="archive", Key="b", Body=b"new", IfNoneMatch="*") and "written"))
print(f"{name}: then", s3.get_object(Bucket="archive", Key="b")["Body"].read())
END
each_server "moto venv/bin/moto_server --port" "s3rver node_modules/.bin/s3rver --directory store --port" >got

seen got <<'END'
moto: bytes=2-4 206 bytes 2-4/10 b'234'
moto: bytes=-3 206 bytes 7-9/10 b'789'
moto: bytes=0-0 206 bytes 0-0/10 b'0'
moto: pages, first version [['a', 'a b'], ['a/b', 'b'], ['c']]
moto: pages, second version [['a', 'a b'], ['a/b', 'b'], ['c']]
moto: If-None-Match (412, 'PreconditionFailed')
moto: then b'0123456789'
s3rver: bytes=2-4 206 bytes 2-4/10 b'234'
s3rver: bytes=-3 206 bytes 0-3/10 b'0123'
s3rver: bytes=0-0 206 bytes 0-9/10 b'0123456789'
s3rver: pages, first version [['a/b', 'a b'], ['a/b', 'b'], ['c']]
s3rver: pages, second version (500, 'InternalError')
s3rver: If-None-Match written
s3rver: then b'new'
END

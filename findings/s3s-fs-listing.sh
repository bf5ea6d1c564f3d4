#!/usr/bin/env bash
# s3s-fs 0.14.1 (crates.io) and boto3 1.44.8 (PyPI): listed keys, and numbers of parts.
#
# One would expect, by ListObjectsV2 in Amazon's S3 reference: with encoding-type=url, which boto3 always sends, the answer
# holds encoded keys and says so. By CompleteMultipartUpload: numbers of parts rise; they need not follow one another.
# Seen: the answer says url, but the keys in it are not encoded. The client decodes them: a+b is listed as "a b", and a%2Fb
# as a/b, which are other keys, or none. Parts 3 and 7 are refused as out of order; moto 5.2.5 takes them.
# To a user: a tool that lists and then reads or deletes meets objects that are not there, or the wrong ones.
. "$(dirname "$0")/lib.sh"
python_packages boto3==1.44.8 'moto[s3,server]==5.2.5'
CARGO_TARGET_DIR=target cargo install --quiet --locked --debug --root tools --version =0.14.1 --features binary s3s-fs \
    --config profile.dev.debug=false >cargo.log 2>&1 || { cat cargo.log >&2; exit 1; }

mkdir -p store/bucket
port=$(free_port)
in_background s3s.log tools/bin/s3s-fs --access-key a --secret-key secret --host 127.0.0.1 --port "$port" store
other=$(free_port)
in_background moto.log venv/bin/moto_server -H 127.0.0.1 -p "$other"
until_true 20 listens "$port"
until_true 60 listens "$other"

cat >program.py <<'END'
import sys

import boto3
import botocore

for name, port in (("s3s-fs", sys.argv[1]), ("moto", sys.argv[2])):
    s3 = boto3.client(
        "s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="secret", endpoint_url=f"http://127.0.0.1:{port}"
    )
    if name == "moto":
        s3.create_bucket(Bucket="bucket")
    for key in ("a+b", "a%2Fb", "a-b"):
        s3.put_object(Bucket="bucket", Key=key, Body=b"")
    print(name, "lists", sorted(found["Key"] for found in s3.list_objects_v2(Bucket="bucket")["Contents"]))
    upload = s3.create_multipart_upload(Bucket="bucket", Key="parts")["UploadId"]
    parts = []
    for number, body in ((3, b"a" * (5 << 20)), (7, b"b")):
        part = s3.upload_part(Bucket="bucket", Key="parts", UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    try:
        s3.complete_multipart_upload(Bucket="bucket", Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
        print(name, "completes parts 3 and 7:", s3.head_object(Bucket="bucket", Key="parts")["ContentLength"], "bytes")
    except botocore.exceptions.ClientError as error:
        print(name, "refuses parts 3 and 7:", error.response["Error"]["Code"])
END
venv/bin/python program.py "$port" "$other" >got

seen got <<'END'
s3s-fs lists ['a b', 'a-b', 'a/b']
s3s-fs refuses parts 3 and 7: InvalidRequest
moto lists ['a%2Fb', 'a+b', 'a-b']
moto completes parts 3 and 7: 5242881 bytes
END

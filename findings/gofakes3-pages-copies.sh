#!/usr/bin/env bash
# gofakes3 1.2.0 (Go) beside moto 5.2.5 (PyPI), by boto3 1.44.8: pages of a list, ranges, conditions, copies and parts of objects.
#
# One would expect, by the API reference of S3: a common prefix is on one page only; a range comes without the checksum of the whole
# object; GET with If-Match fails for another ETag; a copy with REPLACE has the new metadata only, and Cache-Control is kept as
# other headers are; parts that are told in the wrong order are refused (InvalidPartOrder).
# Seen: gofakes3 repeats a prefix on the next page where keys of it are left; it sends the checksum of the object with a range, and
# boto3, which checks it unless told otherwise, refuses the answer; it ignores If-Match; a copy has old metadata and new, and
# Cache-Control is lost. In both servers the object has its parts in the order that was told.
# To a user: folders are twice in what walks a bucket, ranges cannot be read, and tests of a lost race or a wrong order pass.
. "$(dirname "$0")/lib.sh"
python_packages 'moto[s3,server]==5.2.5' boto3==1.44.8

cat >main.go <<'END'
package main

import (
	"net/http"
	"os"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

func main() {
	if len(os.Args) > 1 {
		panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], gofakes3.New(s3mem.New()).Server()))
	}
}
END
go_program github.com/johannesboyne/gofakes3@v1.2.0

cat >program.py <<'END'
import sys
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, FlexibleChecksumError

name, port = sys.argv[1:]
config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1})
s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", aws_access_key_id="key", aws_secret_access_key="secret",
                  region_name="us-east-1", config=config)

def told(call):
    try:
        return call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    except FlexibleChecksumError:
        return "FlexibleChecksumError"

s3.create_bucket(Bucket="archive")
for key in ("a", "d/1", "d/2", "d/3", "e/1", "f"):
    s3.put_object(Bucket="archive", Key=key, Body=b"0123456789", Metadata={"old": "1"}, CacheControl="no-cache")
pages, more = [], {}
while True:
    page = s3.list_objects_v2(Bucket="archive", Delimiter="/", MaxKeys=2, **more)
    pages.append([e["Key"] for e in page.get("Contents", [])] + [e["Prefix"] for e in page.get("CommonPrefixes", [])])
    if not page["IsTruncated"]:
        break
    more = {"ContinuationToken": page["NextContinuationToken"]}
print(f"{name}: pages", pages)
print(f"{name}: range", told(lambda: s3.get_object(Bucket="archive", Key="a", Range="bytes=2-4")["Body"].read()))
print(f"{name}: If-Match", told(lambda: s3.get_object(Bucket="archive", Key="a", IfMatch='"other"')["Body"].read()))
s3.copy_object(Bucket="archive", Key="copy", CopySource="archive/a", MetadataDirective="REPLACE", Metadata={"new": "2"})
print(f"{name}: copy", {key.lower(): value for key, value in s3.head_object(Bucket="archive", Key="copy")["Metadata"].items()})
print(f"{name}: Cache-Control", s3.head_object(Bucket="archive", Key="a").get("CacheControl"))
upload = s3.create_multipart_upload(Bucket="archive", Key="parts")["UploadId"]
parts = []
for number in (1, 2):
    body = bytes([48 + number]) * 5 * 1024 * 1024
    etag = s3.upload_part(Bucket="archive", Key="parts", UploadId=upload, PartNumber=number, Body=body)["ETag"]
    parts.insert(0, {"PartNumber": number, "ETag": etag})
told_parts = {"Parts": parts}
print(f"{name}: parts 2, 1:", told(lambda: s3.complete_multipart_upload(
    Bucket="archive", Key="parts", UploadId=upload, MultipartUpload=told_parts) and s3.get_object(Bucket="archive", Key="parts")["Body"].read(1)))
END
each_server "moto venv/bin/moto_server --port" "gofakes3 ./program" >got

seen got <<'END'
moto: pages [['a', 'd/'], ['f', 'e/']]
moto: range b'234'
moto: If-Match PreconditionFailed
moto: copy {'new': '2'}
moto: Cache-Control no-cache
moto: parts 2, 1: b'2'
gofakes3: pages [['a', 'd/'], ['d/', 'e/'], ['f']]
gofakes3: range FlexibleChecksumError
gofakes3: If-Match b'0123456789'
gofakes3: copy {'new': '2', 'old': '1'}
gofakes3: Cache-Control None
gofakes3: parts 2, 1: b'2'
END

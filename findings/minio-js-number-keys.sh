#!/usr/bin/env bash
# minio 8.0.7 and s3mini 1.0.2 (npm) beside boto3 1.44.8, with moto 5.2.5 as the server (PyPI): keys and tags of objects of S3.
#
# One would expect, by the API reference of S3: a key and the value of a tag are texts, and are listed as they were put.
# Seen: minio's listObjectsV2 takes what looks like a number for one: the key 0000000123 is listed as 123, 1.50 as 1.5, 0x1F as 31, -0
# as an empty name; listObjects, of the first version, is right. So for tags: numbers, and true, stand in the place of texts. s3mini
# lists keys without the spaces at their ends. No errors.
# To a user: objects that are named by a padded offset or a version alone are listed under names that do not exist; tags that are
# read and put again are others.
. "$(dirname "$0")/lib.sh"
node_packages minio@8.0.7 s3mini@1.0.2
python_packages 'moto[s3,server]==5.2.5' boto3==1.44.8

cat >program.py <<'END'
import json
import subprocess
import sys
import boto3

_, port = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", aws_access_key_id="key", aws_secret_access_key="secret123",
                  region_name="us-east-1")
s3.create_bucket(Bucket="archive")
for key in ("0000000123", "1.50", "0x1F", "-0", "1e3", "12345678901234567890", "true", "topics/007", " padded "):
    s3.put_object(Bucket="archive", Key=key, Body=b"x")
tags = {"offset": "0000000123", "version": "1.10", "commit": "0x1F", "done": "true"}
s3.put_object_tagging(Bucket="archive", Key="true", Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]})
print("boto3:", json.dumps([entry["Key"] for entry in s3.list_objects_v2(Bucket="archive")["Contents"]]))
print("boto3:", json.dumps({tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket="archive", Key="true")["TagSet"]}))
sys.stdout.flush()
subprocess.run(["node", "program.mjs", port], check=True)
END
cat >program.mjs <<'END'
import { Client } from 'minio';
import { S3mini } from 's3mini';
const port = Number(process.argv[2]);
const client = new Client({ endPoint: '127.0.0.1', port, useSSL: false, accessKey: 'key', secretKey: 'secret123', region: 'us-east-1' });
for (const list of ['listObjects', 'listObjectsV2']) {
  const keys = [];
  for await (const entry of client[list]('archive', '', true)) keys.push(entry.name);
  console.log(`minio ${list}:`, JSON.stringify(keys));
}
const tags = (await client.getObjectTagging('archive', 'true')).map((tag) => [tag.Key, tag.Value]);
console.log('minio:', JSON.stringify(Object.fromEntries(tags)));
const s3 = new S3mini({ accessKeyId: 'key', secretAccessKey: 'secret123', endpoint: `http://127.0.0.1:${port}/archive`, region: 'us-east-1' });
console.log('s3mini:', JSON.stringify((await s3.listObjects('/', '', 1000)).map((entry) => entry.Key)));
END
each_server "moto venv/bin/moto_server --port" >got

seen got <<'END'
boto3: [" padded ", "-0", "0000000123", "0x1F", "1.50", "12345678901234567890", "1e3", "topics/007", "true"]
boto3: {"offset": "0000000123", "version": "1.10", "commit": "0x1F", "done": "true"}
minio listObjects: [" padded ","-0","0000000123","0x1F","1.50","12345678901234567890","1e3","topics/007","true"]
minio listObjectsV2: [" padded ","","123","31","1.5","12345678901234567890","1e3","topics/007","true"]
minio: {"offset":123,"version":1.1,"commit":31,"done":true}
s3mini: ["padded","-0","0000000123","0x1F","1.50","12345678901234567890","1e3","topics/007","true"]
END

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

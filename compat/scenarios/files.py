"""Scenario files: what the archive sink writes in containers, read by other people's readers.

Records with schemas go through our own broker into Avro and Parquet files of their codecs, values, keys and headers, and come back by
fastavro, pyarrow and DuckDB, which are neither Java's libraries nor ours: every record once, in order, field by field. What is asked for
by price has to be found by the bounds in Parquet's footers, too. Lines in several frames of Zstandard come back by pyarrow and DuckDB.
"""

import base64
import datetime
import decimal
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from . import topics
from .services import Embedded, Failed, Millstream, Options, wait_until

# What each codec adds to the names of files.
CODECS = {
    "avro": {"null": ".avro", "deflate": ".avro", "snappy": ".avro", "bzip2": ".avro"},
    "parquet": {"none": ".parquet", "snappy": ".snappy.parquet", "gzip": ".gz.parquet", "lz4_raw": ".lz4raw.parquet", "zstd": ".zstd.parquet"},
}
CLASSES = {
    "avro": "io.confluent.connect.s3.format.avro.AvroFormat",
    "parquet": "io.confluent.connect.s3.format.parquet.ParquetFormat",
}
TOPIC, RECORDS, FLUSH = "files", 3_000, 1_000
CONNECT = "org.apache.kafka.connect"


def field(kind: str, name: str, optional: bool = False, /, **more) -> dict:
    return {"type": kind, "field": name, "optional": optional, **more}


SCHEMA = {
    "type": "struct",
    "name": "com.x.Order",
    "version": 1,
    "fields": [
        field("int64", "id"),
        field("string", "note", True),
        field("double", "amount"),
        field("int8", "small"),
        field("boolean", "ok", default=True),
        field("array", "tags", items={"type": "string", "optional": True}),
        field("map", "more", keys={"type": "string"}, values={"type": "int32"}),
        field("map", "by_number", keys={"type": "int32"}, values={"type": "string"}),
        field("struct", "inner", True, name="com.x.In", fields=[field("bytes", "raw"), field("float", "f")]),
        field("int64", "at", name=f"{CONNECT}.data.Timestamp", version=1),
        field("int32", "day", name=f"{CONNECT}.data.Date", version=1),
        field("bytes", "price", name=f"{CONNECT}.data.Decimal", version=1, parameters={"scale": "2", "connect.decimal.precision": "18"}),
    ],
}


def record(rng: random.Random, number: int) -> tuple[dict, dict]:
    """A record as it is sent, and as it has to be read."""
    cents, millis, day = rng.randint(-(10**6), 10**6), rng.randrange(10**12), rng.randrange(20_000)
    text = rng.choice([None, topics.words(rng), *topics.ODD_TEXTS])
    same = {
        "id": number,
        "note": text,
        "amount": rng.randrange(10**7) / 100,
        "small": rng.randint(-128, 127),
        "ok": rng.random() < 0.5,
        "tags": rng.choices([None, "a", "grüße"], k=rng.randrange(4)),
        "more": {word: rng.randrange(1000) for word in rng.sample(topics.WORDS, rng.randrange(4))},
    }
    raw = rng.randbytes(rng.randrange(6))
    inner = rng.random() < 0.8
    sent = {
        **same,
        "by_number": [[number % 7, "seven"]],
        "inner": {"raw": encoded(raw), "f": 0.5} if inner else None,
        "at": millis,
        "day": day,
        "price": encoded(cents.to_bytes(8, "big", signed=True)),
    }
    read = {
        **same,
        "by_number": [{"key": number % 7, "value": "seven"}],
        "inner": {"raw": raw, "f": 0.5} if inner else None,
        "at": datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(milliseconds=millis),
        "day": datetime.date(1970, 1, 1) + datetime.timedelta(days=day),
        "price": decimal.Decimal(cents).scaleb(-2),
    }
    return sent, read


def encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def connector(form: str, codec: str, s3: str) -> dict:
    return {
        "connector.class": "io.confluent.connect.s3.S3SinkConnector",
        "topics": TOPIC,
        "s3.bucket.name": bucket(form, codec),
        "store.url": s3,
        "flush.size": str(FLUSH),
        "storage.class": "io.confluent.connect.s3.storage.S3Storage",
        "format.class": CLASSES[form],
        f"{form}.codec": codec,
        "store.kafka.keys": "true",
        "keys.format.class": CLASSES[form],
        "store.kafka.headers": "true",
        "headers.format.class": CLASSES[form],
        "value.converter": f"{CONNECT}.json.JsonConverter",
    }


def bucket(form: str, codec: str) -> str:
    return f"files-{form}-{codec.replace('_', '-')}"


def by_fastavro(path: Path) -> list:
    import fastavro

    return list(fastavro.reader(io.BytesIO(path.read_bytes())))


def by_pyarrow(path: Path) -> list:
    import pyarrow.parquet

    return rows_of(pyarrow.parquet.read_table(path))


def by_duckdb(path: Path) -> list:
    import duckdb

    return rows_of(duckdb.connect().from_parquet(str(path)).to_arrow_table())


def rows_of(table) -> list:
    """Arrow's maps are lists of pairs. Files of keys and of headers have one column, which Avro's have not."""
    rows = table.to_pylist()
    if table.num_columns == 1:
        return [value for row in rows for value in row.values()]
    return [{**row, "more": dict(row["more"])} for row in rows]


READERS = {"avro": {"fastavro": by_fastavro}, "parquet": {"pyarrow": by_pyarrow, "duckdb": by_duckdb}}


def codec_of(path: Path) -> str:
    """As the file itself says."""
    import fastavro
    import pyarrow.parquet

    if path.suffix == ".avro":
        return fastavro.reader(io.BytesIO(path.read_bytes())).metadata["avro.codec"]
    said = pyarrow.parquet.read_metadata(path).row_group(0).column(0).compression.lower()
    return {"uncompressed": "none", "lz4": "lz4_raw"}.get(said, said)


def check(reader, path: Path, expected: list):
    for at, (read, one) in enumerate(zip(reader(path), expected, strict=True)):
        if read != one:
            raise Failed(f"{path}, record {at}:\n  read     {read}\n  expected {one}")


def check_prices(path: Path, rows: list[dict]):
    """Readers leave out row groups by their bounds: a filter must find what is in the rows."""
    import duckdb
    import pyarrow.parquet

    for end in (min(row["price"] for row in rows), decimal.Decimal(0), max(row["price"] for row in rows)):
        for sign, wanted in (("<=", [row["id"] for row in rows if row["price"] <= end]), (">=", [row["id"] for row in rows if row["price"] >= end])):
            arrow = pyarrow.parquet.read_table(path, columns=["id"], filters=[("price", sign, end)])["id"].to_pylist()
            duck = [one for (one,) in duckdb.connect().from_parquet(str(path)).filter(f"price {sign} {end}").project("id").fetchall()]
            if not arrow == duck == wanted:
                raise Failed(f"{path}: price {sign} {end}: pyarrow finds {len(arrow)}, DuckDB {len(duck)}, and {len(wanted)} are there")


def files(folder: Path, suffix: str, wanted: list[dict]) -> Iterator[tuple[Path, list]]:
    """Each file that has to be there with what has to be in it, values first."""
    for start in range(0, RECORDS, FLUSH):
        name = f"{TOPIC}+0+{start:010}"
        rows = wanted[start : start + FLUSH]
        yield folder / f"{name}{suffix}", rows
        yield folder / f"{name}.keys{suffix}", [f"key {row['id']}" for row in rows]
        yield folder / f"{name}.headers{suffix}", [[{"key": "h", "value": f"v{row['id']}"}] for row in rows]


# Lines of so many open objects that there is no memory for a compressor each: an object is several frames behind one another.
LINES, LINES_RECORDS, LINES_FOLDERS = "lines", 1_000, 40
FRAME = b"\x28\xb5\x2f\xfd"


def lines_connector(s3: str) -> dict:
    return {
        "connector.class": "io.confluent.connect.s3.S3SinkConnector",
        "topics": LINES,
        "s3.bucket.name": LINES,
        "store.url": s3,
        "flush.size": str(LINES_RECORDS),
        "storage.class": "io.confluent.connect.s3.storage.S3Storage",
        "format.class": "io.confluent.connect.s3.format.json.JsonFormat",
        "millstream.s3.zstd.level": "9",
        "partitioner.class": "io.confluent.connect.storage.partitioner.FieldPartitioner",
        "partition.field.name": "folder",
        "millstream.s3.partition.schemaless": "true",
        "value.converter": f"{CONNECT}.json.JsonConverter",
        "value.converter.schemas.enable": "false",
    }


def lines_by_pyarrow(path: Path) -> list:
    import pyarrow

    with pyarrow.input_stream(str(path), compression="zstd") as stream:
        return [json.loads(line)["id"] for line in stream.read().splitlines()]


def lines_by_duckdb(path: Path) -> list:
    import duckdb

    return [one for (one,) in duckdb.connect().read_json(str(path), format="newline_delimited", compression="zstd").project("id").fetchall()]


def check_lines(options: Options, services: Embedded, worker: Millstream, producer: Producer):
    rng = random.Random(options.seed)
    services.s3.client.create_bucket(Bucket=LINES)
    for number in range(LINES_RECORDS):
        producer.produce(LINES, json.dumps({"id": number, "folder": number % LINES_FOLDERS, "text": rng.randbytes(5_000).hex()}), partition=0)
    producer.flush(60)
    worker.create(LINES, lines_connector(services.s3.url))

    def is_whole() -> bool:
        if trace := worker.failure(LINES):
            raise Failed(f"{LINES}: {trace}")
        return len(services.s3.objects(LINES)) == LINES_FOLDERS

    wait_until(f"the objects of {LINES}", 60, is_whole)
    frames = 0
    for folder in range(LINES_FOLDERS):
        path = options.folder / f"lines-{folder}.json.zst"
        path.write_bytes(services.s3.body(LINES, f"topics/{LINES}/folder={folder}/{LINES}+0+{folder:010}.json.zst"))
        frames = max(frames, path.read_bytes().count(FRAME))
        ids = list(range(folder, LINES_RECORDS, LINES_FOLDERS))
        for reader in (lines_by_pyarrow, lines_by_duckdb):
            if (read := reader(path)) != ids:
                raise Failed(f"{path}: {reader.__name__} reads {read} instead of {ids}")
    if frames < 2:
        raise Failed(f"{LINES}: no object has more than one frame")
    options.log(step="lines", objects=LINES_FOLDERS, most_frames=frames)


class Small(Millstream):
    """A worker that has as little memory as can be, and reads little at a time."""

    fetch_bytes = 65_536

    def settings(self) -> dict[str, str]:
        return {**super().settings(), "millstream.memory.bytes": "67108864"}


def run(options: Options) -> None:
    rng = random.Random(options.seed)
    made = [record(rng, number) for number in range(RECORDS)]
    wanted = [read for _, read in made]
    kinds = [(form, codec, suffix) for form, codecs in CODECS.items() for codec, suffix in codecs.items()]
    services = Embedded(options.folder / "services", 0)
    worker = Small(services.bootstrap, options.folder / "worker")
    try:
        admin = AdminClient({"bootstrap.servers": services.bootstrap})
        for created in admin.create_topics([NewTopic(topic, 1, 1) for topic in (TOPIC, LINES)]).values():
            created.result()
        producer = Producer({"bootstrap.servers": services.bootstrap})
        for number, (sent, _) in enumerate(made):
            value = json.dumps({"schema": SCHEMA, "payload": sent})
            producer.produce(TOPIC, value, f"key {number}", partition=0, headers={"h": f"v{number}"})
        producer.flush(60)
        worker.start()
        for form, codec, _ in kinds:
            services.s3.client.create_bucket(Bucket=bucket(form, codec))
            worker.create(bucket(form, codec), connector(form, codec, services.s3.url))
        for form, codec, suffix in kinds:
            name = bucket(form, codec)

            def is_whole() -> bool:
                if trace := worker.failure(name):
                    raise Failed(f"{name}: {trace}")
                return len(services.s3.objects(name)) == 3 * RECORDS // FLUSH

            wait_until(f"the objects of {name}", 60, is_whole)
            folder = options.folder / name
            folder.mkdir()
            for key in services.s3.objects(name):
                (folder / key.removeprefix(f"topics/{TOPIC}/partition=0/")).write_bytes(services.s3.body(name, key))
            for path, expected in files(folder, suffix, wanted):
                if (said := codec_of(path)) != codec:
                    raise Failed(f"{path}: its codec is {said}, not {codec}")
                for reader in READERS[form].values():
                    check(reader, path, expected)
                if form == "parquet" and isinstance(expected[0], dict):
                    check_prices(path, expected)
            size = sum(path.stat().st_size for path in folder.iterdir())
            options.log(step="read", format=form, codec=codec, records=RECORDS, bytes=size, readers=list(READERS[form]))
        check_lines(options, services, worker, producer)
    finally:
        worker.stop()
        services.stop()

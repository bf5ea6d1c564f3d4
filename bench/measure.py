"""What bench/run and bench/java share: servers in their own processes, and the cost of one client."""

import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONNECT_JAVA = ROOT / "compat" / "tools" / "connect-java"
RELEASE = ROOT / "target" / "release"
HELPER = RELEASE / "millstream-bench"
WORK = ROOT / "target" / "bench"
PARTITIONS = 3
# One object per 100,000 records: two parts of 5 MiB each, so that requests weigh as little as they do in earnest.
FLUSH_SIZE = 100_000
S3_CONNECTOR = {
    "connector.class": "io.confluent.connect.s3.S3SinkConnector",
    "tasks.max": 1,
    "s3.region": "us-east-1",
    "s3.bucket.name": "bench",
    "s3.part.size": 5_242_880,
    "flush.size": FLUSH_SIZE,
    "storage.class": "io.confluent.connect.s3.storage.S3Storage",
    "format.class": "io.confluent.connect.s3.format.json.JsonFormat",
    "schema.generator.class": "io.confluent.connect.storage.hive.schema.DefaultSchemaGenerator",
    "partitioner.class": "io.confluent.connect.storage.partitioner.DefaultPartitioner",
    "schema.compatibility": "NONE",
}
STRING = "org.apache.kafka.connect.storage.StringConverter"
CONVERTERS = {
    "s3_string": {"value.converter": STRING},
    "s3_json": {"value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false"},
    "s3_avro": {"value.converter": "io.confluent.connect.avro.AvroConverter"},
    "s3_parquet": {"value.converter": "io.confluent.connect.avro.AvroConverter"},
}
KAFKA_TRANSFORMS = "org.apache.kafka.connect.transforms"
# The transforms of a row, in their order, all of them on schemaless objects (that of the topic's name looks into none).
EACH = {
    "insert": {"type": f"{KAFKA_TRANSFORMS}.InsertField$Value", "static.field": "mill", "static.value": "north", "offset.field": "at"},
    "cast": {"type": f"{KAFKA_TRANSFORMS}.Cast$Value", "spec": "items:string,total:float32"},
    "mask": {"type": f"{KAFKA_TRANSFORMS}.MaskField$Value", "fields": "customer"},
    "replace": {"type": f"{KAFKA_TRANSFORMS}.ReplaceField$Value", "exclude": "status", "renames": "total:amount"},
    "timestamp": {
        "type": f"{KAFKA_TRANSFORMS}.TimestampConverter$Value",
        "field": "order_id",
        "target.type": "string",
        "format": "yyyy-MM-dd'T'HH:mm:ss.SSS",
    },
    "hash": {"type": "io.aiven.kafka.connect.transforms.Hash$Value", "field.name": "customer", "function": "sha256"},
    # Another name is what neither sink takes.
    "router": {"type": f"{KAFKA_TRANSFORMS}.RegexRouter", "regex": "bench-(.*)-(\\d+)", "replacement": "bench-$1-$2"},
}
TRANSFORMS = {f"transform_{name}": [name] for name in EACH} | {"transform_five": ["insert", "cast", "mask", "replace", "timestamp"]}
CONVERTERS |= dict.fromkeys(TRANSFORMS, CONVERTERS["s3_json"])
# Records of so many bytes instead of s3_string's, and as many bytes in all.
TEXT = 100
SIZES = {"s3_1kb": 1_000, "s3_10kb": 10_000, "s3_1mb": 1_000_000}
CONVERTERS |= dict.fromkeys(SIZES, CONVERTERS["s3_string"])
# What a row's connector has beside a converter.
FORMATS = {
    "s3_avro": {"format.class": "io.confluent.connect.s3.format.avro.AvroFormat", "avro.codec": "snappy"},
    "s3_parquet": {"format.class": "io.confluent.connect.s3.format.parquet.ParquetFormat", "parquet.codec": "snappy"},
}
DOCS_CONNECTOR = {
    "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector",
    "tasks.max": 1,
    "database": "bench",
    "collection": "bench",
    "writemodel.strategy": "com.mongodb.kafka.connect.sink.writemodel.strategy.InsertOneDefaultStrategy",
    "document.id.strategy": "com.mongodb.kafka.connect.sink.processor.id.strategy.KafkaMetaDataStrategy",
    **CONVERTERS["s3_json"],
}
# JSON into documents, by one of the ways to write them.
DOCS_WRITES = {
    "docs_json": "InsertOneDefaultStrategy",
    "docs_replace": "ReplaceOneDefaultStrategy",
    "docs_update": "UpdateOneDefaultStrategy",
}
KINDS = {"s3_string": "text", "s3_json": "json", "s3_avro": "avro", "s3_parquet": "avro", **dict.fromkeys(DOCS_WRITES, "json")}
KINDS |= dict.fromkeys(TRANSFORMS, "json")
KINDS |= {"s3_1kb": "text1k", "s3_10kb": "text10k", "s3_1mb": "text1m"}
# Nested objects, behind what their batches are compressed with.
NESTED = {f"{codec}_json_500": f"nested-{codec}" for codec in ("lz4", "zstd", "snappy", "gzip")}
CONVERTERS |= dict.fromkeys(NESTED, CONVERTERS["s3_json"])
KINDS |= NESTED
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "us-east-1"}


class Failed(Exception):
    pass


def free_port(count: int = 1) -> int:
    while True:
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            first = 0
            for i in range(count):
                s = held.enter_context(socket.socket())
                s.bind(("127.0.0.1", first + i if first else 0))
                first = first or s.getsockname()[1]
            return first


def http(method: str, url: str, body=None):
    """Status and decoded JSON; 0 where nobody answers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return 0, None
    return status, json.loads(text) if text else None


def wait_until(what: str, seconds: float, condition, pause: float):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds:.0f} s")
        time.sleep(pause)


class Cost:
    """What one client took: CPU-seconds (user and system), seconds, and its largest resident size."""

    def __init__(self, cpu: float, wall: float, rss_mib: float):
        self.cpu, self.wall, self.rss_mib = cpu, wall, rss_mib


class Client:
    """A process whose resources are counted from its start to its end."""

    def __init__(self, command: list, log: Path, environment: dict | None = None):
        self.log = log
        with open(log, "w") as file:
            self.process = subprocess.Popen([str(c) for c in command], stdout=file, stderr=file, env=dict(os.environ, **(environment or {})))
        self.started = time.monotonic()

    def ended(self) -> bool:
        """Looks without reaping, so that `end` still gets the usage."""
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def end(self, ask: bool = False) -> Cost:
        """Waits for its end, or asks for it first."""
        if ask:
            self.process.send_signal(signal.SIGTERM)
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.returncode not in ((0, -signal.SIGTERM) if ask else (0,)):
            raise Failed(f"{self.process.args[0]} ended with {self.process.returncode}: {self.tail()}")
        return Cost(usage.ru_utime + usage.ru_stime, time.monotonic() - self.started, usage.ru_maxrss / 1024)

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-800:]


class OurWorker:
    """A worker of ours with these settings, its cost counted from start to end; `under` is the command of a tool that runs it."""

    # Until the first answer.
    PATIENCE_SECONDS = 20

    def __init__(self, binary: Path, command: str, settings: dict, log: str, environment: dict | None = None, under: tuple = ()):
        self.url = f"http://127.0.0.1:{free_port()}"
        file = WORK / f"{log}.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in {**settings, "listeners": self.url}.items()))
        self.client = Client([*under, binary, command, file], WORK / f"{log}.log", environment)
        wait_until("the worker's REST answers", self.PATIENCE_SECONDS, self.answers, 0.0005)
        self.start_ms = self.since_exec_ms()

    def answers(self) -> bool:
        if self.client.ended():
            raise Failed(f"the worker ended: {self.client.tail()}")
        return http("GET", self.url)[0] == 200

    def since_exec_ms(self) -> float:
        return (time.monotonic() - self.client.started) * 1000

    def resident_mib(self) -> float:
        status = Path(f"/proc/{self.client.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


class OneNode(OurWorker):
    """The binary as a one-node worker of Strings; `security` are a client's settings where a listener asks for them."""

    def __init__(self, binary: Path, bootstrap: str, log: str, under: tuple = (), security: dict | None = None):
        security = security or {}
        settings = {
            "bootstrap.servers": bootstrap,
            "key.converter": STRING,
            "value.converter": STRING,
            "offset.storage.file.filename": WORK / "offsets.dat",
            **security,
            **{f"consumer.{key}": value for key, value in security.items()},
        }
        super().__init__(binary, "standalone", settings, log, CREDENTIALS, under)

    def once(self, name: str, config: dict, arrived, records: int) -> tuple[Cost, float]:
        """Runs one connector until its records have arrived, and ends the worker: its cost, and the seconds that records flowed."""

        def look():
            if self.client.ended():
                raise Failed(f"the worker ended: {self.client.tail()}")

        seconds = deliver(self.url, name, config, arrived, records, 0.01, look)
        return self.client.end(ask=True), seconds


class JavaWorker:
    """Java's worker of a cluster; `more` are further options of the tool that starts it."""

    def __init__(self, bootstrap: str, folder: Path, group: str, more: list, environment: dict | None = None):
        self.folder, port = folder, free_port()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.url = f"http://127.0.0.1:{port}"
        command = [CONNECT_JAVA, "up", "--bootstrap", bootstrap, "--port", str(port), "--dir", self.folder, "--group", group, *more]
        self.started = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, **(environment or {})))
        if done.returncode != 0:
            raise Failed(f"the Java worker did not start: {done.stderr.strip()[-400:]}")
        self.start_ms = int(next(line for line in done.stdout.splitlines() if line.startswith("START_MS="))[9:])

    def usage(self) -> dict[str, float]:
        done = subprocess.run([CONNECT_JAVA, "usage", "--dir", self.folder], capture_output=True, text=True, check=True)
        return {key: float(value) for key, value in (line.split("=") for line in done.stdout.split())}

    def stop(self):
        subprocess.run([CONNECT_JAVA, "down", "--dir", self.folder, "--wipe"])


class Servers:
    """A broker, and an S3 and a document server that answer at once, in processes of their own until the block ends."""

    def __init__(self, kafka: str | None, secure: bool = False):
        self.kafka, self.secure = kafka, secure
        # Those of a secure broker run beside others, so their files have names of their own.
        self.suffix = "-secure" if secure else ""
        self.stack = contextlib.ExitStack()
        self.filled: set[str] = set()

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stack.close()
            raise
        return self

    def start(self):
        WORK.mkdir(parents=True, exist_ok=True)
        self.bootstrap = self.start_kafka() if self.kafka else self.start_embedded()
        self.start_stores()
        self.start_registry()
        return self

    def start_stores(self):
        port = free_port()
        self.s3_url = f"http://127.0.0.1:{port}"
        self.spawn("s3-sink", [HELPER, "s3-sink", "--port", port])
        wait_until("the S3 sink answers", 10, lambda: http("GET", f"{self.s3_url}/stats")[0] == 200, 0.02)
        port = free_port()
        self.discarding_url = f"http://127.0.0.1:{port}"
        self.discarding = self.spawn("s3-discard", [HELPER, "s3-sink", "--discard", "--port", port])
        wait_until("the discarding S3 answers", 10, lambda: is_open(port), 0.02)
        self.docs_port = free_port()
        self.spawn("docs-sink", [HELPER, "docs-sink", "--port", self.docs_port])
        wait_until("the document sink answers", 10, lambda: is_open(self.docs_port), 0.02)

    def start_registry(self):
        """Knows one schema, that of the helper's records of kind avro, for the topics of all rows."""
        port, schema = free_port(), subprocess.run([HELPER, "avro-schema"], check=True, capture_output=True, text=True).stdout.strip()
        subjects = [part for partitions in (PARTITIONS, 1000) for part in (f"{topic_name('avro', partitions)}-value", schema)]
        self.registry_url = f"http://127.0.0.1:{port}"
        self.spawn("registry", [RELEASE / "examples" / "registry", port, *subjects])
        wait_until("the registry answers", 10, lambda: is_open(port), 0.02)

    def __exit__(self, *_):
        self.stack.close()

    def spawn(self, name: str, command: list) -> subprocess.Popen:
        with open(WORK / f"{name}{self.suffix}.log", "w") as log:
            process = subprocess.Popen([str(c) for c in command], stdout=log, stderr=log)
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        return process

    def start_embedded(self) -> str:
        port = free_port()
        self.broker = self.spawn("broker", [RELEASE / "examples" / "broker", port, "memory"])
        wait_until("the broker answers", 20, lambda: is_open(port), 0.02)
        return f"127.0.0.1:{port}"

    def start_kafka(self) -> str:
        tool, folder, port = ROOT / "compat" / "tools" / "kafka", WORK / f"kafka{self.suffix}", free_port(6)
        command = [tool, "up", "--version", self.kafka, "--port", str(port), "--dir", folder, "--heap", "1g"]
        # Its records are as old as they say; a broker would delete them after some minutes.
        command += ["--set", "log.retention.ms=-1", *(["--secure"] if self.secure else [])]
        down = [tool, "down", "--dir", folder, "--wipe"]
        # One that was killed has left its broker's topics.
        subprocess.run(down, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.stack.callback(subprocess.run, down, stdout=subprocess.DEVNULL)
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        self.facts = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
        return f"127.0.0.1:{port}"

    def topic(self, kind: str, records: int, partitions: int = PARTITIONS, name: str | None = None) -> str:
        """A topic with this many records, filled once. A kind may have a codec behind a dash."""
        name = name or topic_name(kind, partitions)
        if name not in self.filled:
            kind, _, codec = kind.partition("-")
            command = [HELPER, "fill", *self.topic_options(name, records, partitions), "--kind", kind, "--codec", codec or "none"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            self.filled.add(name)
        return name

    def topic_options(self, name: str, records: int, partitions: int = PARTITIONS) -> list[str]:
        return ["--bootstrap", self.bootstrap, "--topic", name, "--partitions", str(partitions), "--records", str(records)]

    def client(self, command: str, name: str, records: int, partitions: int = PARTITIONS, more: tuple = (), helper: Path = HELPER) -> Cost:
        """Runs one of the helper's own clients on a topic to its end."""
        return Client([helper, command, *self.topic_options(name, records, partitions), *more], WORK / f"{command}.log").end()

    def documents_uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.docs_port}"

    def arrived(self, row: str) -> int:
        """Records of a row that its store has."""
        return self.documents() if row in DOCS_WRITES else self.s3_records(row)

    def documents(self) -> int:
        return http("GET", f"http://127.0.0.1:{self.docs_port}/stats")[1]["documents"]

    def s3_lines(self) -> int:
        return http("GET", f"{self.s3_url}/stats")[1]["lines"]

    def s3_records(self, row: str) -> int:
        """Records in S3: lines, or whole objects where records are no lines."""
        if row not in FORMATS:
            return self.s3_lines()
        return http("GET", f"{self.s3_url}/stats")[1]["objects"] * FLUSH_SIZE


def threads_cpu(process: subprocess.Popen) -> float:
    """CPU-seconds of the threads that a process has now."""
    total = 0
    for thread in Path(f"/proc/{process.pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def topic_name(kind: str, partitions: int) -> str:
    return f"bench-{kind}-{partitions}"


def is_open(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def connector(servers: Servers, row: str, topic: str) -> dict:
    if row in DOCS_WRITES:
        strategy = f"com.mongodb.kafka.connect.sink.writemodel.strategy.{DOCS_WRITES[row]}"
        return {**DOCS_CONNECTOR, "topics": topic, "connection.uri": servers.documents_uri(), "writemodel.strategy": strategy}
    config = {**S3_CONNECTOR, **CONVERTERS[row], **FORMATS.get(row, {}), "topics": topic, "store.url": servers.s3_url}
    if row in SIZES:
        config["flush.size"] = of_size(row, FLUSH_SIZE)
    if stages := TRANSFORMS.get(row):
        config["transforms"] = ",".join(stages)
        config |= {f"transforms.{stage}.{key}": value for stage in stages for key, value in EACH[stage].items()}
    if KINDS[row] == "avro":
        config["value.converter.schema.registry.url"] = servers.registry_url
    return config


def deliver(url: str, name: str, config: dict, arrived, records: int, pause: float, look=lambda: None) -> float:
    """Starts a connector and waits until `records` more have `arrived()`, `look`ing meanwhile; gives the seconds."""
    goal, started = arrived() + records, time.monotonic()
    status, body = http("POST", f"{url}/connectors", {"name": name, "config": config})
    if status != 201:
        raise Failed(f"POST /connectors answered {status}: {body}")

    def done() -> bool:
        look()
        if (time.monotonic() - started) > 5 and (trace := failure(url, name)):
            raise Failed(f"{name} is FAILED: {trace}")
        return arrived() >= goal

    wait_until(f"{records} records of {name}", 300, done, pause)
    return time.monotonic() - started


def of_size(row: str, records: int) -> int:
    """So many of the row's records as hold the bytes of this many of s3_string."""
    return records * TEXT // SIZES.get(row, TEXT)


def metric(url: str, name: str) -> int:
    """A counter of a worker, summed over its tasks; 0 while there is none."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines if line.startswith(f"{name}{{"))


def failure(url: str, name: str) -> str | None:
    status, body = http("GET", f"{url}/connectors/{name}/status")
    if status != 200:
        return None
    return next((part.get("trace") for part in [body["connector"], *body["tasks"]] if part["state"] == "FAILED"), None)


def whole_objects(records: int) -> int:
    """The nearest number of records that fills every partition's last object."""
    step = FLUSH_SIZE * PARTITIONS
    return max(step, round(records / step) * step)


def median(values) -> float:
    return statistics.median(values)


def note(text: str):
    print(text, file=sys.stderr, flush=True)


def table(rows: list[dict], bounds: dict[str, str]) -> str:
    columns = ["name", "cpu_s_per_m", "raw_cpu_s_per_m", "records_per_s", "peak_rss_mib", "value"]
    if any("mb_per_cpu_s" in row for row in rows):
        columns.insert(3, "mb_per_cpu_s")
    if any("wall_of_cpu" in row for row in rows):
        columns += ["wall_s_per_m", "servers_s_per_m", "wall_of_cpu", "wall_of_all"]
    if any("ratio" in row for row in rows):
        columns = ["name", "cpu_s_per_m", "other_cpu_s_per_m", "ratio", "least", "most"]
    known = [f"  {row['name']}: {bounds[row['name']]}" for row in rows if row["name"] in bounds]
    return "\n".join([aligned(columns, rows), *(["", "What bounds each figure:", *known] if known else [])])


def aligned(columns: list[str], rows: list[dict]) -> str:
    lines = [columns, *([show(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in lines)


def show(value) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}" if value < 10 else f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)

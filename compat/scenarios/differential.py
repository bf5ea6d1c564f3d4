"""Scenario differential: connectors drawn at random on Java's worker with the original sinks, and on ours, over the same topics.

Every round is one configuration (converters, a chain of transforms, a sink and its settings) with records of its own; all
rounds run at once on one broker, one worker of each kind. Compared are the answer to the POST, what becomes of connector
and task (with the first line of the trace), objects by name and bytes, documents, dead letters, and the answers of the
validation to a few spoilt copies of the configuration. `DELIBERATE` lists the differences that docs/compatibility.md explains.

Afterwards Java's own transforms and converters are asked with random cases (compat/tools/RandomCases.java), which the runner
of the golden cases then judges: thousands in seconds, without a worker.

The MongoDB sink comes from Maven; the S3 sink needs MILLSTREAM_S3_PLUGIN, without which its rounds are NOT COMPARED.
"""

import contextlib
import gzip
import json
import os
import random
import re
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaConsumer, TopicPartition

from . import draws
from .dead_letters import Case, Record, differences
from .services import ROOT, TOOLS, DocumentServer, Failed, JavaWorker, Kafka, Millstream, Options, S3Server, Worker, add_plugin, http, mongo_plugin, s3_plugin, wait_until

RECORDS = 24
# Spoilt configurations a round whose validation is compared.
SPOILT = 4
# Nothing may change for so long before a run counts as over.
QUIET = 8.0

# Records may be of any time.
ANY_TIME = {"retention.ms": "-1", "message.timestamp.after.max.ms": str(2**63 - 1), "message.timestamp.before.max.ms": str(2**63 - 1)}

# Random cases of transforms, and as many of converters, for each round.
CASES = 100

# What differs on purpose, by the text of the difference, with the row of docs/compatibility.md that says why.
DELIBERATE = [
    (re.compile(text), row)
    for text, row in (
        (r"^causes: .*due to serialization error", "The causes of bad JSON carry Jackson's text and a piece of the record"),
        (r"^validation of S3 \S+\.format\.class.*not supported by this version", "S3: Avro and Parquet formats, `s3.proxy.url`"),
        (r"^validation of S3: .* instead of \(500, 'java\.lang\.NullPointerException", "S3: a class that is not there ends the validation with 500"),
        (r"^POST: \(400, .* instead of \(500, 'Cannot invoke", "S3: a class that is not there ends the validation with 500"),
        (r"^states: \['RUNNING', 'RUNNING'\] .*(The field '.*' does not exist|PartitionException: Error encoding partition)",
         "S3: a record without a usable timestamp fails the task"),
        (r"^object \S+: lacks \d+ records that are dead letters", "S3: a record whose key or headers cannot be stored is in the object of values"),
        (r"^POST: \(400, .*not supported by this version", "S3: Avro and Parquet formats, `s3.proxy.url`"),
        (r"^validation of MongoDB topics=.*collectionName is not empty", "MongoDB: raw exceptions for bad rename rules, database names, topics without a name"),
        (r"^collection \S+: .* beside a key that fails its batch$|^dead letters: Java alone refuses offset \d+: .*Could not convert key",
         "MongoDB: names with `$` or NUL and keys that cannot be encoded fail the whole batch"),
        (r"^dead letters: .*Can't find a codec for", "MongoDB: texts are those of connector 3.0.1"),
        (r"Document does not contain key code", "MongoDB: an error to which the server gives no code"),
        (r"^validation of MongoDB: .* instead of \(500, 'java\.lang\.ClassCastException", "MongoDB: a class of another kind ends the validation with 500"),
        (r"^POST: \(400, .* instead of \(500, 'class \S+ cannot be cast", "MongoDB: a class of another kind ends the validation with 500"),
        (r"^validation of MongoDB post\.processor\.chain.*class pattern", "MongoDB: texts are those of connector 3.0.1"),
    )
]


@dataclass
class Round:
    number: int
    config: dict[str, str]
    records: list[Record]
    moments: list[int]
    spoilt: list[dict[str, str]]

    @property
    def name(self) -> str:
        return f"d-{self.number}"

    @property
    def is_s3(self) -> bool:
        return self.config["connector.class"] == draws.S3_SINK

    def config_for(self, worker: str, config: dict[str, str], s3: S3Server, documents: DocumentServer) -> dict[str, str]:
        """Names are the same for both workers, for they are in the dead letters; groups, buckets and databases are not."""
        own = {"consumer.override.group.id": f"{worker}-{self.name}"}
        if "errors.deadletterqueue.topic.name" in config:
            own["errors.deadletterqueue.topic.name"] = f"dead-{worker}-{self.number}"
        if self.is_s3:
            own |= {"s3.bucket.name": f"{worker}-{self.number}", "store.url": s3.url}
        else:
            own |= {"connection.uri": documents.uri, "database": f"{worker}{self.number}"}
        return {**config, **own}


def draw(seed: int, number: int) -> Round:
    rng = random.Random(f"{seed}/{number}")
    is_s3 = rng.random() < 0.65
    if is_s3:
        kinds = ["string", "document", "json", "json", "json", "schema", "schema", "schema", "bytes", rng.choice(list(draws.PRIMITIVES))]
    else:
        kinds = ["document", "json", "json", "schema", "schema", "string"]
    kind, value, draw_value = draws.converter(rng, "value", kinds)
    _, key, draw_key = draws.converter(rng, "key", ["string", "string", "document", "json", "schema", "bytes", "Integer"])
    header = rng.choice(({}, {"header.converter": draws.STRING}, {"header.converter": draws.JSON, "header.converter.schemas.enable": "false"}))
    sink = draws.s3_settings(rng, kind) if is_s3 else draws.mongo_settings(rng, number)
    config = {
        "tasks.max": "1",
        "topics": f"d-{number}",
        **value,
        **key,
        **header,
        **draws.chain(rng, not is_s3),
        **sink,
    }
    if rng.random() < 0.85:
        config |= {"errors.tolerance": "all", "errors.deadletterqueue.topic.name": "dead", "errors.deadletterqueue.topic.replication.factor": "1",
                   "errors.deadletterqueue.context.headers.enable": "true"}  # fmt: skip
        if not is_s3 and rng.random() < 0.7:
            config["mongo.errors.tolerance"] = "all"
    if rng.random() < 0.2:
        config = draws.mutated(rng, config)
    records, moments, now = [], [], rng.choice(draws.MOMENTS)
    for _ in range(RECORDS):
        chosen = rng.random()
        value = None if chosen < 0.06 else draw_value()
        key = None if rng.random() < 0.15 else draw_key()
        records.append(Record(value, key, [draws.header(rng) for _ in range(rng.choice((0, 0, 1, 2)))]))
        now = rng.choice(draws.MOMENTS) if rng.random() < 0.1 else now + rng.choice((0, 1, 1000, 600_000))
        moments.append(now)
    spoilt = [draws.mutated(rng, {**config, "name": f"d-{number}"}) for _ in range(SPOILT)]
    return Round(number, config, records, moments, spoilt)


@dataclass
class Outcome:
    """What one worker made of a round."""

    posted: tuple
    states: list[str] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    documents: dict[str, list[str]] = field(default_factory=dict)
    letters: list = field(default_factory=list)
    validated: list = field(default_factory=list)

    @property
    def has_failed(self) -> bool:
        return "FAILED" in self.states


class Side:
    """One worker with its outcomes."""

    def __init__(self, name: str, worker: Worker, scenario: "Scenario"):
        self.name, self.worker, self.scenario = name, worker, scenario
        self.posted: dict[int, tuple] = {}

    def create(self, each: Round):
        scenario = self.scenario
        config = each.config_for(self.name, each.config, scenario.s3, scenario.documents)
        # A list of topics gone wrong may not make the worker read those of others.
        config["topics"] = each.name
        if self.name == "ours":
            # Texts are compared with Java's, which repeat what a record holds.
            config["millstream.errors.show.content"] = "true"
        status, body = http("POST", f"{self.worker.url}/connectors", {"name": each.name, "config": config}, 120)
        message = self.neutral(body.get("message", "")) if isinstance(body, dict) and status != 201 else None
        self.posted[each.number] = (status, message)

    def status(self, each: Round) -> dict | None:
        status, body = http("GET", f"{self.worker.url}/connectors/{each.name}/status")
        return body if status == 200 else None

    def is_up(self, each: Round) -> bool:
        if self.posted[each.number][0] != 201:
            return True
        status = self.status(each)
        if not status:
            return False
        if status["connector"]["state"] == "FAILED":
            return True
        return bool(status["tasks"]) and all(task["state"] in ("RUNNING", "FAILED") for task in status["tasks"])

    def mark(self, rounds: list[Round]) -> list:
        """What changes while there is work."""
        scenario = self.scenario
        marks: list = []
        for each in rounds:
            if self.posted[each.number][0] != 201:
                continue
            status = self.status(each) or {"connector": {"state": "?"}, "tasks": []}
            marks.append((each.number, status["connector"]["state"], [task["state"] for task in status["tasks"]]))
            if each.is_s3:
                marks.append(sorted(scenario.s3.objects(f"{self.name}-{each.number}")))
            else:
                database = scenario.documents.client[f"{self.name}{each.number}"]
                marks.append([(name, database[name].count_documents({})) for name in sorted(database.list_collection_names())])
        return marks

    def outcome(self, each: Round) -> Outcome:
        scenario = self.scenario
        found = Outcome(self.posted[each.number])
        for config in each.spoilt:
            config = each.config_for(self.name, config, scenario.s3, scenario.documents)
            found.validated.append(self.validate(each.config["connector.class"], config))
        if found.posted[0] != 201:
            return found
        status = self.status(each) or {"connector": {"state": "?"}, "tasks": []}
        parts = [status["connector"], *status["tasks"]]
        found.states = [part["state"] for part in parts]
        found.traces = [self.neutral(part.get("trace", "")) for part in parts if part["state"] == "FAILED"]
        if each.is_s3:
            bucket = f"{self.name}-{each.number}"
            for name in scenario.s3.objects(bucket):
                body = scenario.s3.body(bucket, name)
                found.objects[name] = gzip.decompress(body) if name.endswith(".gz") else body
        else:
            database = scenario.documents.client[f"{self.name}{each.number}"]
            for name in database.list_collection_names():
                found.documents[name] = sorted(map(in_words, database[name].find()))
        if "errors.deadletterqueue.topic.name" in each.config:
            database = f"{self.name}{each.number}.".encode()
            for offset, key, value, headers in letters_of(scenario.kafka.bootstrap, f"dead-{self.name}-{each.number}"):
                neutral = [(name, content and content.replace(database, b"worker.")) for name, content in headers]
                found.letters.append((offset, key, value, neutral))
        return found

    def validate(self, kind: str, config: dict[str, str]):
        """Errors, values and visibility by key, or the whole of another answer."""
        status, body = http("PUT", f"{self.worker.url}/connector-plugins/{kind.rsplit('.', 1)[1]}/config/validate", config, 60)
        if status != 200:
            return status, self.neutral(str(body.get("message", body) if isinstance(body, dict) else body))
        return {
            entry["value"]["name"]: (
                None if entry["value"]["value"] is None else self.neutral(str(entry["value"]["value"])),
                [self.neutral(error) for error in entry["value"]["errors"]],
                entry["value"]["visible"],
            )
            for entry in body["configs"]
        }

    def neutral(self, text: str) -> str:
        """A text without what differs between the workers on purpose: their names, and the class loaders of Java's casts."""
        text = re.sub(rf"\b{self.name}(?=-?\d|-d-\d)", "worker", text)
        return re.sub(r"(cannot be cast to class \S+) \(.*\)$", r"\1", text, flags=re.MULTILINE)


class Scenario:
    def __init__(self, options: Options, rounds: list[Round], stack: contextlib.ExitStack):
        self.options, self.rounds = options, rounds
        self.kafka = Kafka(options.kafka, options.folder / "kafka")
        stack.callback(self.kafka.stop)
        self.s3 = S3Server(options.folder / "moto")
        stack.callback(self.s3.stop)
        self.documents = DocumentServer(options.folder / "documents")
        stack.callback(self.documents.stop)

    def fill(self):
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        names = [each.name for each in self.rounds]
        # A topic that a worker makes keeps a week: the broker's first clean-up takes dead letters of older records away.
        names += [f"dead-{worker}-{each.number}" for worker in ("java", "ours") for each in self.rounds if "errors.deadletterqueue.topic.name" in each.config]
        topics = [NewTopic(name, 1, 1, config=ANY_TIME) for name in names]
        for future in admin.create_topics(topics).values():
            future.result(60)
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap})
        failed = []

        def delivered(error, _message):
            if error:
                failed.append(str(error))

        for each in self.rounds:
            for record, moment in zip(each.records, each.moments):
                # librdkafka takes 0 for "now".
                producer.produce(each.name, record.value, record.key, 0, headers=record.headers, timestamp=max(moment, 1), on_delivery=delivered)
        producer.flush(60)
        if failed:
            raise Failed(f"{len(failed)} records were not produced: {failed[0]}")

    def run(self, side: Side) -> dict[int, Outcome]:
        started = time.monotonic()
        for each in self.rounds:
            if each.is_s3:
                self.s3.client.create_bucket(Bucket=f"{side.name}-{each.number}")
        side.worker.start()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(side.create, self.rounds))
        wait_until(f"{side.name}: all tasks are up", 240, lambda: all(map(side.is_up, self.rounds)), 1)
        self.settle(side)
        outcomes = {each.number: side.outcome(each) for each in self.rounds}
        self.options.log(step="ran", worker=side.name, connectors=len(self.rounds), seconds=round(time.monotonic() - started, 1))
        return outcomes

    def settle(self, side: Side):
        """Waits until the worker has done what it will do."""
        last, since = None, time.monotonic()
        end = since + 240
        while time.monotonic() - since < QUIET:
            mark = side.mark(self.rounds)
            if mark != last:
                last, since = mark, time.monotonic()
            if time.monotonic() > end:
                raise Failed(f"{side.name} does not come to rest")
            time.sleep(1)


def letters_of(bootstrap: str, topic: str) -> list:
    """The dead letters with the offset of the record each stands for."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    try:
        if topic not in consumer.topics():
            return []
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        consumer.seek_to_beginning()
        end = consumer.end_offsets([place])[place]
        letters = []
        while consumer.position(place) < end:
            for messages in consumer.poll(timeout_ms=500).values():
                for message in messages:
                    named = dict(message.headers)
                    offset = int(named.get("__connect.errors.offset") or b"-1")
                    headers = [(name, content and re.sub(rb"\[B@[0-9a-f]+", b"[B@", content)) for name, content in message.headers]
                    letters.append((offset, message.key, message.value, headers))
        return sorted(letters, key=lambda letter: letter[0])
    finally:
        consumer.close()


def in_words(document: dict) -> str:
    """A document with its fields in order; an id that the server or the driver made up is not told."""
    return re.sub(r"ObjectId\('[0-9a-f]{24}'\)", "ObjectId", repr(list(document.items())))


def compare(each: Round, java: Outcome, ours: Outcome) -> list[str]:
    """Every difference in words, Java's value last."""
    found: list[str] = []
    for config, theirs, mine in zip(each.spoilt, java.validated, ours.validated):
        found += compare_validation(each, config, theirs, mine)
    if java.posted != ours.posted:
        return [*found, f"POST: {ours.posted} instead of {java.posted}"]
    if java.posted[0] != 201:
        return found
    if java.states != ours.states:
        told = (ours.traces or [""])[0].splitlines()[:6], (java.traces or [""])[0].splitlines()[:6]
        return [*found, f"states: {ours.states} instead of {java.states}; {causes(told[0])} instead of {causes((java.traces or [''])[0].splitlines())}"]
    for theirs, mine in zip(java.traces, ours.traces):
        if theirs.splitlines()[:1] != mine.splitlines()[:1]:
            found.append(f"trace: {mine.splitlines()[:1]} instead of {theirs.splitlines()[:1]}")
        elif causes(theirs.splitlines()) != causes(mine.splitlines()):
            found.append(f"causes: {causes(mine.splitlines())} instead of {causes(theirs.splitlines())}")
    # Where the task failed, how far it came depends on how the records came in batches.
    common = java.objects.keys() & ours.objects.keys()
    if not java.has_failed:
        found += [f"object {name} is missing" for name in sorted(java.objects.keys() - common)]
        found += [f"object {name} is too much" for name in sorted(ours.objects.keys() - common)]
        for name in sorted(java.documents.keys() | ours.documents.keys()):
            theirs, mine = java.documents.get(name, []), ours.documents.get(name, [])
            if theirs != mine:
                lacking = [document for document in theirs if document not in mine]
                excess = [document for document in mine if document not in theirs]
                beside = " beside a key that fails its batch" if not lacking and has_bad_key(java.letters) else ""
                found.append(f"collection {name}: {excess[:2]} ({len(excess)}) instead of {lacking[:2]} ({len(lacking)}){beside}")
    for name in sorted(common):
        if java.objects[name] != ours.objects[name]:
            found.append(f"object {name}: {lacking_letters(each, ours, name, java.objects[name]) or difference(ours.objects[name], java.objects[name])}")
    if not java.has_failed:
        found += compare_letters(each, java.letters, ours.letters)
    return found


def compare_letters(each: Round, java: list, ours: list) -> list[str]:
    offsets = {letter[0] for letter in java} ^ {letter[0] for letter in ours}
    if not offsets:
        return [f"dead letters: {text}" for text in differences(Case(each.name, {}, each.records), java, ours)]
    found = []
    for who, letters in ("Java", java), ("ours", ours):
        for offset, *_, headers in letters:
            if offset in offsets:
                trace = dict(headers).get("__connect.errors.exception.stacktrace", b"").decode(errors="replace")
                found.append(f"dead letters: {who} alone refuses offset {offset}: {causes(trace.splitlines())}")
    return found[:4]


def has_bad_key(letters: list) -> bool:
    return any(b"Could not convert key" in (content or b"") for *_, headers in letters for _, content in headers)


def lacking_letters(each: Round, ours: Outcome, name: str, theirs: bytes) -> str | None:
    """Whether an object lacks but records that are dead letters, in a round that stores keys or headers beside the values."""
    if "true" not in (each.config.get("store.kafka.keys"), each.config.get("store.kafka.headers")):
        return None
    mine, lacking = ours.objects[name].split(b"\n"), 0
    for line in theirs.split(b"\n"):
        if mine and mine[0] == line:
            mine.pop(0)
        else:
            lacking += 1
    of_sink = sum(("__connect.errors.stage", b"TASK_PUT") in headers for *_, headers in ours.letters)
    return f"lacks {lacking} records that are dead letters" if not mine and lacking <= of_sink else None


def causes(lines: list[str]) -> list[str]:
    """An exception and its causes; one that only repeats what the one before it says is told once, and what the JVM makes up of a
    null is left out.
    """
    told: list[str] = []
    for line in lines:
        line = re.sub(r"(java\.lang\.NullPointerException): .*", r"\1", line)
        if line and not line.startswith(("\t", " ", "...")) and not (told and told[-1].endswith(line.removeprefix("Caused by: "))):
            told.append(line)
    return told[:6]


def difference(ours: bytes, java: bytes) -> str:
    if max(len(ours), len(java)) < 600:
        return f"{ours!r} instead of {java!r}"
    for line, (mine, theirs) in enumerate(zip(ours.split(b"\n"), java.split(b"\n"))):
        if mine != theirs:
            return f"line {line}: {mine[:300]!r} instead of {theirs[:300]!r}"
    return f"{len(ours)} bytes instead of {len(java)}"


def compare_validation(each: Round, config: dict[str, str], java, ours) -> list[str]:
    kind = "S3" if each.is_s3 else "MongoDB"
    if not isinstance(java, dict) or not isinstance(ours, dict):
        return [] if java == ours else [f"validation of {kind}: {str(ours)[:300]} instead of {str(java)[:300]}"]
    found = []
    for name in sorted(java.keys() | ours.keys()):
        theirs, mine = java.get(name), ours.get(name)
        # Keys that are ours alone are more, not less; and Maven has another release of the connector than ours follows.
        if theirs is None and not mine[1] or name == "connector.plugin.version":
            continue
        if theirs != mine:
            found.append(f"validation of {kind} {name}={config.get(name)!r}: {mine} instead of {theirs}")
    return found


def random_cases(options: Options):
    """Java's transforms and converters, each class by itself."""
    folder, count = options.folder / "cases", CASES * options.rounds
    classes = subprocess.run([TOOLS / "kafka", "classpath", "--version", options.kafka, "--connect"], capture_output=True, text=True, check=True)
    # The JVM's zone and language are in what it writes.
    java = ["java", "-Duser.timezone=UTC", "-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8", "-cp", classes.stdout.strip()]
    made = subprocess.run([*java, TOOLS / "RandomCases.java", folder, str(options.seed), str(count)], capture_output=True, text=True)
    if made.returncode != 0:
        raise Failed(f"RandomCases: {made.stderr[-400:]}")
    # Every case is due: one that the runner passed over would be no comparison.
    counts = {file.relative_to(folder): file.read_bytes().count(b"\n") for file in sorted(folder.rglob("*.jsonl"))}
    lines = [f"{file} {cases} 0\n" for file, cases in counts.items()]
    (folder / "cases.txt").write_text("".join(lines))
    test = ["cargo", "test", "--release", "--quiet", "--workspace", "--test", "golden", "--", "golden_transforms", "golden_converters"]
    judged = subprocess.run(test, cwd=ROOT, env={**os.environ, "MILLSTREAM_GOLDEN": str(folder)}, capture_output=True, text=True)
    if judged.returncode != 0:
        (options.folder / "cases.txt").write_text(judged.stdout + judged.stderr)
        raise Failed(f"random cases differ, see {options.folder / 'cases.txt'}")
    options.log(step="random cases", transforms=count, converters=count)


def run(options: Options) -> None:
    s3, mongo = s3_plugin(), mongo_plugin()
    plugins = options.folder / "plugins"
    for name, folder in ("s3", s3), ("mongodb", mongo):
        if folder:
            add_plugin(plugins, name, folder)
    drawn = [draw(options.seed, number) for number in range(options.rounds)]
    rounds = [each for each in drawn if (s3 if each.is_s3 else mongo)]
    if len(rounds) < len(drawn):
        what = "the S3 sink" if mongo else "the MongoDB sink" if s3 else "both sinks"
        print(f"NOT COMPARED: {len(drawn) - len(rounds)} of {len(drawn)} configurations, for {what} of the original is not there", flush=True)
        options.log(step="not compared", configurations=len(drawn) - len(rounds))
    if not rounds:
        return random_cases(options)
    with contextlib.ExitStack() as stack:
        scenario = Scenario(options, rounds, stack)
        scenario.fill()
        sides = [
            Side("java", JavaWorker(scenario.kafka.bootstrap, options.folder / "java", plugins, options.kafka), scenario),
            Side("ours", Millstream(scenario.kafka.bootstrap, options.folder / "millstream"), scenario),
        ]
        for side in sides:
            stack.callback(side.worker.stop)
        java, ours = (scenario.run(side) for side in sides)
    failures, deliberate = 0, Counter()
    for each in rounds:
        told = []
        for text in compare(each, java[each.number], ours[each.number]):
            row = next((row for pattern, row in DELIBERATE if pattern.search(text)), None)
            if row is None:
                told.append(text)
            else:
                deliberate[row] += 1
        failures += bool(told)
        options.log(step="compared", round=each.number, states=java[each.number].states, dead_letters=len(java[each.number].letters),
                    objects=len(java[each.number].objects), documents=sum(map(len, java[each.number].documents.values())),
                    different=told, **({"config": each.config} if told else {}))  # fmt: skip
    summary = {"configurations": len(rounds), "different": failures, "deliberate": deliberate.total(), "seed": options.seed}
    options.log(step="deliberate", rows=dict(deliberate))
    options.log(step="summary", **summary)
    random_cases(options)
    if failures:
        raise Failed(f"{failures} of {len(rounds)} configurations fare otherwise than on Java's worker: {json.dumps(summary)}")

"""Scenario rest: the same requests, in the same order, to Java's workers and to ours, each over a Kafka of its own.

A chapter is a cluster that is started anew and asked step by step. The recorded ones are those of the golden cases; those
of rest_chapters.py go further. Both clusters take each step before either takes the next; their answers are compared by status,
headers and body once names, ports and folders are taken out. What differs on purpose is listed in `DELIBERATE`, each with the row of
docs/compatibility.md that says so; a row or a test that is not there fails the scenario as any other difference does.

`--rounds` says how many chapters there are, in an order that the seed draws; a number that is large enough takes all.
"""

import contextlib
import json
import random
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from . import rest_chapters
from .answers import Answer, differences, fits, is_recorded, keys_with_errors, read, recorded
from .services import ROOT, DocumentServer, Failed, Kafka, Options
from .sides import JavaSide, OurSide, Setup, Side

# A step that waits for a state is repeated for so long, on each side.
PATIENCE_S = 40
# For a moment after a change a worker may say so.
BUSY = re.compile("Request cannot be completed because a rebalance is expected|due to stale configuration|no known leader URL|conflicting operation")


@dataclass
class Deliberate:
    """A difference that is meant, and how the row of docs/compatibility.md about it begins."""

    # "chapter/step: difference", as the scenario tells it.
    text: str
    row: str
    # Where Java's answer is of another status: ours tells errors of the step's key, and of no other.
    refuses: bool = False

    def fits(self, text: str, step: dict, ours: Answer) -> bool:
        if not re.search(self.text, text):
            return False
        return not self.refuses or keys_with_errors(ours.body) == [re.split("=|-null$", step["name"], maxsplit=1)[0]]


NULLS_OF_SINKS = "S3, MongoDB: a null for a key of the sink's own"
DELIBERATE = [
    Deliberate(r"^41-standalone-errors/status-after-it: body\.tasks lacks \[\{\"id\": 9, .*inputMap",
               "Standalone: a request to restart a task that is not there leaves a FAILED task"),
    Deliberate(r"/restart-task-(stopped|fewer): status 404 instead of 409: .*no known leader URL", "A request to restart a task that a stop or a smaller `tasks.max` has taken away"),
    Deliberate(r"^wire/(no-version|odd-version|connect|star|no-slash|bad-chunk|bad-length|two-lengths|folded-header|blank-in-header|long-header): ",
               "What is no HTTP (no version or an unknown one"),
    Deliberate(r"^lists/keys-of-(java|org\.apache\.kafka\.connect\.file\.FileStreamSinkTask).*: status 404", "`GET /connector-plugins/NAME/config` takes any class"),
    Deliberate(r"^basic-auth/.*-(no-base64|two-blanks): status (401|400|200) instead of 500", "Basic auth: credentials that are not base64"),
    Deliberate(r"^two-workers-eager/[0-9]/health: body\.message is .*Requests between workers are not signed", "`/health` does not say whether requests"),
    # Java's first commit depends on which task read what.
    Deliberate(r"^two-workers(-eager)?/offsets-[12]: body\.offsets lacks \[\] and has \[\{\"partition\": \{\"kafka_partition\": 1, \"kafka_topic\": \"t\"\}, \"offset\": \{\"kafka_offset\": 0\}\}\]$",
               "A sink task commits where it began only together with its first other commit"),
    Deliberate(r"^keys-of-a-(sink|source)/[a-z.]+\.plugin\.version=", "`connector.plugin.version` and those of converters"),
    Deliberate(r"^keys-of-a-(sink/errors\.deadletterqueue\.topic\.name|source/offsets\.storage\.topic)-null: status 200 instead of 500: ",
               "A null for `errors.deadletterqueue.topic.name` or `offsets.storage.topic` ends a validation with 500", refuses=True),
    Deliberate(r"^keys-of-s3/s3\.bucket\.name= ?: body\.(error_count is 1 instead of 0$|configs\.s3\.bucket\.name\.value\.errors lacks \[\] and has \[\"s3\.bucket\.name is empty; )",
               "S3: `s3.bucket.name` without a name and `store.url` that is no http"),
    Deliberate(r"^keys-of-s3/s3\.proxy\.url=.*: body\.(error_count is 1 instead of 0$|configs\.s3\.proxy\.url\.value\.errors lacks \[\] and has \[\"Invalid value \[hidden\] for configuration s3\.proxy\.url: not supported )",
               "S3: Avro and Parquet formats, `s3.proxy.url`"),
    Deliberate(r"^keys-of-s3/store\.kafka\.(keys|headers)=true: body\.(error_count is 1 instead of 0$|configs\.\1\.format\.class\.value\.errors lacks \[\] and has \[\"Invalid value io\.confluent\.connect\.s3\.format\.avro\.AvroFormat for .*: not supported )",
               "S3: Avro and Parquet formats, `s3.proxy.url`"),
    Deliberate(r"^keys-of-s3/partitioner\.class=.*: status 200 instead of 500: .* instead of .*NullPointerException: Cannot invoke .*Class\.getName\(\)",
               "S3: a class that is not there ends the validation with 500", refuses=True),
    Deliberate(r"^keys-of-s3/([a-z.0-9]+)-null: status 200 instead of 500: .* instead of .*(Non-string value found in original settings for key \1: null|java\.lang\.NullPointerException: )",
               NULLS_OF_SINKS, refuses=True),
    Deliberate(r"^keys-of-mongodb/[a-z.%]+-null: status 200 instead of 500: .* instead of .*(java\.lang\.NullPointerException: |databaseName can not be null)", NULLS_OF_SINKS, refuses=True),
    Deliberate(r"^keys-of-mongodb/(document\.id\.strategy\.overwrite\.existing)-null: body\.configs\.(\1\.value\.errors lacks \[\] and has \[\"Invalid value null for configuration \1: Value must be non-null\"\]|post\.processor\.chain\.value\.errors lacks \[.*\] and has \[\])$",
               NULLS_OF_SINKS),
    Deliberate(r"^keys-of-mongodb/connection\.uri=.*: body\.configs\.connection\.uri\.value\.errors\[0\] is \"Invalid value \[hidden\] for (.*)\" instead of \"Invalid value .* for \1\"$",
               "MongoDB: an invalid `connection.uri` is repeated"),
    Deliberate(r"^keys-of-mongodb/connection\.uri-missing: body\.configs\.connection\.uri\.value\.errors\[0\] is \"(Unable to connect to the server\.) cannot connect to .*\" instead of \"\1\"$",
               "MongoDB: `Unable to connect to the server.`"),
    Deliberate(r"^keys-of-mongodb/[a-z.]+=java\.lang\.String: status 200 instead of 500: .* instead of .*ClassCastException: class java\.lang\.String cannot be cast to ",
               "MongoDB: a class of another kind ends the validation with 500", refuses=True),
    Deliberate(r"^keys-of-mongodb/database=.*: status 200 instead of 500: .* instead of .*state should be: databaseName does not contain ",
               "MongoDB: raw exceptions for bad rename rules, database names", refuses=True),
    Deliberate(r"^keys-of-mongodb/post\.processor\.chain=.*: body\.configs\.post\.processor\.chain\.value\.errors\[0\] is \"(.*: )Contains a class name that does not match the expected class pattern\.\" instead of \"\1Does not match expected class pattern\.\"$",
               "MongoDB: texts are those of connector 3.0.1"),
    Deliberate(r"^names/create-\{a\}: status 201 instead of 500: .*template variable", "A connector whose name has braces is created"),
]  # fmt: skip


@dataclass
class Chapter:
    setup: Setup
    steps: list[dict]


def recordings() -> list[Chapter]:
    chapters = []
    for file in sorted(rest_chapters.RECORDINGS.glob("[0-9]*.jsonl")):
        first, *steps = (json.loads(line) for line in file.read_text().splitlines())
        given = first["scenario"]
        config = {key: str(value) for key, value in given.get("worker_config", {}).items()}
        setup = Setup(file.stem, config=config, test_plugins=given.get("test_plugins", False), standalone=given.get("standalone", False))
        chapters.append(Chapter(setup, steps))
    if not chapters:
        raise Failed(f"there are no recordings in {rest_chapters.RECORDINGS}")
    return chapters


def answer(side: Side, step: dict) -> Answer:
    """What a side says, once it is what the step waits for or there is no more patience."""
    end = time.monotonic() + PATIENCE_S
    wanted = recorded(step) if "response" in step and step.get("repeat") else None
    while True:
        found = read(side.request(step["request"]), side.placeholders)
        message = found.body.get("message") if isinstance(found.body, dict) else None
        is_busy = found.status in (409, 500) and isinstance(message, str) and BUSY.search(message)
        is_there = not is_busy or step.get("may_be_busy")
        if wanted is not None:
            is_there = is_there and not differences(step, recorded_part(found), wanted)
        if "until" in step:
            is_there = is_there and fits(step["until"], {"status": found.status, "body": found.body})
        if is_there or time.monotonic() > end:
            return found
        time.sleep(0.05)


def level(setup: Setup, ours, java):
    """Takes out of two validations what nobody means: keys and groups of a later release of the original than Java has at
    hand, and the converters that lie in Java's folder beside the sink."""
    if not all(isinstance(body, dict) and "configs" in body for body in (ours, java)):
        return
    known = {each["value"]["name"] for each in java["configs"]}
    ours["configs"] = [each for each in ours["configs"] if (name := each["value"]["name"]) in known or name not in setup.newer_keys]
    ours["groups"] = [name for name in ours["groups"] if name in java["groups"] or name not in setup.newer_groups]
    for each in java["configs"]:
        if each["value"]["name"] in ("key.converter", "value.converter"):
            each["value"]["recommended_values"] = [name for name in each["value"]["recommended_values"] if name not in setup.converters]


def recorded_part(found: Answer) -> Answer:
    return Answer(found.status, {name: value for name, value in found.headers.items() if is_recorded(name)}, found.body)


class Differences:
    """What differs, and how often each row of docs/compatibility.md that means it was met."""

    def __init__(self, options: Options):
        self.options = options
        self.rows = rows()
        self.deliberate: Counter[str] = Counter()
        self.failures: list[str] = []

    def count(self, text: str, meant):
        """A difference that is meant, or, without one that fits, a failure."""
        if meant is None:
            self.fail(text)
            return
        if not any(row.startswith(meant.row) for row in self.rows):
            self.fail(f"{text}: no row of docs/compatibility.md begins with {meant.row!r}")
        self.deliberate[meant.row] += 1

    def fail(self, text: str):
        self.failures.append(text)
        self.options.log(step="different", what=text)


class Scenario(Differences):
    def __init__(self, options: Options, sides: list[Side]):
        super().__init__(options)
        self.java, self.ours = self.sides = sides
        self.pool = ThreadPoolExecutor(2)
        # Where the live worker of Java is not as recorded: a fact about the recording or this machine, and no fault of ours.
        self.drifted: list[str] = []
        self.requests = 0

    def both(self, work) -> list:
        """Done by both sides beside each other."""
        return list(self.pool.map(work, self.sides))

    def run(self, chapter: Chapter):
        started = time.monotonic()
        before = len(self.failures)
        try:
            self.both(lambda side: side.start(chapter.setup))
            up = time.monotonic()
            for step in chapter.steps:
                self.take(chapter, step)
        finally:
            self.both(lambda side: side.end())
            self.both(lambda side: side.clear())
        self.options.log(
            step="chapter", name=chapter.setup.name, steps=len(chapter.steps), different=len(self.failures) - before,
            start_s=round(up - started, 1), seconds=round(time.monotonic() - started, 1),
        )  # fmt: skip

    def take(self, chapter: Chapter, step: dict):
        if "do" in step:
            self.both(lambda side: side.perform(step["do"]))
            return
        self.requests += 1
        java, ours = self.both(lambda side: answer(side, step))
        where = f"{chapter.setup.name}/{step['name']}"
        if "response" in step and (drift := differences(step, recorded_part(java), recorded(step))):
            self.drifted.append(f"{where}: {drift[0]}")
        if "until" in step and not fits(step["until"], {"status": java.status, "body": java.body}):
            self.fail(f"{where}: Java's worker does not come to {step['until']}: {java}")
        level(chapter.setup, ours.body, java.body)
        for text in differences(step, ours, java):
            self.judge(f"{where}: {text}", step, ours)

    def judge(self, text: str, step: dict, ours: Answer):
        self.count(text, next((each for each in DELIBERATE if each.fits(text, step, ours)), None))


def rows() -> dict[str, str]:
    """The deliberate differences of docs/compatibility.md with the tests that pin them, each of which must be there."""
    text = (ROOT / "docs" / "compatibility.md").read_text().split("## Deliberate differences", 1)[1].split("\n## ", 1)[0]
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 3 and cells[0] not in ("Java", "---"):
            found[cells[0]] = cells[2]
    return found


def check_tests(meant: dict[str, str]):
    """A row that the scenario counts on names a test that is there."""
    sources = "\n".join(file.read_text() for file in (ROOT / "crates").glob("**/*.rs") if "target" not in file.parts)
    for row, tests in meant.items():
        named = [name for name in re.findall(r"`([a-z0-9_]+)`", tests) if f"fn {name}(" in sources]
        if not named and "golden" not in tests:
            raise Failed(f"docs/compatibility.md names no test that is there for {row!r}: {tests}")


def chosen(options: Options) -> list[Chapter]:
    chapters = recordings() + [Chapter(setup, steps) for setup, steps in rest_chapters.chapters(options)]
    if options.only:
        return [chapter for chapter in chapters if re.search(options.only, chapter.setup.name)]
    # By name, so that a seed draws the same wherever some of the originals are not there.
    return sorted(chapters, key=lambda chapter: random.Random(f"{options.seed}/{chapter.setup.name}").random())[: options.rounds]


def run(options: Options) -> None:
    chapters = chosen(options)
    with contextlib.ExitStack() as stack:
        with ThreadPoolExecutor(2) as pool:
            kafkas = list(pool.map(lambda name: start_kafka(options, stack, name), ("java", "ours")))
        # With Java's workers on both sides the scenario shows what it can tell apart, and what is a race of the original.
        other = JavaSide if options.worker == "java" else OurSide
        sides = [JavaSide(kafkas[0], options.folder / "java"), other(kafkas[1], options.folder / "ours")]
        if any(chapter.setup.documents for chapter in chapters):
            documents = DocumentServer(options.folder / "documents")
            stack.callback(documents.stop)
            for side in sides:
                side.documents = documents
        scenario = Scenario(options, sides)
        for chapter in chapters:
            scenario.run(chapter)
    check_tests({row: scenario.rows[row] for row in scenario.rows if any(row.startswith(meant) for meant in scenario.deliberate)})
    options.log(step="deliberate", rows=dict(scenario.deliberate))
    options.log(step="drifted", recorded_otherwise=scenario.drifted)
    summary = {"chapters": len(chapters), "requests": scenario.requests, "different": len(scenario.failures),
               "deliberate": scenario.deliberate.total(), "not_as_recorded": len(scenario.drifted), "seed": options.seed}  # fmt: skip
    options.log(step="summary", **summary)
    if scenario.failures:
        raise Failed(f"{len(scenario.failures)} answers differ from Java's, first {scenario.failures[:3]}")


def start_kafka(options: Options, stack: contextlib.ExitStack, name: str) -> Kafka:
    kafka = Kafka(options.kafka, options.folder / f"kafka-{name}")
    stack.callback(kafka.stop)
    return kafka

"""Scenario mongodb: the same records through MongoDB's own sink on Java's worker and through ours, into document servers of other people's.

Every case is a configuration of the sink with records of its own (document_cases.py, document_events.py); each runs on each document
server that can hold its documents, once per worker, into a database of its own. Compared are what becomes of the task (with the causes),
the collections document by document, types and order of fields included, the options of time series, and the dead letters. `DELIBERATE`
lists the differences that docs/compatibility.md explains. A case is over when its group has committed the end of its topics, or its task
has failed, so nothing is guessed by the clock.

Whether or not the original is there, ours are also compared between the document servers, with what pymongo alone makes of the same records
(cases with a `model`), and with the recorded dead letters (document_letters.json, of connector 2.0.1; MILLSTREAM_WRITE_LETTERS=1 writes it
from Java's).

The sink comes from Maven, or from where MILLSTREAM_MONGODB_PLUGIN says: its jar, a folder of jars, or nothing. Without it the scenario says
NOT COMPARED. FerretDB needs Go. `--rounds` says how many records every case draws anew, from the seed; `--only` takes cases by name.
"""

import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from bson import json_util
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from confluent_kafka import ConsumerGroupTopicPartitions, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from pymongo.errors import BulkWriteError

from . import document_cases, document_events, draws
from .dead_letters import Case as LetterCase
from .dead_letters import Record, differences
from .differential import ANY_TIME, causes, letters_of
from .document_cases import Case
from .rest import Deliberate, Differences, check_tests
from .services import DocumentServer, Failed, JavaWorker, Kafka, Millstream, Options, Worker, add_plugin, http, mongo_plugin, wait_until

RECORDED = Path(__file__).with_name("document_letters.json")
PATIENCE_S = 240
# Times of the wall clock lie about now.
RECENT_MS = 3_600_000
PLAIN = json_util.JSONOptions(json_mode=json_util.JSONMode.CANONICAL, uuid_representation=UuidRepresentation.UNSPECIFIED, datetime_representation=json_util.DatetimeRepresentation.NUMBERLONG)
AS_STORED = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS, uuid_representation=UuidRepresentation.UNSPECIFIED)

# What differs on purpose, by the text of the difference, with the row of docs/compatibility.md that says why.
DELIBERATE = [
    Deliberate(r" errors-unique-none-\S+: states: .*on MongoDB server .* instead of .*on server ", "MongoDB: texts are those of connector 3.0.1"),
    Deliberate(r" cdc-mongodb-patches-java: (collection DB\.TOPIC: |dead letters: Java refuses offsets )", "MongoDB: an oplog patch that is no update fails its whole batch"),
    Deliberate(r" trust-(other|none)-tls: POST: .*Unable to connect to the server\. TLS handshake failed .* instead of .*Unable to connect to the server\.\\n",
               "MongoDB: `Unable to connect to the server.`"),
    Deliberate(r" trust-(missing|wrong-password)-tls: POST: .*connection\.ssl\.truststore: .* instead of .*Unable to connect to the server\.\\n",
               "MongoDB: a trust store that is missing or cannot be opened"),
]  # fmt: skip


@dataclass
class Run:
    """One case of a round on one document server."""

    number: int
    case: Case
    store: str
    records: dict[str, list[Record]]

    @property
    def name(self) -> str:
        return f"{self.case.name}-{self.store}"

    @property
    def topic(self) -> str:
        return f"{self.case.name}-{self.number}"

    @property
    def topics(self) -> dict[str, list[Record]]:
        return {f"{self.topic}{suffix}": records for suffix, records in self.records.items()}

    def database(self, side: str) -> str:
        return f"{side}-{self.number}-{self.case.name}"

    def config_for(self, side: str, store: DocumentServer) -> dict[str, str]:
        """Connectors and topics are called alike for both workers, for they are in the dead letters; groups and databases are not."""
        case = {key.replace("TOPIC", self.topic): value.replace("TOPIC", self.topic).replace("STORE", str(store.folder)) for key, value in self.case.config.items()}
        topics = {} if "topics.regex" in case else {"topics": ",".join(self.topics)}
        dead = {f"errors.deadletterqueue.{key}": value for key, value in (
            ("topic.name", self.dead(side)), ("topic.replication.factor", "1"), ("context.headers.enable", "true"))}  # fmt: skip
        return {
            "connector.class": draws.MONGO_SINK, "tasks.max": "1", **topics, **dead, **case, "connection.uri": store.uri, "database": self.database(side),
            "consumer.override.group.id": self.group(side),
        }  # fmt: skip

    def dead(self, side: str) -> str:
        return f"dead-{side}-{self.number}-{self.name}"

    def group(self, side: str) -> str:
        return f"{side}-{self.number}-{self.name}"


@dataclass
class Outcome:
    """What one worker made of a run."""

    posted: tuple
    states: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    documents: dict[str, list[str]] = field(default_factory=dict)
    # What collections are besides their documents.
    series: dict[str, dict] = field(default_factory=dict)
    letters: list = field(default_factory=list)

    @property
    def has_failed(self) -> bool:
        return self.posted[0] != 201 or "FAILED" in self.states

    @property
    def reports(self) -> list[list]:
        """Of each dead letter what the sink said."""
        named = [(offset, dict(headers)) for offset, _key, _value, headers in self.letters]
        return [[offset, *((headers.get(f"__connect.errors.exception.{part}") or b"").decode() for part in ("class.name", "message"))] for offset, headers in named]


def in_words(document: dict, kept_ids: bool) -> str:
    """A document in canonical extended JSON with its fields in order. What is made at run time is numbered, so that equal values stay equal, but for times."""
    text = json_util.dumps(document, json_options=PLAIN, ensure_ascii=False)
    made: dict[str, str] = {}
    now = time.time() * 1000

    def numbered(kind: str):
        return lambda match: made.setdefault(match.group(), f'"({kind} {len(made)})"')

    def moment(match: re.Match) -> str:
        # Two records may be of one millisecond, or of two.
        return '"(now)"' if abs(int(match.group(1)) - now) < RECENT_MS else match.group()

    text = re.sub(r'\{"\$date": \{"\$numberLong": "(-?\d+)"\}\}', moment, text)
    if not kept_ids:
        text = re.sub(r'\{"\$oid": "[0-9a-f]{24}"\}', numbered("oid"), text)
        text = re.sub(r'"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"', numbered("uuid"), text)
        text = re.sub(r'\{"\$binary": \{"base64": "[A-Za-z0-9+/]{22}==", "subType": "04"\}\}', numbered("binary uuid"), text)
    return text


def unordered(text: str) -> str:
    """The same document whatever the order of its fields: Java's JSON goes by hash, and servers append what is set in orders of their own."""
    return json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False)


class Side:
    """One worker and what it wrote."""

    def __init__(self, name: str, worker: Worker, scenario: "Scenario"):
        self.name, self.worker, self.scenario = name, worker, scenario
        self.posted: dict[str, tuple] = {}

    def run(self, runs: list[Run]) -> dict[str, Outcome]:
        started = time.monotonic()
        for run in runs:
            if run.case.setup:
                run.case.setup(self.database(run), run.topic)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self.create, runs))
        open_runs = {run.name: run for run in runs if self.posted[run.name][0] == 201}
        wait_until(f"{self.name}: all cases are over", PATIENCE_S, lambda: self.are_over(open_runs), 0.3)
        statuses = self.statuses()
        found = {run.name: self.outcome(run, statuses) for run in runs}
        for run in runs:
            http("DELETE", f"{self.worker.url}/connectors/{run.name}", timeout=60)
            for name in run.case.databases:
                self.scenario.stores[run.store].client.drop_database(name)
        self.scenario.options.log(step="ran", worker=self.name, connectors=len(runs), seconds=round(time.monotonic() - started, 1))
        return found

    def database(self, run: Run):
        return self.scenario.stores[run.store].client[run.database(self.name)]

    def create(self, run: Run):
        config = run.config_for(self.name, self.scenario.stores[run.store])
        if isinstance(self.worker, Millstream):
            # Texts are compared with Java's, which repeat what a record holds.
            config["millstream.errors.show.content"] = "true"
        status, body = http("POST", f"{self.worker.url}/connectors", {"name": run.name, "config": config}, 120)
        self.posted[run.name] = (status, self.neutral(run, body.get("message", "")) if isinstance(body, dict) and status != 201 else None)

    def statuses(self) -> dict[str, dict]:
        status, body = http("GET", f"{self.worker.url}/connectors?expand=status", timeout=60)
        return {name: each["status"] for name, each in body.items()} if status == 200 else {}

    def are_over(self, open_runs: dict[str, Run]) -> bool:
        """Takes away the runs whose task has failed or whose group has come to the end."""
        statuses = self.statuses()
        for name, run in list(open_runs.items()):
            status = statuses.get(name)
            if status is None:
                continue
            states = [status["connector"]["state"], *(task["state"] for task in status["tasks"])]
            if "FAILED" in states or self.scenario.has_committed(run.group(self.name), run):
                del open_runs[name]
        return not open_runs

    def outcome(self, run: Run, statuses: dict[str, dict]) -> Outcome:
        found = Outcome(self.posted[run.name])
        if found.posted[0] != 201:
            return found
        status = statuses[run.name]
        parts = [status["connector"], *status["tasks"]]
        found.states = [part["state"] for part in parts]
        found.trace = [line for part in parts for line in causes(self.neutral(run, part.get("trace", "")).splitlines())]
        client = self.scenario.stores[run.store].client
        for name in (run.database(self.name), *run.case.databases):
            told = "DB" if name == run.database(self.name) else name
            for about in client[name].list_collections():
                if about["name"].startswith("system."):
                    continue
                collection = client[name].get_collection(about["name"], codec_options=AS_STORED)
                place = f"{told}.{about['name'].replace(run.topic, 'TOPIC')}"
                words = (in_words(document, run.case.kept_ids).replace(run.topic, "TOPIC") for document in collection.find())
                found.documents[place] = sorted(words)
                if run.case.config.get("timeseries.timefield"):
                    found.series[place] = {"options": about.get("options"), "type": about.get("type")}
        for offset, key, value, headers in letters_of(self.scenario.kafka.bootstrap, run.dead(self.name)):
            found.letters.append((offset, key, value, [(name, content and self.neutral(run, content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape"))
                                                       for name, content in headers]))  # fmt: skip
        return found

    def neutral(self, run: Run, text: str) -> str:
        return text.replace(run.database(self.name), "DB").replace(run.topic, "TOPIC")


class Scenario(Differences):
    def __init__(self, options: Options, cases: list[Case], stack: contextlib.ExitStack):
        super().__init__(options)
        self.cases = cases
        self.kafka = Kafka(options.kafka, options.folder / "kafka")
        stack.callback(self.kafka.stop)
        self.admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        self.stores: dict[str, DocumentServer] = {}
        self.counts: Counter[str] = Counter()
        self.recorded: dict[str, list] = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}

    def draw(self, number: int) -> list[Run]:
        runs = []
        for case in self.cases:
            records = case.records(random.Random(f"{self.options.seed}/{number}/{case.name}"))
            runs += [Run(number, case, store, records) for store in case.stores if store in self.stores]
        return runs

    def fill(self, runs: list[Run], sides: list[str]):
        written = {topic: records for run in runs for topic, records in run.topics.items()}
        names = [*written, *(run.dead(side) for run in runs for side in sides)]
        for future in self.admin.create_topics([NewTopic(name, 1, 1, config=ANY_TIME) for name in names]).values():
            future.result(60)
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap})
        failed: list[str] = []
        for topic, records in written.items():
            for place, record in enumerate(records):
                # Each topic is read to its end by one poll, whose records are of one time.
                producer.produce(topic, record.value, record.key, 0, headers=record.headers, timestamp=1_700_000_000_000 + place,
                                 on_delivery=lambda error, _: error and failed.append(str(error)))  # fmt: skip
        producer.flush(60)
        if failed:
            raise Failed(f"{len(failed)} records were not produced: {failed[0]}")

    def has_committed(self, group: str, run: Run) -> bool:
        answer = self.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(60)
        committed = {place.topic: place.offset for place in answer.topic_partitions}
        return all(committed.get(topic) == len(records) for topic, records in run.topics.items())

    def judge(self, text: str):
        self.count(text, next((each for each in DELIBERATE if re.search(each.text, text)), None))

    def compare(self, run: Run, java: Outcome, ours: Outcome):
        """Ours beside Java's."""
        self.counts["runs"] += 1
        self.counts["documents"] += sum(map(len, java.documents.values()))
        self.counts["dead letters"] += len(java.letters)
        where = f"round {run.number} {run.name}"
        if java.posted != ours.posted:
            return self.judge(f"{where}: POST: {ours.posted} instead of {java.posted}")
        if (java.states, java.trace) != (ours.states, ours.trace):
            return self.judge(f"{where}: states: {ours.states} {ours.trace} instead of {java.states} {java.trace}")
        if java.series != ours.series:
            self.judge(f"{where}: options: {ours.series} instead of {java.series}")
        # How far a task came that has failed depends on how its records came in polls.
        if not java.has_failed:
            self.same_documents(where, ours.documents, java.documents)
            for text in told_letters(run, java.letters, ours.letters):
                self.judge(f"{where}: dead letters: {text}")

    def same_documents(self, where: str, mine: dict[str, list[str]], wanted: dict[str, list[str]], is_ordered: bool = True):
        if not is_ordered:
            mine, wanted = ({name: sorted(map(unordered, texts)) for name, texts in some.items()} for some in (mine, wanted))
        for name in sorted(mine.keys() | wanted.keys()):
            if mine.get(name) != wanted.get(name):
                lacking, excess = counted(wanted.get(name, []), mine.get(name, [])), counted(mine.get(name, []), wanted.get(name, []))
                self.judge(f"{where}: collection {name}: {excess[:2]} ({len(excess)}) instead of {lacking[:2]} ({len(lacking)})")

    def between_stores(self, runs: list[Run], ours: dict[str, Outcome]):
        by_case: dict[str, list[Run]] = {}
        for run in runs:
            by_case.setdefault(run.case.name, []).append(run)
        for first, *others in by_case.values():
            for other in others:
                self.counts["compared between servers"] += 1
                where = f"round {other.number} {other.case.name} on {other.store} beside {first.store}"
                one, two = ours[first.name], ours[other.name]
                if one.states != two.states:
                    self.judge(f"{where}: states {two.states} instead of {one.states}")
                elif not one.has_failed:
                    self.same_documents(where, two.documents, one.documents, is_ordered=False)
                    refused = [[letter[0] for letter in outcome.letters] for outcome in (two, one)]
                    if refused[0] != refused[1]:
                        self.judge(f"{where}: refused are offsets {refused[0]} instead of {refused[1]}")

    def plain_program(self, run: Run, ours: Outcome):
        """Ours beside what pymongo alone makes of the records."""
        assert run.case.model
        self.counts["compared with pymongo"] += 1
        database = self.stores[run.store].client[run.database("plain")]
        if run.case.setup:
            run.case.setup(database, run.topic)
        refused = []
        for offset, record in enumerate(run.records[""]):
            requests = run.case.model(f"{run.topic}#0#{offset}", record)
            try:
                if requests is None:
                    refused.append(offset)
                else:
                    database[run.topic].bulk_write(requests)
            except BulkWriteError:
                refused.append(offset)
        stored = database.get_collection(run.topic, codec_options=AS_STORED).find()
        wanted = sorted(in_words(document, run.case.kept_ids).replace(run.topic, "TOPIC") for document in stored)
        where = f"round {run.number} {run.name} beside pymongo"
        self.same_documents(where, ours.documents, {"DB.TOPIC": wanted} if wanted or "DB.TOPIC" in ours.documents else {}, is_ordered=False)
        mine = [letter[0] for letter in ours.letters]
        if mine != refused:
            self.judge(f"{where}: refused are offsets {mine} instead of {refused}")

    def recorded_letters(self, run: Run, outcome: Outcome, who: str):
        self.counts["compared with recorded letters"] += 1
        wanted = self.recorded.get(run.case.name)
        if outcome.reports != wanted:
            self.judge(f"round {run.number} {run.name}: letters of {who}: {outcome.reports} instead of the recorded {wanted}")


def counted(some: list[str], others: list[str]) -> list[str]:
    """What of some is not among others, as often."""
    return sorted((Counter(some) - Counter(others)).elements())


def told_letters(run: Run, java: list, ours: list) -> list[str]:
    return differences(LetterCase(run.name, {}, []), java, ours)


def chosen(options: Options) -> list[Case]:
    makers = (document_cases.ids, document_cases.writes, document_cases.processors, document_cases.namespaces, document_cases.values,
              document_cases.series, document_cases.errors, document_cases.trust, document_events.cases)  # fmt: skip
    return [case for make in makers for case in make() if re.search(options.only, case.name)]


def run(options: Options) -> None:
    plugin = mongo_plugin() if all(map(shutil.which, ("java", "mvn"))) else None
    cases = chosen(options)
    wanted = {store for case in cases for store in case.stores}
    with contextlib.ExitStack() as stack:
        scenario = Scenario(options, cases, stack)
        for store, engine, tool in ("java", "java", "java"), ("ferretdb", "ferretdb", "go"), ("tls", "java", "keytool"):
            if store not in wanted:
                continue
            if shutil.which(tool) is None:
                options.skip(f"mongodb on {store}", f"{tool} not installed")
                continue
            scenario.stores[store] = DocumentServer(options.folder / store, engine, is_tls=store == "tls")
            stack.callback(scenario.stores[store].stop)
            if store == "tls":
                trust_stores(options.folder / store)
        is_java = options.worker == "java"
        bootstrap = scenario.kafka.bootstrap

        def java_worker(name: str) -> Worker:
            return JavaWorker(bootstrap, options.folder / name, options.folder / "plugins", options.kafka)

        sides = {"ours": Side("ours", java_worker("ours") if is_java else Millstream(bootstrap, options.folder / "millstream"), scenario)}
        if plugin:
            add_plugin(options.folder / "plugins", "mongodb", plugin)
            sides["java"] = Side("java", java_worker("java"), scenario)
        else:
            print(f"NOT COMPARED: {len(cases)} configurations, for the MongoDB sink of the original is not there", flush=True)
            options.log(step="not compared", configurations=len(cases))
        for side in sides.values():
            stack.callback(side.worker.stop)
            side.worker.start()
        for number in range(options.rounds):
            a_round(scenario, sides, number)
    if os.environ.get("MILLSTREAM_WRITE_LETTERS") and plugin:
        RECORDED.write_text(json.dumps(scenario.recorded, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    check_tests({row: scenario.rows[row] for row in scenario.rows if any(row.startswith(meant) for meant in scenario.deliberate)})
    options.log(step="deliberate", rows=dict(scenario.deliberate))
    summary = {"cases": len(cases), **scenario.counts, "different": len(scenario.failures), "deliberate": scenario.deliberate.total(), "seed": options.seed}
    options.log(step="summary", **summary)
    if scenario.failures:
        raise Failed(f"{len(scenario.failures)} differences, first {[text[:400] for text in scenario.failures[:3]]}")


def trust_stores(folder: Path):
    """Beside the JKS store of the server one as PKCS#12, and one that trusts somebody else."""
    keytool = ["keytool", "-noprompt", "-storetype", "PKCS12", "-storepass", "changeit", "-alias", "ca"]
    other = [*keytool, "-genkeypair", "-keyalg", "EC", "-dname", "CN=other", "-keystore", str(folder / "other.p12")]
    for command in ([*keytool, "-importcert", "-file", str(folder / "ca.pem"), "-keystore", str(folder / "truststore.p12")], other):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"keytool: {done.stdout[-300:]}")


def a_round(scenario: Scenario, sides: dict[str, Side], number: int):
    runs = scenario.draw(number)
    scenario.fill(runs, list(sides))
    # One worker after the other: records may name databases, which both would fill.
    found = {name: side.run(runs) for name, side in sides.items()}
    ours = found["ours"]
    if os.environ.get("MILLSTREAM_WRITE_LETTERS") and "java" in found:
        scenario.recorded |= {run.case.name: found["java"][run.name].reports for run in runs if run.case.recorded and run.store == "java"}
    for each in runs:
        if "java" in found:
            scenario.compare(each, found["java"][each.name], ours[each.name])
        if each.case.model:
            scenario.plain_program(each, ours[each.name])
        if each.case.recorded and each.store == "java":
            for who in found:
                scenario.recorded_letters(each, found[who][each.name], who)
    scenario.between_stores(runs, ours)
    for store in scenario.stores.values():
        for name in store.client.list_database_names():
            if name.startswith(("ours-", "java-", "plain-")):
                store.client.drop_database(name)

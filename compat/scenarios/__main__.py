"""The command line of the scenarios, their log, and the closing line that counts them."""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import assignors, charts, clients, crowd, dead_letters, differential, evolution, files, health, kills, migrate, mongodb, moves, queues, registry, rest, rolling, s3, secure, stranger, stream, tokens, tools, walkthrough, workers
from .services import EMBEDDED, ROOT, Failed, Options, s3_plugin

SCENARIOS = {"s3": s3.run, "stream": stream.run, "kills": kills.run, "moves": moves.run, "secure": secure.run, "dead-letters": dead_letters.run,
             "differential": differential.run, "assignors": assignors.run, "stranger": stranger.run, "rolling": rolling.run, "workers": workers.run,
             "rest": rest.run, "clients": clients.run, "crowd": crowd.run, "charts": charts.run, "health": health.run, "tokens": tokens.run,
             "tools": tools.run, "migrate": migrate.run, "walkthrough": walkthrough.run, "queues": queues.run, "files": files.run, "registry": registry.run,
             "mongodb": mongodb.run, "evolution": evolution.run}  # fmt: skip
# They have that broker, and need no Java.
NEEDS_NO_KAFKA = ("kills", "stranger", "workers", "charts", "queues", "files", "registry", "evolution")
CERTIFICATES = ("keytool", "openssl")
NEEDS_BESIDES = {"rolling": ("javac", *CERTIFICATES), "secure": CERTIFICATES, "tokens": CERTIFICATES, "tools": CERTIFICATES, "walkthrough": CERTIFICATES}
RUN_BY_JAVA = ("s3", "rolling", "workers", "rest", "clients", "crowd", "mongodb", "evolution")
# What --ci runs: scenario, version, rounds, records, variants compared with Java. Small on purpose: a few minutes on two
# cores; long runs are asked for with --rounds and --records.
CI_RUNS = [
    ("kills", EMBEDDED, 3, 12_000, 0),
    ("stranger", EMBEDDED, 3, 0, 0),
    ("queues", EMBEDDED, 3, 1_500, 0),
    ("files", EMBEDDED, 1, 0, 0),
    ("registry", EMBEDDED, 1, 0, 0),
    ("evolution", EMBEDDED, 1, 0, 0),
    ("s3", "4.3.1", 1, 20_000, 1),
    ("s3", "3.9.2", 1, 10_000, 0),
    ("stream", "4.3.1", 2, 30_000, 0),
    ("stream", "2.2.1", 1, 10_000, 0),
    ("differential", "4.3.1", 3, 0, 0),
    ("assignors", "4.3.1", 20, 0, 0),
    ("workers", EMBEDDED, 3, 0, 0),
    ("moves", "4.3.1", 3, 0, 0),
    ("rolling", "4.3.1", 1, 0, 0),
    ("rest", "4.3.1", 3, 0, 0),
    ("health", "4.3.1", 2, 0, 0),
    ("tokens", "4.3.1", 1, 0, 0),
    ("migrate", "4.3.1", 1, 0, 0),
    ("walkthrough", "4.3.1", 1, 0, 0),
]
# How long those run that go by time.
MINUTES, CI_MINUTES = {"tokens": 10.0, "queues": 0.3}, 0.5
QUICK = (3, 20_000)
# Of the kinds of queues one of each broker, and of chapters those that look for what is lost or stored twice.
CI_ONLY = {"queues": "(rabbitmq-4.[03]-quorum|classic-stomp|artemis-amqp|sqs-elasticmq|sqs-moto) kills|rabbitmq-4.3-quorum sigterm"}
# CI asks what is known to be equal to stay so; other seeds look for more.
CI_SEEDS = {"differential": 21, "rest": 147}
# Scenarios mostly wait for servers, so CI runs two at a time: these and what needs an older Kafka beside all others.
CI_BESIDE = ("kills", "stranger", "queues", "files", "registry", "evolution", "workers", "moves")
CI_KAFKA = "4.3.1"
# How long servers of other people's may take to start beside all the rest, in seconds.
PATIENCE = {"KAFKA_WAIT_S": "240", "CONNECT_JAVA_WAIT_S": "240"}


class Tally:
    """Counts the runs and keeps each one's log as lines of JSON under target/compat."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        # Lanes share the counts and standard output.
        self.lock = threading.Lock()

    def say(self, line: str, passed=0, failed=0, skipped=0):
        with self.lock:
            self.passed, self.failed, self.skipped = self.passed + passed, self.failed + failed, self.skipped + skipped
            print(line, flush=True)

    def skip(self, what: str, why: str):
        self.say(f"skipped: {what}: {why}", skipped=1)

    def run(self, what: str, folder: Path, scenario):
        self.say(f"{what} (log: {folder}.jsonl)")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        started = time.monotonic()
        with open(f"{folder}.jsonl", "w") as file:

            def log(**entry):
                self.say(f"  {folder.name}: {json.dumps(entry)}")
                print(json.dumps(entry), file=file, flush=True)

            try:
                scenario(log)
            except Failed as error:
                self.fail(what, str(error), log)
            except Exception:
                self.fail(what, traceback.format_exc(), log)
            else:
                self.say(f"ok: {what} in {time.monotonic() - started:.0f} s", passed=1)

    def fail(self, what: str, why: str, log):
        log(step="failed", why=why)
        self.say(f"FAILED: {what}: {why}", failed=1)


def run(tally: Tally, arguments, seed: int, name: str, version: str, rounds: int, records: int, java: int):
    worker = arguments.worker
    what = f"{name} on Kafka {version}, {rounds} rounds, {records} records, seed {seed}, worker {worker}"
    if worker == "java" and (name not in RUN_BY_JAVA or (name in ("s3", "evolution") and not s3_plugin())):
        return tally.skip(what, f"Java's worker runs {', '.join(RUN_BY_JAVA)} only, s3 with MILLSTREAM_S3_PLUGIN naming the folder of the sink")
    lacking = [tool for tool in ("java", "mvn", *NEEDS_BESIDES.get(name, ())) if version != EMBEDDED and shutil.which(tool) is None]
    if lacking:
        return tally.skip(what, f"{' and '.join(lacking)} not installed")
    if name == "s3" and java and not s3_plugin():
        tally.skip(f"{what}: the comparison with Java's objects", "MILLSTREAM_S3_PLUGIN names no folder")
    folder = ROOT / "target" / "compat" / f"{name}-{version}-{worker}"

    def scenario(log):
        log(step="start", kafka=version, rounds=rounds, records=records, seed=seed, worker=worker)
        only = arguments.only or (CI_ONLY.get(name, "") if arguments.ci else "")
        SCENARIOS[name](Options(version, rounds, records, seed, worker, java, folder, log, only, arguments.minutes, tally.skip))

    tally.run(what, folder, scenario)


def fetch() -> int:
    """Without Java or Maven the scenarios that need them are skipped, so that is no failure here."""
    versions = sorted({version for _, version, *_ in CI_RUNS} - {EMBEDDED})
    if all(shutil.which(tool) for tool in ("java", "mvn")):
        for version in versions:
            subprocess.run([ROOT / "compat" / "tools" / "kafka", "fetch", "--version", version, "--connect"], check=True)
    queues.fetch(CI_ONLY["queues"])
    registry.fetch()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="compat/run", description=__doc__)
    parser.add_argument("scenario", nargs="?", choices=SCENARIOS, help="with --ci it may be left out: all of them")
    parser.add_argument("--ci", action="store_true", help="what CI runs, on every Kafka version")
    parser.add_argument("--fetch", action="store_true", help="only brings what --ci needs from elsewhere, which else comes as it is needed")
    parser.add_argument("--quick", action="store_true", help="three short rounds")
    parser.add_argument("--kafka", action="append", help="4.3.1 (default), 3.9.2 or 2.2.1; may be repeated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--seed", type=int, help="a random one by default")
    parser.add_argument("--java", type=int, default=5, help="how many variants of scenario s3 are compared with Java's objects")
    parser.add_argument("--only", default="", help="a regular expression for the chapters of scenario rest, the clients, or the kinds of queues and their chapters")
    parser.add_argument("--minutes", type=float, help="how long scenario tokens runs, or S3 is away in scenario queues: 10 and 0.3 by default")
    parser.add_argument("--worker", choices=["millstream", "java"], default="millstream", help="java checks the scenario itself")
    arguments = parser.parse_args()
    if arguments.fetch:
        return fetch()
    if not arguments.ci and not arguments.scenario:
        parser.error("name a scenario, or give --ci")
    name = arguments.scenario
    arguments.minutes = arguments.minutes or (CI_MINUTES if arguments.ci else MINUTES.get(name, 1.0))
    rounds, records = QUICK if arguments.quick else (arguments.rounds, arguments.records)
    if arguments.ci:
        runs = [run for run in CI_RUNS if name in (None, run[0])]
    else:
        versions = arguments.kafka or ([EMBEDDED] if name in NEEDS_NO_KAFKA else ["4.3.1"])
        runs = [(name, version, rounds, records, arguments.java) for version in versions]
    for variable, seconds in PATIENCE.items():
        os.environ.setdefault(variable, seconds)
    tally = Tally()

    def in_turn(lane):
        for each in lane:
            known = CI_SEEDS.get(each[0]) if arguments.ci else None
            seed = next(seed for seed in (arguments.seed, known, random.randrange(10**6)) if seed is not None)
            run(tally, arguments, seed, *each)

    def is_beside(each) -> bool:
        return each[0] in CI_BESIDE or each[1] != CI_KAFKA

    lanes = [[each for each in runs if is_beside(each) is beside] for beside in (False, True)] if arguments.ci else [runs]
    with ThreadPoolExecutor(len(lanes)) as pool:
        # Asking for the results brings an error of the command itself to the surface.
        list(pool.map(in_turn, lanes))
    print(f"compat: {tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped", flush=True)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())

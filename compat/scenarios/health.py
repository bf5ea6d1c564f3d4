"""Scenario health: kafka-connect-healthcheck 0.3.0 from PyPI and `millstream healthcheck` side by side, in front of a Java worker and of ours.

A round draws connectors (running, failed, paused and stopped ones, names that need escapes) and the settings of the checkers, and
compares what they answer byte by byte: status, type and body of `/`, `/ping`, paths that there are not, HEAD and other methods. A state
that changes while both look at it is asked for again. At the end the worker is killed, and both say so.
"""

import contextlib
import http.client
import json
import random
import subprocess
import sys
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .clients import install
from .rest import start_kafka
from .services import Failed, Options, Process, free_ports, http as ask, wait_until
from .sides import JavaSide, OurSide, Setup, Side

ORIGINAL = "kafka-connect-healthcheck"
NAMES = ("plain", "with blank", "dots.and-dashes_", "h\u00e9", "Q+A")
STATES = ("FAILED", "failed, paused", "PAUSED,STOPPED", "RUNNING", "UNASSIGNED", "")
CONTAINERS = ("CONNECTOR,TASK", "connector", " task ", "TASK,WORKER", "WORKER")
REQUESTS = [("GET", "/"), ("GET", "/ping"), ("GET", "/?x=1"), ("GET", "/ping/"), ("GET", "/connectors"), ("HEAD", "/"), ("HEAD", "/no"), ("POST", "/"), ("DELETE", "/ping")]  # fmt: skip
# What HTTP adds to an answer, and what a server says of itself.
COMPARED = ("content-type",)


@dataclass
class Checker:
    """One of the two at a port of its own."""

    name: str
    port: int
    process: subprocess.Popen

    def answers(self) -> bool:
        if self.process.poll() is not None:
            raise Failed(f"{self.name} ended with {self.process.returncode}")
        with contextlib.suppress(OSError):
            return self.ask("GET", "/ping")[0] == 200
        return False

    def ask(self, method: str, path: str) -> tuple:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            headers = tuple(answer.getheader(name) for name in COMPARED)
            return answer.status, headers, answer.read().decode()
        finally:
            connection.close()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


def start(options: Options, home, environment: dict[str, str]) -> list[Checker]:
    first = free_ports(2)
    commands = {
        "the original": [sys.executable, "-c", "from kafka_connect_healthcheck.main import main; main()"],
        "ours": [Process.binary, "healthcheck"],
    }
    checkers = []
    for number, (name, command) in enumerate(commands.items()):
        variables = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(home), **environment, "HEALTHCHECK_PORT": str(first + number)}
        with open(options.folder / f"{name.replace(' ', '-')}.log", "a") as log:
            checkers.append(Checker(name, first + number, subprocess.Popen(command, stdout=log, stderr=log, env=variables)))
    for checker in checkers:
        wait_until(f"{checker.name} answers", 60, checker.answers)
    return checkers


def compare(checkers: list[Checker], method: str, path: str) -> tuple | None:
    """What both answer; None if they differ, or if what they look at did."""
    original, ours = checkers
    before = original.ask(method, path)
    found = ours.ask(method, path)
    return found if before == found == original.ask(method, path) else None


def settings(draw: random.Random, url: str, worker_id: str) -> dict[str, str]:
    ids = (None, None, worker_id, worker_id.upper(), worker_id.rsplit(":", 1)[0], "elsewhere:8083")
    drawn = {
        "HEALTHCHECK_CONNECT_URL": url + draw.choice(("", "", "/")),
        "HEALTHCHECK_CONNECT_WORKER_ID": draw.choice(ids),
        "HEALTHCHECK_UNHEALTHY_STATES": draw.choice(STATES),
        "HEALTHCHECK_CONSIDERED_CONTAINERS": draw.choice(CONTAINERS),
        "HEALTHCHECK_FAILURE_THRESHOLD_PERCENTAGE": draw.choice((None, "0", "10", "35", "50", "57", "100", "-1")),
        "HEALTHCHECK_BASIC_AUTH": draw.choice((None, None, "user", "user:pass", "user:p:w")),
        # Where the original is known to be wrong, too.
        "HEALTHCHECK_EXACT": "true",
    }
    # An empty variable is none for ours, and one for the original.
    return {name: value for name, value in drawn.items() if value}


def connectors(draw: random.Random, side: Side, url: str) -> dict[str, str]:
    """Creates some, and brings them where they are wanted: the state of each by name."""
    wanted = {}
    for name in draw.sample(NAMES, draw.randrange(4)):
        state = draw.choice(("RUNNING", "RUNNING", "FAILED", "PAUSED", "STOPPED"))
        file = "/nowhere/out.txt" if state == "FAILED" else side.fill("{{DIR}}/out.txt")
        config = {"connector.class": "FileStreamSink", "topics": "t", "file": file, "tasks.max": str(draw.choice((1, 2)))}
        status, body = wait_until(f"{name} is created", 60, lambda: created(url, name, config), 0.3)
        if status != 201:
            raise Failed(f"POST /connectors answers {status}: {body}")
        wanted[name] = state
    for name, state in wanted.items():
        path = f"{url}/connectors/{urllib.parse.quote(name, safe='')}"
        wait_until(f"{name} runs", 60, lambda: settled(path, "FAILED" if state == "FAILED" else "RUNNING"), 0.1)
        if state in ("PAUSED", "STOPPED"):
            ask("PUT", f"{path}/{'pause' if state == 'PAUSED' else 'stop'}")
            wait_until(f"{name} is {state}", 60, lambda: settled(path, state), 0.1)
    return wanted


def created(url: str, name: str, config: dict[str, str]):
    status, body = ask("POST", f"{url}/connectors", {"name": name, "config": config})
    # For a moment after a change a worker may say so.
    return None if status in (0, 409, 500) else (status, body)


def settled(path: str, state: str) -> bool:
    status, body = ask("GET", f"{path}/status")
    if status != 200:
        return False
    if state == "STOPPED":
        return body["connector"]["state"] == state and not body["tasks"]
    states = {task["state"] for task in body["tasks"]}
    return states == {state}


def clear(url: str):
    for name in ask("GET", f"{url}/connectors")[1] or ():
        path = f"{url}/connectors/{urllib.parse.quote(name, safe='')}"
        wait_until(f"{name} is deleted", 60, lambda: ask("DELETE", path)[0] in (204, 404), 0.3)
    wait_until("no connectors are left", 60, lambda: ask("GET", f"{url}/connectors")[1] == [], 0.1)


def play(options: Options, draw: random.Random, side: Side, home, compared: dict):
    port = side.ports[0]
    url = f"http://127.0.0.1:{port}"
    wanted = connectors(draw, side, url)
    for _ in range(3):
        environment = settings(draw, url, f"127.0.0.1:{port}")
        checkers = start(options, home, environment)
        try:
            for method, path in REQUESTS:
                try:
                    found = wait_until("the same answers", 20, lambda: compare(checkers, method, path), 0.2)
                except Failed:
                    answers = [checker.ask(method, path) for checker in checkers]
                    raise Failed(f"{side.name}, {environment}, {wanted}: {method} {path}: {answers}") from None
                compared["requests"] += 1
                if path == "/" and method == "GET":
                    compared[str(found[0])] = compared.get(str(found[0]), 0) + 1
        finally:
            codes = [checker.stop() for checker in checkers]
        if codes != [0, 0]:
            raise Failed(f"SIGTERM ends them with {codes}")
    clear(url)


def run(options: Options) -> None:
    _, home = install(ORIGINAL)
    options.folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(options.seed)
    compared = {"requests": 0}
    with contextlib.ExitStack() as stack:
        kinds = (JavaSide, OurSide)
        with ThreadPoolExecutor(2) as pool:
            kafkas = list(pool.map(lambda kind: start_kafka(options, stack, kind.name), kinds))
        for kind, kafka in zip(kinds, kafkas):
            side = kind(kafka, options.folder / kind.name)
            side.start(Setup("health"))
            side.perform({"create_topic": {"topic": "t", "partitions": 2}})
            try:
                for number in range(options.rounds):
                    play(options, draw, side, home, compared)
                    options.log(step="round", side=side.name, number=number, **compared)
                checkers = start(options, home, {"HEALTHCHECK_CONNECT_URL": f"http://127.0.0.1:{side.ports[0]}"})
            finally:
                side.end()
            # Nobody listens any more: the words are those of libraries, what surrounds them is the same.
            told = [checker.ask("GET", "/") for checker in checkers]
            for checker in checkers:
                checker.stop()
            bodies = [json.loads(body) for _, _, body in told]
            errors = [body.pop("error") for body in bodies]
            if told[0][:2] != told[1][:2] or bodies[0] != bodies[1] or not all(f"{side.ports[0]}" in error for error in errors):
                raise Failed(f"without a worker: {told}")
    options.log(step="summary", rounds=options.rounds, seed=options.seed, different=0, **compared)

"""Scenario clients: clients that other people wrote, as published, each against a cluster of two workers of ours.

Each client has a connector of its own, which it creates, looks at, changes, restarts, pauses and deletes with every call that it
has, from both workers in turn. The clients come from PyPI and Maven Central in the versions of `PYPI` and `MAVEN`, each into a folder of
its own. Those that no registry has are there by their calls (client_calls.py). `--worker java` runs the same against Java's
workers, which shows what is the client's own.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import client_calls
from .services import ROOT, TOOLS, Failed, Kafka, Options, free_ports, http, wait_until
from .sides import JavaSide, OurSide, Setup, Side

# What is installed, with the releases of its dependencies that it is known to work with.
PYPI = {
    "kafka-connect-py": ("kafka-connect-py==1.0.0", "click==8.5.1", "requests==2.34.2"),
    "kafka-connect-cli": ("kafka-connect-cli==0.2.5",),
    "kafka-connect-api": ("kafka-connect-api==0.5.10",),
    "kafka-connect-healthcheck": ("kafka-connect-healthcheck==0.3.0",),
    # Its typer 0.6 takes options for flags with click 8.2 and later.
    "kafka-connect-manager": ("kafka-connect-manager==0.5.1", "click==8.1.8"),
    "kafkaconnect": ("kafkaconnect==1.3.1", "click==8.5.1", "confluent-kafka==2.16.1", "requests==2.34.2"),
    "kafka-connect-python-helper": ("kafka-connect-python-helper==0.0.7",),
    "kafka-connect-watcher": ("kafka-connect-watcher==0.6.0",),
}
MAVEN = ("org.sourcelab", "kafka-connect-client", "4.0.5")


@dataclass
class Client:
    """One client at work: where it is installed, whom it asks, and what it has done so far."""

    name: str
    version: str
    home: Path
    folder: Path
    urls: list[str]
    topic: str
    done: list[str] = field(default_factory=list)
    turn: int = 0

    @property
    def connector(self) -> str:
        # One of the clients takes marks out of names.
        return self.name.replace("-", "")

    @property
    def url(self) -> str:
        """The workers in turn, so that half of what is asked has to be passed on."""
        self.turn += 1
        return self.urls[self.turn % len(self.urls)]

    def config(self, **more: str) -> dict[str, str]:
        text = "org.apache.kafka.connect.storage.StringConverter"
        return {"connector.class": "FileStreamSink", "tasks.max": "1", "topics": self.topic, "file": str(self.folder / "out.txt"),
                "key.converter": text, "value.converter": text, **more}  # fmt: skip

    def file(self, name: str, content) -> str:
        path = self.folder / name
        path.write_text(json.dumps(content))
        return str(path)

    def run(self, *command, code: int = 0, note: str = "", **environment: str) -> str:
        """Runs the client's command and keeps what was asked of it; another exit code than expected fails."""
        command = [str(part) for part in command]
        environment = {**os.environ, "PYTHONPATH": str(self.home), "NO_COLOR": "1", "COLUMNS": "200", **environment}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=180)
        if done.returncode != code:
            raise Failed(f"{self.name} {note}: exit code {done.returncode} instead of {code}: {(done.stdout + done.stderr)[-800:]}")
        self.done.append(note)
        return done.stdout

    def expect(self, what: str, found, wanted):
        if found != wanted:
            raise Failed(f"{self.name} {what}: {found!r} instead of {wanted!r}")

    def status(self, url: str | None = None) -> tuple[str | None, list[str]]:
        status, body = http("GET", f"{url or self.urls[0]}/connectors/{self.connector}/status")
        return (body["connector"]["state"], [task["state"] for task in body["tasks"]]) if status == 200 else (None, [])

    def await_state(self, state: str | None, tasks: list[str] | None = None):
        """Until both workers tell the state, so that it makes no difference which of them is asked next."""
        tasks = [state] if tasks is None and state else tasks or []
        wanted = (state, tasks)
        wait_until(f"{self.name}: the connector is {wanted}", 60, lambda: all(self.status(url) == wanted for url in self.urls))
        wait_until(f"{self.name}: the cluster is at rest", 60, lambda: all(self.is_at_rest(url) for url in self.urls))

    def is_at_rest(self, url: str) -> bool:
        """Java answers with 500 or 409 for a moment after each change, and these clients do not all ask again."""
        return http("GET", f"{url}/connectors/{self.connector}")[0] in (200, 404)


def entry(point: str) -> list[str]:
    """The command that an installer would make of an entry point."""
    module, function = point.split(":")
    return [sys.executable, "-c", f"import sys; from {module} import {function} as main; sys.exit(main())"]


def kc(client: Client):
    """kafka-connect-py: kc."""

    def ask(*arguments, **more):
        return client.run(*entry("kafka_connect.cli:cli"), "--url", client.url, *arguments, note=" ".join(map(str, arguments[:1])), **more)

    def told(*arguments):
        return json.loads(ask(*arguments))

    name = client.connector
    client.expect("info", told("info")["version"], "4.3.1")
    client.expect("list-plugins", "org.apache.kafka.connect.file.FileStreamSinkConnector" in {each["class"] for each in told("list-plugins")}, True)
    client.expect("create", told("create", "--config-data", json.dumps({"name": name, "config": client.config()}))["name"], name)
    client.await_state("RUNNING")
    client.expect("list", name in told("list"), True)
    client.expect("list --expand status", told("list", "--expand", "status", "--pattern", f"^{name}$")[name]["status"]["connector"]["state"], "RUNNING")
    client.expect("list --expand info", told("list", "--expand", "info")[name]["info"]["type"], "sink")
    client.expect("list --state", told("list", "--state", "RUNNING", "--pattern", f"^{name}$"), [name])
    client.expect("get", told("get", name)["tasks"], [{"connector": name, "task": 0}])
    client.expect("config", told("config", name), {**client.config(), "name": name})
    client.expect("status", told("status", name)["connector"]["state"], "RUNNING")
    client.expect("list-tasks", [task["id"] for task in told("list-tasks", name)], [{"connector": name, "task": 0}])
    client.expect("task-status", told("task-status", name, "0")["state"], "RUNNING")
    client.expect("list-topics", told("list-topics", name), {name: {"topics": [client.topic]}})
    ask("reset-topics", name)
    client.expect("update", told("update", name, "--config-data", json.dumps(client.config(**{"tasks.max": "2"})))["config"]["tasks.max"], "2")
    client.await_state("RUNNING", ["RUNNING"] * 2)
    ask("restart", name)
    client.await_state("RUNNING", ["RUNNING"] * 2)
    ask("restart", name, "--include-tasks", "--only-failed")
    ask("restart", name, "--include-tasks")
    client.await_state("RUNNING", ["RUNNING"] * 2)
    ask("restart-task", name, "0")
    client.await_state("RUNNING", ["RUNNING"] * 2)
    ask("pause", name)
    client.await_state("PAUSED", ["PAUSED"] * 2)
    ask("resume", name)
    client.await_state("RUNNING", ["RUNNING"] * 2)
    ask("pause", "--all", "--pattern", f"^{name}$")
    client.await_state("PAUSED", ["PAUSED"] * 2)
    ask("resume", "--all", "--pattern", f"^{name}$")
    client.await_state("RUNNING", ["RUNNING"] * 2)
    ask("delete", name)
    client.await_state(None)
    client.expect("get of a deleted one", "404" in ask("get", name), True)


def kafka_connect_cli(client: Client):
    def ask(*arguments, code=0, named=True):
        name = ("--connector" if arguments[0] == "task" else "--name", client.connector) if named else ()
        command = [sys.executable, "-m", "kafka_connect", *arguments[:2], "--url", client.url, *name, *arguments[2:]]
        return client.run(*command, code=code, note=" ".join(arguments[:2]))

    name = client.connector
    client.expect("create", json.loads(ask("connector", "create", "--configuration", json.dumps(client.config())))["name"], name)
    client.await_state("RUNNING")
    client.expect("create --if-not-exists", json.loads(ask("connector", "create", "--configuration", json.dumps(client.config()), "--if-not-exists")), None)
    client.expect("list", name in ask("connector", "list", named=False), True)
    client.expect("get", json.loads(ask("connector", "get")), {"connector": name, "state": "RUNNING", "failedTasks": []})
    client.expect("configuration", json.loads(ask("connector", "configuration"))["topics"], client.topic)
    ask("connector", "update", "--configuration", json.dumps(client.config(**{"tasks.max": "2"})))
    client.await_state("RUNNING", ["RUNNING"] * 2)
    client.expect("task list", [task["state"] for task in json.loads(ask("task", "list"))], ["RUNNING"] * 2)
    ask("task", "restart", "--task", "1")
    client.await_state("RUNNING", ["RUNNING"] * 2)
    ask("connector", "restart")
    client.await_state("RUNNING", ["RUNNING"] * 2)
    ask("connector", "pause")
    client.await_state("PAUSED", ["PAUSED"] * 2)
    ask("connector", "resume")
    client.await_state("RUNNING", ["RUNNING"] * 2)
    ask("connector", "pause-all")
    client.await_state("PAUSED", ["PAUSED"] * 2)
    ask("connector", "resume-all")
    client.await_state("RUNNING", ["RUNNING"] * 2)
    client.run(sys.executable, "-m", "kafka_connect", "health-check", "--url", client.url, "--verbose", note="health-check")
    ask("connector", "delete")
    client.await_state(None)
    client.expect("delete-all", ask("connector", "delete-all"), "")


KAFKA_CONNECT_API = """
import json, sys
from kafka_connect_api.kafka_connect_api import Api, Cluster, Connector
from kafka_connect_api.errors import GenericNotFound
url, name, config = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
cluster = Cluster(Api(url=url))
did = {"version": cluster.version, "kafka_cluster": bool(cluster.kafka_cluster), "listed": name in cluster.connectors}
one = Connector(cluster, name)
did["exists"], did["class"], did["state"] = one.exists(), one.connector_class, one.state
did["tasks"] = [(task.id, task.state, task.is_running(), task.config["topics"]) for task in one.tasks]
did["root"] = cluster.root_logger["level"]
cluster.root_logger = "INFO"
logger = sorted(name for name in cluster.loggers if name.startswith("org.apache.kafka.connect"))[0]
did["changed"] = logger in cluster.set_logger_log_level(logger, "DEBUG")
one.restart()
print(json.dumps(did))
"""


def kafka_connect_api(client: Client):
    name = client.connector
    http("POST", f"{client.urls[0]}/connectors", {"name": name, "config": client.config()})
    client.await_state("RUNNING")

    def ask(note: str, script: str, *arguments):
        return client.run(sys.executable, "-c", script, client.url, name, json.dumps(client.config()), *arguments, note=note)

    def change(note: str, line: str):
        ask(note, f"{KAFKA_CONNECT_API.split('did =')[0]}\none = Connector(cluster, name)\n{line}")

    did = json.loads(ask("version, connectors, exists, state, tasks, loggers, restart", KAFKA_CONNECT_API))
    client.expect("what it tells", did, {"version": "4.3.1", "kafka_cluster": True, "listed": True, "exists": True, "class": "FileStreamSink",
                  "state": "RUNNING", "tasks": [[0, "RUNNING", True, client.topic]], "root": "INFO", "changed": True})  # fmt: skip
    client.await_state("RUNNING")
    change("config", "one.config = {**config, 'tasks.max': '2'}")
    client.await_state("RUNNING", ["RUNNING"] * 2)
    change("restart_all_tasks", "one.restart_all_tasks()")
    client.await_state("RUNNING", ["RUNNING"] * 2)
    change("pause", "one.pause()")
    client.await_state("PAUSED", ["PAUSED"] * 2)
    change("resume", "one.resume()")
    client.await_state("RUNNING", ["RUNNING"] * 2)
    change("cycle_connector", "one.cycle_connector()")
    client.await_state("RUNNING", ["RUNNING"] * 2)
    change("delete", "one.delete()")
    client.await_state(None)
    change("exists, of a deleted one", "\ntry:\n  found = one.exists()\nexcept GenericNotFound:\n  found = False\nassert not found")


def healthcheck(client: Client):
    """kafka-connect-healthcheck: a server that says whether a worker's connectors and tasks are well."""
    good, bad = client.connector, f"{client.connector}-bad"
    port = free_ports(2)

    def start(port: int, number: int):
        worker = client.urls[number].removeprefix("http://")
        command = [*entry("kafka_connect_healthcheck.main:main"), "--port", str(port), "--connect-url", client.urls[number], "--connect-worker-id", worker]
        environment = {**os.environ, "PYTHONPATH": str(client.home)}
        with open(client.folder / f"healthcheck-{number}.log", "w") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    with contextlib.ExitStack() as stack:
        for number in range(len(client.urls)):
            process = start(port + number, number)
            stack.callback(process.wait)
            stack.callback(process.kill)
        urls = [f"http://127.0.0.1:{port + number}/" for number in range(len(client.urls))]

        def told() -> list:
            return [http("GET", url, timeout=30) for url in urls]

        http("POST", f"{client.urls[0]}/connectors", {"name": good, "config": client.config()})
        client.await_state("RUNNING")
        wait_until("the health checks say healthy", 60, lambda: all(status == 200 and body["healthy"] for status, body in told()), 0.2)
        client.done.append("healthy while all run")
        # A task that fails at its first record: the one worker that has it is unwell.
        failing = client.config(**{"transforms": "x", "transforms.x.type": "org.apache.kafka.connect.transforms.ExtractField$Value", "transforms.x.field": "none"})
        http("POST", f"{client.urls[0]}/connectors", {"name": bad, "config": failing})

        def failure() -> dict | None:
            unwell = [body for status, body in told() if status == 503]
            return next((each for body in unwell for each in body.get("failures", []) if each["type"] == "task" and each["connector"] == bad), None)

        found = wait_until("one health check says unhealthy", 60, failure, 0.2)
        client.expect("the failure", (found["state"], found["id"], "ExtractField" in found["trace"] or "Exception" in found["trace"]), ("FAILED", 0, True))
        client.done.append("unhealthy, with state and trace, for a failed task")
        for name in (good, bad):
            http("DELETE", f"{client.urls[0]}/connectors/{name}")
        client.await_state(None)
        wait_until("the health checks say healthy again", 60, lambda: all(status == 200 for status, _ in told()), 0.2)
        client.done.append("healthy again")


def manager(client: Client):
    """kafka-connect-manager: kcm."""

    def ask(*arguments):
        return client.run(*entry("kafka_connect_manager.cli:app"), "--host", client.url, *arguments, note=arguments[0])

    name = client.connector
    ask("add", "--file", client.file("add.json", {"name": name, "config": client.config()}))
    client.await_state("RUNNING")
    client.expect("list", name in ask("list"), True)
    client.expect("list --type sink", name in ask("list", "--type", "sink"), True)
    client.expect("status", "RUNNING" in ask("status", "--connector", name).upper(), True)
    ask("update", name, "--file", client.file("update.json", {"name": name, "config": client.config(**{"tasks.max": "2"})}))
    client.await_state("RUNNING", ["RUNNING"] * 2)
    http("DELETE", f"{client.urls[0]}/connectors/{name}")
    client.await_state(None)


def kafkaconnect(client: Client):
    """kafkaconnect, of a telescope's data facility."""

    def ask(*arguments):
        return client.run(*entry("kafkaconnect.cli:main"), "--connect", client.url, *arguments, note=arguments[0])

    name = client.connector
    validate_and_create = "import sys; from kafkaconnect.connect import Connect; print(Connect(sys.argv[1]).validate_and_create(sys.argv[2], sys.argv[3]))"
    # The class goes into the path of the validation as it is written.
    text = client.run(sys.executable, "-c", validate_and_create, client.url, name, json.dumps({**client.config(), "name": name}), note="validate_and_create")
    client.expect("validate_and_create", json.loads(text)["name"], name)
    client.await_state("RUNNING")
    client.expect("list", name in json.loads(ask("list")), True)
    client.expect("info", json.loads(ask("info", name))["type"], "sink")
    client.expect("status", json.loads(ask("status", name))["connector"]["state"], "RUNNING")
    client.expect("config", json.loads(ask("config", name))["topics"], client.topic)
    client.expect("tasks", len(json.loads(ask("tasks", name))), 1)
    client.expect("topics", json.loads(ask("topics", name)), {name: {"topics": [client.topic]}})
    client.expect("plugins", "FileStreamSinkConnector" in ask("plugins"), True)
    ask("pause", name)
    client.await_state("PAUSED")
    ask("resume", name)
    client.await_state("RUNNING")
    ask("delete", name)
    client.await_state(None)
    client.expect("status of a deleted one", "not found" in ask("status", name), True)


PYTHON_HELPER = """
import json, sys, requests
from connect_helper import ConnectHelper
url, name, config = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
helper = ConnectHelper(requests.Session(), url)
helper.connector.name = name
assert helper.connector.put(config).status_code == 201
helper.connector.poll_status(max_retries=20, backoff_seconds=1, initial_sleep_seconds=0)
assert name in helper.get_connectors().json()
assert helper.connector.get_remote_config().json()["config"]["topics"] == config["topics"]
assert helper.connector.get_status().json()["tasks"][0]["state"] == "RUNNING"
assert helper.connector.delete().status_code == 204
"""


def python_helper(client: Client):
    client.run(sys.executable, "-c", PYTHON_HELPER, client.url, client.connector, json.dumps(client.config()),
               note="put, poll_status, get_connectors, get_remote_config, get_status, delete")  # fmt: skip
    client.await_state(None)


def watcher(client: Client):
    """kafka-connect-watcher: it acts on what has failed."""
    name = client.connector
    # It reads a file that is not there: the task fails until the folder is made.
    folder = client.folder / "not-yet"
    http("POST", f"{client.urls[0]}/connectors", {"name": name, "config": client.config(file=str(folder / "out.txt"))})
    client.await_state("RUNNING", ["FAILED"])
    host, port = client.urls[0].removeprefix("http://").split(":")
    config = {
        "watch_interval": "2s",
        "clusters": [{"hostname": host, "port": int(port), "name": "compat", "evaluation_rules": [
            {"exclude_regex": [], "include_regex": [f"^{name}$"], "auto_correct_actions": [{"action": "cycle"}], "ignore_paused": True},
        ]}],
    }  # fmt: skip
    file = client.file("watcher.yaml", config)
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(client.home), "AWS_EMF_ENVIRONMENT": "local"}
    with open(client.folder / "watcher.log", "w") as log:
        process = subprocess.Popen([*entry("kafka_connect_watcher.cli:start_watcher"), "-c", file], stdout=log, stderr=log, env=environment)
    try:
        client.await_state("RUNNING")
        client.done.append("finds the failed task, and pauses, restarts and resumes")
    finally:
        process.kill()
        process.wait()
    http("DELETE", f"{client.urls[0]}/connectors/{name}")
    client.await_state(None)


def sourcelab(client: Client):
    """org.sourcelab:kafka-connect-client, which AKHQ uses too."""
    found = {}
    program = ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{client.home}/*", str(TOOLS / "SourcelabClient.java")]
    done = subprocess.run([*program, client.urls[1], client.connector, str(client.folder / "out.txt")], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise Failed(f"{client.name}: {(done.stdout + done.stderr)[-1500:]}")
    for line in done.stdout.splitlines():
        call, answer = line.split("=", 1)
        found[call] = answer
        client.done.append(call)
    sinks = [each for each in found.pop("getConnectorPlugins").strip("[]").split(", ") if each.endswith(" sink")]
    client.expect("getConnectorPlugins", "org.apache.kafka.connect.file.FileStreamSinkConnector sink" in sinks, True)
    client.expect("getConnector of a deleted one", "not found" in found.pop("getConnector of a deleted one"), True)
    truths = {call for call, answer in found.items() if answer == "true"}
    client.expect("all calls", {call: answer for call, answer in found.items() if call not in truths}, {
        "getConnectServerVersion": "4.3.1", "validateConnectorPluginConfig": "0", "addConnector": client.connector,
        "getConnectorsWithExpandedStatus": "RUNNING", "getConnectorsWithExpandedInfo": "t", "getConnector": "sink 1",
        "getConnectorConfig": "FileStreamSink", "getConnectorTopics": client.connector, "getConnectorTasks": "1",
        "getConnectorTaskStatus": "RUNNING", "updateConnectorConfig": "2",
    })  # fmt: skip


CLIENTS: dict[str, Callable[[Client], None]] = {
    "kafka-connect-py": kc,
    "kafka-connect-cli": kafka_connect_cli,
    "kafka-connect-api": kafka_connect_api,
    "kafka-connect-healthcheck": healthcheck,
    "kafka-connect-manager": manager,
    "kafkaconnect": kafkaconnect,
    "kafka-connect-python-helper": python_helper,
    "kafka-connect-watcher": watcher,
    "kafka-connect-client": sourcelab,
}


def install(name: str) -> tuple[str, Path]:
    """The version of a client, and the folder that it is installed in, once for each set of versions."""
    packages = PYPI.get(name, MAVEN)
    version = packages[0].split("==")[1] if name in PYPI else packages[2]
    mark = hashlib.sha256(f"{sys.version}{packages}".encode()).hexdigest()
    home = ROOT / "target" / "compat" / "clients" / f"{name}-{version}"
    stamp = home / ".installed"
    if not stamp.exists() or stamp.read_text() != mark:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        if name in PYPI:
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(home), *packages]
        else:
            group, artifact, release = MAVEN
            dependency = f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{release}</version></dependency>"
            project = "<groupId>compat</groupId><artifactId>client</artifactId><version>1</version>"
            model = '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
            (home / "pom.xml").write_text(f"{model}{project}<dependencies>{dependency}</dependencies></project>")
            command = ["mvn", "-q", "-B", "-ntp", "-f", str(home / "pom.xml"), "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={home}"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"{name} {version} cannot be installed: {(done.stdout + done.stderr)[-600:]}")
        stamp.write_text(mark)
    return version, home


def run(options: Options) -> None:
    names = [name for name in [*CLIENTS, *client_calls.CLIENTS] if re.search(options.only, name)]
    with contextlib.ExitStack() as stack:
        kafka = Kafka(options.kafka, options.folder / "kafka")
        stack.callback(kafka.stop)
        side: Side = (JavaSide if options.worker == "java" else OurSide)(kafka, options.folder / "workers")
        stack.callback(side.end)
        side.start(Setup("clients", workers=2))
        side.perform({"create_topic": {"topic": "t", "partitions": 2}})
        side.perform({"produce": {"topic": "t", "values": ["one", "two"]}})
        urls = [f"http://127.0.0.1:{port}" for port in side.ports]
        failures = []
        for name in names:
            started = time.monotonic()
            folder = options.folder / name
            folder.mkdir(parents=True)
            try:
                if name in CLIENTS:
                    version, home = install(name)
                    client = Client(name, version, home, folder, urls, "t")
                    CLIENTS[name](client)
                    options.log(step="client", name=name, version=version, did=client.done, seconds=round(time.monotonic() - started, 1))
                else:
                    calls = client_calls.CLIENTS[name](urls, name, str(folder / "out.txt"))
                    options.log(step="calls", name=name, calls=calls, seconds=round(time.monotonic() - started, 1))
            except Failed as error:
                failures.append(str(error))
                options.log(step="failed", name=name, why=str(error))
                # What it left would be in the way of the others.
                for left in http("GET", f"{urls[0]}/connectors")[1]:
                    http("DELETE", f"{urls[0]}/connectors/{left}")
        options.log(step="summary", clients=len(names), failed=len(failures))
        if failures:
            raise Failed(f"{len(failures)} of {len(names)} clients fail: {failures[0]}")

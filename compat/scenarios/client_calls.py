"""Clients that no package registry has, by the calls they make: what each sends, and what it needs to find in the answer.

From the sources of kcctl 1.0.0.CR4, go-kafka-connect 3.2.1 (the Terraform provider Mongey/kafka-connect 0.4), the client of
Redpanda Console, the contract of Kafbat's (and Provectus') Kafka UI, and Strimzi's operator. A pattern names the fields that a
client reads, with the type that its language wants there or the value that it decides by; further fields do no harm to any of them.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import exchange
from .services import Failed, wait_until

JSON = "application/json"
CONTENT = {"Content-Type": JSON}
ACCEPT = {"Accept": JSON}
TEXT = "org.apache.kafka.connect.storage.StringConverter"


class Map:
    """An object with any names whose values are all of one kind."""

    def __init__(self, kind: Any):
        self.kind = kind


class Maybe:
    """What may be missing or null, but of this kind if it is there."""

    def __init__(self, kind: Any):
        self.kind = kind


def misfit(pattern: Any, value: Any, at: str = "body") -> str | None:
    """Where an answer is not what a client can read; a list's pattern is that of its items."""
    if isinstance(pattern, Maybe):
        return None if value is None else misfit(pattern.kind, value, at)
    if isinstance(pattern, Map):
        if not isinstance(value, dict):
            return f"{at} is no object: {value!r}"
        return next((found for key, each in value.items() if (found := misfit(pattern.kind, each, f"{at}.{key}"))), None)
    if isinstance(pattern, dict):
        if not isinstance(value, dict):
            return f"{at} is no object: {value!r}"
        return next((found for key, each in pattern.items() if (found := misfit(each, value.get(key), f"{at}.{key}"))), None)
    if isinstance(pattern, list):
        if not isinstance(value, list):
            return f"{at} is no list: {value!r}"
        return next((found for index, each in enumerate(value) if (found := misfit(pattern[0], each, f"{at}[{index}]"))), None)
    if isinstance(pattern, type):
        # In Python True is an int.
        is_kind = isinstance(value, pattern) and (pattern is bool or not isinstance(value, bool))
        return None if is_kind else f"{at} is {value!r} and no {pattern.__name__}"
    if callable(pattern):
        return None if pattern(value) else f"{at} is {value!r}"
    return None if pattern == value else f"{at} is {value!r} and not {pattern!r}"


@dataclass
class Caller:
    """Makes the calls of one client, from one worker after the other, and counts them."""

    urls: list[str]
    connector: str
    file: str
    headers: dict[str, str] = field(default_factory=dict)
    # What a busy worker's answer looks like to the client, which then asks again.
    retries: Callable[[int, Any], bool] = lambda status, body: False
    calls: int = 0

    def config(self, **more: Any) -> dict:
        return {"connector.class": "FileStreamSink", "tasks.max": "1", "topics": "t", "file": self.file, "key.converter": TEXT, "value.converter": TEXT, **more}

    def send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any, exchange.Reply]:
        url = self.urls[self.calls % len(self.urls)]
        host = url.removeprefix("http://")
        self.calls += 1
        text = b"" if body is None else json.dumps(body).encode()
        path = path.replace("{name}", self.connector)
        reply = exchange.send(int(host.split(":")[1]), exchange.request_bytes(host, method, path, {**self.headers, **headers}, text), method)
        if not reply.body:
            return reply.status, None, reply
        try:
            return reply.status, json.loads(reply.body), reply
        except ValueError:
            return reply.status, reply.body.decode(errors="replace"), reply

    def call(self, method: str, path: str, *statuses: int, body: Any = None, pattern: Any = None, **headers: str):
        """One call; retried only where the client itself would do so."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        last: list = []

        def answered() -> bool:
            status, found, reply = self.send(method, path, body, given)
            last[:] = [status, found, reply]
            return not self.retries(status, found)

        wait_until(f"{method} {path} is answered", 30, answered, 0.25)
        status, found, reply = last
        if status not in statuses:
            raise Failed(f"{self.connector}: {method} {path} answers {status} {found} instead of {statuses}")
        if pattern is not None and (wrong := misfit(pattern, found)):
            raise Failed(f"{self.connector}: {method} {path}: {wrong} in {found}")
        if found is not None and not str(reply.header("Content-Type")).startswith(JSON):
            raise Failed(f"{self.connector}: {method} {path} answers {reply.header('Content-Type')}")
        return found

    def await_status(self, state: str, tasks: int, seconds: float = 60, **headers: str):
        """Asks for the status as a client does that waits for a state."""

        def is_there() -> bool:
            # Both workers, so that it makes no difference which is asked next.
            for _ in self.urls:
                status, body, _ = self.send("GET", "/connectors/{name}/status", None, headers)
                self_states = body["connector"]["state"] if status == 200 else None
                if self_states != state or [task["state"] for task in body["tasks"]] != [state] * tasks:
                    return False
            return True

        wait_until(f"{self.connector} is {state} with {tasks} tasks", seconds, is_there, 0.1)

    def pause_and_resume(self, tasks: int, **headers: str):
        for deed, state in (("pause", "PAUSED"), ("resume", "RUNNING")):
            self.call("PUT", f"/connectors/{{name}}/{deed}", 202)
            self.await_status(state, tasks, **headers)


def is_rebalancing(status: int, body: Any) -> bool:
    """A conflict, or the words of a rebalance: by these kcctl and the Terraform provider ask again."""
    message = str(body.get("message")).lower() if isinstance(body, dict) else ""
    return status == 409 and "already exists" not in message or "rebalance" in message or "conflicting operation" in message


TASK_ID = {"connector": str, "task": int}
INFO = {"name": str, "config": Map(str), "tasks": [TASK_ID], "type": str}
STATUS = {"name": str, "connector": {"state": str, "worker_id": str}, "type": str,
          "tasks": [{"id": int, "state": str, "worker_id": str, "trace": Maybe(str)}]}  # fmt: skip
DEFINITION = {"name": str, "type": str, "required": bool, "default_value": Maybe(str), "importance": str, "documentation": Maybe(str), "group": Maybe(str),
              "width": str, "display_name": str, "dependents": [str]}  # fmt: skip
VALUE = {"name": str, "value": Maybe(str), "recommended_values": [str], "errors": [str], "visible": bool}
VALIDATION = {"name": str, "error_count": int, "groups": [str], "configs": [{"definition": DEFINITION, "value": VALUE}]}
ROOT = {"version": str, "commit": str, "kafka_cluster_id": str}
OFFSETS = {"offsets": [{"partition": {"kafka_topic": str, "kafka_partition": int}, "offset": {"kafka_offset": int}}]}


def kcctl(urls: list[str], name: str, file: str) -> int:
    """Each command of kcctl 1.0.0.CR4; unknown fields are ignored by its JSON reader."""
    c = Caller(urls, name, file, {**ACCEPT, **CONTENT}, is_rebalancing)
    c.call("GET", "/", 200, pattern=ROOT | {"version": lambda version: tuple(map(int, version.split("."))) >= (3, 6, 0)})
    c.call("GET", "/connector-plugins?connectorsOnly=false", 200, pattern=[{"class": str, "type": str, "version": Maybe(str)}])
    c.call("GET", "/connector-plugins", 200, pattern=[{"class": str, "type": str, "version": Maybe(str)}])
    c.call("GET", "/connector-plugins/FileStreamSinkConnector/config", 200, pattern=[DEFINITION])
    # apply --dry-run: the last part of the class, with a name.
    c.call("PUT", "/connector-plugins/FileStreamSinkConnector/config/validate", 200, pattern=VALIDATION | {"error_count": 0},
           body=c.config(**{"connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "name": "dummy-name"}))  # fmt: skip
    c.call("PUT", "/connector-plugins/FileStreamSink/config/validate", 200, pattern=VALIDATION | {"error_count": lambda count: count > 0},
           body=c.config(**{"tasks.max": "none", "name": "dummy-name"}))  # fmt: skip
    # apply: it looks whether the connector is there, then creates or updates.
    listed = c.call("GET", "/connectors/", 200, pattern=[str])
    if name in listed:
        raise Failed(f"{name} is there already")
    c.call("POST", "/connectors/", 201, body={"name": name, "config": c.config()}, pattern=INFO)
    c.await_status("RUNNING", 1, **ACCEPT)
    c.call("PUT", "/connectors/{name}/config", 200, body=c.config(**{"tasks.max": "2"}), pattern=INFO)
    c.await_status("RUNNING", 2, **ACCEPT)
    c.call("PUT", "/connectors/{name}-none/config", 400, body=c.config(**{"connector.class": "nothing.like.it"}),
           pattern={"error_code": int, "message": lambda text: "Failed to find any class that implements Connector" in text})  # fmt: skip
    # get connectors, describe connector.
    c.call("GET", "/connectors?expand=info&expand=status", 200, pattern=Map({"info": INFO, "status": STATUS}))
    c.call("GET", "/connectors/{name}", 200, pattern=INFO)
    c.call("GET", "/connectors/{name}/status", 200, pattern=STATUS)
    c.call("GET", "/connectors/{name}/config", 200, pattern=Map(str))
    c.call("GET", "/connectors/{name}/tasks", 200, pattern=[{"id": TASK_ID, "config": Map(str)}])
    c.call("GET", "/connectors/{name}/topics", 200, pattern=Map({"topics": [str]}))
    c.call("GET", "/connectors/{name}-none", 404, pattern={"error_code": 404, "message": str})
    c.call("POST", "/connectors/{name}/restart", 204)
    c.await_status("RUNNING", 2, **ACCEPT)
    c.call("POST", "/connectors/{name}/restart?includeTasks=true&onlyFailed=false", 202, pattern=STATUS)
    c.await_status("RUNNING", 2, **ACCEPT)
    c.call("POST", "/connectors/{name}/tasks/1/restart", 204)
    c.await_status("RUNNING", 2, **ACCEPT)
    c.pause_and_resume(2, **ACCEPT)
    # patch loggers, get loggers, get logger.
    c.call("PUT", "/admin/loggers/org.apache.kafka.connect.file", 200, body={"level": "DEBUG"}, pattern=[str])
    c.call("PUT", "/admin/loggers/org.apache.kafka.connect.file?scope=worker", 200, body={"level": "INFO"}, pattern=[str])
    c.call("PUT", "/admin/loggers/org.apache.kafka.connect.file?scope=cluster", 204, body={"level": "INFO"})
    c.call("GET", "/admin/loggers", 200, pattern=Map({"level": str, "last_modified": Maybe(int)}))
    # The other worker hears of a level for the cluster from the log.
    wait_until("both workers have the level", 30, lambda: all(
        c.send("GET", "/admin/loggers/org.apache.kafka.connect.file", None, {})[1]["level"] == "INFO" for _ in urls))  # fmt: skip
    # stop, then get, patch and delete offsets.
    c.call("PUT", "/connectors/{name}/stop", 204)
    c.await_status("STOPPED", 0, **ACCEPT)
    c.call("GET", "/connectors/{name}/offsets", 200, pattern=OFFSETS)
    c.call("PATCH", "/connectors/{name}/offsets", 200, pattern={"message": str},
           body={"offsets": [{"partition": {"kafka_topic": "t", "kafka_partition": 0}, "offset": {"kafka_offset": 0}}]})  # fmt: skip
    c.call("DELETE", "/connectors/{name}/offsets", 200, pattern={"message": str})
    c.call("DELETE", "/connectors/{name}", 204)
    c.call("DELETE", "/connectors/{name}", 404, pattern={"error_code": 404, "message": str})
    return c.calls


def terraform(urls: list[str], name: str, file: str) -> int:
    """The provider's create, read, update and delete through go-kafka-connect, each waited for as that does it."""
    c = Caller(urls, name, file, ACCEPT, is_rebalancing)
    # The state of a connector is read into a map of texts: one value that is none would end the reading.
    status = STATUS | {"connector": Map(str)}
    config = c.config(name=name)
    c.call("POST", "/connectors", 201, body={"name": name, "config": config}, pattern=INFO, **{"Content_Type": JSON})
    wait_until("the connector can be read", 120, lambda: c.send("GET", "/connectors/{name}", None, {})[0] == 200, 0.5)
    found = c.call("GET", "/connectors/{name}", 200, pattern=INFO)
    # A plan is empty only if what is read is what was written.
    if found["config"] != config:
        raise Failed(f"{name}: the configuration reads {found['config']} instead of {config}")
    # Numbers in a configuration come as such and are to be read as texts.
    changed = c.config(name=name, **{"tasks.max": 2})
    c.call("PUT", "/connectors/{name}/config", 200, body=changed, pattern=INFO, **{"Content_Type": JSON})
    wait_until("the change can be read", 120, lambda: c.send("GET", "/connectors/{name}/config", None, {})[1] == {**changed, "tasks.max": "2"}, 0.5)
    c.await_status("RUNNING", 2)
    c.call("GET", "/connectors/{name}/status", 200, pattern=status)
    c.call("GET", "/connectors/{name}/tasks", 200, pattern=[{"id": TASK_ID, "config": dict}])
    c.call("GET", "/connectors/{name}/tasks/0/status", 200, pattern={"id": int, "state": str, "worker_id": str})
    c.pause_and_resume(2)
    c.call("POST", "/connectors/{name}/restart", 204)
    c.await_status("RUNNING", 2)
    c.call("DELETE", "/connectors/{name}", 204)
    wait_until("the connector is gone", 120, lambda: c.send("GET", "/connectors/{name}", None, {})[0] == 404, 0.5)
    return c.calls


def console(urls: list[str], name: str, file: str) -> int:
    """Redpanda Console: it shows clusters and connectors, and a form that it builds from validations as somebody types."""
    c = Caller(urls, name, file, {"User-Agent": "Redpanda Console", **ACCEPT, **CONTENT}, is_rebalancing)
    c.call("GET", "/", 200, pattern=ROOT)
    c.call("GET", "/connector-plugins", 200, pattern=[{"class": str, "type": str, "version": str}])
    long_name = "org.apache.kafka.connect.file.FileStreamSinkConnector"
    # The form begins with nothing but the class, and goes on with each key.
    pattern = {"name": str, "error_count": int, "groups": [str], "configs": [{"definition": Maybe(DEFINITION), "value": VALUE}]}
    for typed in ({}, {"name": ""}, {"name": name, "topics": "t"}, c.config(name=name)):
        c.call("PUT", f"/connector-plugins/{long_name}/config/validate", 200, body={**typed, "connector.class": long_name}, pattern=pattern)
    c.call("POST", "/connectors", 201, body={"name": name, "config": c.config(**{"tasks.max": 1, "errors.log.enable": False})}, pattern=INFO)
    c.await_status("RUNNING", 1)
    c.call("GET", "/connectors?expand=info&expand=status", 200, pattern=Map({"info": INFO, "status": STATUS}))
    c.call("GET", "/connectors", 200, pattern=[str])
    c.call("GET", "/connectors/{name}", 200, pattern=INFO)
    c.call("GET", "/connectors/{name}/config", 200, pattern=Map(str))
    c.call("GET", "/connectors/{name}/status", 200, pattern=STATUS)
    c.call("GET", "/connectors/{name}/topics", 200, pattern=Map({"topics": [str]}))
    c.call("PUT", "/connectors/{name}/topics/reset", 202)
    c.call("PUT", "/connectors/{name}/config", 200, body=c.config(**{"tasks.max": "2"}), pattern=INFO)
    c.await_status("RUNNING", 2)
    c.call("POST", "/connectors/{name}/restart?includeTasks=true&onlyFailed=false", 202, pattern=STATUS)
    c.await_status("RUNNING", 2)
    c.call("POST", "/connectors/{name}/tasks/0/restart", 204)
    c.await_status("RUNNING", 2)
    c.pause_and_resume(2)
    c.call("PUT", "/connectors/{name}/stop", 204)
    c.await_status("STOPPED", 0)
    c.call("DELETE", "/connectors/{name}", 204)
    c.call("GET", "/connectors/{name}", 404, pattern={"error_code": lambda code: code != 0, "message": str})
    return c.calls


def kafka_ui(urls: list[str], name: str, file: str) -> int:
    """Kafka UI: a generated client that reads states into an enumeration, and asks again at 409."""
    states = {"RUNNING", "FAILED", "PAUSED", "UNASSIGNED", "RESTARTING", "STOPPED"}
    state = lambda text: text in states  # noqa: E731
    c = Caller(urls, name, file, {"User-Agent": "ReactorNetty/1.1", **ACCEPT, **CONTENT}, is_rebalancing)
    task = {"id": int, "state": state, "worker_id": str, "trace": Maybe(str)}
    status = {"name": str, "connector": {"state": state, "worker_id": str, "trace": Maybe(str)}, "tasks": [task]}
    info = INFO | {"type": lambda text: text in ("source", "sink")}
    kinds = {"BOOLEAN", "CLASS", "DOUBLE", "INT", "LIST", "LONG", "PASSWORD", "SHORT", "STRING"}
    definition = DEFINITION | {"type": lambda text: text in kinds, "importance": lambda text: text in ("LOW", "MEDIUM", "HIGH"),
                               "width": lambda text: text in ("SHORT", "MEDIUM", "LONG", "NONE")}  # fmt: skip
    c.call("GET", "/connectors?search=", 200, pattern=[str])
    c.call("GET", "/connector-plugins", 200, pattern=[{"class": str}])
    c.call("PUT", "/connector-plugins/FileStreamSinkConnector/config/validate", 200, body=c.config(name=name),
           pattern=VALIDATION | {"configs": [{"definition": definition, "value": VALUE}]})  # fmt: skip
    c.call("POST", "/connectors", 201, body={"name": name, "config": c.config()}, pattern=info)
    c.await_status("RUNNING", 1)
    c.call("POST", "/connectors", 409, body={"name": name, "config": c.config()}, pattern={"message": str})
    for path, pattern in (("", info), ("/config", Map(str)), ("/status", status), ("/topics", Map({"topics": [str]})), ("/tasks/0/status", task)):
        c.call("GET", f"/connectors/{{name}}{path}", 200, pattern=pattern)
    c.call("GET", "/connectors/{name}/tasks", 200, pattern=[{"id": TASK_ID, "config": dict}])
    c.call("PUT", "/connectors/{name}/config", 200, body=c.config(**{"tasks.max": "2"}), pattern=info)
    c.await_status("RUNNING", 2)
    for query in ("", "?includeTasks=false&onlyFailed=false", "?includeTasks=true&onlyFailed=false", "?includeTasks=true&onlyFailed=true"):
        c.call("POST", f"/connectors/{{name}}/restart{query}", 200, 202, 204)
        c.await_status("RUNNING", 2)
    c.call("POST", "/connectors/{name}/tasks/0/restart", 204)
    c.await_status("RUNNING", 2)
    c.pause_and_resume(2)
    c.call("DELETE", "/connectors/{name}", 204)
    return c.calls


def strimzi(urls: list[str], name: str, file: str) -> int:
    """Strimzi's operator: it brings a connector to what a resource says, and sets all loggers it finds."""
    c = Caller(urls, name, file, ACCEPT, lambda status, body: status == 409)
    c.call("GET", "/connector-plugins", 200, pattern=[{"class": str, "type": str, "version": Maybe(str)}])
    c.call("GET", "/connectors", 200, pattern=[str])
    c.call("GET", "/connectors/{name}/config", 404, pattern={"message": str})
    c.call("PUT", "/connectors/{name}/config", 201, body=c.config(**{"tasks.max": 1}), pattern=INFO, **{"Content_Type": JSON})
    # The status may be missing for a moment (404), which is waited out.
    c.await_status("RUNNING", 1)
    c.call("GET", "/connectors/{name}/status", 200, pattern={"connector": {"state": str, "worker_id": str}, "tasks": [{"id": int, "state": str}]})
    found = c.call("GET", "/connectors/{name}/config", 200, pattern=Map(str))
    if found != c.config(name=name):
        raise Failed(f"{name}: the operator would write the configuration again and again: {found}")
    c.call("GET", "/connectors/{name}/topics", 200, pattern=Map(Map([str])))
    c.call("PUT", "/connectors/{name}/config", 200, body=c.config(**{"tasks.max": 2}), pattern=INFO, **{"Content_Type": JSON})
    c.await_status("RUNNING", 2)
    # An inner map with other keys than these two fails the reconciliation.
    only = lambda inner: {"level", "last_modified"} >= inner.keys() and isinstance(inner["level"], str)  # noqa: E731
    loggers = c.call("GET", "/admin/loggers/", 200, pattern=Map(only))
    for logger in ["root", *sorted(name for name in loggers if name != "root")[:4]]:
        c.call("PUT", f"/admin/loggers/{logger}?scope=cluster", 200, 204, body={"level": "INFO"}, **{"Content_Type": JSON})
    c.pause_and_resume(2)
    c.call("POST", "/connectors/{name}/restart?includeTasks=true&onlyFailed=true", 202, pattern=STATUS)
    c.await_status("RUNNING", 2)
    c.call("POST", "/connectors/{name}/tasks/0/restart", 204)
    c.await_status("RUNNING", 2)
    c.call("PUT", "/connectors/{name}/stop", 204)
    c.await_status("STOPPED", 0)
    c.call("GET", "/connectors/{name}/offsets", 200, pattern={"offsets": list})
    c.call("PATCH", "/connectors/{name}/offsets", 200, **{"Content_Type": JSON}, pattern={"message": str},
           body={"offsets": [{"partition": {"kafka_topic": "t", "kafka_partition": 0}, "offset": {"kafka_offset": 0}}]})  # fmt: skip
    c.call("DELETE", "/connectors/{name}/offsets", 200, pattern={"message": str})
    c.call("DELETE", "/connectors/{name}", 204, **{"Content_Type": JSON})
    wait_until("the status is gone", 60, lambda: c.send("GET", "/connectors/{name}/status", None, {})[0] == 404, 0.2)
    return c.calls


CLIENTS: dict[str, Callable[[list[str], str, str], int]] = {
    "kcctl": kcctl,
    "terraform": terraform,
    "redpanda-console": console,
    "kafka-ui": kafka_ui,
    "strimzi": strimzi,
}

"""Chapters of scenario rest beyond the recordings, in the form of their steps: a request or a deed each.

`until` is a pattern of status and body that a step is repeated for; the other words are those of the recordings' README.
"""

import base64
import json
import random
import ssl
import subprocess
from pathlib import Path
from urllib.parse import quote

from .differential import mongo_plugin
from .services import ROOT, Options, s3_plugin
from .sides import Setup

RECORDINGS = ROOT / "crates" / "golden" / "data" / "connect"

TEXT = "org.apache.kafka.connect.storage.StringConverter"
JSON_TYPE = {"Content-Type": "application/json"}
RUNNING = {"state": "RUNNING"}
PASSWORD = "changeit"
BASIC_AUTH = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension"


def sink(name: str = "s", **more) -> dict:
    return {"connector.class": "FileStreamSink", "tasks.max": "1", "topics": "t", "file": f"{{{{DIR}}}}/{name}.txt",
            "key.converter": TEXT, "value.converter": TEXT, **more}  # fmt: skip


def source(name: str = "f", **more) -> dict:
    return {"connector.class": "FileStreamSource", "tasks.max": "1", "topic": f"{name}-lines", "file": f"{{{{DIR}}}}/{name}.in",
            "key.converter": TEXT, "value.converter": TEXT, **more}  # fmt: skip


def ask(name: str, method: str, path: str, body=None, **more) -> dict:
    """A step; its headers, port, worker and text go into the request."""
    request = {"method": method, "path": path}
    if body is not None:
        request |= {"body": body, "headers": dict(JSON_TYPE)}
    for key in ("headers", "port", "worker", "text", "tls"):
        if key in more:
            request[key] = {**request.get("headers", {}), **more.pop(key)} if key == "headers" else more.pop(key)
    return {"name": name, "request": request, **more}


def get(name: str, path: str, **more) -> dict:
    return ask(name, "GET", path, **more)


def raw(name: str, text: str, **more) -> dict:
    return {"name": name, "request": {"raw": text.replace("\n", "\r\n"), **({"method": more.pop("method")} if "method" in more else {})}, **more}


def do(kind: str, **what) -> dict:
    return {"name": kind, "do": {kind: what}}


def create(name: str, config: dict, **more) -> dict:
    worker = {"worker": more.pop("worker")} if "worker" in more else {}
    return ask(f"create-{name}", "POST", "/connectors", {"name": name, "config": config, **more}, **worker)


def until(name: str, connector: str, tasks: int, state: str = "RUNNING", **more) -> dict:
    body = {"connector": {"state": state}, "tasks": [{"state": state}] * tasks}
    return get(f"{name}-is-{state.lower()}", f"/connectors/{name}/status", until={"status": 200, "body": body}, **more)


def offsets(*rows: tuple[str, int, int | None]) -> dict:
    return {"offsets": [
        {"partition": {"kafka_topic": topic, "kafka_partition": partition}, "offset": None if offset is None else {"kafka_offset": offset}}
        for topic, partition, offset in rows
    ]}  # fmt: skip


def lists() -> list[dict]:
    """Everything that lists, in all its forms, over a sink, a source and one that does not start."""
    steps = [
        do("create_topic", topic="t", partitions=1),
        do("write_file", path="{{DIR}}/f.in", text="one\ntwo\n"),
        create("s", sink(**{"tasks.max": "2"})),
        create("f", source()),
        create("p", sink("p"), initial_state="PAUSED"),
        create("x", sink("x"), initial_state="STOPPED"),
        until("s", "s", 2),
        until("f", "f", 1),
        until("p", "p", 0, "PAUSED"),
        until("x", "x", 0, "STOPPED"),
        do("await_file", path="{{DIR}}/f.in", text="one\ntwo\n"),
    ]
    for query in ("", "?expand=info", "?expand=status", "?expand=status&expand=info", "?expand=info&expand=status", "?expand=bogus",
                  "?expand=bogus&expand=info", "?expand=", "?expand", "?expand=INFO", "?expand=info,status", "?other=1", "?expand=%69nfo"):  # fmt: skip
        steps.append(get(f"list{query}", f"/connectors{query}", match="set" if not query.startswith("?expand=i") else "exact"))
    for name in ("s", "f", "p", "x", "nope"):
        for path in ("", "/config", "/tasks", "/status", "/topics", "/offsets", "/tasks-config", "/tasks/0/status", "/tasks/9/status", "/tasks/x/status", "/nope"):
            # Which topics there are is known once a record has passed; offsets are there once they are committed.
            if (name, path) in (("s", "/topics"), ("f", "/topics"), ("f", "/offsets"), ("s", "/offsets")):
                continue
            steps.append(get(f"{name}{path}", f"/connectors/{name}{path}"))
    steps += [
        get("f-topics", "/connectors/f/topics", until={"status": 200, "body": {"f": {"topics": ["f-lines"]}}}),
        ask("f-topics-reset", "PUT", "/connectors/f/topics/reset"),
        get("f-topics-after", "/connectors/f/topics", until={"status": 200, "body": {"f": {"topics": []}}}),
        get("f-offsets", "/connectors/f/offsets", until={"status": 200, "body": {"offsets": [{"offset": {"position": 8}}]}}),
        ask("post-topics-reset", "POST", "/connectors/f/topics/reset"),
    ]
    for filtered in ("true", "false", "", "TRUE", "x"):
        steps.append(get(f"plugins-{filtered}", f"/connector-plugins?connectorsOnly={filtered}", match="set"))
    for name in ("FileStreamSink", "FileStreamSinkConnector", "org.apache.kafka.connect.file.FileStreamSourceConnector", "StringConverter",
                 "org.apache.kafka.connect.transforms.Cast$Value", "Cast$Value", "Cast", "RegexRouter", "TopicNameMatches", "JsonConverter",
                 "SimpleHeaderConverter", "org.apache.kafka.connect.storage.SimpleHeaderConverter", "Nope", "FileConfigProvider", "EnvVar", "Principal",
                 "AllConnectorClientConfigOverridePolicy", "AllowlistConnectorClientConfigOverridePolicy", "BasicAuthSecurityRestExtension",
                 "BasicAuthSecurity", "java.lang.String", "org.apache.kafka.connect.file.FileStreamSinkTask"):  # fmt: skip
        steps.append(get(f"keys-of-{name}", f"/connector-plugins/{name}/config"))
    return steps


def changes() -> list[dict]:
    """PUT and PATCH of a configuration, with what a client may get wrong."""
    put, patch = "/connectors/s/config", "/connectors/s/config"
    return [
        do("create_topic", topic="t", partitions=2),
        ask("put-new", "PUT", put, sink()),
        until("s", "s", 1),
        ask("put-same", "PUT", put, sink()),
        ask("put-more-tasks", "PUT", put, sink(**{"tasks.max": 3})),
        until("s", "s", 3),
        get("config-after-put", put),
        ask("put-other-name", "PUT", put, sink() | {"name": "other"}),
        ask("put-own-name", "PUT", put, sink() | {"name": "s"}),
        ask("put-numbers", "PUT", put, sink(**{"tasks.max": 1, "errors.log.enable": True, "offset.flush.timeout.ms": 1.5})),
        get("config-of-numbers", put),
        ask("put-null", "PUT", put, sink(other=None)),
        get("config-with-null", put),
        ask("put-wrong", "PUT", put, sink(**{"tasks.max": "0"})),
        ask("put-two-wrongs", "PUT", put, sink(**{"tasks.max": "x", "errors.tolerance": "some"})),
        ask("put-no-class", "PUT", put, {"topics": "t"}),
        ask("put-unknown-class", "PUT", put, {"connector.class": "Nope", "topics": "t"}),
        ask("put-empty", "PUT", put, {}),
        ask("put-list", "PUT", put, [1], match="error"),
        ask("put-nested", "PUT", put, sink(file={"a": 1}), match="error"),
        ask("put-text", "PUT", put, text="{", headers=JSON_TYPE, match="error"),
        ask("put-nothing", "PUT", put, text="", headers=JSON_TYPE, match="error"),
        ask("put-form", "PUT", put, text="a=b", headers={"Content-Type": "application/x-www-form-urlencoded"}),
        ask("patch", "PATCH", patch, {"tasks.max": "2"}),
        until("s", "s", 2),
        get("config-after-patch", put),
        ask("patch-away", "PATCH", patch, {"errors.log.enable": None}),
        ask("patch-more-away", "PATCH", patch, {"never.there": None, "one.more": "1"}),
        ask("patch-nothing", "PATCH", patch, {}),
        ask("patch-null", "PATCH", patch, text="null", headers=JSON_TYPE, match="error"),
        ask("patch-class", "PATCH", patch, {"connector.class": "FileStreamSource"}),
        ask("patch-class-away", "PATCH", patch, {"connector.class": None}),
        ask("patch-wrong", "PATCH", patch, {"tasks.max": "-1"}),
        ask("patch-name", "PATCH", patch, {"name": "other"}),
        ask("patch-unknown", "PATCH", "/connectors/nope/config", {"a": "b"}),
        ask("patch-merge-type", "PATCH", patch, text='{"one.more":"2"}', headers={"Content-Type": "application/merge-patch+json"}),
        get("s-at-last", "/connectors/s"),
        get("s-tasks-at-last", "/connectors/s/tasks"),
        ask("delete", "DELETE", "/connectors/s"),
        ask("delete-again", "DELETE", "/connectors/s"),
        get("gone", "/connectors/s/status", until={"status": 404}),
        create("s", sink()),
        ask("create-again", "POST", "/connectors", {"name": "s", "config": sink()}),
    ]


def sink_offsets() -> list[dict]:
    """GET, PATCH and DELETE of a sink's offsets."""
    path = "/connectors/s/offsets"

    def patch(name: str, body, **more) -> dict:
        return ask(f"patch-{name}", "PATCH", path, body, **more)

    bad = [
        ("nothing", {}), ("no-offsets", {"offsets": []}), ("null", {"offsets": None}), ("unknown-field", {"offsets": [], "zzz": 1}),
        ("no-partition", {"offsets": [{"offset": {"kafka_offset": 1}}]}),
        ("empty-partition", {"offsets": [{"partition": {}, "offset": {"kafka_offset": 1}}]}),
        ("no-topic", {"offsets": [{"partition": {"kafka_partition": 0}, "offset": {"kafka_offset": 1}}]}),
        ("no-number", {"offsets": [{"partition": {"kafka_topic": "t"}, "offset": {"kafka_offset": 1}}]}),
        ("text-number", {"offsets": [{"partition": {"kafka_topic": "t", "kafka_partition": "0"}, "offset": {"kafka_offset": "1"}}]}),
        ("odd-number", {"offsets": [{"partition": {"kafka_topic": "t", "kafka_partition": "x"}, "offset": {"kafka_offset": 1}}]}),
        ("odd-offset", {"offsets": [{"partition": {"kafka_topic": "t", "kafka_partition": 0}, "offset": {"kafka_offset": "x"}}]}),
        ("fraction", {"offsets": [{"partition": {"kafka_topic": "t", "kafka_partition": 0}, "offset": {"kafka_offset": 1.5}}]}),
        ("negative", offsets(("t", 0, -1))), ("negative-partition", offsets(("t", -1, 0))),
        ("empty-offset", {"offsets": [{"partition": {"kafka_topic": "t", "kafka_partition": 0}, "offset": {}}]}),
        ("other-key", {"offsets": [{"partition": {"kafka_topic": "t", "kafka_partition": 0}, "offset": {"position": 1}}]}),
        ("more-keys", {"offsets": [{"partition": {"kafka_topic": "t", "kafka_partition": 0, "x": 1}, "offset": {"kafka_offset": 1}}]}),
        ("twice", offsets(("t", 0, 1), ("t", 0, 2))),
    ]  # fmt: skip
    steps = [
        do("create_topic", topic="t", partitions=1),
        do("create_topic", topic="u", partitions=1),
        do("produce", topic="t", values=["one", "two", "three"], partition=0),
        create("s", sink()),
        until("s", "s", 1),
        do("await_file", path="{{DIR}}/s.txt", text="one\ntwo\nthree\n"),
        get("committed", path, match="set-offsets", until={"status": 200, "body": {"offsets": [{"offset": {"kafka_offset": 3}}]}}),
        patch("while-running", offsets(("t", 0, 1))),
        ask("delete-while-running", "DELETE", path),
        ask("pause", "PUT", "/connectors/s/pause"),
        until("s", "s", 1, "PAUSED"),
        patch("while-paused", offsets(("t", 0, 1))),
        ask("stop", "PUT", "/connectors/s/stop"),
        until("s", "s", 0, "STOPPED"),
        get("while-stopped", path, match="set-offsets"),
        patch("one", offsets(("t", 0, 1)), until={"status": 200}),
        get("after-one", path, match="set-offsets"),
        patch("both", offsets(("t", 0, 2), ("u", 0, 0))),
        get("after-both", path, match="set-offsets"),
        patch("away", offsets(("u", 0, None))),
        get("after-away", path, match="set-offsets"),
        *(patch(name, body, **({"match": "error"} if name == "unknown-field" else {})) for name, body in bad),
        patch("text", None, text="{", headers=JSON_TYPE, match="error"),
        get("after-bad", path, match="set-offsets"),
        patch("unknown", offsets(("nope", 0, 1))),
        ask("patch-nobody", "PATCH", "/connectors/nope/offsets", offsets(("t", 0, 1))),
        ask("delete-nobody", "DELETE", "/connectors/nope/offsets"),
        get("get-nobody", "/connectors/nope/offsets"),
        ask("post", "POST", path, offsets(("t", 0, 1))),
        ask("put", "PUT", path, offsets(("t", 0, 1))),
        ask("resume", "PUT", "/connectors/s/resume"),
        until("s", "s", 1),
        get("read-again", path, match="set-offsets", until={"status": 200, "body": {"offsets": [{"offset": {"kafka_offset": 3}}]}}),
        ask("stop-again", "PUT", "/connectors/s/stop"),
        until("s", "s", 0, "STOPPED"),
        ask("delete", "DELETE", path, until={"status": 200}),
        get("after-delete", path),
        ask("delete-again", "DELETE", path),
    ]
    return steps


def source_offsets() -> list[dict]:
    path, partition = "/connectors/f/offsets", {"filename": "{{DIR}}/f.in"}

    def patch(name: str, body, **more) -> dict:
        return ask(f"patch-{name}", "PATCH", path, body, **more)

    def one(offset, of=None) -> dict:
        return {"offsets": [{"partition": of or partition, "offset": offset}]}

    return [
        do("write_file", path="{{DIR}}/f.in", text="one\ntwo\nthree\n"),
        create("f", source()),
        until("f", "f", 1),
        get("committed", path, until={"status": 200, "body": {"offsets": [{"offset": {"position": 14}}]}}),
        ask("stop", "PUT", "/connectors/f/stop"),
        until("f", "f", 0, "STOPPED"),
        patch("back", one({"position": 4}), until={"status": 200}),
        get("after-back", path),
        patch("text", one({"position": "4"})),
        patch("odd", one({"position": "x"})),
        patch("negative", one({"position": -1})),
        patch("other", one({"other": 1})),
        patch("elsewhere", one({"position": 1}, {"filename": "{{DIR}}/nope"})),
        patch("no-name", one({"position": 1}, {"other": "x"})),
        patch("empty", one({})),
        patch("both", {"offsets": [*one({"position": 4})["offsets"], *one({"position": 4})["offsets"]]}),
        patch("away", one(None)),
        get("after-away", path, match="set-offsets"),
        ask("delete", "DELETE", path, until={"status": 200}),
        get("after-delete", path),
        ask("resume", "PUT", "/connectors/f/resume"),
        until("f", "f", 1),
        get("read-again", path, until={"status": 200, "body": {"offsets": [{"offset": {"position": 14}}]}}),
    ]


def restarts() -> list[dict]:
    """Restarts in every form, of a connector whose tasks run and of one whose task has failed."""
    failing = source("g", **{"transforms": "r", "transforms.r.type": "org.apache.kafka.connect.transforms.ExtractField$Value", "transforms.r.field": "x"})
    steps = [
        do("create_topic", topic="t", partitions=2),
        do("write_file", path="{{DIR}}/g.in", text="one\n"),
        create("s", sink(**{"tasks.max": "2"})),
        create("g", failing),
        until("s", "s", 2),
        get("g-fails", "/connectors/g/status", until={"status": 200, "body": {"connector": RUNNING, "tasks": [{"state": "FAILED"}]}}),
        get("g-task-failed", "/connectors/g/tasks/0/status"),
    ]
    for query in ("", "?includeTasks=true", "?onlyFailed=true", "?includeTasks=true&onlyFailed=true", "?includeTasks=false&onlyFailed=false",
                  "?includeTasks=x", "?onlyFailed=TRUE", "?includeTasks=true&onlyFailed=false&forward=false"):  # fmt: skip
        steps += [
            # Which of the items have begun their restart when the answer is written is a race.
            ask(f"restart-s{query}", "POST", f"/connectors/s/restart{query}", match="status"),
            until("s", "s", 2),
            ask(f"restart-g{query}", "POST", f"/connectors/g/restart{query}", match="status"),
            get(f"g-fails-again{query}", "/connectors/g/status", until={"status": 200, "body": {"connector": RUNNING, "tasks": [{"state": "FAILED"}]}}),
        ]
    return steps + [
        ask("restart-nobody", "POST", "/connectors/nope/restart"),
        ask("restart-nobody-with-tasks", "POST", "/connectors/nope/restart?includeTasks=true"),
        ask("restart-task", "POST", "/connectors/s/tasks/0/restart"),
        ask("restart-task-failed", "POST", "/connectors/g/tasks/0/restart"),
        ask("restart-task-not-there", "POST", "/connectors/s/tasks/7/restart"),
        ask("restart-task-negative", "POST", "/connectors/s/tasks/-1/restart"),
        ask("restart-task-odd", "POST", "/connectors/s/tasks/x/restart"),
        ask("restart-task-of-nobody", "POST", "/connectors/nope/tasks/0/restart"),
        ask("restart-by-put", "PUT", "/connectors/s/restart"),
        ask("restart-by-get", "GET", "/connectors/s/restart"),
        until("s", "s", 2),
        ask("pause", "PUT", "/connectors/s/pause"),
        until("s", "s", 2, "PAUSED"),
        ask("restart-paused", "POST", "/connectors/s/restart?includeTasks=true", match="status"),
        until("s", "s", 2, "PAUSED"),
        ask("stop", "PUT", "/connectors/s/stop"),
        until("s", "s", 0, "STOPPED"),
        ask("restart-stopped", "POST", "/connectors/s/restart?includeTasks=true", match="status"),
        ask("restart-task-stopped", "POST", "/connectors/s/tasks/0/restart"),
        until("s", "s", 0, "STOPPED"),
        ask("pause-stopped", "PUT", "/connectors/s/pause"),
        get("s-paused-from-stopped", "/connectors/s/status", until={"status": 200, "body": {"connector": {"state": "PAUSED"}}}),
        ask("resume", "PUT", "/connectors/s/resume"),
        until("s", "s", 2),
        ask("put-fewer-tasks", "PUT", "/connectors/s/config", sink()),
        until("s", "s", 1),
        ask("restart-task-fewer", "POST", "/connectors/s/tasks/1/restart"),
    ]


def loggers() -> list[dict]:
    """Levels of loggers, for one worker and for the cluster."""
    path = "/admin/loggers"

    def put(name: str, query: str, level, **more) -> dict:
        return ask(f"put-{name}{query}-{level}", "PUT", f"{path}/{name}{query}", {"level": level}, **more)

    steps = [get("root", f"{path}/root"), get("unknown", f"{path}/no.such.logger"), get("list-has-root", path, keep=["root"])]
    for level in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "OFF", "ALL", "info", "Warn", "", " ", " INFO ", "VERBOSE", None, 7):
        steps += [put("a.b", "", level), get(f"a.b-after-{level}", f"{path}/a.b")]
    for query in ("?scope=worker", "?scope=cluster", "?scope=WORKER", "?scope=nope", "?scope=", "?scope=cluster&scope=worker"):
        steps += [put("a.b.c", query, "ERROR"), put("root", query, "INFO")]
    steps += [
        get("a.b.c-after", f"{path}/a.b.c", until={"status": 200, "body": {"level": "INFO"}}),
        get("root-after", f"{path}/root", until={"status": 200, "body": {"level": "INFO"}}),
        put("a", "", "DEBUG", match="set"),
        put("nope", "?scope=cluster", "loud"),
        ask("no-level", "PUT", f"{path}/a.b", {}),
        ask("more-fields", "PUT", f"{path}/a.b", {"level": "INFO", "other": 1}),
        ask("list-for-body", "PUT", f"{path}/a.b", ["INFO"], match="error"),
        ask("no-body", "PUT", f"{path}/a.b", text="", headers=JSON_TYPE, match="error"),
        ask("delete", "DELETE", f"{path}/a.b"),
        ask("put-list", "PUT", path, {"level": "INFO"}),
        get("slash", f"{path}/", keep=["root"]),
        get("escaped", f"{path}/a%20b"),
        put("a%20b", "", "INFO"),
    ]
    return steps


def cors() -> list[dict]:
    """Requests of browsers: plain ones, preflights, with an origin that is let in and one that is not."""
    steps = []
    for origin in ("http://a.com", "http://b.com", "http://c.com", "https://a.com", "http://A.com", "null", "http://a.com http://b.com", "http://c.com http://a.com",
                   "http://c.com http://d.com", "http://aXcom", "https://x.example.com", "https://example.com", ""):  # fmt: skip
        steps += [
            get(f"get-{origin}", "/connectors", headers={"Origin": origin}),
            get(f"unknown-{origin}", "/connectors/nope", headers={"Origin": origin}),
            ask(f"plain-options-{origin}", "OPTIONS", "/connectors", headers={"Origin": origin}),
        ]
        for method in ("GET", "POST", "DELETE", "PUT", "PATCH", "nope"):
            headers = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "content-type, x-other"}
            steps.append(ask(f"preflight-{origin}-{method}", "OPTIONS", "/connectors/s/config", headers=headers))
    return steps + [
        ask("post-with-origin", "POST", "/connectors", {"name": "s", "config": {}}, headers={"Origin": "http://a.com"}),
        ask("preflight-without-origin", "OPTIONS", "/connectors", headers={"Access-Control-Request-Method": "GET"}),
        get("not-a-path", "/nope", headers={"Origin": "http://a.com"}),
        get("bad-path", "//connectors", headers={"Origin": "http://a.com"}),
    ]


def wire() -> list[dict]:
    """Requests as odd clients and scripts write them."""
    body = '{"name":"w","config":{"connector.class":"FileStreamSink","topics":"t","file":"{{DIR}}/w.txt"}}'
    head = "Host: {{HOST}}\nConnection: close\n"
    # The length of the body depends on the folder: the chunk is written in two of known length, the folder's is asked for by "chunk".
    return [
        raw("http-1.0", "GET /connectors HTTP/1.0\n\n"),
        raw("http-1.0-host", "GET /connectors HTTP/1.0\nHost: {{HOST}}\n\n"),
        raw("no-host", "GET /connectors HTTP/1.1\nConnection: close\n\n"),
        raw("empty-host", "GET /connectors HTTP/1.1\nHost:\nConnection: close\n\n"),
        raw("two-hosts", f"GET /connectors HTTP/1.1\nHost: a\n{head}\n"),
        raw("absolute", f"GET http://{{{{HOST}}}}/connectors HTTP/1.1\n{head}\n"),
        raw("no-version", "GET /connectors\n\n"),
        raw("odd-version", f"GET /connectors HTTP/3.7\n{head}\n"),
        raw("lower-case", f"get /connectors HTTP/1.1\n{head}\n"),
        raw("unknown-method", f"BREW /connectors HTTP/1.1\n{head}\n"),
        raw("trace", f"TRACE /connectors HTTP/1.1\n{head}\n"),
        raw("connect", f"CONNECT {{{{HOST}}}} HTTP/1.1\n{head}\n"),
        raw("star", f"OPTIONS * HTTP/1.1\n{head}\n"),
        raw("fragment", f"GET /connectors#x HTTP/1.1\n{head}\n"),
        raw("question-mark", f"GET /connectors? HTTP/1.1\n{head}\n"),
        raw("dots", f"GET /connectors/../connectors HTTP/1.1\n{head}\n"),
        raw("dot", f"GET /./connectors HTTP/1.1\n{head}\n"),
        raw("above-root", f"GET /../connectors HTTP/1.1\n{head}\n"),
        raw("no-slash", f"GET connectors HTTP/1.1\n{head}\n"),
        raw("semicolon", f"GET /connectors;a=b HTTP/1.1\n{head}\n"),
        raw("bad-escape", f"GET /connectors/%zz HTTP/1.1\n{head}\n"),
        raw("bad-escape-query", f"GET /connectors?expand=%zz HTTP/1.1\n{head}\n"),
        raw("plus", f"GET /connectors/a+b HTTP/1.1\n{head}\n"),
        raw("blank-name", f"GET /connectors/%20 HTTP/1.1\n{head}\n"),
        raw("umlaut", f"GET /connectors/%C3%A4 HTTP/1.1\n{head}\n"),
        raw("accept-gzip", f"GET /connectors HTTP/1.1\n{head}Accept-Encoding: gzip, br\n\n"),
        raw("accept-many", f"GET /connectors HTTP/1.1\n{head}Accept: text/html, */*;q=0.1\n\n"),
        raw("accept-none", f"GET /connectors HTTP/1.1\n{head}Accept: application/json;q=0\n\n"),
        raw("accept-vendor", f"GET /connectors HTTP/1.1\n{head}Accept: application/vnd.kafka.v2+json\n\n"),
        raw("accept-charset", f"GET /connectors HTTP/1.1\n{head}Accept: application/json; charset=utf-8\n\n"),
        raw("range", f"GET /connectors HTTP/1.1\n{head}Range: bytes=0-1\n\n"),
        raw("if-none-match", f"GET /connectors HTTP/1.1\n{head}If-None-Match: *\n\n"),
        raw("chunked", f"POST /connectors HTTP/1.1\n{head}Content-Type: application/json\nTransfer-Encoding: chunked\n\n5\n{{\"a\":\n2\n1}}\n0\n\n", match="error"),
        raw("bad-chunk", f"POST /connectors HTTP/1.1\n{head}Content-Type: application/json\nTransfer-Encoding: chunked\n\nzz\n{{}}\n0\n\n", match="status"),
        raw("expect-continue", f"POST /connectors HTTP/1.1\n{head}Content-Type: application/json\nExpect: 100-continue\nContent-Length: 2\n\n{{}}", match="error"),
        raw("bad-length", f"POST /connectors HTTP/1.1\n{head}Content-Type: application/json\nContent-Length: x\n\n{{}}"),
        raw("two-lengths", f"POST /connectors HTTP/1.1\n{head}Content-Type: application/json\nContent-Length: 2\nContent-Length: 3\n\n{{}}"),
        raw("no-length", f"POST /connectors HTTP/1.1\n{head}Content-Type: application/json\n\n", match="error"),
        raw("get-with-body", f"GET /connectors HTTP/1.1\n{head}Content-Length: 2\n\n{{}}"),
        raw("delete-with-body", f"DELETE /connectors/nope HTTP/1.1\n{head}Content-Type: application/json\nContent-Length: 2\n\n{{}}"),
        raw("folded-header", f"GET /connectors HTTP/1.1\n{head}X-A: b\n c\n\n"),
        raw("blank-in-header", f"GET /connectors HTTP/1.1\n{head}X A: b\n\n"),
        raw("head-not-there", f"HEAD /nope HTTP/1.1\n{head}\n", method="HEAD"),
        raw("upgrade", "GET /connectors HTTP/1.1\nHost: {{HOST}}\nConnection: Upgrade, close\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\n\n"),
        raw("body-of-utf-16", f"POST /connectors HTTP/1.1\n{head}Content-Type: application/json; charset=utf-16\nContent-Length: 2\n\n{{}}", match="error"),
        raw("long-name", f"GET /connectors/{'n' * 2000} HTTP/1.1\n{head}\n"),
        ask("long-header", "GET", "/connectors", headers={"X-Long": "h" * 9000}),
        ask("create-by-text", "POST", "/connectors", text=body, headers={"Content-Type": "application/json; charset=UTF-8"}),
        ask("create-twice-in-body", "POST", "/connectors", text='{"name":"a","name":"b","config":{}}', headers=JSON_TYPE),
        ask("create-with-comment", "POST", "/connectors", text="/* c */ {}", headers=JSON_TYPE, match="error"),
        ask("create-with-bom", "POST", "/connectors", text='\ufeff{"name":"b","config":{}}', headers=JSON_TYPE),
        ask("create-with-tail", "POST", "/connectors", text='{"name":"c","config":{}} x', headers=JSON_TYPE, match="error"),
        ask("create-single-quotes", "POST", "/connectors", text="{'name':'c'}", headers=JSON_TYPE, match="error"),
        ask("create-deep", "POST", "/connectors", text='{"name":"c","config":' + "[" * 1200 + "]" * 1200 + "}", headers=JSON_TYPE, match="error"),
        ask("create-big-number", "POST", "/connectors", {"name": "n", "config": {"connector.class": "FileStreamSink", "topics": "t", "tasks.max": 10**30}}),
        ask("create-float", "POST", "/connectors", {"name": "n", "config": {"connector.class": "FileStreamSink", "topics": "t", "tasks.max": 1.0}}),
    ]


NAMES = ["a b", "ä", "a;b", "a?b", "a#b", "a&b", "a+b", "a=b", "a:b", "a,b", "a@b", "a'b", "a$b", "a!b", "(a)", "[a]", "{a}", "a|b", "a^b", "a`b", "a~b",
         "a\"b", "a<b", "日本", "😀", "..", ".", "a.b", "-", "_", "A", "%41", "a%20b", "a/b", "a\\b", "a\tb", "a\nb", " a ", "n" * 249, "connectors"]  # fmt: skip


def names() -> list[dict]:
    """Connectors by every kind of name, as a client escapes it."""
    steps = []
    for name in NAMES:
        escaped = quote(name, safe="")
        steps += [
            ask(f"create-{name[:20]}", "POST", "/connectors", {"name": name, "config": sink("n")}, headers=JSON_TYPE),
            get(f"config-{name[:20]}", f"/connectors/{escaped}/config"),
            ask(f"put-{name[:20]}", "PUT", f"/connectors/{escaped}/config", sink("m")),
            ask(f"delete-{name[:20]}", "DELETE", f"/connectors/{escaped}"),
        ]
    return [*steps, get("left", "/connectors", match="set")]


def auth() -> list[dict]:
    def basic(text: str) -> dict:
        return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}

    steps = []
    for name, headers in (
        ("nobody", {}), ("alice", basic("alice:secret")), ("wrong", basic("alice:other")), ("stranger", basic("mallory:secret")),
        ("colon", basic("bob:a:b")), ("empty-password", basic("alice:")), ("no-colon", basic("alice")), ("bearer", {"Authorization": "Bearer x"}),
        ("lower-case", {"Authorization": basic("alice:secret")["Authorization"].replace("Basic", "basic")}),
        ("no-base64", {"Authorization": "Basic !!"}), ("only-word", {"Authorization": "Basic"}), ("blank", {"Authorization": ""}),
        ("umlaut", basic("jörg:geheim")), ("two-blanks", {"Authorization": basic("alice:secret")["Authorization"].replace(" ", "  ")}),
    ):  # fmt: skip
        steps += [get(f"{path}-{name}", path, headers=headers) for path in ("/", "/connectors", "/health", "/nope", "/admin/loggers/root")]
        steps += [
            ask(f"post-{name}", "POST", "/connectors", {"name": "s", "config": {}}, headers=headers),
            ask(f"tasks-{name}", "POST", "/connectors/s/tasks", [], headers=headers),
            ask(f"fence-{name}", "PUT", "/connectors/s/fence", headers=headers),
            ask(f"options-{name}", "OPTIONS", "/connectors", headers=headers),
            ask(f"put-nowhere-{name}", "PUT", "/connectors", {}, headers=headers),
        ]
    return steps


def follower(signs: bool = True) -> list[dict]:
    """Everything asked of the worker that does not lead. Where nothing is signed anybody may set a connector's tasks, in Java for good."""
    both = [{"worker": 1}, {"worker": 2}]
    steps = [
        do("create_topic", topic="t", partitions=2),
        do("produce", topic="t", values=["one", "two"], partition=0),
        create("s", sink(**{"tasks.max": "2"}), worker=2),
        # Which worker runs what is the leader's choice; that there are as many is not.
        get("s-runs", "/connectors/s/status", worker=2, until={"status": 200, "body": {"connector": RUNNING, "tasks": [RUNNING, RUNNING]}}),
        ask("create-again", "POST", "/connectors", {"name": "s", "config": sink()}, worker=2),
        ask("create-wrong", "POST", "/connectors", {"name": "w", "config": sink(**{"tasks.max": "0"})}, worker=2),
        ask("create-no-forward", "POST", "/connectors?forward=false", {"name": "w", "config": sink("w")}, worker=2, may_be_busy=True),
        ask("put", "PUT", "/connectors/s/config", sink(**{"tasks.max": "3"}), worker=2),
        get("s-runs-3", "/connectors/s/status", worker=2, match="status", until={"status": 200, "body": {"tasks": [RUNNING] * 3}}),
        ask("put-new", "PUT", "/connectors/n/config", sink("n"), worker=2),
        get("n-runs", "/connectors/n/status", worker=2, match="status", until={"status": 200, "body": {"connector": RUNNING, "tasks": [RUNNING]}}),
        ask("patch", "PATCH", "/connectors/s/config", {"tasks.max": "2", "other": None}, worker=2),
        get("s-runs-2", "/connectors/s/status", worker=2, match="status", until={"status": 200, "body": {"connector": RUNNING, "tasks": [RUNNING] * 2}}),
        ask("patch-wrong", "PATCH", "/connectors/s/config", {"tasks.max": "0"}, worker=2),
        ask("patch-unknown", "PATCH", "/connectors/nope/config", {"a": "b"}, worker=2),
        ask("delete-unknown", "DELETE", "/connectors/nope", worker=2),
        ask("restart-unknown", "POST", "/connectors/nope/restart", worker=2),
        ask("restart-unknown-with-tasks", "POST", "/connectors/nope/restart?includeTasks=true", worker=2),
        ask("stop-unknown", "PUT", "/connectors/nope/stop", worker=2),
        ask("offsets-unknown", "PATCH", "/connectors/nope/offsets", offsets(("t", 0, 1)), worker=2),
    ]
    for number in (1, 2):
        where = {"worker": number}
        for query in ("", "?includeTasks=true", "?includeTasks=true&onlyFailed=true"):
            steps += [
                ask(f"restart-{number}{query}", "POST", f"/connectors/s/restart{query}", match="status", **where),
                get(f"s-runs-after-{number}{query}", "/connectors/s/status", match="status", until={"status": 200, "body": {"connector": RUNNING, "tasks": [RUNNING] * 2}}, **where),
            ]
        for task in (0, 1):
            steps.append(ask(f"restart-{task}-by-{number}", "POST", f"/connectors/s/tasks/{task}/restart", **where))
        steps.append(ask(f"restart-7-by-{number}", "POST", "/connectors/s/tasks/7/restart", **where))
        steps += [get(f"{number}{path}", path, **where) for path in ("/connectors/s", "/connectors/s/config", "/connectors/s/tasks", "/connectors/n", "/health", "/")]
        steps.append(get(f"list-{number}", "/connectors", match="set", **where))
    for where in both:
        number = where["worker"]
        steps += [
            ask(f"logger-{number}", "PUT", f"/admin/loggers/by{number}?scope=cluster", {"level": "WARN"}, **where),
            *(get(f"logger-{number}-on-{other}", f"/admin/loggers/by{number}", worker=other, until={"status": 200, "body": {"level": "WARN", "last_modified": "{{MILLIS}}"}}) for other in (1, 2)),
            ask(f"unsigned-fence-{number}", "PUT", "/connectors/s/fence", **where),
        ]
        if not signs:
            continue
        steps += [
            ask(f"unsigned-tasks-{number}", "POST", "/connectors/s/tasks", [], **where),
            ask(f"forged-tasks-{number}", "POST", "/connectors/s/tasks", [], headers={"X-Connect-Authorization": "AAAA", "X-Connect-Request-Signature-Algorithm": "HmacSHA256"}, **where),
        ]
    return steps + [
        ask("pause", "PUT", "/connectors/s/pause", worker=2),
        get("s-paused", "/connectors/s/status", match="status", until={"status": 200, "body": {"connector": {"state": "PAUSED"}, "tasks": [{"state": "PAUSED"}] * 2}}),
        ask("resume", "PUT", "/connectors/s/resume", worker=2),
        get("s-resumed", "/connectors/s/status", match="status", until={"status": 200, "body": {"connector": RUNNING, "tasks": [RUNNING] * 2}}),
        ask("stop", "PUT", "/connectors/s/stop", worker=2),
        get("s-stopped", "/connectors/s/status", match="status", until={"status": 200, "body": {"connector": {"state": "STOPPED"}, "tasks": []}}),
        ask("patch-offsets", "PATCH", "/connectors/s/offsets", offsets(("t", 0, 1)), worker=2, until={"status": 200}),
        get("offsets-2", "/connectors/s/offsets", worker=2, match="set-offsets"),
        get("offsets-1", "/connectors/s/offsets", worker=1, match="set-offsets"),
        ask("delete-offsets", "DELETE", "/connectors/s/offsets", worker=2),
        get("offsets-none", "/connectors/s/offsets", worker=2),
        ask("delete", "DELETE", "/connectors/s", worker=2),
        ask("delete-n", "DELETE", "/connectors/n", worker=1),
        get("none-left", "/connectors", worker=2, until={"status": 200, "body": []}),
    ]


# What is tried for each key: a validator's answer to what people write.
SPOILT = ["", " ", "x", "0", "-1", "1", "1.5", "99999999999999999999", "true", "a,b", "a,a", "java.lang.String", "(", "none", "ALL"]


def validations(kind: str, config: dict, keys: list[str], values: list[str]) -> list[dict]:
    """A validation for each key and each value, and one without the key."""
    path = f"/connector-plugins/{kind}/config/validate"
    steps = [ask("as-it-is", "PUT", path, config, match="configs"), ask("nothing", "PUT", path, {"connector.class": config["connector.class"]}, match="configs")]
    for key in keys:
        for value in values:
            steps.append(ask(f"{key}={value}", "PUT", path, {**config, key: value}, match="configs"))
        steps.append(ask(f"{key}-null", "PUT", path, {**config, key: None}, match="configs"))
        if key in config:
            steps.append(ask(f"{key}-missing", "PUT", path, {name: each for name, each in config.items() if name != key}, match="configs"))
    return steps


def recorded_keys() -> list[str]:
    """The keys of FileStreamSink with those of the framework, from the recorded answer."""
    file = RECORDINGS / "22-validate-sink.jsonl"
    answers = (json.loads(line).get("response", {}).get("body", {}) for line in file.read_text().splitlines())
    body = next(body for body in answers if "configs" in body)
    return [each["value"]["name"] for each in body["configs"] if each["definition"]]


# The release of MongoDB's sink that ours is like, and what it has that the last one on Maven Central, 2.0.1, is without.
MONGODB = "3.0.1"
MONGODB_KEYS = ("csfle.enabled", "csfle.key.vault.namespace", "csfle.local.master.key", "csfle.schema.map", "csfle.bypass.query.analysis",
                "field.value.transformer", "field.value.transformer.fields", "change.data.capture.handler.remove.null.values")  # fmt: skip
MONGODB_GROUPS = ("Client-Side Field Level Encryption", "Field Value Transformation")


def mongodb_version(plugin: Path) -> str:
    """The release at hand, from the name of its archive."""
    jar = "mongo-kafka-connect-"
    return next(plugin.glob(f"**/{jar}*.jar")).stem.removeprefix(jar)


def defined_keys(sink_name: str) -> list[str]:
    """The keys of one of the sinks, from the definition of the original."""
    definition = json.loads((RECORDINGS.parent / sink_name / "configdef.json").read_text())
    return [each["name"] for each in definition["keys"]]


def certificates(folder: Path) -> dict[str, str]:
    """An authority, a server's store and a client's key, in both formats."""
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*arguments: str):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    for name in ("server", "client"):
        (folder / f"{name}.ext").write_text("subjectAltName=DNS:localhost\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "7", "-days", "9",
                "-extfile", f"{name}.ext", "-out", f"{name}.pem")  # fmt: skip
        openssl("pkcs12", "-export", "-in", f"{name}.pem", "-inkey", f"{name}.key", "-passout", f"pass:{PASSWORD}", "-out", f"{name}.p12")
        (folder / f"{name}-both.pem").write_text((folder / f"{name}.key").read_text() + (folder / f"{name}.pem").read_text())
    subprocess.run(["keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", "ca.pem", "-keystore", "ca.p12", "-storetype", "PKCS12",
                    "-storepass", PASSWORD], check=True, capture_output=True, cwd=folder)  # fmt: skip
    return {file.name: str(file) for file in folder.iterdir()}


def https(folder: Path) -> list[tuple[Setup, list[dict]]]:
    """HTTPS listeners by a PKCS#12 store, by PEM files (which Java's listeners do not read) and with client certificates."""
    files = certificates(folder)
    client = ssl.create_default_context(cafile=files["ca.pem"])
    known = ssl.create_default_context(cafile=files["ca.pem"])
    known.load_cert_chain(files["client-both.pem"])
    store = {
        "listeners": "https://localhost:{{PORT}}",
        "rest.advertised.host.name": "localhost",
        "listeners.https.ssl.keystore.location": files["server.p12"],
        "listeners.https.ssl.keystore.password": PASSWORD,
        "listeners.https.ssl.keystore.type": "PKCS12",
    }
    pem = {
        "listeners.https.ssl.keystore.location": files["server-both.pem"],
        "listeners.https.ssl.keystore.password": None,
        "listeners.https.ssl.keystore.type": "PEM",
    }
    mutual = {
        "listeners.https.ssl.client.auth": "required",
        "listeners.https.ssl.truststore.location": files["ca.p12"],
        "listeners.https.ssl.truststore.password": PASSWORD,
        "listeners.https.ssl.truststore.type": "PKCS12",
    }
    mutual_pem = {"listeners.https.ssl.truststore.location": files["ca.pem"], "listeners.https.ssl.truststore.password": None,
                  "listeners.https.ssl.truststore.type": "PEM"}  # fmt: skip
    steps = [
        get("root", "/"),
        do("create_topic", topic="t", partitions=1),
        create("s", sink()),
        get("s-runs", "/connectors/s/status", until={"status": 200, "body": {"connector": RUNNING, "tasks": [RUNNING]}}),
        get("list", "/connectors?expand=info"),
        get("plain-http", "/", tls=False),
        ask("delete", "DELETE", "/connectors/s"),
    ]
    forwarded = [
        create("s", sink(), worker=2),
        get("s-runs", "/connectors/s/status", match="status", until={"status": 200, "body": {"connector": RUNNING, "tasks": [RUNNING]}}),
        ask("put", "PUT", "/connectors/s/config", sink(**{"tasks.max": "2"}), worker=2),
        get("s-runs-2", "/connectors/s/status", match="status", until={"status": 200, "body": {"connector": RUNNING, "tasks": [RUNNING] * 2}}),
        ask("delete", "DELETE", "/connectors/s", worker=2),
    ]
    return [
        (Setup("https-pkcs12", config=store, tls=client), steps),
        (Setup("https-pem", config=store, ours=pem, tls=client), steps),
        (Setup("https-client-certificates", config=store | mutual, tls=known), steps),
        (Setup("https-client-certificates-pem", config=store | mutual, ours=pem | mutual_pem, tls=known), steps),
        (Setup("https-client-certificate-missing", config=store | {**mutual, "listeners.https.ssl.client.auth": "requested"}, tls=client), steps),
        (Setup("https-two-workers", workers=2, config=store | mutual, tls=known), forwarded),
    ]


def plugin_chapters(options: Options) -> list[tuple[Setup, list[dict]]]:
    """The keys of the S3 and the MongoDB sink, where Java has the originals."""
    rng = random.Random(f"{options.seed}/values")
    chapters = []
    s3, mongo = s3_plugin(), mongo_plugin()
    common = {"tasks.max": "1", "topics": "t", "name": "s"}
    if s3:
        config = {"connector.class": "io.confluent.connect.s3.S3SinkConnector", "s3.bucket.name": "bucket", "s3.region": "us-east-1", "flush.size": "3",
                  "storage.class": "io.confluent.connect.s3.storage.S3Storage", "format.class": "io.confluent.connect.s3.format.json.JsonFormat", **common}  # fmt: skip
        setup = Setup("keys-of-s3", plugins=s3, classes=("io.confluent.connect.*",), converters=("io.confluent.connect.avro.AvroConverter",))
        chapters.append((setup, validations("S3SinkConnector", config, defined_keys("s3"), rng.sample(SPOILT, 4))))
    if mongo:
        # A server that does not answer would cost a second a request, and hide what the sink says of those that do.
        config = {"connector.class": "com.mongodb.kafka.connect.MongoSinkConnector", "connection.uri": "{{MONGODB}}", "database": "d", **common}
        at_hand = mongodb_version(mongo)
        keys = defined_keys("mongodb")
        if at_hand.startswith("2."):
            keys = [key for key in keys if key not in MONGODB_KEYS]
            print(f"NOT COMPARED: {', '.join(MONGODB_KEYS)}, which MongoDB's sink {at_hand} is without", flush=True)
        setup = Setup("keys-of-mongodb", plugins=mongo, classes=("com.mongodb.*",), versions=(at_hand, MONGODB), newer_keys=MONGODB_KEYS,
                      newer_groups=MONGODB_GROUPS, documents=True)  # fmt: skip
        chapters.append((setup, validations("MongoSinkConnector", config, keys, rng.sample(SPOILT, 3))))
    if len(chapters) < 2:
        print(f"NOT COMPARED: keys of {'the S3 sink' if mongo else 'the MongoDB sink' if s3 else 'both sinks'}, for the original is not there", flush=True)
    return chapters


def chapters(options: Options) -> list[tuple[Setup, list[dict]]]:
    users = "{{DIR}}/users.properties"
    login = f'KafkaConnect {{\n  org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule required file="{users}";\n}};\n'
    known = Setup("basic-auth", config={"rest.extension.classes": BASIC_AUTH}, jaas="{{DIR}}/jaas",
                  files={"{{DIR}}/jaas": login, users: "alice=secret\nbob=a:b\n"})  # fmt: skip
    admin = {"admin.listeners": "http://127.0.0.1:{{ADMIN_PORT}}", "access.control.allow.origin": r"http://a.com,http://b.com,https://.*[.]example[.]com",
             "access.control.allow.methods": "GET,PUT,PATCH"}  # fmt: skip
    rules = {"response.http.headers.config": 'add Cache-Control: "no-store", set X-Test:two, add X-Test: three, setDate Expires: 1000'}
    more = {"key.converter.schemas.enable": "x", "transforms": "a", "transforms.a.type": "org.apache.kafka.connect.transforms.RegexRouter",
            "transforms.a.regex": "x", "transforms.a.replacement": "y", "predicates": "p",
            "predicates.p.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches", "predicates.p.pattern": "x"}  # fmt: skip
    extra = ["transforms.a.type", "transforms.a.regex", "transforms.a.predicate", "transforms.a.negate", "predicates.p.type", "predicates.p.pattern",
             "key.converter.schemas.enable", "consumer.override.max.poll.records", "consumer.override.group.id", "producer.override.acks",
             "admin.override.retries", "name", "connector.plugin.version"]  # fmt: skip
    return [
        (Setup("lists"), lists()),
        (Setup("changes"), changes()),
        (Setup("offsets-of-a-sink"), sink_offsets()),
        (Setup("offsets-of-a-source"), source_offsets()),
        (Setup("restarts"), restarts()),
        (Setup("levels"), loggers()),
        (Setup("cors", config=admin), cors() + [get("admin-list", "/admin/loggers/root", port="{{ADMIN_PORT}}", headers={"Origin": "http://a.com"})]),
        (Setup("any-origin", config={"access.control.allow.origin": "*"}), cors()),
        (Setup("no-admin", config={"admin.listeners": ""}), [get("root", "/admin/loggers/root"), get("all", "/admin/loggers")]),
        (Setup("response-headers", config=rules), [get("root", "/"), get("unknown", "/connectors/nope"), get("nowhere", "/nope"), get("bad", "//x")]),
        (Setup("wire"), wire()),
        (Setup("names"), names()),
        (known, auth()),
        (Setup("two-workers", workers=2), follower()),
        (Setup("two-workers-eager", workers=2, config={"connect.protocol": "eager"}), follower(signs=False)),
        (Setup("keys-of-a-sink"), validations("FileStreamSink", {**sink(), "name": "s", **more}, recorded_keys() + extra, SPOILT)),
        (Setup("keys-of-a-source"), validations("FileStreamSource", {**source(), "name": "f", **more},
         ["topic", "file", "batch.size", "topic.creation.groups", "exactly.once.support", "transaction.boundary", "transaction.boundary.interval.ms",
          "offsets.storage.topic", *extra], SPOILT)),
        *https(options.folder / "certificates"),
        *plugin_chapters(options),
    ]  # fmt: skip

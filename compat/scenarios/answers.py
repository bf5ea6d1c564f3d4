"""Answers of two workers without what is bound to differ, and what is left of the difference, in words."""

import json
import re
from dataclasses import dataclass
from typing import Any

from .exchange import Reply

# What no client of Connect reads, or what goes with the length and the time of an answer.
IGNORED_HEADERS = {"date", "server", "content-length", "connection", "transfer-encoding"}
LISTS = {"allow", "access-control-allow-methods"}
NOTHING = object()


@dataclass
class Answer:
    status: int
    headers: dict[str, Any]
    body: Any


def neutral_text(text: str) -> str:
    """Without stack frames, hashes of Java's objects and what else differs from run to run."""
    text = text.replace("{{FRAMES}}", "")
    text = re.sub(r"^\t.*\n?", "", text, flags=re.MULTILINE)
    text = re.sub(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "{{UUID}}", text)
    text = re.sub(r"@[0-9a-f]{6,8}\b", "@{{HASH}}", text)
    text = re.sub(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "{{INSTANT}}", text)
    # The values of an enumeration come from a hash set.
    text = re.sub(r"(?<=\(case insensitive\): )[A-Z0-9_, ]+", lambda found: ", ".join(sorted(found[0].split(", "))), text)
    return text.rstrip("\n")


def neutral(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: neutral(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [neutral(each) for each in value]
    if key == "last_modified" and value is not None:
        return "{{MILLIS}}"
    if key == "commit" and isinstance(value, str) and re.fullmatch("[0-9a-f]{16}", value):
        return "{{COMMIT}}"
    return neutral_text(value) if isinstance(value, str) else value


def is_page(headers: dict[str, Any]) -> bool:
    """The HTTP server's own error page, which is that server's."""
    return str(headers.get("content-type", "")).startswith("text/html")


def read_headers(pairs) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        name = name.lower()
        if name in IGNORED_HEADERS:
            continue
        if name in LISTS:
            value = sorted(item.strip() for item in value.split(","))
        found[name] = [*found[name], value] if name in found and name not in LISTS else value
    return found


def read(reply: Reply, placeholders: dict[str, str]) -> Answer:
    """An answer with a side's own names and places taken out; longer ones first, for one may begin like another."""

    def blank(text: str) -> str:
        for name, value in sorted(placeholders.items(), key=lambda pair: -len(pair[1])):
            text = text.replace(value, name)
        return text

    headers = read_headers((name, blank(value)) for name, value in reply.headers)
    text = blank(reply.body.decode(errors="replace"))
    return Answer(reply.status, headers, read_body(text, headers))


def read_body(text: str, headers: dict[str, Any]) -> Any:
    if is_page(headers):
        return "{{HTML}}" if text else ""
    try:
        return neutral(json.loads(text))
    except ValueError:
        # The methods in the body of an answer to OPTIONS come from a hash set, too.
        if "allow" in headers:
            text = ", ".join(sorted(text.split(", ")))
        return neutral_text(text)


def recorded(step: dict) -> Answer:
    """What a recording holds as an answer."""
    response = step["response"]
    headers = read_headers(response.get("headers", {}).items())
    body = neutral(response["body"]) if "body" in response else read_body(response.get("text", ""), headers)
    return Answer(response["status"], headers, body)


RECORDED_HEADERS = {"content-type", "location", "allow", "vary", "www-authenticate", "cache-control", "x-test"}


def is_recorded(name: str) -> bool:
    return name in RECORDED_HEADERS or name.startswith("access-control-")


def differences(step: dict, ours: Answer, java: Answer) -> list[str]:
    """What differs in an answer, by what the step asks to be compared; ours first."""
    kind = step.get("match", "exact")
    if ours.status != java.status:
        return [f"status {ours.status} instead of {java.status}: {shown(ours.body)} instead of {shown(java.body)}"]
    if kind == "status":
        return []
    found = []
    for name in sorted(ours.headers.keys() | java.headers.keys()):
        mine, theirs = ours.headers.get(name), java.headers.get(name)
        if mine != theirs:
            found.append(f"header {name} is {mine!r} instead of {theirs!r}")
    mine, theirs = ours.body, java.body
    if "keep" in step and isinstance(mine, dict) and isinstance(theirs, dict):
        mine, theirs = ({key: body[key] for key in step["keep"] if key in body} for body in (mine, theirs))
    if kind == "error":
        for who, body in ("ours", mine), ("Java's", theirs):
            if not isinstance(body, dict) or body.keys() != {"error_code", "message"} or not isinstance(body["message"], str | None):
                found.append(f"{who} is no error: {shown(body)}")
        if not found and mine["error_code"] != theirs["error_code"]:
            found.append(f"error_code {mine['error_code']} instead of {theirs['error_code']}")
        return found
    if kind == "set":
        mine, theirs = sort(mine), sort(theirs)
    elif kind.startswith("set-"):
        field = kind.removeprefix("set-")
        mine, theirs = ({**body, field: sort(body[field])} if isinstance(body, dict) and field in body else body for body in (mine, theirs))
    elif kind == "configs":
        mine, theirs = by_key(mine), by_key(theirs)
    walk("body", mine, theirs, found)
    return found


def sort(value: Any) -> Any:
    return sorted(value, key=lambda each: json.dumps(each, sort_keys=True)) if isinstance(value, list) else value


def by_key(body: Any) -> Any:
    """The answer of a validation, whose order within client and converter keys is a hash map's, by key and without prose."""
    if not isinstance(body, dict) or "configs" not in body:
        return body
    configs = {}
    for each in body["configs"]:
        definition = each["definition"] and {name: value for name, value in each["definition"].items() if name != "documentation"}
        configs[each["value"]["name"]] = {"definition": definition, "value": each["value"]}
    return {**body, "configs": configs}


def keys_with_errors(body: Any) -> list[str]:
    """Whose errors a validation tells; none if it is no answer of one, or counts others."""
    if not isinstance(body, dict) or "configs" not in body:
        return []
    wrong = [each["value"] for each in body["configs"] if each["value"]["errors"]]
    return [value["name"] for value in wrong] if sum(len(value["errors"]) for value in wrong) == body["error_count"] else []


def walk(at: str, ours: Any, java: Any, found: list[str]):
    if isinstance(ours, dict) and isinstance(java, dict):
        for key in [*java, *(key for key in ours if key not in java)]:
            walk(f"{at}.{key}", ours.get(key, NOTHING), java.get(key, NOTHING), found)
    elif isinstance(ours, list) and isinstance(java, list) and len(ours) == len(java):
        for index, (mine, theirs) in enumerate(zip(ours, java)):
            walk(f"{at}[{index}]", mine, theirs, found)
    elif isinstance(ours, list) and isinstance(java, list):
        lacking, more = [each for each in java if each not in ours], [each for each in ours if each not in java]
        found.append(f"{at} lacks {shown(lacking)} and has {shown(more)}" if lacking or more else f"{at} repeats itself: {shown(ours)} instead of {shown(java)}")
    # In Python True is 1 and 1.0 is 1; in JSON they are not.
    elif ours != java or type(ours) is not type(java):
        found.append(f"{at} is {shown(ours)} instead of {shown(java)}")


def shown(value: Any) -> str:
    if value is NOTHING:
        return "not there"
    text = json.dumps(value)
    return text if len(text) < 600 else f"{text[:600]}..."


def fits(pattern: Any, value: Any) -> bool:
    """Whether a value has all that a pattern names; a list has as many items."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(key in value and fits(each, value[key]) for key, each in pattern.items())
    if isinstance(pattern, list):
        return isinstance(value, list) and len(value) == len(pattern) and all(map(fits, pattern, value))
    return pattern == value

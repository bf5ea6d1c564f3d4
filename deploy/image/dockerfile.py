"""The last stage of a Dockerfile as the configuration that it makes. Only what ours says is known; anything else is an error."""

import json
import re
import shlex

from contract import SECOND


def config(text: str) -> dict:
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    instructions = [line.partition(" ")[::2] for line in lines if line.strip()]
    last = max(i for i, (word, _) in enumerate(instructions) if word == "FROM")
    base = instructions[last][1]
    if base != "scratch":
        raise ValueError(f"the last stage stands on {base}, whose configuration is not known")
    made: dict = {}
    for word, rest in instructions[last + 1 :]:
        match word:
            case "COPY":
                pass
            case "USER":
                made["User"] = rest
            case "WORKDIR":
                made["WorkingDir"] = rest
            case "STOPSIGNAL":
                made["StopSignal"] = rest
            case "ENV":
                made.setdefault("Env", []).append(rest)
            case "EXPOSE":
                made["ExposedPorts"] = {port: {} for port in rest.split()}
            case "VOLUME":
                made["Volumes"] = {path: {} for path in json.loads(rest)}
            case "ENTRYPOINT":
                made["Entrypoint"] = json.loads(rest)
            case "LABEL":
                name, value = shlex.split(rest)[0].split("=", 1)
                made.setdefault("Labels", {})[name] = value
            case "HEALTHCHECK":
                made["Healthcheck"] = healthcheck(rest)
            case _:
                raise ValueError(f"{word} {rest}: what this makes is not known")
    return made


def healthcheck(text: str) -> dict:
    flags, _, command = text.partition(" CMD ")
    given = dict(flag.removeprefix("--").split("=", 1) for flag in flags.split())

    def nanoseconds(flag: str) -> int:
        return int(given[flag].removesuffix("s")) * SECOND if flag in given else 0

    return {
        "Test": ["CMD", *json.loads(command)],
        "Interval": nanoseconds("interval"),
        "Timeout": nanoseconds("timeout"),
        "StartPeriod": nanoseconds("start-period"),
        "Retries": int(given.get("retries", 0)),
    }

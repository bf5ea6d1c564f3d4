"""Scenario charts: what is shown, charted and alerted on, read by other people's parsers.

`/metrics` of a worker whose connectors have odd names is read by Prometheus' own client library for Python, every expression of the
dashboards and alert rules in `deploy/` by a parser of PromQL, and the rules by a parser of YAML. Nothing but the binary is started.
"""

import http.client
import json
from pathlib import Path

from .services import ROOT, Failed, Millstream, Options

# What a JSON body may name a connector.
NAMES = ["plain", 'with "quotes"', "back\\slash", "{braces},=", "naïve ☃", "aggregate"]
VARIABLES = {"$__rate_interval": "5m", "$connector": ".*", "$instance": ".*"}


class Charted(Millstream):
    def settings(self) -> dict[str, str]:
        return {**super().settings(), "millstream.metrics.names": "both"}


def expressions(value):
    if isinstance(value, dict):
        for key, member in value.items():
            if key == "expr" and isinstance(member, str):
                yield member
            else:
                yield from expressions(member)
    elif isinstance(value, list):
        for member in value:
            yield from expressions(member)


def check_promql(where: Path, value) -> int:
    import promql_parser

    count = 0
    for expression in expressions(value):
        text = expression
        for variable, meant in VARIABLES.items():
            text = text.replace(variable, meant)
        try:
            promql_parser.parse(text)
        except ValueError as error:
            raise Failed(f"{where}: {expression}: {error}") from error
        count += 1
    return count


def scrape(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    if answer.status != 200:
        raise Failed(f"GET /metrics answered {answer.status}")
    return answer.read().decode()


def run(options: Options) -> None:
    import yaml
    from prometheus_client.parser import text_string_to_metric_families

    deploy = ROOT / "deploy"
    charted = sum(check_promql(file, json.loads(file.read_text())) for file in sorted((deploy / "grafana").glob("*.json")))
    rules = yaml.safe_load((deploy / "prometheus" / "alerts.yml").read_text())
    alerts = check_promql(deploy / "prometheus", rules)
    options.log(step="expressions parsed", dashboards=charted, alerts=alerts)
    # Nobody listens there: tasks are degraded, which is shown as well.
    worker = Charted("127.0.0.1:1", options.folder / "worker")
    worker.start()
    try:
        for name in NAMES:
            worker.create(name, {"connector.class": "FileStreamSource", "topic": "lines", "file": "/nowhere", "tasks.max": "1"})
        families = list(text_string_to_metric_families(scrape(worker.port)))
    finally:
        worker.stop()
    seen = {sample.labels.get("connector") for family in families for sample in family.samples}
    if missing := set(NAMES) - seen:
        raise Failed(f"not shown: {missing}")
    options.log(step="scraped", families=len(families), samples=sum(len(family.samples) for family in families))

"""Scenario tools: `topics`, `groups`, `consume` and `produce` beside Kafka's own scripts on one real cluster.

The workshop's lines are run word for word. Then each side is asked for the same state, and what they print must be equal: with the
scripts of 4.x to the byte, with older ones by their words (they print other columns' widths, no topic ids and no ELR).
"""

import contextlib
import os
import re
import subprocess

from .services import ROOT, SHORT_LIVED, TOOLS, Failed, Kafka, Options

TOPICS = ("kc_config", "kc_status", "kc_offset")
BINARY = os.environ.get("MILLSTREAM_BINARY", str(ROOT / "target" / "release" / "millstream"))


class Sides:
    """The same question to Kafka's script and to our command."""

    def __init__(self, kafka: Kafka, options: Options):
        self.kafka, self.log, self.version = kafka, options.log, options.kafka
        self.compared = 0

    def java(self, tool: str, *args: str, text: str = "") -> str:
        command = [str(TOOLS / "kafka"), tool, "--version", self.version, "--bootstrap-server", self.kafka.bootstrap, *args]
        environment = {**os.environ, "JAVA_TOOL_OPTIONS": SHORT_LIVED}
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, env=environment)
        # Scripts of 4.x tell of flags with new names where the output stands.
        lines = done.stdout.splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("Option --"))

    def ours(self, tool: str, *args: str, text: str = "", code: int = 0) -> str:
        command = [BINARY, tool, "--bootstrap-server", self.kafka.bootstrap, *args]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120)
        if done.returncode != code:
            raise Failed(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def same(self, java_tool: str, our_tool: str, *args: str):
        theirs, ours = self.java(java_tool, *args), self.ours(our_tool, *args)
        if args[0] == "--list":
            # Kafka's order is that of a hash table.
            theirs, ours = ("".join(sorted(text.splitlines(keepends=True))) for text in (theirs, ours))
        if not self.version.startswith("4."):
            theirs, ours = words(theirs), words(ours)
        if theirs != ours:
            raise Failed(f"{our_tool} {' '.join(args)}\nKafka's: {theirs!r}\nours:    {ours!r}")
        self.compared += 1


def words(text: str) -> list[list[str]]:
    """What older scripts print, too: without ids, ELR and the blanks between."""
    text = re.sub(r"\t(TopicId|Elr|LastKnownElr): ?\S*", "", text)
    text = re.sub(r"(Topic|PartitionCount|ReplicationFactor|Configs): ?", r"\1: ", text)
    lines = [line.split() for line in text.splitlines() if line.strip()]
    # 2.2 has no column for the group.
    return [line[1:] if line[0] in ("GROUP", "g") else line for line in lines]


def run(options: Options) -> None:
    with contextlib.ExitStack() as stack:
        kafka = Kafka(options.kafka, options.folder / "kafka", brokers=3, is_short_lived=True)
        stack.callback(kafka.stop)
        properties = options.folder / "client.properties"
        # The workshop's file has security.protocol=SSL; the cluster here speaks plain text.
        properties.write_text("security.protocol=PLAINTEXT\n")
        sides = Sides(kafka, options)
        for topic in TOPICS:
            line = ["--create", "--replication-factor", "3", "--partitions", "1", "--topic", topic, "--command-config", str(properties)]
            out = sides.ours("topics", *line)
            if not out.endswith(f"Created topic {topic}.\n"):
                raise Failed(f"topics {' '.join(line)} printed {out!r}")
        options.log(step="workshop", topics=sides.ours("topics", "--list").split())
        sides.ours("topics", "--connect-internal", code=1)
        repaired = sides.ours("topics", "--connect-internal", "--yes")
        if repaired.count("repaired") != 3:
            raise Failed(f"not repaired: {repaired}")
        sides.ours("topics", "--create", "--topic", "MyTopic", "--partitions", "3", "--replication-factor", "2", "--config", "retention.ms=86400000")
        sides.ours("topics", "--alter", "--topic", "MyTopic", "--partitions", "4")
        for args in (["--list", "--exclude-internal"], ["--describe", "--topic", "MyTopic"], ["--describe", "--topic", "kc_config"],
                     ["--describe", "--under-replicated-partitions"], ["--describe", "--unavailable-partitions"]):  # fmt: skip
            sides.same("topics", "topics", *args)
        lines = "".join(f"k{i % 7}:value {i}\n" for i in range(100))
        keyed = ["--property", "parse.key=true", "--property", "key.separator=:"]
        sides.ours("produce", "--topic", "MyTopic", *keyed, text=lines)
        shown = ["--from-beginning", "--max-messages", "100", "--property", "print.key=true", "--property", "key.separator=:"]
        theirs = sides.java("consumer", "--topic", "MyTopic", *shown, "--timeout-ms", "20000")
        ours = sides.ours("consume", "--topic", "MyTopic", "--group", "g", *shown)
        if not sorted(theirs.splitlines()) == sorted(ours.splitlines()) == sorted(lines.splitlines()):
            raise Failed(f"records differ: Kafka's {theirs!r}, ours {ours!r}")
        options.log(step="records", count=len(ours.splitlines()))
        sides.same("groups", "groups", "--list")
        for args in (["--describe", "--group", "g"], ["--describe", "--group", "g", "--state"]):
            sides.same("groups", "groups", *args)
        reset = ["--reset-offsets", "--group", "g", "--topic", "MyTopic:0"]
        for target in (["--to-earliest"], ["--to-offset", "1"], ["--shift-by", "-1"], ["--to-latest"]):
            sides.same("groups", "groups", *reset, *target, "--dry-run")
        sides.ours("groups", *reset, "--to-earliest", "--execute")
        sides.same("groups", "groups", "--describe", "--group", "g")
        sides.ours("groups", "--delete", "--group", "g", "--yes")
        report = sides.ours("produce", "--topic", "MyTopic", "--records", "20000", "--size", "100", "--keys", "100", "--compression", "lz4")
        options.log(step="load", report=report.strip())
        sides.ours("topics", "--delete", "--topic", "MyTopic", "--yes")
        sides.same("topics", "topics", "--list", "--exclude-internal")
        options.log(step="compared", outputs=sides.compared)

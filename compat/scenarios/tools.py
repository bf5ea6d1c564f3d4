"""Scenario tools: `topics`, `groups`, `consume` and `produce` beside Kafka's own scripts on one real cluster.

The workshop's lines are run word for word. Then each side is asked for the same state, and what they print must be equal: with the
scripts of 4.x to the byte, with older ones by their words (they print other columns' widths, no topic ids and no ELR). Where the
scripts refuse, our refusal has their words. All is done again with TLS and a password. One round, which CI runs, leaves out groups
that have members, and TLS.
"""

import contextlib
import json
import re
import subprocess
from pathlib import Path

from .services import TOOLS, Failed, Kafka, Options, Process, wait_until

TOPICS = ("kc_config", "kc_status", "kc_offset")
# Topic, partitions and records of the groups that have members.
READ, PARTITIONS, RECORDS = "read", 3, 12
KEYED = ["--property", "parse.key=true", "--property", "key.separator=:"]
KEYS = ["--property", "print.key=true", "--property", "key.separator=:"]


def classes(version: str) -> dict[str, str]:
    """What is behind Kafka's scripts."""
    if version.startswith("2."):
        return {"topics": "kafka.admin.TopicCommand", "groups": "kafka.admin.ConsumerGroupCommand", "consumer": "kafka.tools.ConsoleConsumer"}
    tools = "org.apache.kafka.tools"
    return {
        "topics": f"{tools}.TopicCommand",
        "groups": f"{tools}.consumer.group.ConsumerGroupCommand",
        "share-groups": f"{tools}.consumer.group.ShareGroupCommand",
        "consumer": f"{tools}.consumer.ConsoleConsumer",
        "share-consumer": f"{tools}.consumer.ConsoleShareConsumer",
        "configs": "kafka.admin.ConfigCommand",
    }


class Scripts:
    """Kafka's scripts, in one JVM: of each its own would take seconds of processor time."""

    def __init__(self, version: str, log: Path):
        self.classes = classes(version)
        command = [TOOLS / "kafka", "run", "--version", version, TOOLS / "Scripts.java"]
        with open(log, "w") as file:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, text=True)

    def run(self, script: str, *args: str, stays: bool = False) -> str:
        question = {"class": self.classes[script], "args": args, "stays": stays}
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise Failed(f"{script} {' '.join(args)} of Kafka ended its JVM")
        answer = json.loads(answer)
        # Scripts of 4.x warn of old names of flags, and of partitions without records, where the output stands.
        lines = re.sub(r"\nWarn: .*\n", "", answer["out"]).splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("Option --"))

    def stop(self):
        self.process.kill()
        self.process.wait()


class Sides:
    """The same question to Kafka's script and to our command."""

    def __init__(self, scripts: Scripts, version: str, ours: list[str], java: list[str]):
        self.scripts, self.version, self.is_new = scripts, version, version.startswith("4.")
        self.to_ours, self.to_java = ours, java
        self.compared = 0

    def with_servers(self, ours: list[str]) -> "Sides":
        return Sides(self.scripts, self.version, ours, self.to_java)

    def with_scripts(self, scripts: Scripts) -> "Sides":
        return Sides(scripts, self.version, self.to_ours, self.to_java)

    def java(self, script: str, *args: str, stays: bool = False) -> str:
        return self.scripts.run(script, *self.to_java, *args, stays=stays)

    def ours(self, tool: str, *args: str, text: str = "", code: int = 0) -> str:
        return self.ended(tool, *args, text=text, code=code).stdout

    def ended(self, tool: str, *args: str, text: str = "", code: int = 0):
        command = [str(Process.binary), tool, *self.to_ours, *args]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120)
        if done.returncode != code:
            raise Failed(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
        return done

    def same(self, script: str, tool: str, *args: str, more: tuple[str, ...] = ()):
        """Both print the same; `more` are flags that our command alone needs."""
        theirs, ours = self.java(script, *args), self.ours(tool, *args, *more)
        if script == "share-groups" and "--describe" in args:
            # Ours does not know the lag of a share group, which is the last column where there is one.
            if " LAG" in theirs:
                theirs = re.sub(r"^(?!GROUP)(.+ )\S+$", r"\1-", theirs, flags=re.MULTILINE)
        if not self.is_new:
            theirs, ours = words(theirs), words(ours)
        elif args[0] in ("--list", "--reset-offsets"):
            # Kafka's order is that of a hash table.
            theirs, ours = sorted(theirs.splitlines()), sorted(ours.splitlines())
        if theirs != ours:
            raise Failed(f"{tool} {' '.join(args)}\nKafka's: {theirs!r}\nours:    {ours!r}")
        self.compared += 1

    def refused(self, script: str, tool: str, *args: str, more: tuple[str, ...] = (), pattern: str):
        """Both refuse, for the same reason: a part of Kafka's text, which the pattern cuts out, stands in ours. Old scripts print traces."""
        ours = self.ended(tool, *args, *more, code=1)
        if not self.is_new:
            return
        theirs = self.java(script, *args)
        found = re.search(pattern, theirs)
        if not found:
            raise Failed(f"{script} {' '.join(args)} of Kafka printed {theirs!r}, not {pattern}")
        if found.group(1) not in ours.stderr:
            raise Failed(f"{tool} {' '.join(args)}\nKafka's: {theirs!r}\nours:    {ours.stderr!r}")
        if ours.stdout:
            raise Failed(f"{tool} {' '.join(args)} was refused and printed {ours.stdout!r}")
        self.compared += 1


def words(text: str) -> list[list[str]]:
    """What older scripts print, too, in whatever order: without ids, ELR, the blanks between, and the column of the group."""
    text = re.sub(r"\t(TopicId|Elr|LastKnownElr): ?\S*", "", text)
    text = re.sub(r"(Topic|PartitionCount|ReplicationFactor|Configs): ?", r"\1: ", text)
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if lines and lines[0][0] == "GROUP":
        # 2.2 has no heading where there are no rows.
        lines = [line[1:] for line in lines] if len(lines) > 1 else []
    if lines and "ASSIGNMENT-STRATEGY" in lines[0]:
        # 2.2 leaves the strategy of a group without members empty.
        lines = [[word for word in line if word != "-"] for line in lines]
    return sorted(lines)


def run(options: Options) -> None:
    with contextlib.ExitStack() as stack:
        is_whole = options.rounds > 1
        more = ("--secure",) if is_whole else ()
        kafka = Kafka(options.kafka, options.folder / "kafka", brokers=3, more=more, is_short_lived=True)
        stack.callback(kafka.stop)
        scripts = Scripts(options.kafka, options.folder / "scripts.log")
        stack.callback(scripts.stop)
        servers = ["--bootstrap-server", kafka.bootstrap]
        sides = Sides(scripts, options.kafka, servers, servers)
        workshop(sides, options)
        topics(sides)
        records(sides, options)
        group_without_members(sides)
        if is_whole and sides.is_new:
            # The console's consumers count their records together, in one JVM.
            beside = Scripts(options.kafka, options.folder / "beside.log")
            stack.callback(beside.stop)
            groups_with_members(sides, sides.with_scripts(beside), options)
        refusals(sides)
        if is_whole:
            secure(kafka, scripts, options)
        sides.ours("topics", "--delete", "--topic", "MyTopic", "--yes")
        sides.same("topics", "topics", "--list", "--exclude-internal")
        options.log(step="compared", outputs=sides.compared)


def on_all_brokers(sides: Sides, what: str, condition):
    """A change is known to the brokers one after the other; both sides may ask any of them."""
    flag, servers = sides.to_ours[:2]

    def is_so() -> bool:
        return all(condition(sides.with_servers([flag, server])) for server in servers.split(","))

    wait_until(what, 30, is_so, 0.1)


def workshop(sides: Sides, options: Options):
    properties = options.folder / "client.properties"
    # The workshop's file has security.protocol=SSL; this listener speaks plain text.
    properties.write_text("security.protocol=PLAINTEXT\n")
    for topic in TOPICS:
        line = ["--create", "--replication-factor", "3", "--partitions", "1", "--topic", topic, "--command-config", str(properties)]
        out = sides.ours("topics", *line)
        if not out.endswith(f"Created topic {topic}.\n"):
            raise Failed(f"topics {' '.join(line)} printed {out!r}")
    on_all_brokers(sides, "the three topics are known", lambda one: set(TOPICS) <= set(one.ours("topics", "--list").split()))
    options.log(step="workshop", topics=sides.ours("topics", "--list").split())
    sides.ours("topics", "--connect-internal", code=1)
    repaired = sides.ours("topics", "--connect-internal", "--yes")
    if repaired.count("repaired") != 3:
        raise Failed(f"not repaired: {repaired}")
    described = ["topics", "--describe", "--topic", "kc_.*"]
    on_all_brokers(sides, "the topics are compacted", lambda one: one.ours(*described).count("cleanup.policy=compact") == 3)


def topics(sides: Sides):
    create = ["--create", "--topic", "MyTopic", "--partitions", "3", "--replication-factor", "2", "--config", "retention.ms=86400000"]
    sides.ours("topics", *create)
    on_all_brokers(sides, "MyTopic is known", lambda one: "MyTopic" in one.ours("topics", "--list").split())
    sides.ours("topics", "--alter", "--topic", "MyTopic", "--partitions", "4")
    described = ["topics", "--describe", "--topic", "MyTopic"]
    on_all_brokers(sides, "MyTopic has four partitions", lambda one: one.ours(*described).count("Partition: ") == 4)
    for args in (["--list", "--exclude-internal"], ["--describe", "--topic", "MyTopic"], ["--describe", "--topic", "kc_config"],
                 ["--describe", "--under-replicated-partitions"], ["--describe", "--unavailable-partitions"],
                 ["--delete", "--topic", "nope", "--if-exists"]):  # fmt: skip
        sides.same("topics", "topics", *args)


def records(sides: Sides, options: Options):
    lines = "".join(f"k{i % 7}:value {i}\n" for i in range(100))
    sides.ours("produce", "--topic", "MyTopic", *KEYED, text=lines)
    shown = ["--topic", "MyTopic", "--from-beginning", "--max-messages", "100", *KEYS]
    theirs = sides.java("consumer", *shown, "--timeout-ms", "20000")
    ours = sides.ours("consume", "--group", "g", *shown)
    if not sorted(theirs.splitlines()) == sorted(ours.splitlines()) == sorted(lines.splitlines()):
        raise Failed(f"records differ: Kafka's {theirs!r}, ours {ours!r}")
    report = sides.ours("produce", "--topic", "MyTopic", "--records", "20000", "--size", "100", "--keys", "100", "--compression", "lz4")
    options.log(step="records", count=len(ours.splitlines()), load=report.strip())


def group_without_members(sides: Sides):
    listed = [name for name in sides.java("groups", "--list").split() if not name.startswith("console-consumer-")]
    if listed != ["g"] or "g" not in sides.ours("groups", "--list").split():
        raise Failed(f"Kafka's script lists {listed}")
    for what in ([], ["--state"], ["--members"]):
        sides.same("groups", "groups", "--describe", "--group", "g", *what)
    reset = ["--reset-offsets", "--group", "g", "--topic", "MyTopic:0"]
    later = ["--to-datetime", "2999-01-01T00:00:00.000"]
    for target in (["--to-earliest"], ["--to-offset", "1"], ["--to-offset", "1000000"], ["--shift-by", "-1"], ["--to-current"], later, ["--to-latest"]):
        sides.same("groups", "groups", *reset, *target, "--dry-run")
    sides.ours("groups", *reset, "--to-earliest", "--execute")
    sides.same("groups", "groups", "--describe", "--group", "g")
    sides.java("groups", *reset, "--to-offset", "1", "--execute")
    sides.same("groups", "groups", "--describe", "--group", "g")


def groups_with_members(sides: Sides, beside: Sides, options: Options):
    """A classic group, one whose coordinator shares out, and a share group, each with a member of Kafka's that leaves with its last record."""
    sides.ours("topics", "--create", "--topic", READ, "--partitions", str(PARTITIONS), "--replication-factor", "1")
    sides.java("configs", "--alter", "--entity-type", "groups", "--entity-name", "shared", "--add-config", "share.auto.offset.reset=earliest")
    half = "".join(f"k{i}:{i}\n" for i in range(RECORDS))
    sides.ours("produce", "--topic", READ, *KEYED, text=half)
    reads = ["--topic", READ, "--max-messages", str(2 * RECORDS)]
    # A static member's name has a column of its own.
    static = ["--consumer-property", "group.instance.id=the-first-of-all"]
    sides.java("consumer", *reads, "--group", "classic", "--from-beginning", *static, stays=True)
    modern = ["--consumer-property", "group.protocol=consumer"]
    beside.java("consumer", *reads, "--group", "modern", "--from-beginning", *modern, stays=True)
    sides.java("share-consumer", *reads, "--group", "shared", stays=True)
    groups = {"classic": "groups", "modern": "groups", "shared": "share-groups"}

    def is_read(group: str) -> bool:
        rows = sides.java(groups[group], "--describe", "--group", group).split("LAG")[-1].strip().splitlines()
        lags = [row.split()[5 if groups[group] == "groups" else 4] for row in rows[-PARTITIONS:] if group in row]
        return lags == ["0"] * PARTITIONS

    def has_state(group: str, state: str) -> bool:
        return f" {state} " in sides.ours("groups", "--describe", "--group", group, "--state")

    def listed() -> set[str]:
        return set(sides.ours("groups", "--list", "--type", "all").split())

    wait_until("three groups are there", 60, lambda: set(groups) <= listed(), 0.2)
    for group in groups:
        wait_until(f"group {group} has read everything", 60, lambda group=group: is_read(group), 0.2)
        wait_until(f"group {group} has a member", 60, lambda group=group: has_state(group, "Stable"), 0.2)
    for group, script in groups.items():
        for what in ([], ["--verbose"], ["--members"], ["--members", "--verbose"], ["--state"], ["--state", "--verbose"]):
            sides.same(script, "groups", "--describe", "--group", group, *what)
    sides.same("groups", "groups", "--list")
    sides.same("groups", "groups", "--list", "--type", "consumer")
    # Ours lists share groups with the column of kinds that a type brings.
    theirs, ours = sides.java("share-groups", "--list").split(), sides.ours("groups", "--list", "--type", "share").split()
    if ours != ["GROUP", "TYPE", *(word for name in theirs for word in (name, "Share"))]:
        raise Failed(f"share groups: Kafka's {theirs}, ours {ours}")
    for group, script in groups.items():
        still = sides.ended("groups", "--reset-offsets", "--group", group, "--topic", READ, "--to-earliest", "--execute", code=1)
        if "stop its members first" not in still.stderr:
            raise Failed(f"offsets of {group}, which has a member: {still.stderr}")
    options.log(step="members", groups=sorted(groups))
    sides.ours("produce", "--topic", READ, *KEYED, text=half)
    for group, script in groups.items():
        wait_until(f"group {group} is empty", 60, lambda group=group: has_state(group, "Empty"), 0.2)
        for what in ([], ["--members"], ["--state"]):
            sides.same(script, "groups", "--describe", "--group", group, *what)
        reset = ["--reset-offsets", "--group", group]
        for target in ("--to-earliest", "--to-latest"):
            sides.same(script, "groups", *reset, "--topic", READ, target, "--dry-run")
        sides.same(script, "groups", *reset, "--all-topics", "--to-datetime", "2020-01-01T00:00:00.000", "--dry-run")
        sides.ours("groups", *reset, "--topic", f"{READ}:0,2", "--to-earliest", "--execute")
        sides.same(script, "groups", "--describe", "--group", group)
        if sides.ours("groups", "--delete", "--group", group, "--yes").count(f"'{group}'") != 1 or group in listed():
            raise Failed(f"group {group} is not deleted")
    options.log(step="emptied", groups=sorted(groups))


def refusals(sides: Sides):
    said = r"Error while executing topic command : (.*?)\.?\n"
    for args in (["--describe", "--topic", "nope"], ["--create", "--topic", "MyTopic"], ["--alter", "--topic", "nope", "--partitions", "9"],
                 ["--create", "--topic", "other", "--config", "nope=1"], ["--create", "--topic", "other", "--config", "retention.ms=soon"],
                 ["--create", "--topic", "other", "--replication-factor", "9"], ["--create", "--topic", "an/other"],
                 ["--alter", "--topic", "MyTopic", "--partitions", "1"], ["--delete", "--topic", "nope"]):  # fmt: skip
        sides.refused("topics", "topics", *args, more=("--yes",) if args[0] == "--delete" else (), pattern=said)
    for args in (["--describe", "--group", "nope"], ["--delete", "--group", "nope"]):
        refused = sides.ended("groups", *args, *(["--yes"] if args[0] == "--delete" else []), code=1)
        if "nope" not in refused.stderr or refused.stdout:
            raise Failed(f"groups {' '.join(args)}: {refused}")


def secure(kafka: Kafka, scripts: Scripts, options: Options):
    """One line of each command over TLS, with a name and a password."""
    facts = kafka.facts
    mechanism = "SCRAM-SHA-512"
    file = options.folder / "secure.properties"
    module = "org.apache.kafka.common.security.scram.ScramLoginModule"
    lines = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": mechanism,
        "sasl.jaas.config": f'{module} required username="{facts["SASL_USER"]}" password="{facts["SASL_PASSWORD"]}";',
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": facts["CA_PEM"],
    }
    file.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
    servers = ["--bootstrap-server", facts["SASL_SSL"], "--command-config"]
    sides = Sides(scripts, options.kafka, [*servers, str(file)], [*servers, facts["CLIENT_SASL_PROPERTIES"]])
    sides.same("topics", "topics", "--list", "--exclude-internal")
    sides.ours("topics", "--create", "--topic", "guarded", "--partitions", "1", "--replication-factor", "1")
    sides.ours("produce", "--topic", "guarded", text="a line\n")
    read = sides.ours("consume", "--topic", "guarded", "--group", "guards", "--from-beginning", "--max-messages", "1")
    if read != "a line\n":
        raise Failed(f"read {read!r}")
    sides.same("groups", "groups", "--describe", "--group", "guards")
    wrong = options.folder / "wrong.properties"
    wrong.write_text(file.read_text().replace(facts["SASL_PASSWORD"], "not-the-password"))
    command = [str(Process.binary), "topics", "--list", "--bootstrap-server", facts["SASL_SSL"], "--command-config", str(wrong)]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if refused.returncode != 1 or "authentication failed" not in refused.stderr or "not-the-password" in refused.stderr:
        raise Failed(f"with a wrong password: {refused}")
    options.log(step="secure", mechanism=mechanism, compared=sides.compared)

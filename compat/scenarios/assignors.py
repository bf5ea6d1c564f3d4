"""Scenario assignors: random groups shared out by Java's assignors and by ours, which must agree to the last partition.

In a group of both any member may lead. One Java process and one of ours take all rounds. Two things of Java's are not
asked for: that it hands a member a topic that this member does not read, and that it fails.
"""

import base64
import json
import random
import struct
import subprocess

from .services import ROOT, TOOLS, Failed, Options

ASSIGNORS = ("sticky", "sticky", "cooperative-sticky", "cooperative-sticky", "range", "roundrobin")
RACKS = ("r1", "r2", "r3")


def text(value: str | None) -> bytes:
    return struct.pack(">h", -1) if value is None else struct.pack(">h", len(value)) + value.encode()


def partitions(owned: list[tuple[str, int]]) -> bytes:
    by_topic: dict[str, list[int]] = {}
    for topic, partition in owned:
        by_topic.setdefault(topic, []).append(partition)
    out = struct.pack(">i", len(by_topic))
    for topic, numbers in by_topic.items():
        out += text(topic) + struct.pack(f">i{len(numbers)}i", len(numbers), *numbers)
    return out


def subscription(version: int, topics: list[str], user_data: bytes | None, owned, generation: int, rack: str | None) -> bytes:
    out = struct.pack(">hi", version, len(topics)) + b"".join(map(text, topics))
    out += struct.pack(">i", -1) if user_data is None else struct.pack(">i", len(user_data)) + user_data
    if version >= 1:
        out += partitions(owned)
    if version >= 2:
        out += struct.pack(">i", generation)
    if version >= 3:
        out += text(rack)
    return out


class Group:
    """A group as it may stand before a round: who was given what, in which generation, and what has changed since."""

    def __init__(self, rng: random.Random):
        self.assignor = rng.choice(ASSIGNORS)
        has_racks = rng.random() < 0.3
        self.topics: dict[str, int] = {f"topic{n}": rng.randint(1, 9) for n in range(rng.randint(1, 5))}
        self.cluster = {
            topic: [rng.sample(RACKS, rng.randint(1, 2)) for _ in range(size)] if has_racks else size for topic, size in self.topics.items()
        }
        names = list(self.topics)
        alike = rng.sample(names, rng.randint(1, len(names))) if rng.random() < 0.4 else None
        generation = rng.randint(1, 9)
        pool = [(topic, n) for topic, size in self.topics.items() for n in range(size)]
        pool += [("gone", n) for n in range(rng.choice((0, 0, 2)))]
        rng.shuffle(pool)
        count = rng.randint(1, 9)
        # Some of those who had something have left; some of those here are new.
        shares: list[list[tuple[str, int]]] = [[] for _ in range(count + rng.randint(0, 2))]
        for partition in pool[: rng.choice((0, len(pool) // 2, len(pool)))]:
            shares[min(rng.randrange(len(shares)), rng.randrange(len(shares)))].append(partition)
        self.members = []
        for n in range(count):
            topics = alike or rng.sample(names, rng.randint(1, len(names)))
            owned = [p for p in shares[n] if p[0] in topics or rng.random() < 0.1]
            own = generation if rng.random() < 0.8 else generation - rng.randint(1, 3)
            if own < generation:
                # Whoever missed a round still claims what others have by now.
                more = rng.sample(pool, min(len(pool), rng.randint(0, 5)))
                owned += [p for p in more if p[0] in topics and p not in owned]
            elif rng.random() < 0.05 and shares[0]:
                owned += [p for p in shares[0][:1] if p not in owned]
            if not owned and rng.random() < 0.5:
                own = -1
            self.members.append(self.member(rng, n, sorted(topics), owned, own, rng.choice(RACKS) if has_racks and rng.random() < 0.8 else None))

    def member(self, rng: random.Random, n: int, topics: list[str], owned, generation: int, rack: str | None) -> dict:
        version = rng.choice((0, 1, 2, 3, 3, 3, 3))
        user_data = None
        if self.assignor == "sticky" and generation >= 0:
            user_data = partitions(owned) + (struct.pack(">i", generation) if version or rng.random() < 0.5 else b"")
        elif self.assignor == "cooperative-sticky":
            user_data = struct.pack(">i", generation)
            owned = sorted(owned)
        said = subscription(version, topics, user_data, owned if self.assignor != "sticky" else [], generation, rack)
        return {
            "id": f"consumer-{n}-{rng.getrandbits(64):016x}",
            "instance": f"i{rng.randrange(100)}-{n}" if rng.random() < 0.2 else None,
            "subscription": base64.b64encode(said).decode(),
            "topics": topics,
        }

    def round(self) -> dict:
        return {"assignor": self.assignor, "cluster": self.cluster, "members": self.members}

    def misgiven(self, shares: dict) -> bool:
        """Whether a member is given a topic that it does not read."""
        return any(p.rsplit("/", 1)[0] not in member["topics"] for member in self.members for p in shares[member["id"]])


class Sharer:
    """A process that answers a round a line."""

    def __init__(self, command: list[str]):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def ask(self, line: str) -> dict:
        print(line, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise Failed(f"{self.process.args[0]} ended at the round {line}")
        return json.loads(answer)


def java(version: str) -> list[str]:
    class_path = subprocess.run([TOOLS / "kafka", "classpath", "--version", version], capture_output=True, text=True, check=True)
    return ["java", "-cp", ":".join(class_path.stdout.split()), str(TOOLS / "Assignors.java")]


def ours() -> list[str]:
    """An example of crates/kafka; `cargo test --release --workspace` builds it, as it does the programs of the other scenarios."""
    program = ROOT / "target" / "release" / "examples" / "assign"
    if not program.exists():
        raise Failed(f"{program} is not there: run `cargo build --release -p millstream-kafka --example assign`")
    return [str(program)]


def run(options: Options):
    rng = random.Random(options.seed)
    counts = {"equal": 0, "java_failed": 0, "java_misgave": 0}
    with Sharer(java(options.kafka)) as theirs, Sharer(ours()) as our:
        for number in range(options.rounds):
            group = Group(rng)
            line = json.dumps(group.round())
            expected, actual = theirs.ask(line), our.ask(line)
            if group.misgiven(actual):
                raise Failed(f"round {number}: a member is given what it does not read: {line} gives {actual}")
            given = sorted(p for share in actual.values() for p in share)
            if len(given) != len(set(given)):
                raise Failed(f"round {number}: a partition is given twice: {line} gives {actual}")
            if "error" in expected:
                counts["java_failed"] += 1
            elif group.misgiven(expected):
                counts["java_misgave"] += 1
            elif expected == actual:
                counts["equal"] += 1
            else:
                raise Failed(f"round {number}: {line}\n java {json.dumps(expected, sort_keys=True)}\n ours {json.dumps(actual, sort_keys=True)}")
    options.log(step="compared", rounds=options.rounds, **counts)

"""A member of a Connect group made by hand: it heartbeats, and joins again only while it is told to."""

import socket
import struct
import threading
import time

from .services import Failed, wait_until

JOIN, HEARTBEAT, LEAVE, SYNC = 11, 12, 13, 14
REBALANCE_IN_PROGRESS = 27
# Bound of what one answer may be.
LARGEST_ANSWER = 16 << 20


def text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


def data(value: bytes) -> bytes:
    return struct.pack(">i", len(value)) + value


class Reader:
    def __init__(self, body: bytes):
        self.body, self.at = body, 0

    def take(self, form: str):
        (value,) = struct.unpack_from(f">{form}", self.body, self.at)
        self.at += struct.calcsize(f">{form}")
        return value

    def piece(self, length: int) -> bytes:
        self.at += max(0, length)
        return self.body[self.at - max(0, length) : self.at]

    def text(self) -> str:
        return self.piece(self.take("h")).decode()


class Allocation:
    """What a member holds, in the bytes of version 2: what each round assigns comes to it, what it revokes goes."""

    def __init__(self):
        self.items: set[tuple[str, int]] = set()
        self.header = b""

    def take(self, assignment: bytes):
        reader = Reader(assignment)
        reader.take("i")
        reader.text(), reader.text()
        reader.take("q")
        self.header = assignment[: reader.at]
        assigned, revoked = self.read(reader), self.read(reader)
        self.items = (self.items | assigned) - revoked

    @staticmethod
    def read(reader: Reader) -> set[tuple[str, int]]:
        found = set()
        for _ in range(max(0, reader.take("i"))):
            name = reader.text()
            found |= {(name, reader.take("i")) for _ in range(reader.take("i"))}
        return found

    def told(self) -> bytes:
        if not self.header:
            return struct.pack(">i", -1)
        lists = [text(name) + struct.pack(">ii", 1, number) for name, number in sorted(self.items)]
        return data(self.header + struct.pack(">i", len(lists)) + b"".join(lists) + struct.pack(">ii", 0, 0))


class HandMade:
    """Joins, answers every round for a while, and then none: its heartbeats alone keep it in the group."""

    def __init__(self, bootstrap: str, group: str, url: str, rebalance_ms: int):
        host, port = bootstrap.split(",")[0].rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), 10)
        self.socket.settimeout(60)
        self.group, self.url, self.rebalance_ms = group, url, rebalance_ms
        self.member, self.generation, self.number = "", -1, 0
        self.held = Allocation()
        self.rejoins = True
        self.is_asked_to_rejoin = False
        self.rounds = 0
        self.error: Exception | None = None
        self.done = threading.Event()
        self.last_round = time.monotonic()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def call(self, key: int, version: int, body: bytes) -> Reader:
        self.number += 1
        request = struct.pack(">hhi", key, version, self.number) + text("hand-made") + body
        self.socket.sendall(data(request))
        (length,) = struct.unpack(">i", self.receive(4))
        if length > LARGEST_ANSWER:
            raise Failed(f"an answer of {length} bytes")
        answer = Reader(self.receive(length))
        answer.take("i")
        return answer

    def receive(self, length: int) -> bytes:
        found = b""
        while len(found) < length:
            piece = self.socket.recv(length - len(found))
            if not piece:
                raise ConnectionError("the broker has closed the connection")
            found += piece
        return found

    def join(self):
        """One round. What it was given before is told as still held, so that nobody misses it."""
        metadata = struct.pack(">h", 2) + text(self.url) + struct.pack(">q", -1)
        metadata += self.held.told()
        body = text(self.group) + struct.pack(">ii", 10_000, self.rebalance_ms) + text(self.member) + text("connect")
        answer = self.call(JOIN, 2, body + struct.pack(">i", 1) + text("sessioned") + data(metadata))
        answer.take("i")
        if error := answer.take("h"):
            raise Failed(f"the hand-made member cannot join: error {error}")
        self.generation = answer.take("i")
        answer.text()
        leader, self.member = answer.text(), answer.text()
        if leader == self.member:
            raise Failed("the hand-made member would have to lead")
        body = text(self.group) + struct.pack(">i", self.generation) + text(self.member) + struct.pack(">i", 0)
        answer = self.call(SYNC, 0, body)
        error, assignment = answer.take("h"), answer.piece(answer.take("i"))
        if not error:
            self.held.take(assignment)
            self.rounds += 1
        self.last_round = time.monotonic()

    def run(self):
        try:
            self.join()
            while not self.done.wait(0.2):
                body = text(self.group) + struct.pack(">i", self.generation) + text(self.member)
                error = self.call(HEARTBEAT, 0, body).take("h")
                self.is_asked_to_rejoin = error == REBALANCE_IN_PROGRESS
                if self.is_asked_to_rejoin and self.rejoins:
                    self.join()
                elif error and not self.is_asked_to_rejoin:
                    # The group has gone on without it.
                    return
        except Exception as error:
            self.error = error

    def settle(self, seconds: float = 1.5):
        """Until there has been no round for a while."""

        def is_at_rest() -> bool:
            if self.error:
                raise Failed(f"the hand-made member has failed: {self.error}")
            return self.rounds > 0 and not self.is_asked_to_rejoin and time.monotonic() - self.last_round > seconds

        wait_until("the group is at rest with the hand-made member", 60, is_at_rest)

    def leave(self):
        self.done.set()
        self.thread.join(10)
        self.socket.close()

"""Chapters of scenario queues beside its kills: ends in order, starved queues, SIGTERM under load, S3 away, consumer timeouts."""

import contextlib
import time

from .fronts import Weather
from .queue_brokers import RabbitMQ
from .queue_jobs import DOCUMENTS
from .queue_kinds import QUORUM, Queues, Sender, await_empty
from .services import Failed, free_ports

# A message that was lost so often is deleted by a quorum queue.
LIVES = 20


@contextlib.contextmanager
def weather(stage):
    """S3 with good and bad days."""
    front = Weather(free_ports(1), int(stage.stores.s3.url.rpartition(":")[2]))
    try:
        yield front
    finally:
        front.stop()


def expect_once(stage, chapter: str, jobs):
    jobs.bucket.look(is_last=True)
    doubles = jobs.doubles()
    if any(doubles.values()):
        raise Failed(f"{stage.kind.name}: {chapter}: stored twice: {doubles}")


def restarts(stage):
    """More ends in order with a message in hand than it has lives. While S3 is away it goes back to the queue, else it is stored."""
    queue = stage.queues.make()
    with weather(stage) as front:
        # RabbitMQ 4.0 counts what is given back.
        ends = 3 if stage.kind.counts_give_back else LIVES + 1
        graceful = {"task.shutdown.graceful.timeout.ms": "1000"}
        # A message stays in hand for as long as this takes.
        jobs = stage.jobs("restarts", archive=queue, s3_url=front.url, worker=graceful, input_idle_flush_ms=60_000)
        sent = stage.send(queue, 1)
        try:
            for _ in range(ends):
                # A task starts only if its bucket is there.
                front.come_back()
                jobs.start()
                jobs.await_metric("a message in hand", 60 + 2 * stage.kind.lapse, lambda: jobs.metric("held_messages") == 1)
                front.go()
                jobs.end()
            front.come_back()
            stored = LIVES + 1 - ends
            for _ in range(stored):
                jobs.start()
                sent += stage.send(queue, 1)
                jobs.await_metric("another message", 60, lambda: jobs.metric("received_total") >= 1)
                jobs.end()
            jobs.start()
            jobs.await_all(sent, [], 60 + 2 * stage.kind.lapse)
            jobs.end()
        finally:
            jobs.kill()
    await_empty(queue, 30)
    expect_once(stage, "restarts", jobs)
    stage.log("restarts", given_back=ends, stored=stored)


def starved(stage):
    """An object takes more than the queue has, or than it hands out."""
    sizes = {}
    for waiting in sorted({3_000, stage.kind.many}):
        queue = stage.queues.make()
        sent = stage.send(queue, waiting)
        more = {"flush_size": 5_000, "input_max_held_messages": 5_000, "input_idle_flush_ms": 2_000}
        jobs = stage.jobs(f"starved-{waiting}", archive=queue, **more)
        started = time.monotonic()
        jobs.start()
        try:
            jobs.await_all(sent, [], 300)
            closed = jobs.metric("flushes_total", reason="starved")
            jobs.end()
        finally:
            jobs.kill()
        await_empty(queue, 30)
        expect_once(stage, "starved", jobs)
        counts = [len(ids) for ids in jobs.bucket.objects.values()]
        sizes[waiting] = {"objects": len(counts), "largest": max(counts), "closed_as_starved": int(closed), "seconds": round(time.monotonic() - started, 1)}
        if stage.kind.hands_out_all and max(counts) != min(5_000, waiting):
            raise Failed(f"{stage.kind.name}: the largest object has {max(counts)} of {waiting} records")
        if waiting == 3_000 and not closed:
            raise Failed(f"{stage.kind.name}: no object was closed because the queue had no more")
    stage.log("starved", waiting=sizes)


def sigterm(stage):
    """Ends in order while messages keep coming: none is lost, none is there twice."""
    queues = [stage.queues.make(), stage.queues.make()]
    jobs = stage.jobs("sigterm", archive=queues[0], documents=queues[1])
    sent: list[list[str]] = [[], []]

    def send(count: int):
        for queue, ids in zip(queues, sent):
            ids += stage.send(queue, count)

    sender = Sender(send, 20)
    sender.start()
    ends = []
    try:
        for _ in range(5):
            jobs.start()
            jobs.await_metric("messages are read", 60, lambda: jobs.metric("received_total") + jobs.metric("received_total", DOCUMENTS) > 0)
            time.sleep(stage.rng.uniform(0.2, 1.5))
            ends.append(jobs.end())
        sender.finish()
        jobs.start()
        jobs.await_all(*sent, seconds=180 + 2 * stage.kind.lapse)
        ends.append(jobs.end())
    finally:
        sender.done.set()
        jobs.kill()
    for queue in queues:
        await_empty(queue, 30)
    expect_once(stage, "sigterm", jobs)
    stage.log("sigterm", ends=len(ends), longest_end_s=max(ends), sent=sum(map(len, sent)))


def away(stage):
    """S3 is away: so many messages are held, no more are asked for, none is given back and none comes twice."""
    bound, seconds = 100 if not stage.kind.hands_out_all else 1_000, stage.options.minutes * 60
    queue = stage.queues.make()
    with weather(stage) as front:
        more = {"flush_size": bound // 2, "input_max_held_messages": bound}
        jobs = stage.jobs("away", archive=queue, s3_url=front.url, **more)
        jobs.start()
        try:
            jobs.await_metric("the queue is read", 60, lambda: jobs.metric("state", state="receiving") == 1)
            front.go()
            sent = stage.send(queue, 3 * bound)
            jobs.await_metric(f"{bound} messages are held", 60, lambda: jobs.metric("held_messages") == bound)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                now = {name: jobs.metric(name) for name in ("held_messages", "received_total", "given_back_total", "connections_lost_total")}
                if now != {"held_messages": bound, "received_total": bound, "given_back_total": 0, "connections_lost_total": 0}:
                    raise Failed(f"{stage.kind.name}: while S3 is away: {now}; {jobs.said()[-600:]}")
                jobs.check()
                time.sleep(0.5)
            front.come_back()
            jobs.await_all(sent, [])
            most = jobs.metric("most_deliveries")
            jobs.end()
        finally:
            jobs.kill()
    await_empty(queue, 30)
    expect_once(stage, "away", jobs)
    if most > 1:
        raise Failed(f"{stage.kind.name}: a message was delivered {most:.0f} times while S3 was away for {seconds:.0f} s")
    stage.log("away", seconds=seconds, held=bound, most_deliveries=int(most))


def timeout(stage):
    """S3 takes longer than RabbitMQ lets a message be held: nothing is acknowledged once the broker has taken it back, and nothing lost."""
    if stage.kind.broker == "forky":
        return timed_out(stage, stage.queues.make({"x-consumer-timeout": 5_000}), stage.broker)
    # A timeout of the broker's, which looks at it once a minute.
    broker = RabbitMQ("trixie", stage.folder / "impatient", consumer_timeout="5000")
    try:
        broker.start()
        timed_out(stage, Queues(stage.kind, broker).make(), broker)
    finally:
        broker.stop()


def timed_out(stage, queue, broker):
    with weather(stage) as front:
        jobs = type(stage)(stage.options, stage.kind, broker, stage.stores).jobs("timeout", archive=queue, s3_url=front.url)
        jobs.start()
        try:
            jobs.await_metric("the queue is read", 60, lambda: jobs.metric("state", state="receiving") == 1)
            if stage.kind.broker == "forky":
                # Longer than the consumer timeout, and less than what S3's client waits for.
                front.delay = 7.0
            else:
                front.go()
            sent = stage.send(queue, 20)
            jobs.await_metric("the timeout is noticed", 200, lambda: jobs.metric("connections_lost_total") >= 1)
            states = [key for key, value in jobs.metrics().items() if key.startswith("millstream_queue_state") and value]
            front.delay = 0.0
            front.come_back()
            jobs.await_all(sent, [])
            # They come again once there is another connection, and only then are they taken off.
            jobs.await_metric("all are taken off", 120, lambda: jobs.metric("settled_total") >= len(sent))
            late = jobs.metric("late_settlements_total")
            jobs.end()
        finally:
            jobs.kill()
    await_empty(queue, 30)
    jobs.bucket.look(is_last=True)
    stage.log("timeout", late=int(late), doubles=jobs.doubles(), states=states, said=jobs.complaints()[-1:])


CHAPTERS = {"restarts": restarts, "starved": starved, "sigterm": sigterm, "away": away, "timeout": timeout}


def is_for(kind, chapter: str) -> bool:
    """Whether a kind of queue has this chapter."""
    if chapter == "timeout":
        # Classic queues of 4.3 time out no more.
        return kind.arguments == QUORUM and "tls" not in kind.name
    if "tls" in kind.name:
        return chapter == "kills"
    if chapter == "streams":
        # Once on each of RabbitMQ's versions.
        return kind.arguments == QUORUM and "amqp1" not in kind.name
    return True

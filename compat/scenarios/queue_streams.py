"""The chapter of RabbitMQ's streams: killed with -9 again and again, each message is stored once, under the name of its offset; then they
are made again, which has to be noticed."""

import re
import time

from .queue_jobs import ARCHIVE, DOCUMENTS
from .services import Failed, http, wait_until

STREAM = {"x-queue-type": "stream"}
# Objects are closed by their size alone.
FLUSH = 100


def streams(stage):
    started = time.monotonic()
    queues = [stage.queues.make(STREAM), stage.queues.make(STREAM)]
    worker = {"offset.flush.interval.ms": "300"}
    jobs = stage.jobs("streams", archive=queues[0], documents=queues[1], worker=worker, rabbitmq_stream_offset="first")
    jobs.bucket.names_rise = False
    sent: list[list[str]] = [[], []]
    rounds = min(stage.options.rounds, 20)

    def send(count: int):
        for queue, ids in zip(queues, sent):
            ids += stage.send(queue, count)

    try:
        for _ in range(rounds):
            send(3 * FLUSH)
            before = jobs.collection.count()
            jobs.start()
            wait_until(f"{stage.kind.name}: something is stored", 120, lambda: stage.goes_on(jobs, lambda: jobs.bucket.has_more() or jobs.collection.count() > before), 0.005)
            time.sleep(stage.rng.random() * stage.rng.choice((0.01, 0.1, 0.5)))
            jobs.kill()
            jobs.bucket.look()
        jobs.start()
        jobs.await_all(*sent, seconds=60)
        jobs.await_metric("all of it is committed", 60, lambda: kept(jobs) == [len(ids) for ids in sent])
        took = jobs.end()
        look_again(jobs)
        expect_each_once(stage, jobs, queues[1].name, sent)
        # Nothing is taken off a stream, and nothing is read again that was done, but for the message before.
        jobs.start()
        jobs.await_metric("the stream is read", 60, lambda: jobs.metric("state", state="receiving") == 1)
        send(FLUSH)
        jobs.await_all(*sent)
        received = jobs.metric("received_total") + jobs.metric("received_total", DOCUMENTS)
        jobs.end()
        look_again(jobs)
        expect_each_once(stage, jobs, queues[1].name, sent)
        if received != 2 * FLUSH + 2:
            raise Failed(f"{stage.kind.name}: {received:.0f} messages were read for {2 * FLUSH} new ones")
        total = sum(map(len, sent))
        anew = made_anew(stage, jobs, queues, sent)
    finally:
        jobs.kill()
    stage.log("streams", kills=rounds, sent=total, objects=len(jobs.bucket.objects), end_s=took, made_anew_s=anew, seconds=round(time.monotonic() - started, 1))


def made_anew(stage, jobs, queues, sent) -> float:
    """Streams are deleted and made again with fewer messages: RabbitMQ would wait at the offset of the old ones without a word."""
    for queue, ids in zip(queues, sent):
        with queue.channel() as channel:
            channel.queue_delete(queue.name)
            channel.queue_declare(queue.name, durable=True, arguments=STREAM)
        del ids[:]
        ids += stage.send(queue, 2 * FLUSH)
    started = time.monotonic()
    jobs.start()
    jobs.await_metric("the status says so", 60, lambda: jobs.process.check() or "was made again" in "".join(status(jobs)))
    jobs.await_metric("the new streams are read", 120, lambda: kept(jobs) == [len(ids) for ids in sent])
    jobs.end()
    if unknown := [line for line in jobs.complaints() if "unknown setting" in line]:
        raise Failed(f"{stage.kind.name}: streams: {unknown[0]}")
    said = [line for line in jobs.complaints() if "it is read from its beginning" in line]
    if len(said) != 2:
        raise Failed(f"{stage.kind.name}: streams: {said} is said of streams that were made again")
    look_again(jobs)
    found = jobs.bucket.ids()
    if any(found[message_id] != 1 for message_id in sent[0]):
        raise Failed(f"{stage.kind.name}: streams: what came to a stream that was made again is not stored once")
    return round(time.monotonic() - started, 1)


def status(jobs) -> list[str]:
    found = []
    for name in (ARCHIVE, DOCUMENTS):
        code, state = http("GET", f"{jobs.url}/connectors/{name}/status", timeout=5)
        found.append(str(state) if code == 200 else "")
    return found


def kept(jobs) -> list[int]:
    """The offsets that are kept, of the archive and of the hash job."""
    file = jobs.folder / "offsets.dat"
    content = file.read_bytes() if file.exists() else b""
    found = []
    for name in (ARCHIVE, DOCUMENTS):
        offset = re.search(rb'\["%s",\{[^}]*\}\].{0,40}?\{"offset":(\d+)\}' % name.encode(), content, re.DOTALL)
        found.append(int(offset[1]) if offset else -1)
    return found


def look_again(jobs):
    """What was stored again has replaced what was there."""
    jobs.bucket.objects.clear()
    jobs.bucket.look(is_last=True)


def expect_each_once(stage, jobs, queue: str, sent: list[list[str]]):
    doubles = {job: count for job, count in jobs.doubles().items() if count}
    if doubles:
        raise Failed(f"{stage.kind.name}: streams: stored twice: {doubles}")
    for place, (name, ids) in enumerate(sorted(jobs.bucket.objects.items())):
        offset = int(re.search(r"\+(\d+)\.json$", name)[1])
        if offset != place * FLUSH or ids != sent[0][offset : offset + FLUSH]:
            raise Failed(f"{stage.kind.name}: streams: {name} does not hold the messages from offset {place * FLUSH} on")
    found = {document["_id"] for document in jobs.collection.collection.find({}, {"_id": 1})}
    wanted = {f"{queue}#{offset}" for offset in range(len(sent[1]))}
    if found != wanted:
        raise Failed(f"{stage.kind.name}: streams: documents are not told by their offsets, such as {sorted(found - wanted)[:3]}")


CHAPTERS = {"streams": streams}

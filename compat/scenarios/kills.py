"""Scenario kills: four jobs, killed with -9 at random moments, against our own services in other processes.

Needs neither Java nor Maven, so that many rounds are cheap. Every round gives each job a new group and an empty bucket or
collection, kills it several times, and ends when each offset stands exactly once where it belongs: names and bytes
in S3 as the model says, hashes in the collection as worked out here, and so totals and the rows of change events (folded.py).
"""

import contextlib
from concurrent.futures import ThreadPoolExecutor

from . import folded, s3, stream, topics
from .services import Embedded, Options

# Stretches the flow, so that the moments of the kills fall into it.
SLOW_FETCH_MS = 20


def run(options: Options) -> None:
    text, objects = s3.variants()[:2]
    # One topic feeds both jobs, as in the workshop.
    text.topic = stream.TOPIC
    with contextlib.ExitStack() as stack:
        services = Embedded(options.folder / "services", SLOW_FETCH_MS)
        stack.callback(services.stop)
        scenario = s3.Scenario(options, services, services.s3)
        scenario.fill(text.topic, topics.byte_values)
        if options.rounds > 1:
            scenario.fill(objects.topic, topics.json_values)
        folded.fill(options, services)
        totals, rows = folded.Totals(services), folded.Rows(services)
        jobs = stack.enter_context(ThreadPoolExecutor(4))
        for number in range(options.rounds):
            variant = (text, objects)[number % 2]
            running = [
                jobs.submit(scenario.round, number, variant),
                jobs.submit(stream.one_round, options, services, services, number),
                jobs.submit(folded.aggregate_round, options, services, totals, number),
                jobs.submit(folded.events_round, options, services, rows, number),
            ]
            for job in running:
                job.result()

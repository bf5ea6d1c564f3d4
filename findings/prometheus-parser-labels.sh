#!/usr/bin/env bash
# parse-prometheus-text-format 1.1.1 (npm) beside prometheus-client 0.26.0 (PyPI): histograms and summaries with labels.
#
# One would expect, by "Text-based format" in Prometheus's documentation: lines with different labels, le and quantile
# aside, are different histograms of one name, each with its own buckets, sum and count.
# Seen: all of a name become one: the buckets and quantiles that stand last win, labels, sum and count are gone.
# Counters and gauges keep theirs. prometheus-client reads all lines.
# To a user: latencies per connector, topic or partition turn into those of the last one, and look whole.
. "$(dirname "$0")/lib.sh"
node_packages parse-prometheus-text-format@1.1.1
python_packages prometheus-client==0.26.0

cat >metrics.txt <<'END'
# TYPE records counter
records{topic="a"} 1
records{topic="b"} 2
# TYPE wait histogram
wait_bucket{topic="a",le="1"} 10
wait_bucket{topic="a",le="+Inf"} 11
wait_sum{topic="a"} 7
wait_count{topic="a"} 11
wait_bucket{topic="b",le="1"} 20
wait_bucket{topic="b",le="+Inf"} 22
wait_sum{topic="b"} 14
wait_count{topic="b"} 22
# TYPE size summary
size{topic="a",quantile="0.5"} 3
size_sum{topic="a"} 30
size_count{topic="a"} 10
size{topic="b",quantile="0.5"} 4
size_sum{topic="b"} 80
size_count{topic="b"} 20
END

cat >program.mjs <<'END'
import parse from 'parse-prometheus-text-format';
import { readFileSync } from 'fs';
for (const family of parse(readFileSync('metrics.txt', 'utf8'))) {
  console.log(family.name, JSON.stringify(family.metrics));
}
END
node program.mjs >got

cat >program.py <<'END'
from prometheus_client.parser import text_string_to_metric_families

for family in text_string_to_metric_families(open("metrics.txt").read()):
    print(family.name, "has", len({sample.labels["topic"] for sample in family.samples}), "topics in prometheus-client")
END
venv/bin/python program.py >>got

seen got <<'END'
records [{"value":"1","labels":{"topic":"a"}},{"value":"2","labels":{"topic":"b"}}]
wait [{"buckets":{"1":"20","+Inf":"22"}}]
size [{"quantiles":{"0.5":"4"}}]
records has 2 topics in prometheus-client
wait has 2 topics in prometheus-client
size has 2 topics in prometheus-client
END

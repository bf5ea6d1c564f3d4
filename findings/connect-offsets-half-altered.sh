#!/usr/bin/env bash
# Kafka Connect 4.3.1 (Maven Central): PATCH /connectors/NAME/offsets of a sink with one partition that is not there.
#
# One would expect, of a request that is answered with an error: it has changed nothing.
# Seen: the answer is 500, and the other partitions of the request have their new offsets all the same.
# To a user: who repairs a connector by hand sees a failure and starts it again: it skips, or reads twice, what the refused
# request named.
. "$(dirname "$0")/lib.sh"
kafka_broker num.partitions=2

rest=$(free_port)
printf '%s\n' "bootstrap.servers=$broker" "listeners=http://127.0.0.1:$rest" offset.storage.file.filename=offsets \
    key.converter=org.apache.kafka.connect.storage.StringConverter value.converter=org.apache.kafka.connect.storage.StringConverter \
    >worker.properties
printf '%s\n' name=sink connector.class=org.apache.kafka.connect.file.FileStreamSinkConnector topics=t file=sink.txt >sink.properties
in_background worker.log java -Xmx300m -cp 'jars/*' org.apache.kafka.connect.cli.ConnectStandalone worker.properties sink.properties

cat >program.py <<'END'
import json
import sys
import time
import urllib.error
import urllib.request


def ask(method, path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(sys.argv[1] + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def offsets():
    found = ask("GET", "/connectors/sink/offsets")[1]["offsets"]
    return sorted((o["partition"]["kafka_topic"], o["partition"]["kafka_partition"], o["offset"]["kafka_offset"]) for o in found)


def entry(topic, partition, offset):
    return {"partition": {"kafka_topic": topic, "kafka_partition": partition}, "offset": {"kafka_offset": offset}}


def wait(for_what):
    for _ in range(120):
        try:
            if for_what():
                return
        except (OSError, LookupError, TypeError, ValueError):
            pass
        time.sleep(0.5)
    sys.exit("gave up waiting")


wait(lambda: ask("GET", "/connectors/sink/status")[1]["tasks"][0]["state"] == "RUNNING")
ask("PUT", "/connectors/sink/stop")
wait(lambda: ask("GET", "/connectors/sink/status")[1]["tasks"] == [])
wait(lambda: ask("PATCH", "/connectors/sink/offsets", {"offsets": [entry("t", 0, 1), entry("t", 1, 1)]})[0] == 200)
print("before:", offsets())
status, answer = ask("PATCH", "/connectors/sink/offsets", {"offsets": [entry("t", 0, 100), entry("none", 0, 5), entry("t", 1, 200)]})
print(status, answer["message"].partition(" either ")[0])
print("after:", offsets())
END
python3 program.py "http://127.0.0.1:$rest" >got

seen got <<'END'
before: [('t', 0, 1), ('t', 1, 1)]
500 Failed to alter consumer group offsets for connector sink
after: [('t', 0, 100), ('t', 1, 200)]
END

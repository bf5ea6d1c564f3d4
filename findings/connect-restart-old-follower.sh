#!/usr/bin/env bash
# Kafka Connect 4.3.1 as leader, 3.9.2 as follower of one group (Maven Central): POST /connectors/NAME/restart?includeTasks=true
# sent to the follower.
#
# One would expect, of versions that may stand in one group while it is upgraded: each answers what the leader would.
# Seen: the leader restarts connector and task and answers 202 with statuses that have the member "version", which is new; the
# follower cannot read that and answers 500, though all has restarted.
# To a user: scripts and operators that restart while a cluster is upgraded see a failure, repeat it, and restart again.
. "$(dirname "$0")/lib.sh"
kafka_broker
python_packages kafka-python==3.0.12

mkdir old
(
    cd old
    java_packages org.apache.kafka:connect-runtime:3.9.2 org.apache.kafka:connect-file:3.9.2
)

# worker NAME JARS: starts one of the group, sets $NAME to its URL
worker() {
    local port
    port=$(free_port)
    printf '%s\n' "bootstrap.servers=$broker" "listeners=http://127.0.0.1:$port" group.id=workers config.storage.topic=configs \
        offset.storage.topic=offsets status.storage.topic=statuses config.storage.replication.factor=1 \
        offset.storage.replication.factor=1 status.storage.replication.factor=1 offset.storage.partitions=1 \
        status.storage.partitions=1 rest.advertised.host.name=127.0.0.1 \
        key.converter=org.apache.kafka.connect.storage.StringConverter value.converter=org.apache.kafka.connect.storage.StringConverter \
        >"$1.properties"
    in_background "$1.log" java -Xmx300m -cp "$2/*" org.apache.kafka.connect.cli.ConnectDistributed "$1.properties"
    printf -v "$1" '%s' "http://127.0.0.1:$port"
}

answers() {
    curl --silent --fail --max-time 20 "$1/connectors"
}

# post URL: status code, and the answer's message without the text of the reader
post() {
    curl --silent --max-time 60 --output answer --write-out '%{http_code}' --request POST "$1"
    printf ' '
    python3 -c '
import json
text = open("answer").read()
answer = json.loads(text) if text else {}
found = "version" in (answer.get("connector") or {})
print(answer["message"].partition("(class")[0].strip() if "message" in answer else "with versions" if found else "without versions" if answer else "no body")
'
}

running() {
    curl --silent --fail "$1/connectors/sink/status" | python3 -c '
import json, sys
status = json.load(sys.stdin)
sys.exit(not (status["tasks"] and all(each["state"] == "RUNNING" for each in [status["connector"], *status["tasks"]])))'
}

# restarts: how often the connector and its task were said to restart
restarts() {
    venv/bin/python -c '
import sys
from kafka import KafkaConsumer
found = [m.key.decode() for m in KafkaConsumer("statuses", bootstrap_servers=sys.argv[1], auto_offset_reset="earliest", consumer_timeout_ms=3000)
         if m.value and b"RESTARTING" in m.value]
print("restarts:", {key: found.count(key) for key in sorted(set(found))})
' "$broker"
}

worker leader jars
until_true 120 answers "$leader"
worker follower old/jars
until_true 120 answers "$follower"
config='{"name": "sink", "config": {"connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "topics": "t", "file": "sink.txt"}}'
create() {
    curl --silent --fail --max-time 60 --header 'Content-Type: application/json' --data "$config" "$leader/connectors"
}
until_true 60 create
until_true 120 running "$leader"
until_true 60 running "$follower"
{
    printf 'leader: '
    post "$leader/connectors/sink/restart?includeTasks=true"
    until_true 60 running "$leader"
    restarts
    printf 'follower: '
    post "$follower/connectors/sink/restart?includeTasks=true"
    until_true 60 running "$leader"
    restarts
} >got

seen got <<'END'
leader: 202 with versions
restarts: {'status-connector-sink': 1, 'status-task-sink-0': 1}
follower: 500 IO Error trying to forward REST request: Unrecognized field "version"
restarts: {'status-connector-sink': 2, 'status-task-sink-0': 2}
END

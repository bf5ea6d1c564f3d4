# Read by each script beside it: an empty folder that goes with the script, installers that take exact versions from the
# registries that pip, npm, mvn and cargo are set up for, and the comparison at the end. Nothing here or there uses our code.
set -Eeuo pipefail
export LC_ALL=C.UTF-8 TZ=UTC

started=()
folder=$(mktemp -d)
leave() {
    local status=$? pid
    for pid in "${started[@]}"; do kill "$pid" && wait "$pid" || true; done 2>/dev/null
    rm -rf "$folder"
    exit "$status"
}
trap leave EXIT
trap 'echo "failed: $BASH_COMMAND" >&2' ERR
cd "$folder"

# python_packages NAME==VERSION...: they are then used by venv/bin/python
python_packages() {
    python3 -m venv venv
    venv/bin/pip install --quiet --disable-pip-version-check "$@"
}

# node_packages NAME@VERSION...: they are then found by a script in this folder
node_packages() {
    npm install --silent --no-audit --no-fund --ignore-scripts --save-exact "$@" >npm.log 2>&1 || { cat npm.log >&2; return 1; }
}

# java_packages GROUP:NAME:VERSION...: they lie in jars/ then, with all that they need
java_packages() {
    local package group name version
    {
        echo '<project><modelVersion>4.0.0</modelVersion><groupId>f</groupId><artifactId>f</artifactId><version>1</version><dependencies>'
        for package in "$@"; do
            IFS=: read -r group name version <<<"$package"
            echo "<dependency><groupId>$group</groupId><artifactId>$name</artifactId><version>$version</version></dependency>"
        done
        echo '</dependencies></project>'
    } >pom.xml
    mvn --quiet --batch-mode dependency:copy-dependencies -DoutputDirectory=jars >mvn.log 2>&1 || { cat mvn.log >&2; return 1; }
}

# java_program FILE: compiles and runs one file with jars/; what goes to standard error is shown only if it fails
java_program() {
    java -cp 'jars/*' "$@" 2>java.log || { cat java.log >&2; return 1; }
}

# rust_packages: reads lines of dependencies, as in a Cargo.toml; src/main.rs can use them then
rust_packages() {
    mkdir src
    {
        printf '%s\n' '[package]' 'name = "program"' 'version = "1.0.0"' 'edition = "2024"' '[dependencies]'
        cat
        printf '%s\n' '[profile.dev]' 'debug = false' '[workspace]'
    } >Cargo.toml
}

# rust_program [-- ARGUMENT...]: builds src/main.rs and runs it
rust_program() {
    CARGO_TARGET_DIR=target cargo run --quiet "$@" 2>cargo.log || { cat cargo.log >&2; return 1; }
}

# go_program MODULE@VERSION...: builds main.go with these modules and runs it
go_program() {
    printf '%s\n' 'module program' 'go 1.24' >go.mod
    go get "$@" >go.log 2>&1 && go build -o program main.go >>go.log 2>&1 || { cat go.log >&2; return 1; }
    ./program
}

# free_port: one that nobody listens on
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# in_background LOG COMMAND...: runs until the script ends
in_background() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 &
    started+=($!)
}

# until_true SECONDS COMMAND...: tries once in half a second
until_true() {
    local tries=$(($1 * 2))
    shift
    until "$@" >/dev/null 2>&1; do
        ((tries-- > 0)) || { echo "gave up waiting for: $*" >&2; return 1; }
        sleep 0.5
    done
}

# listens PORT
listens() {
    (: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# each_server "NAME COMMAND..."...: starts each with a free port as its last argument, and runs program.py with NAME and the port
each_server() {
    local server port command
    for server in "$@"; do
        port=$(free_port)
        read -ra command <<<"${server#* }"
        in_background server.log "${command[@]}" "$port"
        until_true 60 listens "$port"
        venv/bin/python program.py "${server%% *}" "$port"
    done
}

# kafka_broker [SETTING=VALUE...]: Apache Kafka 4.3.1, else with its defaults; sets $broker to host:port. Its jars lie in jars/
kafka_broker() {
    java_packages org.apache.kafka:kafka_2.13:4.3.1 org.apache.kafka:connect-runtime:4.3.1 org.apache.kafka:connect-file:4.3.1
    local port controller
    port=$(free_port)
    controller=$(free_port)
    broker=127.0.0.1:$port
    printf '%s\n' process.roles=broker,controller node.id=1 "controller.quorum.voters=1@127.0.0.1:$controller" \
        "listeners=PLAINTEXT://$broker,CONTROLLER://127.0.0.1:$controller" "advertised.listeners=PLAINTEXT://$broker" \
        controller.listener.names=CONTROLLER offsets.topic.replication.factor=1 offsets.topic.num.partitions=1 \
        transaction.state.log.replication.factor=1 transaction.state.log.min.isr=1 "log.dirs=$folder/broker" "$@" >broker.properties
    java -cp 'jars/*' kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAA -c broker.properties >format.log 2>&1 ||
        { cat format.log >&2; return 1; }
    in_background broker.log java -Xmx400m -cp 'jars/*' kafka.Kafka broker.properties
    until_true 60 listens "$port"
}

# seen FILE: compares what came out with the text on standard input, which is what came out when the script was written
seen() {
    if diff --unified --label 'when this was written' --label now - "$1"; then
        echo "as written: $(basename "$0" .sh)"
    else
        echo "changed: $(basename "$0" .sh)" >&2
        exit 1
    fi
}

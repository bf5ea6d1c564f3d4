"""Scenario walkthrough: the workshop from its environment variables to its objects and documents.

The two services get what the workshop's task definitions give them, with AWS's endpoints and authorities beside it: no address of a
broker or a database, no key. AWS is our stand-in, which checks every signature: Cloud Map, GetBootstrapBrokers and Secrets
Manager over HTTPS, the metadata of the task, the credentials of its container, S3. The broker is a real Kafka's TLS listener; the
document store speaks TLS, leads a replica set, wants a password and takes no retryable writes, as Amazon DocumentDB.
Half-way everything is replaced: the role's session, the cluster's instance in Cloud Map, the database's with its endpoint, its secret
and its password. Nobody starts a process again, and every record stands once in an object and once in a document.

Then the same binary works against moto, somebody else's AWS: references to secrets and parameters in connectors, a web identity,
roles that are taken on by a connector's settings and by the JAAS line of a sign-in with IAM, all through a proxy and TLS of a
private authority.
"""

import base64
import contextlib
import hashlib
import json
import re
import subprocess
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pymongo
from confluent_kafka import Producer

from . import topics
from .both_jobs import properties
from .fronts import Authority, Proxy, TlsFront
from .secure import MODULES
from .services import KEY_PAIR, S3, Failed, Kafka, Options, Process, S3Server, bound, embedded_program, free_ports, http, is_open, wait_until

REGION = "eu-west-1"
NAMESPACE = "FargateWorkshopNamespace"
KAFKA_SERVICE, DATABASE_SERVICE = "FargateStream-KafkaSvc1A2B3C", "FargateStream-DbSvc4D5E6F"
CLUSTERS = [f"arn:aws:kafka:{REGION}:111122223333:cluster/workshop/0a1b2c3d-0000-4000-8000-00000000000{n}-7" for n in (1, 2)]
SECRETS = [f"arn:aws:secretsmanager:{REGION}:111122223333:secret:workshop/db-{n}" for n in ("AbCdEf", "GhIjKl")]
# Signs that mean something in a connection string.
PASSWORDS = ["p@ss/w:rd%1?", "n3w#pa[ss]&2"]
SESSIONS = ["first/session+token==", "second/session+token=="]
AGENT_TOKEN = "the-agents-token"
TOPIC = "MyTopic"
STRING = "org.apache.kafka.connect.storage.StringConverter"
JSON = "org.apache.kafka.connect.json.JsonConverter"
INTERNAL = ("CONFIG", "OFFSET", "STATUS")
FLUSH_SIZE = 3
# Records of a batch for each partition: some objects, none of them open in the end.
SHARE = 4 * FLUSH_SIZE
PATIENCE_S = 60
BUCKET = "archive"
# As the workshop posts it, with its numbers as numbers.
CONNECTOR = {
    "connector.class": "io.confluent.connect.s3.S3SinkConnector",
    "tasks.max": 1,
    "topics": TOPIC,
    "s3.region": REGION,
    "s3.bucket.name": BUCKET,
    "s3.part.size": 5242880,
    "flush.size": FLUSH_SIZE,
    "storage.class": "io.confluent.connect.s3.storage.S3Storage",
    "format.class": "io.confluent.connect.s3.format.json.JsonFormat",
    "schema.generator.class": "io.confluent.connect.storage.hive.schema.DefaultSchemaGenerator",
    "partitioner.class": "io.confluent.connect.storage.partitioner.DefaultPartitioner",
    "schema.compatibility": "NONE",
}


class Container(Process):
    """The binary with these variables and no others: nothing of this machine's environment helps it."""

    def launch(self, *arguments, **environment: str):
        with open(self.folder / "millstream.log", "a") as log:
            self.process = subprocess.Popen([self.binary, *arguments], stdout=log, stderr=log, env=environment)

    def log(self) -> str:
        return (self.folder / "millstream.log").read_text(errors="replace")


class Workshop:
    """Our stand-ins in one process, told what is in them by lines of JSON."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.control, self.documents, s3 = (free_ports(1) for _ in range(3))
        self.s3_port = s3
        addresses = [f"127.0.0.1:{port}" for port in (self.control, self.documents, s3)]
        command = [embedded_program("workshop"), *addresses, folder / "s3", *KEY_PAIR]
        with open(folder / "workshop.log", "w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        wait_until("the stand-ins listen", 60, lambda: all(is_open(port) for port in (self.control, self.documents, s3)))
        self.s3 = S3(f"http://{addresses[2]}")

    def tell(self, order: str, content) -> dict:
        self.process.stdin.write(json.dumps({order: content}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise Failed(f"the stand-ins do not take {order}")
        return json.loads(answer)

    def register(self, service: str, instances: dict[str, dict[str, str]]):
        self.tell("register", {"namespace": NAMESPACE, "service": service, "instances": instances})

    def calls(self, operation: str) -> int:
        return self.tell("calls", {})["calls"].count(operation)

    def stop(self):
        self.process.kill()
        self.process.wait()


def port(wanted: int) -> int:
    """The workshop's own port, where nobody else on this machine has it."""
    with contextlib.suppress(OSError):
        bound(wanted).close()
        return wanted
    return free_ports(1)


def post(url: str, name: str, config: dict):
    status, body = http("POST", f"{url}/connectors", {"name": name, "config": config})
    if status != 201:
        raise Failed(f"POST of {name} answers {status}: {body}")


def check_running(url: str, name: str):
    """Nothing of the connector has failed."""
    status, body = http("GET", f"{url}/connectors/{name}/status")
    failed = [part for part in [body["connector"], *body["tasks"]] if part["state"] == "FAILED"] if status == 200 else []
    if failed:
        raise Failed(f"{name} is FAILED: {failed[0].get('trace', '')[:1500]}")


def objects(s3: S3, bucket: str) -> dict[tuple[int, int], str]:
    """Each record's text by its partition and offset, as the names of the objects tell it; one that is there twice is a failure."""
    found: dict[tuple[int, int], str] = {}
    for key in s3.objects(bucket):
        named = re.fullmatch(rf"topics/{TOPIC}/partition=(\d+)/{TOPIC}\+(\d+)\+(\d{{10}})\.json", key)
        if not named or named[1] != named[2]:
            raise Failed(f"an object is called {key}")
        for line, text in enumerate(s3.body(bucket, key).splitlines()):
            place = (int(named[1]), int(named[3]) + line)
            if place in found:
                raise Failed(f"{bucket}: the record of partition and offset {place} stands in two objects")
            found[place] = json.loads(text)
    return found


class Records:
    """The topic, and what has been put into it by partition and offset."""

    def __init__(self, bootstrap: str):
        self.bootstrap = bootstrap
        self.by_place: dict[tuple[int, int], str] = {}
        topics.create(bootstrap, TOPIC)

    def produce(self, share: int):
        producer = Producer({"bootstrap.servers": self.bootstrap})

        def written(error, message):
            if error:
                raise Failed(f"a record was not taken: {error}")
            self.by_place[(message.partition(), message.offset())] = message.value().decode()

        for number in range(share * topics.PARTITIONS):
            value = f"order {len(self.by_place)}-{number} of grüße@example.com"
            producer.produce(TOPIC, value.encode(), partition=number % topics.PARTITIONS, on_delivery=written)
        producer.flush(60)

    def after(self, first: dict[int, int]) -> dict[tuple[int, int], str]:
        return {place: value for place, value in self.by_place.items() if place[1] >= first[place[0]]}

    def __len__(self) -> int:
        return len(self.by_place)


class Walk:
    """The first half: our stand-ins."""

    def __init__(self, options: Options, kafka: Kafka, stack: contextlib.ExitStack):
        self.options = options
        self.kafka = kafka
        self.workshop = Workshop(options.folder / "aws")
        stack.callback(self.workshop.stop)
        self.authority = Authority(options.folder / "authority")
        self.fronts = {}
        for name, behind in (
            ("control", self.workshop.control),
            ("s3", self.workshop.s3_port),
            # The cluster's endpoint and its member's own, before and after.
            *((f"{part} {when}", self.workshop.documents) for when in (0, 1) for part in ("cluster", "member")),
        ):
            self.fronts[name] = TlsFront(free_ports(1), behind, self.authority)
            stack.callback(self.fronts[name].stop)
        # What stands beside a container is asked without it.
        self.proxy = Proxy(free_ports(1))
        stack.callback(self.proxy.stop)
        self.records = Records(kafka.bootstrap)
        self.furnish()

    def furnish(self):
        tell = self.workshop.tell
        tell("bucket", BUCKET)
        tell("document", {"path": "/v4/task", "document": {"Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": ["127.0.0.1"]}]}})
        task = {"TaskARN": f"arn:aws:ecs:{REGION}:111122223333:task/workshop/0a1b", "Cluster": "workshop"}
        tell("document", {"path": "/v4/task/task", "document": task})
        for cluster, host in zip(CLUSTERS, ("127.0.0.1", "localhost")):
            listener = f"{host}:{self.kafka.facts['SSL'].rpartition(':')[2]}"
            tell("brokers", {"arn": cluster, "answer": {"bootstrapBrokerStringTls": listener}})
        for secret, password in zip(SECRETS, PASSWORDS):
            tell("secret", {"id": secret, "text": json.dumps({"engine": "mongo", "username": "hasher", "password": password})})
        self.furnish_for(0)

    def furnish_for(self, when: int):
        """What there is before the replacement, or after it."""
        tell = self.workshop.tell
        key = {"id": KEY_PAIR[0], "secret": KEY_PAIR[1], "session_token": SESSIONS[when], "is_expired": False}
        document = {"RoleArn": "arn:aws:iam::111122223333:role/task", "AccessKeyId": key["id"], "SecretAccessKey": key["secret"],
                    "Token": key["session_token"], "Expiration": "2099-01-01T00:00:00Z"}  # fmt: skip
        tell("document", {"path": "/v2/credentials/task", "document": document, "token": AGENT_TOKEN})
        tell("keys", [key])
        host, _, database_port = self.fronts[f"cluster {when}"].address.partition(":")
        member = self.fronts[f"member {when}"].address
        tell("set", {"name": "rs0", "host": member})
        tell("user", {"name": "hasher", "password": PASSWORDS[when]})
        self.workshop.register(KAFKA_SERVICE, {f"FargateStreamKafkaBrokerArn{when}": {"broker_arn": CLUSTERS[when]}})
        writer = {"endpoint": host, "port": database_port, "secret_arn": SECRETS[when]}
        self.workshop.register(DATABASE_SERVICE, {
            f"FargateStreamdbReadEndpoint{when}": {"endpoint": "reader.invalid"},
            f"FargateStreamdbEndpoint{when}": writer,
        })  # fmt: skip

    def environment(self) -> dict[str, str]:
        """What is the same for both services: where this machine's AWS is, and what the agent of ECS puts into every container."""
        control = f"https://{self.fronts['control'].address}"
        agent = f"http://127.0.0.1:{self.workshop.control}"
        return {
            "AWS_ENDPOINT_URL_SERVICEDISCOVERY": control,
            "AWS_ENDPOINT_URL_KAFKA": control,
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": control,
            "AWS_ENDPOINT_URL_S3": f"https://{self.fronts['s3'].address}",
            "AWS_CA_BUNDLE": str(self.authority.file),
            # In the place of the system's authorities, which know the certificates of MSK.
            "SSL_CERT_FILE": self.kafka.facts["CA_PEM"],
            "ECS_CONTAINER_METADATA_URI_V4": f"{agent}/v4/task",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{agent}/v2/credentials/task",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": AGENT_TOKEN,
            **{name: f"http://{self.proxy.address}" for name in ("HTTP_PROXY", "HTTPS_PROXY")},
            "DISCOVERY_INTERVAL": "1",
            "DISCOVERY_TIMEOUT": "30",
        }

    def create_internal_topics(self):
        """As the workshop has people do it, with Kafka's own flags: one partition, and no word of compaction."""
        client = self.options.folder / "client.properties"
        client.write_text("security.protocol=SSL\n")
        flags = ["--bootstrap-server", self.kafka.facts["SSL"], "--command-config", str(client), "--replication-factor", "1", "--partitions", "1"]
        for name in INTERNAL:
            command = [Process.binary, "topics", "--create", "--topic", f"kc_{name.lower()}", *flags]
            done = subprocess.run(command, capture_output=True, text=True, env={"SSL_CERT_FILE": self.kafka.facts["CA_PEM"]})
            if done.returncode != 0:
                raise Failed(f"topics --create ends with {done.returncode}: {done.stderr[-400:]}")

    def start(self, stack: contextlib.ExitStack):
        self.create_internal_topics()
        rest, health, health_of_stream = port(8083), port(18083), free_ports(1)
        self.url = f"http://127.0.0.1:{rest}"
        security = {f"CONNECT_{client}SECURITY_PROTOCOL": "SSL" for client in ("", "CONSUMER_", "PRODUCER_")}
        topic_names = {f"CONNECT_{name}_STORAGE_TOPIC": f"kc_{name.lower()}" for name in INTERNAL}
        internal = {f"CONNECT_INTERNAL_{part}_CONVERTER": JSON for part in ("KEY", "VALUE")}
        internal |= {f"{name}_SCHEMAS_ENABLE": "false" for name in internal}
        self.worker = Container(self.options.folder / "worker")
        stack.callback(self.worker.kill)
        # The workshop gives this service no NAMESPACE.
        self.worker.launch(
            "worker", **self.environment(), **security, **topic_names, **internal,
            MSK_SERVICE=KAFKA_SERVICE, REGION=REGION, CONNECT_PLUGIN_PATH="/usr/share/java", CONNECT_GROUP_ID="KcS3SinkGroup",
            CONNECT_KEY_CONVERTER=STRING, CONNECT_VALUE_CONVERTER=STRING, CONNECT_REST_PORT=str(rest),
            CONNECT_CONSUMER_AUTO_OFFSET_RESET="latest", CONNECT_OFFSET_FLUSH_INTERVAL_MS="120000", CONNECT_OFFSET_FLUSH_TIMEOUT_MS="20000",
            CONNECT_MILLSTREAM_FIX_INTERNAL_TOPICS="true", HEALTHCHECK_PORT=str(health),
        )  # fmt: skip
        self.stream = Container(self.options.folder / "stream")
        stack.callback(self.stream.kill)
        # Its region is the task's.
        self.stream.launch(
            "stream", **self.environment(), NAMESPACE=NAMESPACE, MSK_SERVICE=KAFKA_SERVICE, DDB_SERVICE=DATABASE_SERVICE, TOPIC_NAME=TOPIC,
            DOCDB_CA_FILE=str(self.authority.file), HEALTHCHECK_PORT=str(health_of_stream),
        )  # fmt: skip
        for process, probe in (self.worker, health), (self.stream, health_of_stream):
            wait_until(f"{process.folder.name} is ready", PATIENCE_S, lambda: self.is_ready(process, probe))
        status, connectors = http("GET", f"{self.url}/connectors?expand=status")
        if (status, connectors) != (200, {}):
            raise Failed(f"a new worker has {status}: {connectors}")

    def is_ready(self, process: Container, probe: int) -> bool:
        process.check()
        return http("GET", f"http://127.0.0.1:{probe}/ready")[0] == 200

    def documents(self, when: int) -> dict[str, dict]:
        """As somebody with the workshop's connection string finds them."""
        user, password = "hasher", urllib.parse.quote(PASSWORDS[when], safe="")
        uri = f"mongodb://{user}:{password}@{self.fronts[f'cluster {when}'].address}/"
        options = f"?tls=true&tlsCAFile={self.authority.file}&replicaSet=rs0&readPreference=secondaryPreferred&retryWrites=false"
        with pymongo.MongoClient(uri + options) as client:
            return {document["_id"]: document for document in client["kafka"]["hashed"].find()}

    def await_both(self, when: int, first: dict[int, int]):
        """All records in both, each once. A document's id is its place, so that there is no second; what is too much is counted."""
        wanted = self.records.after(first)

        def complete() -> bool:
            self.worker.check()
            self.stream.check()
            check_running(self.url, "s3-sink")
            return len(objects(self.workshop.s3, BUCKET)) >= len(wanted) and len(self.documents(when)) >= len(self.records)

        wait_until("all records in objects and documents", PATIENCE_S, complete, 0.2)
        stored = objects(self.workshop.s3, BUCKET)
        if stored != wanted:
            raise Failed(f"of {len(wanted)} records {len(wanted.keys() - stored.keys())} are in no object, {len(stored.keys() - wanted.keys())} are too many")
        hashed = {
            f"{TOPIC}#{partition}#{offset}": hashlib.md5(value.encode()).hexdigest() for (partition, offset), value in self.records.by_place.items()
        }
        found = {name: document["value"] for name, document in self.documents(when).items()}
        if found != hashed:
            raise Failed(f"of {len(hashed)} records {len(hashed.keys() - found.keys())} have no document, {len(found.keys() - hashed.keys())} are too many")

    def warm_up(self) -> dict[int, int]:
        """The first offsets that the connector sees, which begins at the end of the topic as the workshop has it."""

        def seen() -> dict[int, int] | None:
            self.worker.check()
            check_running(self.url, "s3-sink")
            self.records.produce(1)
            first: dict[int, int] = {}
            for partition, offset in objects(self.workshop.s3, BUCKET):
                first[partition] = min(offset, first.get(partition, offset))
            return first if len(first) == topics.PARTITIONS else None

        return wait_until("objects of every partition", PATIENCE_S, seen, 0.2)

    def fill_up(self, first: dict[int, int]):
        """As many records as make every object full."""
        while any((max(offset for p, offset in self.records.by_place if p == partition) + 1 - start) % FLUSH_SIZE for partition, start in first.items()):
            self.records.produce(1)

    def replace(self):
        """The cluster's instance and the database's go away and others come; the role's session and the password change with them."""
        before = {name: self.workshop.calls(name) for name in ("GetBootstrapBrokers", "GetSecretValue")}
        self.furnish_for(1)
        for name in ("cluster 0", "member 0"):
            self.fronts[name].cut()
        wait_until("both look at the new cluster", 30, lambda: self.workshop.calls("GetBootstrapBrokers") >= before["GetBootstrapBrokers"] + 2, 0.1)
        wait_until("the new secret is read", 60, lambda: self.workshop.calls("GetSecretValue") > before["GetSecretValue"], 0.1)

    def run(self, stack: contextlib.ExitStack):
        started = time.monotonic()
        self.start(stack)
        ready_s = round(time.monotonic() - started, 1)
        post(self.url, "s3-sink", CONNECTOR)
        first = self.warm_up()
        self.records.produce(SHARE)
        self.fill_up(first)
        self.await_both(0, first)
        before = len(self.records)
        self.options.log(step="walked", ready_s=ready_s, records=before, objects=len(self.workshop.s3.objects(BUCKET)))
        self.records.produce(SHARE)
        self.replace()
        self.records.produce(SHARE)
        self.await_both(1, first)
        # Whoever still went to the old database would notice now.
        for name in ("cluster 0", "member 0"):
            self.fronts[name].stop()
        self.records.produce(SHARE)
        self.await_both(1, first)
        self.check()
        calls = self.workshop.tell("calls", {})["calls"]
        self.options.log(step="replaced", records=len(self.records) - before, calls={name: calls.count(name) for name in sorted(set(calls))})

    def check(self):
        refusals = self.workshop.tell("calls", {})["refusals"]
        # For a moment somebody has the session that is no more.
        wrong = [refusal for refusal in refusals if not refusal.startswith("InvalidClientTokenId")]
        if wrong:
            raise Failed(f"signatures were refused: {wrong[:3]}")
        services = {self.fronts[name].address for name in ("control", "s3")}
        if set(self.proxy.tunnels) != services or self.proxy.others:
            raise Failed(f"the proxy opened {set(self.proxy.tunnels)} and was asked for {set(self.proxy.others)}")
        values = list(self.records.by_place.values())
        for process in self.worker, self.stream:
            process.check()
            log = process.log()
            for secret in (*PASSWORDS, *SESSIONS, KEY_PAIR[1], AGENT_TOKEN, *(urllib.parse.quote(text, safe="") for text in PASSWORDS), *values):
                if secret in log:
                    raise Failed(f"the log of {process.folder.name} holds a secret or a value")
            # The old password is refused once, and that is how `stream` learns of the new one.
            complaints = [line for line in log.splitlines() if " ERROR " in line or "panicked" in line]
            expected = [line for line in complaints if process is self.stream and "authentication failed at the document store" in line]
            if complaints != expected or len(expected) > 1:
                raise Failed(f"{process.folder.name} complains: {complaints[0]}")


class Witness:
    """The second half: moto."""

    ROLE, WEB_ROLE, READER_ROLE = (f"arn:aws:iam::123456789012:role/{name}" for name in ("archive", "web", "reader"))
    # Another region than everything else's.
    READER_REGION = "us-west-2"
    TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ3b3Jrc2hvcCJ9."
    KEYS = ("AKIAWITNESS", "the/secret+key")

    def __init__(self, options: Options, stack: contextlib.ExitStack):
        self.options = options
        self.folder = options.folder / "witness"
        self.recording = self.folder / "requests.jsonl"
        self.moto = S3Server(self.folder, MOTO_ENABLE_RECORDING="true", MOTO_RECORDER_FILEPATH=str(self.recording))
        stack.callback(self.moto.stop)
        self.authority = Authority(self.folder / "authority")
        self.front = TlsFront(free_ports(1), int(self.moto.url.rpartition(":")[2]), self.authority)
        stack.callback(self.front.stop)
        self.proxy = Proxy(free_ports(1))
        stack.callback(self.proxy.stop)
        self.furnish()

    def client(self, service: str):
        return boto3.client(service, endpoint_url=self.moto.url, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")

    def furnish(self):
        for bucket in ("by-keys", "by-role", "by-web"):
            self.moto.client.create_bucket(Bucket=bucket)
        self.client("secretsmanager").create_secret(Name="archive/keys", SecretString=json.dumps(dict(zip(("id", "secret"), self.KEYS))))
        ssm = self.client("ssm")
        ssm.put_parameter(Name="/archive/bucket", Value="by-keys", Type="String")
        ssm.put_parameter(Name="/archive/flush", Value=str(FLUSH_SIZE), Type="SecureString")
        (self.folder / "token").write_text(self.TOKEN)

    def identity(self) -> dict[str, str]:
        """A web identity, and the way to moto."""
        https = f"https://{self.front.address}"
        return {
            "AWS_REGION": REGION, "AWS_ROLE_ARN": self.WEB_ROLE, "AWS_ROLE_SESSION_NAME": "witness",
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(self.folder / "token"), "AWS_CA_BUNDLE": str(self.authority.file),
            "HTTPS_PROXY": f"http://{self.proxy.address}", "AWS_ENDPOINT_URL_STS": https,
        }  # fmt: skip

    def sign_in(self, kafka: Kafka):
        """By a role that the JAAS line names. Kafka knows no IAM and lets nobody in; that the token is signed by the role's session is seen."""
        line = (
            f'required awsRoleArn="{self.READER_ROLE}" awsRoleSessionName="reader" awsRoleExternalId="external-8" '
            f'awsStsRegion="{self.READER_REGION}" awsDebugCreds=true;'
        )
        file = self.folder / "iam.properties"
        file.write_text(properties({
            "security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER",
            "ssl.truststore.type": "PEM", "ssl.truststore.location": kafka.facts["CA_PEM"],
            "sasl.jaas.config": f"{MODULES}.oauthbearer.OAuthBearerLoginModule {line}",
            "sasl.login.callback.handler.class": "software.amazon.msk.auth.iam.IAMOAuthBearerLoginCallbackHandler",
        }))  # fmt: skip
        command = [Process.binary, "topics", "--list", "--bootstrap-server", kafka.facts["OAUTHBEARER"], "--command-config", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, env={**self.identity(), "RUST_LOG": "info"}, timeout=PATIENCE_S)
        if done.returncode == 0 or "rejected the token" not in done.stderr:
            raise Failed(f"topics --list with a token of IAM ends with {done.returncode}: {done.stderr[-400:]}")
        shown = re.search(r"key=\W*…?(\w{4})", done.stderr)
        sessions = http("GET", f"{self.moto.url}/moto-api/data.json")[1]["sts"]["AssumedRole"]
        keys = [session["access_key_id"] for session in sessions if session.get("session_name") == "reader"]
        if not shown or not any(key.endswith(shown[1]) for key in keys):
            raise Failed(f"the token is signed by the key …{shown and shown[1]}, the role's session has {keys}: {done.stderr[-400:]}")

    def run(self, stack: contextlib.ExitStack, records: Records):
        rest, https = free_ports(1), f"https://{self.front.address}"
        topic_names = {f"CONNECT_{name}_STORAGE_TOPIC": f"witness_{name.lower()}" for name in INTERNAL}
        replicas = {f"CONNECT_{name}_STORAGE_REPLICATION_FACTOR": "1" for name in INTERNAL}
        worker = Container(self.folder / "worker")
        stack.callback(worker.kill)
        worker.launch(
            "worker", **topic_names, **replicas, CONNECT_BOOTSTRAP_SERVERS=records.bootstrap, CONNECT_GROUP_ID="witness",
            CONNECT_REST_ADVERTISED_HOST_NAME="127.0.0.1", CONNECT_REST_PORT=str(rest), CONNECT_KEY_CONVERTER=STRING, CONNECT_VALUE_CONVERTER=STRING,
            CONNECT_CONFIG_PROVIDERS="aws-secrets,ssm",
            CONNECT_CONFIG_PROVIDERS_AWS___SECRETS_CLASS="com.amazonaws.kafka.config.providers.SecretsManagerConfigProvider",
            CONNECT_CONFIG_PROVIDERS_SSM_CLASS="com.amazonaws.kafka.config.providers.SsmParamStoreConfigProvider",
            HEALTHCHECK_PORT="off", **self.identity(),
            AWS_ENDPOINT_URL_SECRETS_MANAGER=https, AWS_ENDPOINT_URL_S3=https, AWS_ENDPOINT_URL_SSM=self.moto.url,
        )  # fmt: skip
        url = f"http://127.0.0.1:{rest}"

        def answers() -> bool:
            worker.check()
            return http("GET", f"{url}/connectors")[0] == 200

        wait_until("the witness's worker answers", PATIENCE_S, answers)
        earliest = {"consumer.override.auto.offset.reset": "earliest"}
        by_keys = {
            "s3.bucket.name": "${ssm:/archive/bucket}", "flush.size": "${ssm:/archive/flush}",
            "aws.access.key.id": "${aws-secrets:archive/keys:id}", "aws.secret.access.key": "${aws-secrets:archive/keys:secret}",
        }  # fmt: skip
        role = "s3.credentials.provider"
        by_role = {
            "s3.bucket.name": "by-role", f"{role}.class": "io.confluent.connect.s3.auth.AwsAssumeRoleCredentialsProvider",
            f"{role}.sts.role.arn": self.ROLE, f"{role}.sts.role.session.name": "archiver", f"{role}.sts.role.external.id": "external-7",
        }  # fmt: skip
        for name, settings in {"by-keys": by_keys, "by-role": by_role, "by-web": {"s3.bucket.name": "by-web"}}.items():
            post(url, name, {**CONNECTOR, **earliest, **settings})

        def complete() -> bool:
            worker.check()
            for name in ("by-keys", "by-role", "by-web"):
                check_running(url, name)
            return all(len(objects(self.moto, name)) >= len(wanted) for name in ("by-keys", "by-role", "by-web"))

        # From the beginning of each partition an object has three records, and what does not fill one is left open.
        ends = {partition: max(offset for p, offset in records.by_place if p == partition) + 1 for partition in range(topics.PARTITIONS)}
        wanted = {(p, offset): value for (p, offset), value in records.by_place.items() if offset < ends[p] - ends[p] % FLUSH_SIZE}
        wait_until("objects of all three connectors", PATIENCE_S, complete, 0.2)
        for name in ("by-keys", "by-role", "by-web"):
            if objects(self.moto, name) != wanted:
                raise Failed(f"{name}: the objects differ from the records")
        worker.check()
        if any(secret in worker.log() for secret in (*self.KEYS[1:], self.TOKEN)):
            raise Failed("the log of the witness's worker holds a secret")
        self.check()

    def check(self):
        """Who signed what, by moto's own record of the requests."""
        sent = [self.read(json.loads(line)) for line in self.recording.read_text().splitlines()]
        # What this scenario asks for itself comes straight, with Python's own name.
        ours = [request for request in sent if "boto" not in request["agent"].lower() and "python" not in request["agent"].lower()]
        web = [request for request in ours if request["form"].get("Action") == "AssumeRoleWithWebIdentity"]
        taken = [request for request in ours if request["form"].get("Action") == "AssumeRole"]
        readers = [request for request in taken if request["form"].get("RoleArn") == self.READER_ROLE]
        roles = [request for request in taken if request not in readers]
        for request in web:
            wanted = {"RoleArn": self.WEB_ROLE, "WebIdentityToken": self.TOKEN, "RoleSessionName": "witness"}
            if not wanted.items() <= request["form"].items() or request["key"]:
                raise Failed(f"the web identity is brought as {sorted(request['form'])}, signed {bool(request['key'])}")
        for requests, role, session, external, region in (
            (roles, self.ROLE, "archiver", "external-7", REGION),
            (readers, self.READER_ROLE, "reader", "external-8", self.READER_REGION),
        ):
            for request in requests:
                wanted = {"RoleArn": role, "RoleSessionName": session, "ExternalId": external}
                is_signed = request["key"].startswith("ASIA") and request["has_session"] and request["region"] == region
                if not wanted.items() <= request["form"].items() or not is_signed:
                    raise Failed(f"the role is taken on as {request['form']} by {request['key']} in {request['region']}")
        by_bucket = {name: {request["key"] for request in ours if request["path"].startswith(f"/{name}/")} for name in ("by-keys", "by-role", "by-web")}
        session_keys = {request["key"] for request in taken}
        asked = {target: [request for request in ours if request["target"].endswith(target)] for target in ("GetSecretValue", "GetParameter")}
        facts = {
            "a web identity": bool(web),
            "a role": bool(roles),
            "a role of a JAAS line": bool(readers),
            "objects by the keys of the secret": by_bucket["by-keys"] == {self.KEYS[0]},
            "objects by the session of the web identity": bool(by_bucket["by-web"]) and all(key.startswith("ASIA") for key in by_bucket["by-web"]),
            "objects by the session of the role": bool(by_bucket["by-role"]) and all(key.startswith("ASIA") for key in by_bucket["by-role"])
            and not by_bucket["by-role"] & (session_keys | by_bucket["by-web"]),
            "secrets and parameters by a session": all(asked.values())
            and all(request["key"].startswith("ASIA") and request["has_session"] for requests in asked.values() for request in requests),
            "tunnels to the front alone": set(self.proxy.tunnels) == {self.front.address},
            "nothing else through the proxy": not self.proxy.others,
        }
        missing = [name for name, holds in facts.items() if not holds]
        if missing:
            raise Failed(f"missing: {missing}; keys {by_bucket}, roles by {session_keys}, proxy {set(self.proxy.tunnels)} {self.proxy.others[:3]}")
        counts = {name: len(requests) for name, requests in {"AssumeRoleWithWebIdentity": web, "AssumeRole": taken, **asked}.items()}
        self.options.log(step="witnessed", requests=len(ours), **counts, tunnels=len(self.proxy.tunnels))

    @staticmethod
    def read(entry: dict) -> dict:
        headers = {name.lower(): value for name, value in entry["headers"].items()}
        body = base64.b64decode(entry["body"]) if entry["body_encoded"] else (entry["body"] or "").encode()
        signed = re.search(r"Credential=([^/]+)/\d+/([^/]+)/", headers.get("authorization", ""))
        is_form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        return {
            "path": urllib.parse.urlsplit(entry["url"]).path,
            "agent": headers.get("user-agent", ""),
            "target": headers.get("x-amz-target", ""),
            "key": signed[1] if signed else "",
            "region": signed[2] if signed else "",
            "has_session": "x-amz-security-token" in headers,
            "form": dict(urllib.parse.parse_qsl(body.decode())) if is_form else {},
        }


def run(options: Options) -> None:
    if options.kafka.startswith("2."):
        raise Failed("scenario walkthrough is for Kafka 3.x and 4.x")

    def start_kafka() -> Kafka:
        # MSK's TLS listener asks nobody for a certificate.
        more = ("--secure", "--set", "listener.name.ssl.ssl.client.auth=none")
        kafka = Kafka(options.kafka, options.folder / "kafka", more=more, is_short_lived=True)
        stack.callback(kafka.stop)
        return kafka

    with contextlib.ExitStack() as stack:
        with ThreadPoolExecutor(2) as pool:
            starting = pool.submit(start_kafka), pool.submit(Witness, options, stack)
        kafka, witness = (start.result() for start in starting)
        walk = Walk(options, kafka, stack)
        with contextlib.ExitStack() as processes:
            walk.run(processes)
        with contextlib.ExitStack() as processes:
            witness.sign_in(kafka)
            witness.run(processes, walk.records)

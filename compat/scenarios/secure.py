"""Scenario secure: every way into the secured listeners of a real broker, and what a person reads where there is none.

Each way feeds both jobs: a connector whose `consumer.override.*` settings say how to sign in, and `stream` with the same
settings in its client.properties. The broker asks for a new sign-in every few seconds while records keep coming. Then
come the mistakes that people make: each must give one message, in the status and in the log, that names the server
and the remedy and no secret.
"""

import base64
import collections
import contextlib
import json
import re
import ssl
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import topics
from .both_jobs import TOPIC, BothJobs, SecureWorker, connector
from .services import Failed, Kafka, Millstream, Options, Process, bound, free_ports, http, wait_until

BATCHES = 8
REAUTHENTICATION_MS = 2500
WRONG = "wrong-secret"
MODULES = "org.apache.kafka.common.security"


def plain(user: str, password: str) -> str:
    return f'{MODULES}.plain.PlainLoginModule required username="{user}" password="{password}";'


def scram(user: str, password: str) -> str:
    """Over several lines and in single quotes, as people write it, too."""
    return f"{MODULES}.scram.ScramLoginModule required\n  username='{user}'\n  password='{password}' ;"


def token(subject: str, seconds: int) -> str:
    def part(content: dict) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part({'sub': subject, 'exp': int(time.time()) + seconds})}."


def openssl(folder: Path, *arguments: str):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)


class Files:
    """Keys, certificates and tokens beside those that the cluster came with."""

    def __init__(self, facts: dict[str, str], folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        tls = Path(facts["DIR"]) / "tls"
        self.folder = folder
        self.ca = facts["CA_PEM"]
        self.chain = Path(facts["CLIENT_CERT_PEM"]).read_text()
        self.key = Path(facts["CLIENT_KEY_PEM"]).read_text()
        self.client = self.write("client.pem", self.key + self.chain)
        self.pkcs12 = str(tls / "trust.p12")
        self.token = self.write("token", token(facts["SASL_USER"], 3600))
        self.expired_token = self.write("expired-token", token(facts["SASL_USER"], -60))
        openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", "-subj", "/CN=nobody knows me",
                "-keyout", "stranger.key", "-out", "stranger-ca.pem")  # fmt: skip
        self.strangers_ca = str(folder / "stranger-ca.pem")
        self.stranger = self.write("stranger.pem", (folder / "stranger.key").read_text() + (folder / "stranger-ca.pem").read_text())
        openssl(folder, "pkey", "-in", facts["CLIENT_KEY_PEM"], "-aes256", "-passout", "pass:changeit", "-out", "locked.key")
        self.locked = self.write("locked.pem", (folder / "locked.key").read_text() + self.chain)
        subprocess.run(
            ["keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", self.ca, "-keystore", str(folder / "trust.jks"),
             "-storetype", "JKS", "-storepass", "changeit"], check=True, capture_output=True,
        )  # fmt: skip
        self.jks = str(folder / "trust.jks")
        self.certify(tls, "expired", "IP:127.0.0.1", days=-1)
        self.certify(tls, "elsewhere", "DNS:elsewhere.example", days=9)
        openssl(folder, "pkcs12", "-export", "-in", "elsewhere.pem", "-inkey", "elsewhere.key", "-passout", "pass:changeit",
                "-out", "elsewhere.p12")  # fmt: skip

    def certify(self, tls: Path, name: str, subject: str, days: int):
        """A server's certificate by the cluster's own authority."""
        self.write(f"{name}.ext", f"subjectAltName={subject}\n")
        openssl(self.folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl(self.folder, "x509", "-req", "-in", f"{name}.csr", "-CA", self.ca, "-CAkey", str(tls / "ca.key"), "-set_serial", "7",
                "-days", str(days), "-extfile", f"{name}.ext", "-out", f"{name}.pem")  # fmt: skip

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)


class ExpiredServer:
    """Shows an expired certificate to whoever connects; nobody gets further."""

    def __init__(self, files: Files):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(files.folder / "expired.pem", files.folder / "expired.key")
        port = free_ports(1)
        self.listener = bound(port)
        self.listener.listen()
        self.address = f"127.0.0.1:{port}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                with client, contextlib.suppress(OSError):
                    self.context.wrap_socket(client, server_side=True).close()

    def stop(self):
        self.listener.close()


def ways(facts: dict[str, str], files: Files) -> dict[str, dict[str, str]]:
    """Client settings by name, each of which must let records through."""
    user, password = facts["SASL_USER"], facts["SASL_PASSWORD"]
    trust = {"ssl.truststore.type": "PEM", "ssl.truststore.location": files.ca}
    found = {
        "mtls-files": {
            "bootstrap.servers": facts["SSL"], "security.protocol": "SSL", **trust,
            "ssl.keystore.type": "PEM", "ssl.keystore.location": files.client,
        },
        "mtls-texts": {
            "bootstrap.servers": facts["SSL"], "security.protocol": "SSL", "ssl.truststore.type": "PEM",
            "ssl.truststore.certificates": Path(files.ca).read_text(), "ssl.keystore.type": "PEM",
            "ssl.keystore.key": files.key, "ssl.keystore.certificate.chain": files.chain,
        },
    }  # fmt: skip
    for mechanism, jaas in ("PLAIN", plain), ("SCRAM-SHA-256", scram), ("SCRAM-SHA-512", scram):
        sign_in = {"sasl.mechanism": mechanism, "sasl.jaas.config": jaas(user, password)}
        name = mechanism.lower()
        found[f"ssl-{name}"] = {"bootstrap.servers": facts["SASL_SSL"], "security.protocol": "SASL_SSL", **trust, **sign_in}
        found[f"open-{name}"] = {"bootstrap.servers": facts["SASL_PLAINTEXT"], "security.protocol": "sasl_plaintext", **sign_in}
    # The certificate of this listener is for another host.
    bearer = {
        "bootstrap.servers": facts["OAUTHBEARER"], "security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER", **trust,
        "ssl.endpoint.identification.algorithm": "",
    }  # fmt: skip
    module = f"{MODULES}.oauthbearer.OAuthBearerLoginModule required"
    found["token-unsecured"] = {**bearer, "sasl.jaas.config": f'{module} unsecuredLoginStringClaim_sub="{user}";'}
    found["token-file"] = {
        **bearer,
        "sasl.jaas.config": f"{module};",
        "sasl.oauthbearer.token.endpoint.url": f"file://{files.token}",
        "sasl.login.callback.handler.class": f"{MODULES}.oauthbearer.OAuthBearerLoginCallbackHandler",
    }
    return found


@dataclass
class Denial:
    """Settings that are refused, and the words that the one message must have."""

    name: str
    settings: dict[str, str]
    words: list[str]
    # Something that may pass by itself leaves the task running and degraded.
    passes: bool = False
    message: str = field(default="", init=False)


def denials(facts: dict[str, str], files: Files, expired: str) -> list[Denial]:
    good = ways(facts, files)
    ssl_plain, open_plain, mtls, bearer = good["ssl-plain"], good["open-plain"], good["mtls-files"], good["token-file"]
    user, tls, jaas = facts["SASL_USER"], facts["SASL_SSL"], "sasl.jaas.config"
    nobody = f"127.0.0.1:{free_ports(1)}"
    without_store = {key: value for key, value in ssl_plain.items() if "truststore" not in key}
    anonymous = {key: value for key, value in mtls.items() if "keystore" not in key}
    protocol_only = {"security.protocol": "PLAINTEXT"}
    return [
        Denial("wrong password, PLAIN", {**ssl_plain, jaas: plain(user, WRONG)}, [tls, "authentication failed", user, jaas]),
        Denial("wrong password, SCRAM", {**good["ssl-scram-sha-512"], jaas: scram(user, WRONG)}, [tls, "authentication failed", user, jaas]),
        Denial("unknown user, SCRAM", {**good["open-scram-sha-256"], jaas: scram("mallory", WRONG)}, [facts["SASL_PLAINTEXT"], "mallory", jaas]),
        Denial("unknown authority", {**ssl_plain, "ssl.truststore.location": files.strangers_ca}, [tls, "unknown certificate authority", "ssl.truststore.location"]),
        Denial("no truststore", without_store, [tls, "unknown certificate authority", "ssl.truststore.location"]),
        Denial("expired certificate", {**mtls, "bootstrap.servers": expired}, [expired, "expired"]),
        Denial("other host name", {**bearer, "ssl.endpoint.identification.algorithm": "https"},
               [facts["OAUTHBEARER"], "hostname mismatch", "ssl.endpoint.identification.algorithm"]),
        Denial("no client certificate", anonymous, [facts["SSL"], "ssl.keystore.location"]),
        Denial("a stranger's client certificate", {**mtls, "ssl.keystore.location": files.stranger}, [facts["SSL"], "ssl.keystore.location"]),
        Denial("no TLS towards TLS", {**protocol_only, "bootstrap.servers": tls}, [tls, "speaks TLS", "security.protocol"]),
        Denial("TLS towards none", {**mtls, "bootstrap.servers": facts["BOOTSTRAP"]}, [facts["BOOTSTRAP"], "TLS", "security.protocol"], True),
        Denial("no authentication where it is required", {**protocol_only, "bootstrap.servers": facts["SASL_PLAINTEXT"]},
               [facts["SASL_PLAINTEXT"], "security.protocol"], True),
        Denial("authentication where there is none", {**open_plain, "bootstrap.servers": facts["BOOTSTRAP"]}, [facts["BOOTSTRAP"], "security.protocol"]),
        Denial("mechanism that the broker lacks", {**good["token-unsecured"], "sasl.mechanism": "PLAIN", jaas: plain(user, WRONG)},
               [facts["OAUTHBEARER"], "sasl.mechanism", "OAUTHBEARER"]),
        Denial("handler of another mechanism", {**bearer, "sasl.mechanism": "PLAIN", jaas: plain(user, WRONG)},
               ["sasl.login.callback.handler.class", "OAUTHBEARER"]),
        Denial("mechanism left out", {k: v for k, v in ssl_plain.items() if k != "sasl.mechanism"}, ["GSSAPI", "sasl.mechanism", "SCRAM-SHA-512"]),
        Denial("expired token", {**bearer, "sasl.oauthbearer.token.endpoint.url": f"file:{files.expired_token}"},
               [facts["OAUTHBEARER"], "token"]),
        Denial("JAAS without its end", {**ssl_plain, jaas: plain(user, WRONG).rstrip(";")}, [jaas, "semicolon"]),
        Denial("JAAS without a password", {**ssl_plain, jaas: f'{MODULES}.plain.PlainLoginModule required username="{user}";'}, [jaas, "password"]),
        Denial("PKCS#12 store", {**ssl_plain, "ssl.truststore.type": "PKCS12", "ssl.truststore.location": files.pkcs12},
               [files.pkcs12, "openssl pkcs12 -in"]),
        Denial("JKS store", {**ssl_plain, "ssl.truststore.type": "JKS", "ssl.truststore.location": files.jks}, [files.jks, "keytool -importkeystore"]),
        Denial("encrypted key", {**mtls, "ssl.keystore.location": files.locked, "ssl.key.password": WRONG}, ["ssl.keystore", "openssl pkey"]),
        Denial("file that is not there", {**ssl_plain, "ssl.truststore.location": "/nowhere/ca.pem"}, ["ssl.truststore.location", "/nowhere/ca.pem"]),
        Denial("nobody listens", {**protocol_only, "bootstrap.servers": nobody}, [nobody], True),
    ]  # fmt: skip


class Scenario(BothJobs):
    def __init__(self, options: Options, stack: contextlib.ExitStack):
        self.options = options
        more = ("--secure", "--set", f"connections.max.reauth.ms={REAUTHENTICATION_MS}")
        self.kafka = Kafka(options.kafka, options.folder / "kafka", more=more)
        stack.callback(self.kafka.stop)
        self.serve(stack)
        self.files = Files(self.kafka.facts, options.folder / "files")
        self.secrets = [self.kafka.facts["SASL_PASSWORD"], WRONG, "PRIVATE KEY", self.files.key.split("\n")[5]]
        self.secrets += [Path(path).read_text() for path in (self.files.token, self.files.expired_token)]
        with open(self.options.folder / "kafka" / "server.properties", "a") as settings:
            settings.write(f"listener.name.oauth.ssl.keystore.location={self.files.folder / 'elsewhere.p12'}\n")
        self.kafka.broker("stop", 1)
        try:
            self.kafka.broker("start", 1)
        except Failed:
            # Somebody's connection had one of its ports for a moment.
            self.kafka.broker("start", 1)
        topics.create(self.kafka.bootstrap, TOPIC)

    def let_in(self, stack: contextlib.ExitStack):
        """Every way at the same time, with records that come over several sign-ins."""
        found = ways(self.kafka.facts, self.files)
        worker = SecureWorker(found["ssl-scram-sha-512"], self.options.folder / "worker")
        stack.callback(worker.stop)
        worker.start()
        self.produce()
        streams = self.begin(worker, found, stack)
        for _ in range(BATCHES - 1):
            time.sleep(REAUTHENTICATION_MS / 1000 / 2)
            self.produce()
        self.await_all(worker, found, streams)
        for process in [worker.process, *streams.values()]:
            complaints = self.complaints(process)
            if complaints:
                raise Failed(f"{process.folder.name} complains: {complaints[0]}")
        self.options.log(step="let in", ways=list(found), records=len(self.produced), reauthentication_ms=REAUTHENTICATION_MS)

    def keep_out(self, stack: contextlib.ExitStack):
        """Every mistake as a connector of one worker, which goes on answering."""
        expired = ExpiredServer(self.files)
        stack.callback(expired.stop)
        worker = Millstream(self.kafka.bootstrap, self.options.folder / "denied")
        stack.callback(worker.stop)
        worker.start()
        denied = denials(self.kafka.facts, self.files, expired.address)
        self.s3.client.create_bucket(Bucket="denied")
        for number, denial in enumerate(denied):
            worker.create(f"denied-{number}", connector(self.s3, "denied", denial.settings))
        for number, denial in enumerate(denied):
            self.check_status(worker, f"denied-{number}", denial)
        # Whoever repeats itself has the time to.
        time.sleep(3)
        lines = self.complaints(worker.process)
        by_connector = collections.defaultdict(list)
        for line in lines:
            by_connector[(re.search(r'connector="?([\w-]+)', line) or [None, "worker"])[1]].append(line)
        for number, denial in enumerate(denied):
            told = by_connector.pop(f"denied-{number}", [])
            if len(told) != 1 or not all(word in told[0] for word in denial.words):
                raise Failed(f"{denial.name}: the log has {len(told)} lines of it instead of one with {denial.words}: {told[:3]}")
        if by_connector:
            raise Failed(f"lines of nobody in the log: {dict(by_connector)}")

    def check_status(self, worker: Millstream, name: str, denial: Denial):
        def told() -> str:
            status, body = http("GET", f"{worker.url}/connectors/{name}/status")
            task = body["tasks"][0] if status == 200 and body["tasks"] else {}
            state = task.get("state")
            if state == ("RUNNING" if denial.passes else "FAILED"):
                return task.get("degraded", {}).get("reason", "") if denial.passes else task["trace"]
            if state == "FAILED":
                raise Failed(f"{denial.name}: the task gave up: {task['trace'][:600]}")
            return ""

        # The last line is the cause; what is above it are Connect's own words.
        message = wait_until(f"{denial.name}: a word in the status", 30, told, 0.1).split("\n")[-1]
        missing = [word for word in denial.words if word not in message]
        if missing:
            raise Failed(f"{denial.name}: the status lacks {missing}: {message}")
        self.check_secrets(denial.name, message)
        denial.message = re.sub(r"^(Caused by: )?([\w.]+Exception: )?", "", message)
        self.options.log(step="kept out", mistake=denial.name, state="RUNNING, degraded" if denial.passes else "FAILED", message=denial.message)

    def complaints(self, process: Process) -> list[str]:
        text = (process.folder / "millstream.log").read_text(errors="replace")
        self.check_secrets(f"the log of {process.folder.name}", text)
        # The coordinators of a new cluster are not there at once.
        return [line for line in text.splitlines() if re.match(r"\S+\s+(WARN|ERROR) ", line) and "COORDINATOR" not in line]

    def check_secrets(self, where: str, text: str):
        if any(secret in text for secret in self.secrets):
            raise Failed(f"{where} holds a secret")


def run(options: Options) -> None:
    if options.kafka.startswith("2."):
        raise Failed("scenario secure is for Kafka 3.x and 4.x")
    with contextlib.ExitStack() as stack:
        scenario = Scenario(options, stack)
        with contextlib.ExitStack() as workers:
            scenario.keep_out(workers)
        with contextlib.ExitStack() as workers:
            scenario.let_in(workers)

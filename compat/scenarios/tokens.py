"""Scenario tokens: both jobs under a new sign-in every few seconds, with tokens that Kafka's own validator checks.

The broker trusts an identity provider by its JWKS: tokens are signed by RS256, for an audience, and live a few seconds. Its
listener ends every session after as long. The worker (its group and its topics, too), a connector that signs in by itself and
`stream` get their tokens from the provider by client credentials, by a client assertion and by the jwt-bearer grant, each
signed here. Records keep coming for `--minutes`; in the middle the provider fails for a while, which the tokens at hand
outlast. Nothing may be lost or doubled, and nobody may complain of anything else.
"""

import base64
import contextlib
import http.server
import json
import os
import re
import subprocess
import threading
import time
import urllib.parse
from pathlib import Path

from . import topics
from .both_jobs import TOPIC, BothJobs, SecureWorker
from .secure import MODULES
from .services import Failed, Kafka, Options, Process

REAUTHENTICATION_MS = 3000
TOKEN_SECONDS = 8
# In a long run there are no more batches than in a short one, only longer pauses: moto takes some requests for each of their objects.
BATCHES = 200
# Within what is left of a token when it is renewed.
OUTAGE_SECONDS = 1
AUDIENCE = "kafka"
ISSUER = "https://idp.test"
CLIENT, SECRET = "archive", "token-client-secret"
BEARER = f"{MODULES}.oauthbearer"
VALIDATOR = f"{BEARER}.OAuthBearerValidatorCallbackHandler"
LOGIN = f"{BEARER}.OAuthBearerLoginCallbackHandler"


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def decoded(part: str) -> dict:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


class Key:
    """An RSA key, by openssl."""

    def __init__(self, folder: Path, name: str):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}.pem"
        self.public = folder / f"{name}.public.pem"
        self.openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(self.path))
        self.openssl("pkey", "-in", str(self.path), "-pubout", "-out", str(self.public))
        modulus = self.openssl("rsa", "-in", str(self.path), "-noout", "-modulus").decode().strip().split("=")[1]
        self.jwk = {"kty": "RSA", "kid": name, "use": "sig", "alg": "RS256", "n": encoded(bytes.fromhex(modulus)), "e": "AQAB"}

    @staticmethod
    def openssl(*arguments: str, content: bytes = b"") -> bytes:
        return subprocess.run(["openssl", *arguments], input=content, check=True, capture_output=True).stdout

    def sign(self, claims: dict) -> str:
        header = {"alg": "RS256", "typ": "JWT", "kid": self.jwk["kid"]}
        content = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
        return f"{content}.{encoded(self.openssl('dgst', '-sha256', '-sign', str(self.path), content=content.encode()))}"

    def verifies(self, token: str, folder: Path) -> bool:
        content, _, signature = token.rpartition(".")
        file = folder / f"signature-{threading.get_ident()}"
        file.write_bytes(base64.urlsafe_b64decode(signature + "=="))
        arguments = ["openssl", "dgst", "-sha256", "-verify", str(self.public), "-signature", str(file)]
        return subprocess.run(arguments, input=content.encode(), capture_output=True).returncode == 0


class Provider:
    """An identity provider: its keys, and tokens for whom it knows by a secret or by an assertion."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.key = Key(folder, "issuer")
        self.client_key = Key(folder, "client")
        self.granted: dict[str, int] = {}
        self.refused: list[str] = []
        self.is_away = False
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, status: int, body: dict):
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self):
                self.answer(200, {"keys": [provider.key.jwk]})

            def do_POST(self):
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                fields = dict(urllib.parse.parse_qsl(form))
                self.answer(*provider.grant(fields, self.headers.get("Authorization", "")))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def grant(self, fields: dict[str, str], authorization: str) -> tuple[int, dict]:
        if self.is_away:
            return 503, {"error": "temporarily_unavailable"}
        way, assertion = fields["grant_type"], fields.get("client_assertion") or fields.get("assertion")
        if assertion:
            way += "" if "assertion" in fields else ", assertion"
            claims = decoded(assertion.split(".")[1])
            is_known = (
                self.client_key.verifies(assertion, self.folder)
                and (claims["iss"], claims["sub"], claims["aud"]) == (CLIENT, CLIENT, self.address)
                and claims["nbf"] <= time.time() < claims["exp"]
            )
        else:
            is_known = authorization == "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if not is_known:
            self.refused.append(way)
            return 401, {"error": "invalid_client"}
        self.granted[way] = self.granted.get(way, 0) + 1
        now = time.time()
        claims = {"iss": ISSUER, "sub": CLIENT, "aud": AUDIENCE, "scope": fields.get("scope", ""), "iat": int(now), "exp": int(now) + TOKEN_SECONDS}
        return 200, {"access_token": self.key.sign(claims), "token_type": "Bearer", "expires_in": TOKEN_SECONDS}

    def stop(self):
        self.server.shutdown()


def ways(facts: dict[str, str], provider: Provider) -> dict[str, dict[str, str]]:
    base = {
        "bootstrap.servers": facts["OAUTHBEARER"], "security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER",
        "ssl.truststore.type": "PEM", "ssl.truststore.location": facts["CA_PEM"],
        "sasl.login.callback.handler.class": LOGIN,
        "sasl.oauthbearer.token.endpoint.url": f"{provider.address}/token",
    }  # fmt: skip
    module = f"{BEARER}.OAuthBearerLoginModule required"
    assertion = {
        "sasl.jaas.config": f"{module};",
        "sasl.oauthbearer.scope": "kafka",
        "sasl.oauthbearer.assertion.private.key.file": str(provider.client_key.path),
        "sasl.oauthbearer.assertion.claim.iss": CLIENT,
        "sasl.oauthbearer.assertion.claim.sub": CLIENT,
        "sasl.oauthbearer.assertion.claim.aud": provider.address,
    }
    return {
        "secret": {**base, "sasl.jaas.config": f'{module} clientId="{CLIENT}" clientSecret="{SECRET}" scope="kafka";'},
        "assertion": {**base, **assertion},
        "jwt-bearer": {**base, **assertion, "sasl.oauthbearer.jwt.retriever.class": f"{BEARER}.JwtBearerJwtRetriever"},
    }


class Scenario(BothJobs):
    PATIENCE_S = 180

    def __init__(self, options: Options, stack: contextlib.ExitStack):
        self.options = options
        self.provider = Provider(options.folder / "provider")
        stack.callback(self.provider.stop)
        listener = "listener.name.oauth.oauthbearer.sasl"
        more = ["--secure"]
        for line in (
            f"connections.max.reauth.ms={REAUTHENTICATION_MS}",
            f"{listener}.server.callback.handler.class={VALIDATOR}",
            f"{listener}.oauthbearer.jwks.endpoint.url={self.provider.address}/jwks",
            f"{listener}.oauthbearer.expected.audience={AUDIENCE}",
            f"{listener}.oauthbearer.expected.issuer={ISSUER}",
        ):
            more += ["--set", line]
        # Kafka 4 fetches keys from nowhere else.
        urls = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self.provider.address}/jwks"
        before = os.environ.get("JAVA_TOOL_OPTIONS")
        os.environ["JAVA_TOOL_OPTIONS"] = " ".join(filter(None, (before, urls)))
        try:
            self.kafka = Kafka(options.kafka, options.folder / "kafka", more=tuple(more))
        finally:
            if before is None:
                del os.environ["JAVA_TOOL_OPTIONS"]
            else:
                os.environ["JAVA_TOOL_OPTIONS"] = before
        stack.callback(self.kafka.stop)
        self.serve(stack)
        topics.create(self.kafka.bootstrap, TOPIC)

    def run(self, stack: contextlib.ExitStack):
        found = ways(self.kafka.facts, self.provider)
        worker = SecureWorker(found["secret"], self.options.folder / "worker")
        stack.callback(worker.stop)
        worker.start()
        streams = self.begin(worker, found, stack)
        pause = max(REAUTHENTICATION_MS / 1000 / 3, self.options.minutes * 60 / BATCHES)
        end = time.monotonic() + self.options.minutes * 60
        half = time.monotonic() + self.options.minutes * 30
        while time.monotonic() < end:
            self.produce()
            time.sleep(pause)
            if half and time.monotonic() >= half:
                half = None
                self.provider.is_away = True
                time.sleep(OUTAGE_SECONDS)
                self.provider.is_away = False
        self.await_all(worker, found, streams)
        self.options.log(step="each once", minutes=self.options.minutes, records=len(self.produced), tokens=self.provider.granted)
        for process in [worker.process, *streams.values()]:
            self.check_log(process)
        if self.provider.refused:
            raise Failed(f"the provider refused {self.provider.refused}")
        least = self.options.minutes * 60 / TOKEN_SECONDS
        for way in ("client_credentials", "client_credentials, assertion", "urn:ietf:params:oauth:grant-type:jwt-bearer"):
            if self.provider.granted.get(way, 0) < least:
                raise Failed(f"{way}: {self.provider.granted.get(way, 0)} tokens, at least {least:.0f} were to be needed")
        self.options.log(
            step="signed in", minutes=self.options.minutes, records=len(self.produced), tokens=self.provider.granted,
            reauthentication_ms=REAUTHENTICATION_MS, token_seconds=TOKEN_SECONDS,
        )  # fmt: skip

    def check_log(self, process: Process):
        """No secret, no token, and no complaint but that of the provider's outage, and of a member that a busy machine has held up."""
        text = (process.folder / "millstream.log").read_text(errors="replace")
        if SECRET in text or "eyJ" in text:
            raise Failed(f"the log of {process.folder.name} holds a secret")
        complaints = [line for line in text.splitlines() if re.match(r"\S+\s+(WARN|ERROR) ", line)]
        expected = ("COORDINATOR", "temporarily_unavailable", "UNKNOWN_MEMBER_ID", "offset commit timed out")
        complaints = [line for line in complaints if not any(word in line for word in expected)]
        if complaints:
            raise Failed(f"{process.folder.name} complains: {complaints[0]}")


def run(options: Options) -> None:
    if not options.kafka.startswith("4."):
        raise Failed("scenario tokens is for Kafka 4.x")
    with contextlib.ExitStack() as stack:
        scenario = Scenario(options, stack)
        with contextlib.ExitStack() as processes:
            scenario.run(processes)

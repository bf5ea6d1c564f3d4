"""Message brokers that somebody else wrote, each in its own process, on loopback only: RabbitMQ of two Debian releases, ActiveMQ Classic,
Artemis and ElasticMQ. moto's SQS is the same server as its S3 (`services.S3Server`).

What is downloaded is kept under $MILLSTREAM_TEST_CACHE. Where a broker cannot be had, `Unavailable` says why in one line.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .services import SHORT_LIVED, TOOLS, Failed, free_ports, is_open, wait_until

CACHE = Path(os.environ.get("MILLSTREAM_TEST_CACHE", Path.home() / ".cache" / "millstream-test")) / "queues"
USER, PASSWORD = "millstream", "s3cret/pass"


# Where a broker has a root of its own. Its processes end with the first one.
NAMESPACE = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount", "--pid", "--fork", "--kill-child"]


class Unavailable(Exception):
    """A broker that this machine cannot run; the text says why."""


def need(*programs: str):
    lacking = [program for program in programs if shutil.which(program) is None]
    if lacking:
        raise Unavailable(f"{' and '.join(lacking)} not installed")


@contextlib.contextmanager
def made_once(home: Path):
    """A folder to fill, which becomes `home` when it is complete; `None` if it is there already."""
    if home.exists():
        yield None
        return
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as made:
        content = Path(made) / "content"
        content.mkdir()
        yield content
        if not home.exists():
            content.rename(home)


class Broker:
    """A broker's process; `stop` is kill -9, and `start` begins again with the data that is there."""

    # What the scenario calls it.
    name: str
    port: int

    def __init__(self, folder: Path):
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process: subprocess.Popen | None = None
        self.listens_on: list[int] = []

    def launch(self, command: list, ports: list[int], **more):
        self.listens_on = ports
        with open(self.folder / "broker.log", "a") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, stdin=subprocess.DEVNULL, **more)
        wait_until(f"{self.name} listens", 120, lambda: self.lives() and all(is_open(port) for port in ports), 0.1)

    def lives(self) -> bool:
        if self.process.poll() is not None:
            tail = (self.folder / "broker.log").read_text(errors="replace")[-800:]
            raise Failed(f"{self.name} ended with {self.process.returncode}: {tail}")
        return True

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None
            # The processes of a namespace end a moment after its first one.
            wait_until(f"{self.name} is gone", 30, lambda: not any(is_open(port) for port in self.listens_on), 0.05)


class RabbitMQ(Broker):
    """RabbitMQ as a Debian release has it, unpacked with all that it needs and run in its own root.

    Nothing is installed. All processes of a broker live in one PID namespace and end with it.
    """

    # What an unpacked package's scripts take for granted, beside what the package names.
    BASE = ("base-files", "coreutils", "dash", "grep", "hostname", "sed")
    SETTINGS = {
        "loopback_users": "none",
        "default_user": USER,
        "default_pass": PASSWORD,
        "disk_free_limit.absolute": "50MB",
        # The log ahead of the quorum queues is 512 MiB otherwise, made at each start.
        "raft.wal_max_size_bytes": "16777216",
    }

    def __init__(self, suite: str, folder: Path, tls=None, **settings: str):
        super().__init__(folder)
        self.suite = suite
        self.root, self.version = rabbitmq_root(suite)
        self.name = f"RabbitMQ {self.version}"
        first = free_ports(4)
        self.port, self.tls_port, self.dist_port, self.epmd_port = range(first, first + 4)
        self.uri = f"amqp://{USER}:{PASSWORD.replace('/', '%2F')}@127.0.0.1:{self.port}"
        lines = {"listeners.tcp.1": f"127.0.0.1:{self.port}", **self.SETTINGS, **settings}
        self.has_tls = tls is not None
        if tls:
            for name in ("ca.pem", "worker.pem", "worker.key", "both.pem"):
                shutil.copy(tls.folder / name, self.folder / name)
            names = {"cacertfile": "ca.pem", "certfile": "worker.pem", "keyfile": "worker.key"}
            lines |= {f"ssl_options.{key}": f"/srv/{name}" for key, name in names.items()}
            lines |= {"listeners.ssl.1": f"127.0.0.1:{self.tls_port}", "ssl_options.verify": "verify_peer", "ssl_options.fail_if_no_peer_cert": "true"}
        (self.folder / "rabbitmq.conf").write_text("".join(f"{key} = {value}\n" for key, value in lines.items()))
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "sh").write_text(
            'set -e\nmount --bind "$2" "$1/srv"\nmount --rbind /dev "$1/dev"\nmount -t proc proc "$1/proc"\nmount -t tmpfs tmpfs "$1/tmp"\n'
            'exec chroot "$1" /usr/lib/rabbitmq/bin/rabbitmq-server\n'
        )

    def start(self):
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": "/srv",
            "RABBITMQ_NODENAME": f"compat{self.port}@localhost",
            "RABBITMQ_CONFIG_FILE": "/srv/rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": "/srv/plugins",
            "RABBITMQ_MNESIA_BASE": "/srv/data",
            "RABBITMQ_LOG_BASE": "/srv/log",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # It waits for work with spinning threads otherwise, which others on the machine pay for.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}",
        }
        command = [*NAMESPACE, "sh", self.folder / "sh", self.root, self.folder]
        ports = [self.port, *([self.tls_port] if self.has_tls else [])]
        self.launch(command, ports, env=environment)


def rabbitmq_root(suite: str) -> tuple[Path, str]:
    """The unpacked root and RabbitMQ's version in it, from the Debian mirror that this machine's apt is set up with."""
    need("apt-get", "dpkg-deb", "unshare", "chroot")
    if subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode != 0:
        raise Unavailable("namespaces with mounts of their own cannot be made here")
    home = CACHE / f"rabbitmq-{suite}"
    with made_once(home) as made:
        if made:
            unpack(suite, made)
    (library,) = (home / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*")
    return home, library.name.split("-")[1]


def unpack(suite: str, root: Path):
    wanted = ("Origin: Debian", "Label: Debian", "Component: main", "Created-By: Packages")
    targets = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted], capture_output=True, text=True)
    mirrors = targets.stdout.split()
    if not mirrors:
        raise Unavailable("apt has no mirror of Debian")
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    with tempfile.TemporaryDirectory(dir=root.parent) as scratch:
        for folder in ("lists/partial", "archives/partial"):
            (Path(scratch) / folder).mkdir(parents=True)
        (Path(scratch) / "status").touch()
        (Path(scratch) / "sources").write_text(f"deb [signed-by={keys}] {mirrors[0]} {suite} main\n")
        places = {
            "Dir::Etc::sourcelist": f"{scratch}/sources",
            "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": f"{scratch}/lists",
            # As if nothing were installed, so that all that is needed comes along.
            "Dir::State::status": f"{scratch}/status",
            "Dir::Cache::archives": f"{scratch}/archives",
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
            "APT::Install-Recommends": "0",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Debug::NoLocking": "1",
        }
        apt = ["apt-get", "-q", "-y", *(part for key, value in places.items() for part in ("-o", f"{key}={value}"))]
        for step in (["update"], ["--download-only", "install", "rabbitmq-server", *RabbitMQ.BASE]):
            done = subprocess.run([*apt, *step], capture_output=True, text=True)
            if done.returncode != 0:
                raise Unavailable(f"Debian's {suite} cannot be read: {' '.join(done.stderr.split())[-300:]}")
        packages = sorted((Path(scratch) / "archives").glob("*.deb"))
        # Where the links from /bin to /usr/bin come from.
        packages.sort(key=lambda package: not package.name.startswith("base-files_"))
        for package in packages:
            subprocess.run(["dpkg-deb", "--extract", package, root], check=True, capture_output=True)
    for folder in ("dev", "proc", "srv", "tmp"):
        (root / folder).mkdir(exist_ok=True)
    (root / "etc" / "hosts").write_text("127.0.0.1 localhost\n")


def maven(name: str, folder: Path, goal: str, *settings: str):
    """Has this goal put artifacts into the folder, in which it finds its model if it needs one."""
    need("mvn")
    command = ["mvn", "-q", "-B", "-ntp", goal, *settings, f"-DoutputDirectory={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode != 0:
        raise Unavailable(f"{name} cannot be had: {' '.join((done.stdout + done.stderr).split())[-300:]}")


def jars(name: str, *dependencies: str) -> Path:
    """A folder with these artifacts, as group:artifact:version, and what they need."""
    need("java")
    home = CACHE / f"{name}-{hashlib.sha256(' '.join(dependencies).encode()).hexdigest()[:8]}"
    with made_once(home) as made:
        if made:
            parts = (dependency.split(":") for dependency in dependencies)
            listed = "".join(f"<dependency><groupId>{g}</groupId><artifactId>{a}</artifactId><version>{v}</version></dependency>" for g, a, v in parts)
            project = "<groupId>compat</groupId><artifactId>broker</artifactId><version>1</version>"
            model = '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
            (made / "pom.xml").write_text(f"{model}{project}<dependencies>{listed}</dependencies></project>")
            maven(name, made, "dependency:copy-dependencies", "-DincludeScope=runtime")
    return home


class JavaBroker(Broker):
    """A broker in a JVM that a short program of compat/tools starts."""

    version: str
    program: str
    artifacts: tuple[str, ...]
    # Protocols in the order of the program's arguments.
    protocols: tuple[str, ...]

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.name = f"{type(self).__name__} {self.version}"
        self.home = jars(f"{type(self).__name__.lower()}-{self.version}", *(f"{artifact}:{self.version}" for artifact in self.artifacts))
        first = free_ports(len(self.protocols))
        self.ports = dict(zip(self.protocols, range(first, first + len(self.protocols))))
        self.port = self.ports["amqp"]

    def start(self):
        command = ["java", "-Xmx512m", *SHORT_LIVED.split(), "-cp", f"{self.home}/*", TOOLS / self.program, self.folder / "data"]
        self.launch([*command, *self.ports.values(), USER, PASSWORD], list(self.ports.values()))


class Classic(JavaBroker):
    """ActiveMQ Classic with its journal on disk, and users."""

    version = "5.18.6"
    program = "ClassicBroker.java"
    artifacts = tuple(f"org.apache.activemq:activemq-{part}" for part in ("broker", "amqp", "stomp", "kahadb-store", "jaas"))
    protocols = ("amqp", "stomp", "openwire")


class Artemis(JavaBroker):
    """Apache Artemis with its journal on disk; whoever signs in is let in."""

    version = "2.40.0"
    program = "ArtemisBroker.java"
    artifacts = tuple(f"org.apache.activemq:artemis-{part}" for part in ("server", "amqp-protocol", "stomp-protocol"))
    protocols = ("amqp", "stomp")


class ElasticMQ(Broker):
    """ElasticMQ's SQS, in memory: what was there is gone when it ends."""

    version = "1.7.1"

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.name = f"ElasticMQ {self.version}"
        self.home = jars(f"elasticmq-{self.version}", f"org.elasticmq:elasticmq-server_2.13:{self.version}")
        self.port = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        (self.folder / "elasticmq.conf").write_text(
            f'include classpath("application.conf")\nnode-address {{ port = {self.port}, host = "127.0.0.1" }}\n'
            f'rest-sqs {{ bind-port = {self.port}, bind-hostname = "127.0.0.1" }}\nrest-stats.enabled = false\n'
        )

    def start(self):
        config = f"-Dconfig.file={self.folder / 'elasticmq.conf'}"
        self.launch(["java", "-Xmx512m", *SHORT_LIVED.split(), config, "-cp", f"{self.home}/*", "org.elasticmq.server.Main"], [self.port])

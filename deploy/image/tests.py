"""What is promised of the image, and kept: `deploy/image/check`. Without the program only what needs none is looked at."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.dont_write_bytecode = True

import container  # noqa: E402
import contract  # noqa: E402
import crates  # noqa: E402
import debian  # noqa: E402
import documentdb  # noqa: E402
import dockerfile  # noqa: E402
import elf  # noqa: E402
import oci  # noqa: E402

HERE = Path(__file__).resolve().parent
BINARY = Path(os.environ.get("MILLSTREAM_BINARY", crates.REPOSITORY / "target/release/millstream"))
# The workshop's task definitions; only names of what is not there. docs/discovery.md has the exit codes.
WORKSHOP = {"NAMESPACE": "FargateWorkshopNamespace", "MSK_SERVICE": "KafkaSvc", "REGION": "eu-west-1"}
STREAM = WORKSHOP | {"DDB_SERVICE": "DbSvc", "TOPIC_NAME": "MyTopic"}
WORKER = {
    "MSK_SERVICE": "KafkaSvc",
    "REGION": "eu-west-1",
    "CONNECT_PLUGIN_PATH": "/usr/share/java",
    "CONNECT_GROUP_ID": "KcS3SinkGroup",
    "CONNECT_CONFIG_STORAGE_TOPIC": "kc_config",
    "CONNECT_OFFSET_STORAGE_TOPIC": "kc_offset",
    "CONNECT_STATUS_STORAGE_TOPIC": "kc_status",
    "CONNECT_KEY_CONVERTER": "org.apache.kafka.connect.storage.StringConverter",
    "CONNECT_VALUE_CONVERTER": "org.apache.kafka.connect.storage.StringConverter",
    "CONNECT_REST_PORT": "8083",
    "CONNECT_CONSUMER_AUTO_OFFSET_RESET": "latest",
    "CONNECT_OFFSET_FLUSH_INTERVAL_MS": "120000",
    "CONNECT_OFFSET_FLUSH_TIMEOUT_MS": "20000",
    "CONNECT_INTERNAL_KEY_CONVERTER": "org.apache.kafka.connect.json.JsonConverter",
    "CONNECT_INTERNAL_VALUE_CONVERTER": "org.apache.kafka.connect.json.JsonConverter",
    "CONNECT_INTERNAL_KEY_CONVERTER_SCHEMAS_ENABLE": "false",
    "CONNECT_INTERNAL_VALUE_CONVERTER_SCHEMAS_ENABLE": "false",
    "CONNECT_SECURITY_PROTOCOL": "SSL",
    "CONNECT_CONSUMER_SECURITY_PROTOCOL": "SSL",
    "CONNECT_PRODUCER_SECURITY_PROTOCOL": "SSL",
}


class Authorities(unittest.TestCase):
    """The bundle is what its note says, and covers its regions for years."""

    def setUp(self):
        self.found = documentdb.parse(documentdb.BUNDLE.read_text())

    def test_the_file_is_the_one_that_was_taken(self):
        source = json.loads(documentdb.SOURCE.read_text())
        self.assertEqual(hashlib.sha256(documentdb.BUNDLE.read_bytes()).hexdigest(), source["sha256"])
        self.assertEqual(documentdb.BUNDLE.read_text().count("BEGIN CERTIFICATE"), len(self.found))

    def test_each_region_has_an_authority_for_each_kind_of_key(self):
        regions = documentdb.regions(self.found)
        self.assertGreaterEqual(len(regions), 27)
        self.assertEqual([region for region, kinds in regions.items() if kinds != documentdb.KINDS], [])

    def test_none_ends_within_two_years(self):
        soon = datetime.now(timezone.utc) + timedelta(days=730)
        self.assertEqual([it.name for it in self.found if it.ends < soon], [], "run deploy/image/documentdb.py")
        self.assertEqual([it.name for it in self.found if it.begins > datetime.now(timezone.utc)], [])


class Roots(unittest.TestCase):
    @unittest.skipUnless(debian.MOZILLA.exists(), "ca-certificates is not installed")
    def test_those_of_aws_are_among_them(self):
        """Its APIs, S3 and MSK's brokers have certificates below these."""
        names = {it.name for it in documentdb.parse(debian.authorities().decode())}
        self.assertLessEqual({f"Amazon Root CA {i}" for i in (1, 2, 3, 4)}, names)


class Dockerfile(unittest.TestCase):
    def setUp(self):
        self.text = (HERE / "Dockerfile").read_text()

    def test_it_promises_what_the_script_promises(self):
        self.assertEqual(dockerfile.config(self.text), contract.CONFIG)

    def test_another_promise_would_be_seen(self):
        for this, that in (("65532:65532", "0:0"), ("18083/tcp", ""), ("--retries=3", ""), ('VOLUME ["/tmp"]', ""), ('"--once"', '"--once=/ready"')):
            self.assertIn(this, self.text)
            self.assertNotEqual(dockerfile.config(self.text.replace(this, that)), contract.CONFIG, this)

    def test_it_builds_with_the_compiler_of_the_project(self):
        channel = tomllib.loads((crates.REPOSITORY / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
        self.assertIn(f"FROM rust:{channel}-bookworm AS build\n", self.text)

    def test_what_it_copies_is_not_left_out(self):
        kept = re.findall(r"^!(.+)$", (HERE / "Dockerfile.dockerignore").read_text(), re.MULTILINE)
        self.assertEqual([path for path in kept if not (crates.REPOSITORY / path).exists()], [])
        self.assertLessEqual({".cargo", "Cargo.toml", "Cargo.lock", "LICENSE", "crates", "deploy/image", "rust-toolchain.toml"}, set(kept))


class Elf(unittest.TestCase):
    def test_both_machines_have_their_names(self):
        data = bytearray(Path(sys.executable).resolve().read_bytes())
        for machine, name in ((62, "amd64"), (183, "arm64")):
            data[18:20] = machine.to_bytes(2, "little")
            self.assertEqual(elf.parse(bytes(data)).architecture, name)

    def test_what_is_cut_off_or_foreign_is_refused(self):
        data = Path(sys.executable).resolve().read_bytes()
        elf.parse(data)
        windows = bytearray(data)
        windows[18:20] = (2, 0)
        for wrong in (b"", b"#!/bin/sh\n", data[:40], bytes(windows)):
            with tempfile.NamedTemporaryFile() as file:
                file.write(wrong)
                file.flush()
                with self.assertRaises(elf.NotUsable):
                    elf.read(Path(file.name))


class Debian(unittest.TestCase):
    def test_the_owner_of_a_file_is_a_package(self):
        moved = "diversion by libc6 from: /lib64/ld.so\ndiversion by libc6 to: /lib64/ld.so.usr-is-merged\n"
        for answer, package in (("libc6:amd64: /lib/libc.so.6\n", "libc6"), (moved + "libc6:arm64, libc6:i386: /x\n", "libc6"), (moved, None)):
            self.assertEqual(debian.owner_in(answer), package)


class Oci(unittest.TestCase):
    def test_the_order_of_files_does_not_matter_and_their_content_does(self):
        files = {"/b": oci.Entry(0o644, b"x"), "/a": oci.Entry(0o755), "/a/c": oci.Entry(0o777, target="/b")}
        first = oci.image(files, "amd64", "1", 0)
        again = oci.image(dict(reversed(files.items())), "amd64", "1", 0)
        self.assertEqual(first, again)
        for changed in ({"/b": oci.Entry(0o755, b"x")}, {"/b": oci.Entry(0o644, b"y")}, {"/d": oci.Entry(0o644, b"")}):
            self.assertNotEqual(oci.image(files | changed, "amd64", "1", 0).manifest, first.manifest)

    def test_a_name_without_a_registry_is_dockers(self):
        for name, meant in (("m:1", "docker.io/library/m:1"), ("a/m:1", "docker.io/a/m:1"), ("r.io/m:1", "r.io/m:1"), ("localhost:5/m:1", "localhost:5/m:1")):
            self.assertEqual(oci.full(name), meant)


@unittest.skipUnless(BINARY.exists(), f"{BINARY} is not built")
class Image(unittest.TestCase):
    """Made by the script as a person starts it."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.out = Path(cls.folder.name) / "first"
        cls.digest = build(cls.out)
        cls.root = Path(cls.folder.name) / "root"
        cls.config = container.unpack(cls.out / "layout", cls.root)

    def test_a_second_build_has_the_same_digest(self):
        """Elsewhere, under another mask, language, time zone and order of hashes."""
        second = Path(self.folder.name) / "second"
        digest = build(second, {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "7"}, mask=0o077)
        self.assertEqual(digest, self.digest)
        self.assertEqual((second / "millstream.tar").read_bytes(), (self.out / "millstream.tar").read_bytes())

    def test_layout_and_archive_are_whole(self):
        layout = self.out / "layout"
        with tarfile.open(self.out / "millstream.tar") as archive:
            names = {member.name for member in archive.getmembers() if member.isfile()}
            (loadable,) = json.load(archive.extractfile("manifest.json"))
        self.assertEqual(names, {str(path.relative_to(layout)) for path in layout.rglob("*") if path.is_file()})
        self.assertLessEqual({loadable["Config"], *loadable["Layers"]}, names)
        for path in (layout / "blobs/sha256").iterdir():
            self.assertEqual(hashlib.sha256(path.read_bytes()).hexdigest(), path.name)
        (index,) = json.loads((layout / "index.json").read_text())["manifests"]
        self.assertEqual(index["digest"], self.digest)
        size = sum(path.stat().st_size for path in (layout / "blobs/sha256").iterdir())
        self.assertLess(size, contract.MAX_COMPRESSED_BYTES)

    def test_others_read_it_in_every_form(self):
        if shutil.which("skopeo") is None:
            self.skipTest("skopeo is not installed: nobody else reads the image")
        archive = self.out / "millstream.tar"
        for form in (f"oci:{self.out}/layout:latest", f"oci-archive:{archive}:latest", f"docker-archive:{archive}:millstream:latest"):
            done = subprocess.run(["skopeo", "inspect", "--config", form], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(json.loads(done.stdout)["config"]["Entrypoint"], [contract.BINARY], form)

    def test_nothing_but_tmp_may_be_written_to_and_nothing_gives_rights(self):
        (layer,) = (path for path in (self.out / "layout/blobs/sha256").iterdir() if path.read_bytes()[:2] == b"\x1f\x8b")
        with tarfile.open(layer) as files:
            for member in files.getmembers():
                self.assertEqual((member.uid, member.gid), (0, 0), member.name)
                self.assertFalse(member.mode & 0o6000, member.name)
                self.assertTrue(member.issym() or member.name == "tmp" or not member.mode & 0o022, member.name)
            self.assertEqual(files.getmember("tmp").mode, 0o1777)

    def test_there_is_no_shell(self):
        programs = {str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file() and path.stat().st_mode & 0o111}
        libraries = {name for name in programs if re.fullmatch(r"lib(64)?/.*\.so(\.\d+)*", name)}
        self.assertEqual(programs - libraries, {"millstream", *(link.lstrip("/") for link in contract.LINKS)} & programs)

    def test_what_is_inside_is_listed_and_may_be_copied(self):
        listed = json.loads((self.root / contract.BILL_OF_MATERIALS.lstrip("/")).read_text())
        components = {it["bom-ref"]: it for it in listed["components"]}
        self.assertLessEqual({f"{name} {version}" for name, version in crates.linked()}, {f"{it['name']} {it['version']}" for it in components.values()})
        edges = {it["ref"]: it["dependsOn"] for it in listed["dependencies"]}
        self.assertEqual({purl for needs in edges.values() for purl in needs} - components.keys(), set())
        # Everything can be reached from the image.
        seen, waiting = set(), ["millstream"]
        while waiting:
            ref = waiting.pop()
            waiting.extend(set(edges[ref]) - seen)
            seen.update(edges[ref])
        self.assertEqual(components.keys() - seen, set())
        texts = (self.root / "usr/share/doc/millstream/licences.txt").read_text()
        folders = {path.name for path in (self.root / "usr/share/doc").iterdir()}
        contained = {it["name"] for it in components.values() if it.get("description", "").startswith("in ")}
        silent = [it["name"] for it in components.values() if f"\n{it['name']} {it['version']} (" not in texts and it["name"] not in folders | contained]
        self.assertEqual(silent, [])

    def test_the_bill_of_materials_follows_its_schema(self):
        try:
            from cyclonedx.schema import SchemaVersion
            from cyclonedx.validation.json import JsonStrictValidator
        except ImportError:
            self.skipTest("cyclonedx-python-lib is not installed; deploy/check brings it")
        text = (self.root / contract.BILL_OF_MATERIALS.lstrip("/")).read_text()
        validator = JsonStrictValidator(SchemaVersion.V1_6)
        self.assertIsNone(validator.validate_str(text))
        self.assertIsNotNone(validator.validate_str(text.replace('"type": "library"', '"type": "book"', 1)))


    def start(self, command: list[str], variables: dict[str, str], **given) -> container.Container:
        if why := container.refused():
            self.skipTest(f"the image is not started: {why}")
        return container.Container(self.root, self.config, command, variables, **given)

    def test_the_workshops_services_begin_to_discover(self):
        """Without a command, and with the variables that the workshop gives to each. There is no AWS in a network of one's own."""
        keys = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "DISCOVERY_TIMEOUT": "1"}
        for variables, code, why in (
            (STREAM, 77, "no AWS credentials"),
            (WORKER, 77, "no AWS credentials"),
            # A resolver that refuses at once is told of, one that is waited for too long is not.
            (STREAM | keys, 69, "Cloud Map DiscoverInstances: |AWS did not answer"),
        ):
            with self.start([], variables) as started:
                ended, _, log = started.end()
            self.assertEqual(ended, code, log)
            self.assertRegex(log, why)

    def test_a_demo_flows_from_end_to_end(self):
        with self.start(["demo", "--for", "1s", "--json"], {}) as started:
            ended, out, log = started.end(120)
        self.assertEqual(ended, 0, log)
        told = json.loads(out.splitlines()[-1])
        self.assertEqual(told["documents"], told["records_in"], out)
        self.assertGreater(told["s3_records"], 0, out)

    def test_the_authorities_of_documentdb_are_read_by_the_program(self):
        (file,) = (entry.removeprefix("DOCDB_CA_FILE=") for entry in self.config["Env"] if entry.startswith("DOCDB_CA_FILE="))

        def variables(path: str) -> dict[str, str]:
            uri = f"mongodb://127.0.0.1:9/?tls=true&tlsCAFile={path}&serverSelectionTimeoutMS=100"
            return {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9", "MONGODB_URI": uri}

        with self.start([], variables("/etc/passwd")) as started:
            ended, _, log = started.end()
        self.assertEqual(ended, 1, log)
        self.assertIn("/etc/passwd is no PEM file", log)
        with self.start([], variables(file)) as started:
            wait_until(lambda: "cannot connect to the document store" in started.written(started.log))
            ended, _, log = started.stop()
        self.assertEqual(ended, 0, log)
        self.assertNotIn("ERROR", log)

    def test_the_script_of_kafka_connects_image_is_a_worker_that_tells_its_health(self):
        """As a command (ECS, Compose), and in the place of the entry point (Kubernetes); as the first process of its kind it heeds
        the signal of a stop."""
        script = "/etc/confluent/docker/run"
        variables = {name: value for name, value in WORKER.items() if name != "MSK_SERVICE"}
        variables |= {"CONNECT_BOOTSTRAP_SERVERS": "127.0.0.1:9", "CONNECT_REST_ADVERTISED_HOST_NAME": "127.0.0.1"}
        for command, entrypoint in (([script], None), ([], [script])):
            with self.start(command, variables, entrypoint=entrypoint) as started:
                wait_until(lambda: started.run("/millstream", "healthcheck", "--once").returncode == 0)
                # It waits for its brokers, and needs no new process for that.
                ready = started.run("/usr/bin/millstream", "healthcheck", "--once=/ready")
                self.assertEqual(ready.returncode, 1, ready.stderr)
                self.assertEqual(status(started.pid)["Uid"].split()[0], str(contract.UID if os.geteuid() == 0 else os.geteuid()))
                ended, _, log = started.stop()
            self.assertEqual(ended, 0, log)

    def test_who_brings_a_shell_or_nothing_is_told(self):
        for command, variables, why in (
            (["bash", "-c", "confluent-hub install x && /etc/confluent/docker/run"], WORKER, "no shell"),
            ([], {}, "Usage:"),
        ):
            with self.start(command, variables) as started:
                ended, out, log = started.end()
            self.assertEqual(ended, 2, log)
            self.assertIn(why, log)


def wait_until(condition, seconds: float = 30):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:.0f} s")
        time.sleep(0.02)


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def build(out: Path, variables: dict[str, str] | None = None, mask: int = 0o022) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"} | (variables or {})
    words = [sys.executable, HERE / "build", "--binary", BINARY, "--out", out]
    done = subprocess.run(words, cwd=out.parent, env=environment, umask=mask, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return done.stdout.split()[0]


if __name__ == "__main__":
    program = unittest.main(exit=False)
    left_out: dict[str, list[str]] = {}
    for test, reason in program.result.skipped:
        # A whole class is left out under one name, which is no test's.
        left_out.setdefault(reason, []).append(getattr(test, "_testMethodName", str(test)).removeprefix("test_"))
    for reason, names in left_out.items():
        print(f"skipped: deploy/image: {', '.join(names)}: {reason}")
    sys.exit(not program.result.wasSuccessful())

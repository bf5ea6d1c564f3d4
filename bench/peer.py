"""Java's worker with the sink of a row, for bench/java and bench/compare."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from measure import CREDENTIALS, DOCS_WRITES, KINDS, ROOT, WORK, Cost, JavaWorker, Servers, connector, deliver, http, note, of_size  # noqa: E402

# Of others, for which no class is at hand here; Aiven's takes no object without a schema.
LACKING = {"transform_hash"}
ROWS = [row for row in KINDS if row not in LACKING]


def lacking_tools() -> str | None:
    lacking = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    return f"skipped: {' and '.join(lacking)} not installed" if lacking else None


def plugins(row: str) -> str | None:
    """The folder with the row's sink; says so where there is none."""
    variable = f"MILLSTREAM_{'MONGODB' if row in DOCS_WRITES else 'S3'}_PLUGIN"
    named = os.environ.get(variable)
    if named is None and row in DOCS_WRITES:
        done = subprocess.run([ROOT / "compat" / "tools" / "plugins", "mongodb"], capture_output=True, text=True)
        named = done.stdout.strip() if done.returncode == 0 else None
    if not named:
        note(f"skipped: {row}: {variable} names no folder")
    return named


class JavaSink:
    """A worker of its own for a row. Its first connector is `cold`, warm-up of the JVM included; those after it are warm."""

    def __init__(self, servers: Servers, row: str, folder: str):
        self.servers, self.row, self.turn = servers, row, 0
        self.worker = JavaWorker(servers.bootstrap, WORK / "java", f"bench-{row}", ["--plugins", folder, "--heap", "1g"], CREDENTIALS)

    def once(self, records: int) -> Cost:
        """One more connector, until `records` of the row's topic have arrived."""
        self.turn += 1
        records = of_size(self.row, records)
        topic = self.servers.topic(KINDS[self.row], records)
        before, name = self.worker.usage()["CPU_S"], f"{self.row}-{self.turn}"
        seconds = deliver(self.worker.url, name, connector(self.servers, self.row, topic), lambda: self.servers.arrived(self.row), records, 0.1)
        usage = self.worker.usage()
        http("DELETE", f"{self.worker.url}/connectors/{name}")
        return Cost(usage["CPU_S"] - before, seconds, usage["PEAK_RSS_MIB"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.worker.stop()

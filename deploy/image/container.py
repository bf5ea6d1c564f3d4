#!/usr/bin/env python3
"""Starts a program from an image's unpacked root as an engine would: in namespaces of its own, as the image's user, with a root
that cannot be written to and a /tmp that can. For tests and measurements; needs Linux, and util-linux's unshare and nsenter.

As root the process has the image's number. Others can map themselves alone, so the process then has theirs.
"""

import ctypes
import fcntl
import functools
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

# <linux/sockios.h>, <linux/if.h>, <linux/prctl.h>
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
PR_SET_NO_NEW_PRIVS = 38
# What an engine mounts into a root.
MOUNTED = ("tmp", "dev", "sys", "proc")


@functools.cache
def refused() -> str | None:
    """Why nothing can be started here, if so: all that a start does, short of the program, is tried in an empty root."""
    for tool in ("unshare", "nsenter", "mount"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    with tempfile.TemporaryDirectory() as root:
        for name in MOUNTED:
            Path(root, name).mkdir()
        tried = subprocess.run([*unshare(own_network=True), sys.executable, __file__, root], capture_output=True, text=True)
    return None if tried.returncode == 0 else f"this machine allows no namespaces ({(tried.stderr.strip().splitlines() or ['killed'])[0]})"


def unshare(own_network: bool) -> list[str]:
    mapped = [] if os.geteuid() == 0 else ["--map-root-user"]
    network = ["--net"] if own_network else []
    return ["unshare", *mapped, *network, "--mount", "--ipc", "--uts", "--pid", "--fork", "--kill-child"]


def unpack(layout: Path, folder: Path) -> dict:
    """Lays the layers of an OCI layout out in a new folder; the image's configuration."""

    def blob(descriptor: dict) -> Path:
        return layout / "blobs" / descriptor["digest"].replace(":", "/")

    (described,) = json.loads((layout / "index.json").read_text())["manifests"]
    manifest = json.loads(blob(described).read_text())
    folder.mkdir(parents=True)
    # Modes are the image's, whatever this process masks.
    mask = os.umask(0)
    try:
        for layer in manifest["layers"]:
            with tarfile.open(blob(layer)) as files:
                # Links to absolute paths are meant for the root that this becomes. Older versions of Python ask nothing.
                files.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
                files.extractall(folder)
    finally:
        os.umask(mask)
    return json.loads(blob(manifest["config"]).read_text())["config"]


class Container:
    """One process, which is its namespaces' first."""

    def __init__(
        self,
        root: Path,
        config: dict,
        command: list[str],
        variables: dict[str, str],
        files: dict[str, str] | None = None,
        entrypoint: list[str] | None = None,
        own_network: bool = True,
    ):
        """`files` are written below /tmp before the start; the entry point is the image's unless given."""
        user, group = (int(part) for part in config["User"].split(":"))
        environment = dict(entry.split("=", 1) for entry in config["Env"]) | variables
        self.root, self.user, self.group, self.environment = root, user, group, environment
        words = [*(config["Entrypoint"] if entrypoint is None else entrypoint), *command]
        # Whoever is not root has a single number here, and keeps it.
        who = [user, group] if os.geteuid() == 0 else None
        plan = {"root": str(root), "who": who, "environment": environment, "files": files or {}, "words": words, "folder": config["WorkingDir"], "own_network": own_network}
        reader, writer = os.pipe()
        # Files, since nobody reads while it runs, and a full pipe would hold it up.
        self.out, self.log = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [*unshare(own_network), sys.executable, __file__, str(writer), json.dumps(plan)],
            stdin=subprocess.DEVNULL,
            stdout=self.out,
            stderr=self.log,
            pass_fds=[writer],
        )
        os.close(writer)
        # Nothing is told where it does not come to the exec; the log says why.
        with os.fdopen(reader) as told:
            self.started = float(told.readline() or "nan")

    @property
    def pid(self) -> int:
        """The first process of the namespaces, by its number outside."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        if not children:
            raise ProcessLookupError(f"it has ended; its log:\n{self.written(self.log)}")
        return int(children[0])

    def run(self, *words: str, seconds: float = 30) -> subprocess.CompletedProcess:
        """A second process beside it, as `docker exec` and health checks start one."""
        asked = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        number = [f"--setuid={self.user}", f"--setgid={self.group}"] if os.geteuid() == 0 else []
        enter = ["nsenter", f"--target={self.pid}", *asked, "--mount", "--net", "--pid", "--root", *number]
        return subprocess.run([*enter, *words], capture_output=True, text=True, env=self.environment, timeout=seconds)

    def resident_bytes(self) -> int:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    def end(self, seconds: float = 30) -> tuple[int, str, str]:
        """Waits for its end: exit code, what it wrote, what it logged. Killed where it does not end."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TimeoutError(f"it ran on after {seconds:.0f} s; its log:\n{self.written(self.log)}") from None
        return self.process.returncode, self.written(self.out), self.written(self.log)

    def written(self, file) -> str:
        """Without moving the place at which the process writes on, which is this file's, too."""
        return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors="replace")

    def kill(self):
        # unshare takes the process with it.
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = 30) -> tuple[int, str, str]:
        os.kill(self.pid, signal.SIGTERM)
        return self.end(seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        self.out.close()
        self.log.close()


def become(writer: int, plan: dict):
    """In the namespaces: mounts what an engine mounts, gives up every right, and becomes the program."""
    root = plan["root"]
    mounts(root)
    for name, text in plan["files"].items():
        Path(root + name).write_text(text)
        os.chmod(root + name, 0o644)
    if plan["own_network"]:
        loopback()
    enter(root)
    os.chdir(plan["folder"])
    if plan["who"]:
        user, group = plan["who"]
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.set_inheritable(writer, False)
    os.write(writer, f"{time.monotonic()}\n".encode())
    words = plan["words"]
    os.execve(words[0], words, plan["environment"])


def mounts(root: str):
    mount("--bind", root, root)
    mount("-t", "tmpfs", "-o", "mode=1777,size=256m", "tmpfs", f"{root}/tmp")
    mount("--rbind", "/dev", f"{root}/dev")
    mount("--rbind", "/sys", f"{root}/sys")
    mount("-t", "proc", "proc", f"{root}/proc")
    mount("-o", "remount,bind,ro", root, root)


def mount(*words: str):
    subprocess.run(["mount", *words], check=True)


def enter(root: str):
    os.chroot(root)
    if not os.statvfs("/").f_flag & os.ST_RDONLY:
        sys.exit("the root can be written to")


def loopback():
    """A network of one's own begins without even this."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


if __name__ == "__main__":
    if len(sys.argv) == 2:
        mounts(sys.argv[1])
        loopback()
        enter(sys.argv[1])
    else:
        become(int(sys.argv[1]), json.loads(sys.argv[2]))

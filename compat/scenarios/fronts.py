"""What stands between a process and its servers: TLS with a private authority, and an HTTP proxy that writes down who is wanted."""

import asyncio
import contextlib
import ssl
import subprocess
import threading
from pathlib import Path


class Authority:
    """A certificate authority that nobody knows, with one server certificate for this machine."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.file = folder / "authority.pem"
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", "-subj", "/CN=walkthrough", "-keyout", "authority.key",
                     "-out", self.file.name, "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
        (folder / "server.ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr")
        self.openssl("x509", "-req", "-in", "server.csr", "-CA", self.file.name, "-CAkey", "authority.key", "-set_serial", "7", "-days", "9",
                     "-extfile", "server.ext", "-out", "server.pem")  # fmt: skip

    def openssl(self, *arguments: str):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.folder)

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        return context


class Listener:
    """Serves connections on an event loop in a thread of its own; subclasses say how."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None):
        self.address = f"127.0.0.1:{port}"
        self.writers: set[asyncio.StreamWriter] = set()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.server = self.call(asyncio.start_server(self.accept, "127.0.0.1", port, ssl=context))

    def call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.writers.add(writer)
        # Who breaks off, or is not there, is no concern of a front's.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            await self.serve(reader, writer)
        self.writers.discard(writer)
        writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        raise NotImplementedError

    def cut(self):
        """Breaks every connection; new ones are taken."""

        async def abort():
            for writer in list(self.writers):
                writer.transport.abort()

        self.call(abort())

    def stop(self):
        async def close():
            self.server.close()

        self.call(close())
        self.cut()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int):
    """Both ways, until either side has enough."""
    there, back = await asyncio.open_connection(host, port)
    await asyncio.gather(pump(reader, back), pump(there, writer))


class TlsFront(Listener):
    """TLS for a server of this machine that has none."""

    def __init__(self, port: int, behind: int, authority: Authority):
        self.behind = behind
        super().__init__(port, authority.server())

    async def serve(self, reader, writer):
        await join(reader, writer, "127.0.0.1", self.behind)


class Proxy(Listener):
    """Opens tunnels and writes down whereto; whatever else it is asked for, it writes down and refuses."""

    def __init__(self, port: int):
        self.tunnels: list[str] = []
        self.others: list[str] = []
        super().__init__(port)

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target, _ = head.split(" ", 2)
        if method != "CONNECT":
            self.others.append(f"{method} {target}")
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        self.tunnels.append(target)
        host, _, port = target.rpartition(":")
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await join(reader, writer, host, int(port))


class Weather(Listener):
    """A server of this machine on its good and bad days: it answers late, or is away."""

    def __init__(self, port: int, behind: int):
        self.behind = behind
        # Seconds before each answer.
        self.delay = 0.0
        self.is_away = False
        super().__init__(port)
        self.url = f"http://{self.address}"

    async def serve(self, reader, writer):
        if self.is_away:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.behind)
        await asyncio.gather(pump(reader, back), self.answer(there, writer))

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()
        writer.close()

    def go(self):
        self.is_away = True
        self.cut()

    def come_back(self):
        self.is_away = False

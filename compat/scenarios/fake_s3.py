"""A small S3 that keeps objects in memory and fails, bucket by bucket, in every way that has been thought of."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from .services import free_ports

NS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
HTML = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body>Please sign in</body></html>"


@dataclass
class Fault:
    """What happens to a request while the fault lasts."""

    name: str
    act: Callable[["Handler"], None]
    # Whether the task is to ride it out; otherwise it may fail, and is restarted when the fault is over.
    rides: bool = True
    # What the status has to say where it does not ride it out.
    says: str = ""
    operations: tuple[str, ...] = ("create", "part", "complete")


@dataclass
class Bucket:
    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    fault: Fault | None = None
    operation: str = ""
    hits: int = 0
    # Connections that a fault holds open; they end when it does.
    held: list[socket.socket] = field(default_factory=list)


class FakeS3(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self):
        super().__init__(("127.0.0.1", free_ports(1)), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.buckets: dict[str, Bucket] = {}
        self.lock = threading.Lock()
        self.last_upload = 0
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def bucket(self, name: str) -> Bucket:
        with self.lock:
            return self.buckets.setdefault(name, Bucket())

    def begin(self, name: str, fault: Fault, operation: str):
        bucket = self.bucket(name)
        with self.lock:
            bucket.fault, bucket.operation, bucket.hits = fault, operation, 0

    def end(self, name: str):
        bucket = self.bucket(name)
        with self.lock:
            bucket.fault = None
            held, bucket.held = bucket.held, []
        for connection in held:
            reset(connection)

    def handle_error(self, request, client_address):
        """A client that hangs up is no news here."""

    def stop(self):
        self.shutdown()
        self.server_close()


def reset(connection: socket.socket):
    """Ends a connection as a machine does that has lost it."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
    except OSError:
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeS3

    def log_message(self, *_):
        pass

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return body
        plain, rest = b"", body
        while rest:
            head, _, rest = rest.partition(b"\r\n")
            size = int(head.split(b";")[0], 16)
            if size == 0:
                break
            plain, rest = plain + rest[:size], rest[size + 2 :]
        return plain

    def answer(self, status: int, body: bytes = b"", **headers: str):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status: int, code: str, message: str = "no reason"):
        body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
        self.answer(status, body.encode(), Content_Type="application/xml")

    def serve(self):
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        name, _, key = parts.path.lstrip("/").partition("/")
        self.bucket, self.key, self.query = self.server.bucket(name), unquote(key), query
        operation = self.operation()
        fault = self.bucket.fault
        if fault and self.bucket.operation == operation:
            with self.server.lock:
                self.bucket.hits += 1
            return fault.act(self)
        self.body = self.read_body()
        return self.perform(operation)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve

    def operation(self) -> str:
        if self.command == "POST":
            return "create" if "uploads" in self.query else "complete"
        if self.command == "PUT":
            return "part"
        return {"DELETE": "abort", "HEAD": "look"}.get(self.command, "other")

    def perform(self, operation: str):
        upload = self.query.get("uploadId", [""])[0]
        with self.server.lock:
            uploads = self.bucket.uploads
            if operation == "create":
                self.server.last_upload += 1
                upload = f"upload-{self.server.last_upload}"
                uploads[upload] = {}
                body = f"<InitiateMultipartUploadResult {NS}><Key>{escape(self.key)}</Key><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
                return self.answer(200, body.encode(), Content_Type="application/xml")
            if operation == "part" and not upload:
                self.bucket.objects[self.key] = self.body
                return self.answer(200, ETag='"e"')
            if operation in ("part", "complete", "abort") and upload not in uploads:
                # A complete that was carried out may be asked for again, as in S3.
                if operation == "complete" and self.key in self.bucket.objects:
                    return self.completed()
                return self.error(404, "NoSuchUpload", "The specified upload does not exist.")
            if operation == "part":
                number = int(self.query["partNumber"][0])
                uploads[upload][number] = self.body
                return self.answer(200, ETag=f'"{upload}-{number}"')
            if operation == "complete":
                parts = uploads.pop(upload)
                self.bucket.objects[self.key] = b"".join(parts[number] for number in sorted(parts))
                return self.completed()
            if operation == "abort":
                del uploads[upload]
                return self.answer(204)
        return self.answer(200)

    def completed(self):
        body = f'<CompleteMultipartUploadResult {NS}><Key>{escape(self.key)}</Key><ETag>"e-1"</ETag></CompleteMultipartUploadResult>'
        return self.answer(200, body.encode(), Content_Type="application/xml")


def status(code: int, error: str) -> Callable[[Handler], None]:
    def act(handler: Handler):
        handler.read_body()
        handler.error(code, error)

    return act


def page(code: int) -> Callable[[Handler], None]:
    def act(handler: Handler):
        handler.read_body()
        handler.answer(code, HTML, Content_Type="text/html")

    return act


def raw(data: bytes) -> Callable[[Handler], None]:
    """Writes bytes and hangs up."""

    def act(handler: Handler):
        handler.read_body()
        handler.wfile.write(data)
        handler.close_connection = True

    return act


def cut(handler: Handler):
    handler.close_connection = True
    reset(handler.connection)


def error_in_200(handler: Handler):
    handler.read_body()
    handler.error(200, "InternalError", "We encountered an internal error. Please try again.")


def hold(handler: Handler):
    """Takes the request and says nothing until the fault is over."""
    handler.close_connection = True
    with handler.server.lock:
        handler.bucket.held.append(handler.connection)
        bucket, fault = handler.bucket, handler.bucket.fault
    while fault and bucket.fault is fault:
        time.sleep(0.02)


def trickle(handler: Handler):
    handler.read_body()
    handler.close_connection = True
    fault = handler.bucket.fault
    for byte in b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nX-Padding: " + b"x" * 200:
        if not fault or handler.bucket.fault is not fault:
            return
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(0.02)


def early(handler: Handler):
    """Answers before the body has come, and hangs up."""
    handler.close_connection = True
    handler.error(503, "SlowDown")


def late(handler: Handler):
    handler.body = handler.read_body()
    time.sleep(0.7)
    handler.perform(handler.operation())


def elsewhere(handler: Handler):
    """As S3 does for a bucket that is a minute old: the same request, at another name of the same machine."""
    handler.read_body()
    port = handler.server.server_address[1]
    handler.answer(307, b"", Location=f"http://127.0.0.1:{port}{handler.path}")


def other_region(handler: Handler):
    handler.read_body()
    body = b"<Error><Code>PermanentRedirect</Code><Message>The bucket you are attempting to access must be addressed using the specified endpoint.</Message></Error>"
    handler.answer(301, body, Content_Type="application/xml", x_amz_bucket_region="eu-west-1")


FAULTS = [
    Fault("500 InternalError", status(500, "InternalError")),
    Fault("503 SlowDown", status(503, "SlowDown")),
    Fault("503 ServiceUnavailable", status(503, "ServiceUnavailable")),
    Fault("429 TooManyRequests", status(429, "TooManyRequests")),
    Fault("502 of a proxy", page(502)),
    Fault("503 of a proxy", page(503)),
    Fault("504 of a proxy", page(504)),
    Fault("500 without a body", raw(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")),
    Fault("an error in a 200", error_in_200, operations=("create", "complete")),
    Fault("400 RequestTimeout", status(400, "RequestTimeout")),
    Fault("400 ExpiredToken", status(400, "ExpiredToken")),
    Fault("403 RequestTimeTooSkewed", status(403, "RequestTimeTooSkewed")),
    Fault("403 AccessDenied", status(403, "AccessDenied"), rides=False, says="access ?denied|403"),
    Fault("403 InvalidAccessKeyId", status(403, "InvalidAccessKeyId"), rides=False, says="InvalidAccessKeyId|access key|403"),
    Fault("404 NoSuchBucket", status(404, "NoSuchBucket"), rides=False, says="bucket|404"),
    Fault("400 MalformedXML", status(400, "MalformedXML"), rides=False, says="MalformedXML|400"),
    Fault("301 of another region", other_region, rides=False, says="eu-west-1"),
    Fault("307 to the same place", elsewhere, rides=False, says="307|redirect"),
    Fault("a reset", cut),
    Fault("an end without an answer", raw(b"")),
    Fault("half a head", raw(b"HTTP/1.1 200 OK\r\nContent-Le")),
    Fault("half a body", raw(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 500\r\n\r\n<Error>")),
    Fault("no HTTP", raw(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")),
    Fault("200 of a captive portal", page(200), operations=("create", "complete")),
    Fault("a part without an ETag", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), operations=("part",)),
    Fault("silence", hold),
    Fault("a trickle", trickle),
    Fault("an answer before the body", early),
    Fault("a late answer", late),
]

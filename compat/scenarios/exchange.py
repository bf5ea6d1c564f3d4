"""One HTTP exchange, sent byte for byte as it is asked for: odd paths, doubled headers and raw requests included."""

import http.client
import socket
import ssl
from dataclasses import dataclass, field


@dataclass
class Reply:
    """Status 0 stands for a connection that ended without an answer."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def request_bytes(host: str, method: str, path: str, headers: dict, body: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
    for name, value in headers.items():
        lines += [f"{name}: {each}" for each in (value if isinstance(value, list) else [value])]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def send(port: int, request: bytes, method: str, tls: ssl.SSLContext | None = None, seconds: float = 100) -> Reply:
    """Sends a whole request to a port of this machine and reads one answer; 100 s are more than the longest wait of a worker (90 s)."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as plain:
            if tls is None:
                return exchange(plain, request, method)
            with tls.wrap_socket(plain, server_hostname="localhost") as wrapped:
                return exchange(wrapped, request, method)
    except (OSError, http.client.HTTPException):
        return Reply()


def exchange(connection: socket.socket, request: bytes, method: str) -> Reply:
    connection.sendall(request)
    answer = http.client.HTTPResponse(connection, method=method)
    answer.begin()
    try:
        body = answer.read()
    except http.client.IncompleteRead as error:
        body = error.partial
    return Reply(answer.status, answer.getheaders(), body)

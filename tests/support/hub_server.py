"""A server that answers as the Hub's API does, on this machine, and misbehaves on request."""

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What the server holds, and how it misbehaves: see the fields."""

    files: dict[str, bytes]
    page: int = 2  # rows a page
    rows: list[dict[str, Any]] = field(default_factory=list)  # more rows of the list, as they are
    statuses: dict[str, list[int]] = field(default_factory=dict)  # answers of a path before the true one
    cut_after: dict[str, list[int]] = field(default_factory=dict)  # bytes of its next answers, then the line is cut
    sha256: dict[str, str] = field(default_factory=dict)  # wrong checksums
    ranges: bool = True
    linked: bool = False  # a HEAD says size and checksum, as for files in Git LFS
    address: str = ""
    requests: Counter[str] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)  # bytes sent of each file
    authorizations: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def tree(self, folder: str) -> list[dict[str, Any]]:
        rows = [
            {"type": "file", "path": path, "size": len(data), "oid": "0" * 40, "lfs": self._lfs(path, data)}
            for path, data in self.files.items()
            if path.startswith(folder + "/")
        ]
        return [{"type": "directory", "path": folder}, *rows, *self.rows]

    def _lfs(self, path: str, data: bytes) -> dict[str, Any]:
        return {"oid": self.sha256.get(path, hashlib.sha256(data).hexdigest()), "size": len(data), "pointerSize": 130}


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(self, hub)

        def do_HEAD(self) -> None:
            _describe(self, hub)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def _answer(handler: BaseHTTPRequestHandler, hub: Hub) -> None:
    url = urlsplit(handler.path)
    path = unquote(url.path)
    with hub.lock:
        hub.requests[path] += 1
        hub.authorizations.add(handler.headers.get("Authorization", ""))
    if statuses := hub.statuses.get(path):
        _send(handler, statuses.pop(0), b"busy", {"Retry-After": "0"})
    elif "/revision/" in path:
        known = path.endswith(("/revision/main", f"/revision/{COMMIT}"))
        _send(handler, 200 if known else 404, json.dumps({"sha": COMMIT}).encode())
    elif "/tree/" in path:
        _send_tree(handler, hub, path, parse_qs(url.query))
    elif (file := re.split(f"/resolve/(?:{COMMIT}|main)/", path)[-1]) in hub.files:
        _send_file(handler, hub, file)
    else:
        _send(handler, 404, b"")


def _describe(handler: BaseHTTPRequestHandler, hub: Hub) -> None:
    """The answer to a HEAD of `…/resolve/main/FILE`."""
    file = unquote(urlsplit(handler.path).path).split("/resolve/main/")[-1]
    with hub.lock:
        hub.authorizations.add(handler.headers.get("Authorization", ""))
    if file not in hub.files:
        _send(handler, 404, b"")
        return
    data = hub.files[file]
    lfs = hub._lfs(file, data)
    linked = {"X-Linked-Size": str(lfs["size"]), "X-Linked-Etag": f'"{lfs["oid"]}"', "Location": handler.path}
    _send(handler, 302 if hub.linked else 200, data, linked if hub.linked else {}, cut=0)


def _send_tree(handler: BaseHTTPRequestHandler, hub: Hub, path: str, query: dict[str, list[str]]) -> None:
    rows = hub.tree(path.split(f"/tree/{COMMIT}/")[1])
    start = int(query.get("cursor", ["0"])[0])
    headers = {}
    if start + hub.page < len(rows):
        headers["Link"] = f'<{hub.address}{path}?recursive=true&cursor={start + hub.page}>; rel="next"'
    status = 200 if len(rows) > 1 else 404
    _send(handler, status, json.dumps(rows[start : start + hub.page]).encode(), headers)


def _send_file(handler: BaseHTTPRequestHandler, hub: Hub, file: str) -> None:
    data, start, status, headers = hub.files[file], 0, 200, {}
    if hub.ranges and (wanted := handler.headers.get("Range")):
        start, status = int(wanted.removeprefix("bytes=").rstrip("-")), 206
        headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
    body = data[start:]
    cuts = hub.cut_after.get(file)
    length = cuts.pop(0) if cuts else len(body)
    with hub.lock:
        hub.served[file] += len(body[:length])
    _send(handler, status, body, headers, length)


def _send(
    handler: BaseHTTPRequestHandler,
    status: int,
    body: bytes,
    headers: dict[str, str] | None = None,
    cut: int | None = None,
) -> None:
    handler.send_response(status)
    for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body[:cut])
    if cut is not None and cut < len(body):
        handler.close_connection = True

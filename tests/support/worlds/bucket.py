"""A bucket of S3 that is a folder: the server answers what obstore asks.

That is HEAD, GET of a range, and a list.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Bucket:
    """A bucket that is served.

    Attributes:
        environment: by which obstore finds it as s3://bucket/...
        asked: the requests of files.
        answering: cleared, it takes connections and answers nothing.
    """

    environment: dict[str, str]
    asked: list[str]
    answering: threading.Event


@contextmanager
def serving(folder: Path) -> Iterator[Bucket]:
    """Serve the files of a folder."""
    answering, asked = threading.Event(), list[str]()
    answering.set()
    about = {"root": folder, "asked": asked, "answering": answering}
    handler = type("Handler", (S3,), about)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    environment = {
        "AWS_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_REGION": "us-east-1",
    }
    try:
        yield Bucket(environment=environment, asked=asked, answering=answering)
    finally:
        answering.set()
        server.shutdown()
        server.server_close()
        thread.join()


class S3(BaseHTTPRequestHandler):
    """A bucket of the files of a folder; no signature is checked."""

    root: ClassVar[Path]
    asked: ClassVar[list[str]]
    answering: ClassVar[threading.Event]

    def do_HEAD(self) -> None:
        self.answering.wait()
        self._send(with_body=False)

    def do_GET(self) -> None:
        self.answering.wait()
        url = urlsplit(self.path)
        asked = parse_qs(url.query)
        if "list-type" in asked:
            self._list(asked.get("prefix", [""])[0])
        else:
            self._send(with_body=True)

    def _send(self, *, with_body: bool) -> None:
        key = unquote(urlsplit(self.path).path).removeprefix("/bucket/")
        file = self.root / key
        if not file.is_file():
            self.send_error(404)
            return
        body, status = file.read_bytes(), 200
        whole = len(body)
        self.asked.append(f"{self.command} {key} {self.headers.get('Range')}")
        if (ranged := self.headers.get("Range")) is not None:
            first, last = ranged.removeprefix("bytes=").split("-")
            body, status = body[int(first) : int(last) + 1], 206
        self.send_response(status)
        if status == 206:
            ends = f"{first}-{int(first) + len(body) - 1}/{whole}"
            self.send_header("Content-Range", f"bytes {ends}")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Mon, 02 Nov 2026 10:00:00 GMT")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _list(self, prefix: str) -> None:
        files = [f for f in sorted(self.root.rglob("*")) if f.is_file()]
        keys = [(str(f.relative_to(self.root)), f.stat().st_size) for f in files]
        body = "".join(
            f"<Contents><Key>{key}</Key><Size>{size}</Size><ETag>&quot;1&quot;</ETag>"
            "<LastModified>2026-11-02T10:00:00.000Z</LastModified>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for key, size in keys
            if key.startswith(prefix)
        )
        text = (
            '<?xml version="1.0"?><ListBucketResult><Name>bucket</Name>'
            f"<IsTruncated>false</IsTruncated>{body}</ListBucketResult>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words: object) -> None:
        """Nothing is logged."""

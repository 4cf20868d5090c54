"""What a client's target is."""

import asyncio
from pathlib import Path

import pytest

import gleann
from gleann.index.errors import InvalidParamsError
from gleann.service.client import target as targets
from gleann.service.client.target import Server, read_target


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("grpc://host:1", Server("host:1")),
        ("grpc://host:1/", Server("host:1")),
        ("grpc://[::1]:80", Server("[::1]:80")),
        ("grpcs://host:1", Server("host:1", tls=True)),
        ("dns:///host:1", Server("dns:///host:1")),
        ("dns:host:1", Server("dns:host:1")),
        ("dns://8.8.8.8/host:1", Server("dns://8.8.8.8/host:1")),
        ("unix:/a/b", Server("unix:/a/b")),
        ("unix:///a/b", Server("unix:///a/b")),
        ("library", Path("library")),
        ("./127.0.0.1:80", Path("127.0.0.1:80")),
        ("/data/2026-11-28T10:00", Path("/data/2026-11-28T10:00")),
        (Path("127.0.0.1:80"), Path("127.0.0.1:80")),
    ],
)
def test_places(target: str | Path, place: Server | Path) -> None:
    assert read_target(target) == place


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("127.0.0.1:50051", "use grpc://127.0.0.1:50051, for a directory ./127"),
        ("localhost:50051/", "use grpc://localhost:50051,"),
        ("[::1]:80", r"use grpc://\[::1\]:80"),
        ("http://host:1", "http:// is not served: use grpc://"),
        ("https://host", "https:// is not served: use grpcs://"),
        ("GRPCS://host:1", "GRPCS:// is not served: use grpcs://"),
        ("s3://bucket/library", "s3:// is not served"),
        ("file:///library", "file:// is not served"),
        ("grpc://", "host:port, got 'grpc://'"),
        ("grpc://host", "host:port, got 'grpc://host'"),
        ("grpc://host:70000", "host:port"),
        ("grpc://host:0", "never listens on port 0"),
        ("dns:///host", "host:port, got 'dns:///host'"),
        ("unix:", "1 to 107 bytes"),
        ("", "got ''"),
        (" 127.0.0.1:80 ", "use grpc://127.0.0.1:80,"),
        (":50051", "looks like an address"),
        ("grpc:127.0.0.1:80", "grpc: is not served: use grpc://"),
        ("ipv4:127.0.0.1:80", "ipv4: is not served: use grpc://"),
        ("unix-abstract:x", "unix-abstract: is not served"),
        ("10.0.0.1", "a host without a port: for a server use grpc://10.0.0.1:50051"),
        ("::1", "a host without a port"),
        ("localhost", "a host without a port"),
        (None, "a text or a path, got None"),
        (b"library", "a text or a path, got b'library'"),
        ("a\0b", "a directory or grpc://host:port"),
    ],
)
def test_what_is_refused_makes_no_directory(
    target: object, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidParamsError, match=says):
        gleann.Client(target)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


async def open_async(directory: Path) -> None:
    async with gleann.AsyncClient(directory):
        pass


def test_a_directory_is_refused_where_files_cannot_be_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "find_spec", lambda name: None)
    monkeypatch.setattr(targets.sys, "platform", "win32")
    for opened in (gleann.Client, lambda path: asyncio.run(open_async(path))):
        with pytest.raises(InvalidParamsError, match=r"on win32, .*grpc://host:port"):
            opened(tmp_path / "library")
    assert not list(tmp_path.iterdir())

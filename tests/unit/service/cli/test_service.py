"""`gleann serve` and `gleann doctor`."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from gleann.index.engines import native
from gleann.index.errors import EngineUnavailableError
from gleann.service.cli.doctor import doctor
from gleann.service.cli.main import run
from gleann.service.client import Client
from gleann.service.demo.server import running_server


def test_serve_answers_imports_and_stops_on_sigterm(tmp_path):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(50, 4)).astype(np.float32)
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "in" / "v.npy", vectors)
    with running_server(tmp_path / "data", tmp_path / "in") as address:
        assert address.startswith("grpc://127.0.0.1:")
        with Client(address) as client:
            client.create_index("a", dim=4, metric="l2")
            imported = client.import_vectors("a", tmp_path / "in" / "v.npy").wait()
            assert imported.count == 50
            assert client.search("a", vectors[:5]).ids[:, 0].tolist() == [0, 1, 2, 3, 4]
    # The data directory is free again, and what was acknowledged is there.
    with Client(tmp_path / "data") as client:
        assert client.get_index("a").count == 50


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_ends_with_0_when_told_to(number, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", "from gleann.service.cli.main import main; main()",
         "serve", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0",
         "--log-level", "error"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith("listening on grpc://127.0.0.1:")
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert errors == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "data_dir"),
        (["--data", "d", "--listen", "nowhere"], "nowhere"),
        (["--data", "d", "--listen", "0.0.0.0:0"], "--allow-remote"),
        (["--data", "d", "--config", "absent.toml"], "absent.toml"),
        (["--data", "d", "--threads", "-1"], "-1"),
    ],
)
def test_serve_refuses_in_one_line(arguments, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["serve", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("gleann: error: ")
    assert error.count("\n") == 1
    assert says in error


def test_doctor_says_that_search_works(capsys):
    assert run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "search  works" in out
    assert ("native serves" in out) == native.available()


def test_doctor_tells_how_to_get_the_native_engine(monkeypatch, capsys):
    monkeypatch.setattr(native, "available", lambda: False)
    monkeypatch.setattr(native, "unavailable_reason", lambda: "no such module")
    assert run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "faiss serves" in out
    assert "no such module" in out
    assert "g++" in out
    assert "--force-reinstall" in out


def test_doctor_asks_for_no_compiler_where_there_is_no_engine(monkeypatch, capsys):
    monkeypatch.setattr(native, "available", lambda: False)
    monkeypatch.setattr(native, "unavailable_reason", lambda: "they were not built")
    monkeypatch.setattr(doctor.platform, "system", lambda: "Darwin")
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.delattr("os.sysconf")
    assert run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "for Linux alone; from here, connect a client to a server" in out
    assert "g++" not in out
    assert f" {os.cpu_count()} cores;" in out  # and no memory, which is not known


def test_doctor_says_what_needs_faiss(monkeypatch, capsys):
    find_spec = doctor.find_spec
    monkeypatch.setattr(
        doctor, "find_spec", lambda name: None if name == "faiss" else find_spec(name)
    )
    assert run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "only the engine faiss needs it: pip install faiss-cpu" in out


def test_doctor_fails_when_search_does(monkeypatch, capsys):
    def broken():
        raise EngineUnavailableError("nothing to search with")

    monkeypatch.setattr(doctor, "trial", broken)
    assert run(["doctor"]) == 1
    assert "nothing to search with" in capsys.readouterr().out


def test_doctor_fails_when_search_is_wrong(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "trial", lambda: (0.5, "native/avx2"))
    assert run(["doctor"]) == 1
    assert "is wrong" in capsys.readouterr().out

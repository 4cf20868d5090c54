"""Configuration: file, then environment, then the caller."""

from pathlib import Path
from typing import Any

import pytest

from gleann.index import errors
from gleann.service.config import Config, load_config, split_address
from gleann.service.values import Limits

FILE = """
data_dir = "from-file"
listen = "127.0.0.1:1000"
import_roots = ["/a", "/b"]
rpc_threads = 3

[limits]
dim = 100
"""


def test_what_comes_later_wins(tmp_path: Path) -> None:
    (tmp_path / "gleann.toml").write_text(FILE)
    environ = {
        "GLEANN_DATA_DIR": "from-environment",
        "GLEANN_RPC_THREADS": "5",
        "GLEANN_LIMITS_ROWS": "7",
        "GLEANN_DATA": "not ours",
    }
    config = load_config(
        tmp_path / "gleann.toml",
        environ=environ,
        overrides={"rpc_threads": 9, "listen": None},
    )
    assert config == Config(
        data_dir=Path("from-environment"),
        listen="127.0.0.1:1000",
        import_roots=(Path("/a"), Path("/b")),
        rpc_threads=9,
        limits=Limits(dim=100, rows=7),
    )


def test_the_environment_alone() -> None:
    environ = {
        "GLEANN_DATA_DIR": "d",
        "GLEANN_IMPORT_ROOTS": "/a:/b",
        "GLEANN_LISTEN": "0.0.0.0:1",
        "GLEANN_ALLOW_REMOTE": "true",
        "GLEANN_API_KEY": "k",
    }
    config = load_config(environ=environ)
    assert config.import_roots == (Path("/a"), Path("/b"))
    assert config.allow_remote
    assert config.api_key == "k"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense", "not TOML"),
        ("data_dir = 'd'\nport = 1", "'port'"),
        ("data_dir = 'd'\n[limits]\nsize = 1", "'limits_size'"),
        ("listen = '127.0.0.1:1'", "data_dir is required"),
        ("data_dir = 'd'\nlisten = 'here'", "host:port"),
        ("data_dir = 'd'\nlisten = '127.0.0.1:70000'", "host:port"),
        ("data_dir = 'd'\nthreads = -1", "threads must be at least 0, got -1"),
        ("data_dir = 'd'\nrpc_threads = 0", "rpc_threads must be at least 1"),
        ("data_dir = 'd'\nrpc_queue = 'many'", "rpc_queue must be an integer"),
        ("data_dir = 'd'\nallow_remote = 'perhaps'", "true or false"),
        ("data_dir = 'd'\napi_key = ''", "api_key is empty"),
        ("data_dir = 'd'\n[limits]\nhits = 0", "limits.hits must be at least 1"),
    ],
)
def test_settings_that_make_no_sense(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(errors.InvalidParamsError, match=says):
        load_config(tmp_path / "c.toml", environ={})


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(errors.MissingFileError):
        load_config(tmp_path / "none.toml", environ={})


@pytest.mark.parametrize(
    ("address", "parts"),
    [("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:80", ("::1", 80))],
)
def test_addresses(address: str, parts: Any) -> None:
    assert split_address(address) == parts

"""Configuration: file, then environment, then the caller."""

from pathlib import Path
from typing import Any

import pytest

from gleann.index import errors
from gleann.service.config import Config, load_config
from gleann.service.config.address import split_address
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
        (f"data_dir = {'[' * 50_000}", "c.toml is not TOML: .*recursion"),
        (f"threads = {'1' * 5000}", "c.toml is not TOML: .*4300 digits"),
        (f"data_dir = 'd'\nrpc_threads = 1{'0' * 400}", "at most 1000000000, got 10"),
        ("data_dir = 'd'\n[load]\nqueue_seconds = inf", "at most 1000000000, got inf"),
        ("data_dir = 'd'\n[load]\nqueue_seconds = nan", "at least 0.001, got nan"),
        ("data_dir = 'd'\nport = 1", "c.toml: port is no setting"),
        (
            "data_dir = 'd'\n[limits]\nsize = 1",
            "c.toml: limits.size is no setting; did you mean",
        ),
        ("listen = '127.0.0.1:1'", "data_dir is required"),
        ("data_dir = 'd'\nlisten = 'here'", "host:port"),
        ("data_dir = 'd'\nlisten = '127.0.0.1:70000'", "host:port"),
        ("data_dir = 'd'\nthreads = -1", "threads must be at least 0, got -1"),
        ("data_dir = 'd'\nrpc_threads = 0", "rpc_threads must be at least 1"),
        ("data_dir = 'd'\nimport_rows = 'many'", "import_rows must be an integer"),
        ("data_dir = 'd'\nallow_remote = 'perhaps'", "true or false"),
        ("data_dir = 'd'\napi_key = ''", "api_key is empty"),
        ("data_dir = 'd'\napi_key = 'a b'", "letter 2 of 3"),
        ("data_dir = 'd'\napi_key = 'né'", "letter 2 of 2"),
        ("data_dir = 'd'\napi_key = 5", "c.toml: api_key must be text, got a int"),
        ("data_dir = 'd'\nengine = 'gpu9'", "engine must be one of auto.*'gpu9'"),
        ("data_dir = 'd'\nengine = 9", "c.toml: engine must be text, got 9"),
        ("data_dir = 'd'\nlimits = 3", r"limits must be a table \[limits\], got 3"),
        ("data_dir = 'd'\nthreads = true", "threads must be an integer, got True"),
        ("data_dir = 'd'\nthreads = 2.0", "threads must be an integer, got 2.0"),
        ("data_dir = 'd'\nthread = 2", "thread is no setting; did you mean threads"),
        ("data_dir = 'd'\nimport_roots = '/a'", "must be a list of paths, got '/a'"),
        ("data_dir = 'd'\nimport_roots = [1]", "import_roots must be a path"),
        ("data_dir = 5", "data_dir must be a path, got 5"),
        ("data_dir = 'd'\nrpc_threads = 9999999999", "at most 1000000000"),
        ("data_dir = 'd'\n[limits]\ndim = 'x'", "limits.dim must be an integer"),
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


def test_variables_and_options_are_named_as_given() -> None:
    with pytest.raises(errors.InvalidParamsError, match=r"^GLEANN_RPC_THREADS must be"):
        load_config(environ={"GLEANN_RPC_THREADS": "x", "GLEANN_DATA_DIR": "d"})
    with pytest.raises(errors.InvalidParamsError, match=r"^--data must be a path"):
        load_config(
            environ={}, overrides={"data_dir": "a\0b"}, flags={"data_dir": "--data"}
        )

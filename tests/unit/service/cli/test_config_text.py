"""`--print-config` and the table of settings say what the code does."""

import re
import tomllib
from pathlib import Path

import click
import pytest

from gleann.index.errors import InvalidParamsError
from gleann.service.cli.config_text import (
    FLAGS,
    config_text,
    defaults,
    meanings,
    settings_table,
)
from gleann.service.cli.serve import command
from gleann.service.config import SETTINGS, Config, given_settings, load_config
from gleann.service.settings import Setting

TOP = Path(__file__).parents[4]
PAGE = (TOP / "docs/configuration.md").read_text()


def test_the_printed_file_gives_the_same_configuration(tmp_path: Path) -> None:
    file = tmp_path / "gleann.toml"
    overrides = {"data_dir": Path("a 'b\" \\ ü"), "import_roots": (Path("/x"),)}
    environ = {"GLEANN_RPC_THREADS": "4", "GLEANN_LIMITS_DIM": "7"}
    found = given_settings(None, environ=environ, overrides=overrides)
    file.write_text(config_text(found))
    given = load_config(file, environ={})
    assert given == load_config(environ=environ, overrides=overrides)
    assert (given.rpc_threads, given.limits.dim) == (4, 7)


def test_the_origin_of_each_value_is_printed() -> None:
    found = given_settings(
        None,
        environ={"GLEANN_THREADS": "3"},
        overrides={"data_dir": Path("d")},
        flags=FLAGS,
    )
    lines = config_text(found).splitlines()
    assert 'data_dir = "d"  # from --data' in lines
    assert "threads = 3  # from GLEANN_THREADS" in lines
    assert "rpc_queue = 256  # default" in lines


def test_what_is_not_given_is_required() -> None:
    text = config_text({})
    assert '# data_dir = "..."  # required; none is given' in text
    assert "data_dir" not in tomllib.loads(text)


def test_the_key_is_not_printed() -> None:
    text = config_text({"api_key": Setting("letmein", "GLEANN_API_KEY")})
    assert "letmein" not in text
    assert "from GLEANN_API_KEY, not shown" in text


def test_a_value_that_the_server_would_refuse_is_refused() -> None:
    with pytest.raises(InvalidParamsError, match="rpc_queue must be at least 1, got 0"):
        config_text({"rpc_queue": Setting(0, "c.toml: rpc_queue")})


def test_every_setting_has_a_meaning() -> None:
    assert list(defaults()) == list(SETTINGS)
    assert set(meanings()) - {"limits"} == set(SETTINGS)
    assert all(len(says) > 10 for says in meanings().values())


def test_flags_are_options_of_the_command() -> None:
    options = {o for p in command.params for o in p.opts}
    assert set(FLAGS.values()) <= options
    others = {"--config", "--print-config", "--log-level", "--json"}
    assert options - set(FLAGS.values()) == others
    assert all(other in PAGE for other in others)
    assert isinstance(command, click.Command)


def test_the_page_has_the_table() -> None:
    """Written by `settings_table`; print it into the page after a change."""
    assert f"<!-- settings: from the code -->\n{settings_table()}\n<!-- end" in PAGE


def test_every_variable_is_on_the_page() -> None:
    files = [*TOP.glob("index/**/*.py"), *TOP.glob("selection/**/*.py")]
    files += [*TOP.glob("service/**/*.py"), TOP / "setup.py"]
    text = "".join(file.read_text() for file in files)
    named = set(re.findall(r"(?<!_)GLEANN_[A-Z]+(?:_[A-Z]+)*", text))
    assert len(named) >= 3
    assert not {name for name in named if name not in PAGE}


def test_representation_hides_the_key() -> None:
    assert "letmein" not in repr(Config(data_dir=Path("d"), api_key="letmein"))

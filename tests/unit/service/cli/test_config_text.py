"""`--print-config` and the table of settings say what the code does."""

import json
import re
import tomllib
from pathlib import Path

import click
import pytest

from gleann.index.errors import InvalidParamsError
from gleann.service.cli.config_text import config_text, settings_table
from gleann.service.cli.main import run
from gleann.service.cli.serve import command
from gleann.service.config import Config, load_config
from gleann.service.config.given import Given
from gleann.service.config.load import given_settings
from gleann.service.config.table import FLAGS, SETTINGS, TABLES
from gleann.service.optimizer_params import OPTIMIZER_DEFAULTS

TOP = Path(__file__).parents[4]
PAGE = (TOP / "docs/configuration.md").read_text()


def test_the_printed_file_gives_the_same_configuration(tmp_path: Path) -> None:
    file = tmp_path / "gleann.toml"
    overrides = {"data_dir": Path("a 'b\" \\ ü"), "import_roots": (Path("/x"),)}
    environ = {"GLEANN_RPC_THREADS": "4", "GLEANN_LIMITS_DIM": "7"}
    environ |= {"GLEANN_OPTIMIZER_ENABLED": "0", "GLEANN_OPTIMIZER_DRIFT": "2.5"}
    found = given_settings(None, environ=environ, overrides=overrides)
    file.write_text(config_text(found))
    given = load_config(file, environ={})
    assert given == load_config(environ=environ, overrides=overrides)
    assert (given.rpc_threads, given.limits.dim) == (4, 7)
    assert (given.optimizer.enabled, given.optimizer.drift) == (False, 2.5)
    assert given.optimizer.min_rows == OPTIMIZER_DEFAULTS.min_rows


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
    assert "rpc_threads = 16  # default" in lines


def test_what_is_not_given_is_required() -> None:
    text = config_text({})
    assert '# data_dir = "..."  # required; none is given' in text
    assert "data_dir" not in tomllib.loads(text)


def test_the_key_is_not_printed() -> None:
    text = config_text({"api_key": Given("letmein", "GLEANN_API_KEY")})
    assert "letmein" not in text
    assert "from GLEANN_API_KEY, not shown" in text


def test_a_value_that_the_server_would_refuse_is_refused() -> None:
    with pytest.raises(
        InvalidParamsError, match="rpc_threads must be at least 1, got 0"
    ):
        config_text({"rpc_threads": Given(0, "c.toml: rpc_threads")})


def test_a_refused_value_is_named_as_it_was_given(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('data_dir = "d"\nengine = "gpu9"')
    with pytest.raises(InvalidParamsError, match=f"^{file}: engine must be one of"):
        load_config(file, environ={})
    with pytest.raises(InvalidParamsError, match=r"^GLEANN_ENGINE must be one of"):
        load_config(environ={"GLEANN_ENGINE": "gpu9", "GLEANN_DATA_DIR": "d"})
    with pytest.raises(InvalidParamsError, match=r"^--engine must be one of"):
        load_config(
            environ={}, overrides={"data_dir": "d", "engine": "gpu9"}, flags=FLAGS
        )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("threads = -1", "c.toml: threads must be at least 0, got -1"),
        ('allow_remote = "y"', "c.toml: allow_remote must be true or false, got 'y'"),
        (
            "[optimizer]\ndrift = 0.5",
            "c.toml: optimizer.drift must be a finite number >= 1, got 0.5",
        ),
        (
            "[optimizer]\npending_share = 'x'",
            "c.toml: optimizer.pending_share must be a number, got 'x'",
        ),
        ('listen = "0.0.0.0:1"', "(in a file: allow_remote = true) permits that"),
    ],
)
def test_a_key_of_a_file_is_not_called_an_option(
    text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f'data_dir = "d"\n{text}')
    assert run(["serve", "--config", str(file)]) == 1
    assert says in capsys.readouterr().err


def test_settings_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["serve", "--data", "d", "--import-root", "r", "--print-config", "--json"]
    assert run(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == list(SETTINGS)
    assert found["data_dir"]["value"] == "d"
    assert found["data_dir"]["origin"] == "--data"
    assert found["import_roots"]["value"] == ["r"]
    assert found["threads"] | {"meaning": ""} == {
        "value": 0, "origin": "default", "meaning": "", "reload": False,
    }  # fmt: skip


def test_every_setting_has_a_meaning() -> None:
    assert {name.partition(".")[0] for name in SETTINGS if "." in name} == set(TABLES)
    assert not [one.name for one in SETTINGS.values() if len(one.meaning) <= 10]


def test_reloads_and_secrets_are_in_the_table() -> None:
    assert SETTINGS["api_key"].secret
    assert SETTINGS["log.level"].reload
    assert SETTINGS["limits.hits"].reload
    # An option of the gRPC channel.
    assert not SETTINGS["limits.message_bytes"].reload
    assert not SETTINGS["data_dir"].reload


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("level = 'loud'", "log.level must be one of debug, info, warning, error; got"),
        ("slow_seconds = -1", "log.slow_seconds must be at least 0, got -1"),
        ("slow_seconds = nan", "log.slow_seconds must be at least 0, got nan"),
        ("slow_seconds = inf", "log.slow_seconds must be at most 1000000000, got inf"),
        ("lines = 3", "log.lines is no setting"),
    ],
)
def test_tables_refuse_by_their_metadata(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f'data_dir = "d"\n[log]\n{text}')
    with pytest.raises(InvalidParamsError, match=f"^{re.escape(f'{file}: {says}')}"):
        load_config(file, environ={})


def test_metrics_for_other_machines_need_a_token(tmp_path: Path) -> None:
    environ = {"GLEANN_DATA_DIR": "d", "GLEANN_METRICS_LISTEN": "0.0.0.0:9100"}
    with pytest.raises(InvalidParamsError, match=r"^GLEANN_METRICS_LISTEN is.*token"):
        load_config(environ=environ)
    environ["GLEANN_METRICS_TOKEN_FILE"] = str(tmp_path / "token")
    assert load_config(environ=environ).metrics.token_file == tmp_path / "token"


def test_flags_are_options_of_the_command() -> None:
    options = {o for p in command.params for o in p.opts}
    assert set(FLAGS.values()) <= options
    others = {"--config", "--print-config", "--json", "--cluster", "--address"}
    others |= {"--workers", "--replicas", "--partial", "--seconds", "--lost-seconds"}
    assert options - set(FLAGS.values()) == others
    assert all(other in PAGE for other in others)
    assert isinstance(command, click.Command)


def test_the_page_has_the_table() -> None:
    """Written by `settings_table`; print it into the page after a change."""
    assert f"<!-- settings: from the code -->\n{settings_table()}\n<!-- end" in PAGE


def test_the_files_in_the_readme_are_some(tmp_path: Path) -> None:
    text = (TOP / "README.md").read_text()
    blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        (tmp_path / "c.toml").write_text(block)
        load_config(tmp_path / "c.toml", environ={"GLEANN_DATA_DIR": "d"})


def test_every_variable_is_on_the_page() -> None:
    files = [*TOP.glob("index/**/*.py"), *TOP.glob("selection/**/*.py")]
    files += [*TOP.glob("service/**/*.py"), TOP / "setup.py"]
    text = "".join(file.read_text() for file in files)
    named = set(re.findall(r"(?<!_)GLEANN_[A-Z]+(?:_[A-Z]+)*", text))
    assert len(named) >= 3
    assert not {name for name in named if name not in PAGE}


def test_representation_hides_the_key() -> None:
    assert "letmein" not in repr(Config(data_dir=Path("d"), api_key="letmein"))

"""Keys stay out of logs, process lists, printed settings, errors and reprs."""

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from keys_of_tests import Keys

import gleann
from gleann.index import errors
from gleann.service.calls.caller import Right
from gleann.service.client.remote import connect
from gleann.service.config import Config
from gleann.service.config.security import SecuritySettings
from gleann.service.security.key_ring import KeyRing
from gleann.service.security.keys_file import read_keys

SERVE = [sys.executable, "-c", "from gleann.service.cli.main import main; main()"]
SERVE += ["serve"]
SINGLE = "single-key-of-all-rights-0123456789"


@pytest.fixture
def served(
    tmp_path: Path, keys: Keys
) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """`gleann serve` that logs everything, its address, and a key of its file."""
    environment = os.environ | {"GLEANN_API_KEY": SINGLE, "GLEANN_LOG_LEVEL": "debug"}
    token = keys.add("app", (Right.READ, "*"))
    command = [*SERVE, "--listen", "127.0.0.1:0", "--keys", str(keys.file)]
    command += ["--data", str(tmp_path / "data")]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
    assert process.stdout is not None
    with process:
        line = process.stdout.readline()
        yield process, line.split()[2].rstrip(","), token
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_a_server_never_writes_a_key(
    served: tuple[subprocess.Popen[str], str, str], tmp_path: Path
) -> None:
    process, target, token = served
    tried = []
    for key in (SINGLE, token, token[:-1] + "0", "wrong-key-0123456789"):
        with gleann.Client(target, api_key=key) as client:
            try:
                client.list_indexes()
                client.create_index("Bad Name", dim=3)
            except errors.GleannError as error:
                tried.append("".join(traceback.format_exception(error)))
    assert len(tried) == 4
    seen = Path(f"/proc/{process.pid}/cmdline").read_text() + "".join(tried)
    seen += (tmp_path / "log").read_text()
    assert "refused a call with" in seen
    for secret in (SINGLE, token, token.rpartition("_")[2][:-1], "wrong-key-0123"):
        assert secret not in seen


def test_printed_settings_have_no_key(tmp_path: Path) -> None:
    for more in ([], ["--json"]):
        done = subprocess.run(
            [*SERVE, "--data", "d", "--print-config", *more],
            capture_output=True,
            text=True,
            env=os.environ | {"GLEANN_API_KEY": SINGLE},
            cwd=tmp_path,
            check=True,
        )
        assert "api_key" in done.stdout
        assert SINGLE not in done.stdout + done.stderr


def test_reprs_have_no_key(keys: Keys, tmp_path: Path) -> None:
    token = keys.add("app", (Right.READ, "*"))
    config = Config(
        data_dir=tmp_path,
        api_key=SINGLE,
        security=SecuritySettings(keys_file=keys.file),
    )
    stubs = connect("127.0.0.1:1", api_key=SINGLE, timeout=1)
    remote = stubs.index
    with gleann.Client.of_stubs(stubs) as client:
        shown = [config, stubs, remote, vars(remote), client, read_keys(keys.file)]
        shown += [KeyRing(read_keys(keys.file), single=SINGLE)]
        text = " ".join(map(repr, shown))
    assert SINGLE not in text
    assert token.rpartition("_")[2] not in text


@pytest.mark.parametrize("text", ["two keys\n", "", "schlüssel", "k" * 5000])
def test_a_file_that_has_no_key_is_not_shown(text: str, tmp_path: Path) -> None:
    from gleann.service.security.headers import read_api_key

    file = tmp_path / "key"
    file.write_text(text)
    with pytest.raises(errors.InvalidParamsError, match="key") as caught:
        read_api_key(file)
    shown = "".join(traceback.format_exception(caught.value))
    assert not text.strip() or text.strip() not in shown

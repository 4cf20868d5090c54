"""What `gleann serve --cluster` refuses before it starts a cluster."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.errors import InvalidParamsError
from gleann.index.progress import Progress
from gleann.index.shards.cut import cut
from gleann.service.cli.cluster import holding, serving
from gleann.service.cli.cluster.serving import name_of
from gleann.service.cli.main import run
from gleann.service.cluster.search import cluster_shards


@pytest.mark.parametrize(
    ("given", "name", "path"),
    [
        ("/mnt/all/pages", "pages", "/mnt/all/pages"),
        ("pages.shards", "pages", "pages.shards"),
        ("docs=/mnt/Some Pages", "docs", "/mnt/Some Pages"),
        ("/mnt/a=b/pages", "pages", "/mnt/a=b/pages"),
    ],
)
def test_the_name_is_given_or_that_of_the_folder(
    given: str, name: str, path: str
) -> None:
    assert name_of(given) == (name, Path(path))


def test_lost_shards_are_waited_for_as_long_as_by_the_library() -> None:
    assert holding.LOST_SECONDS == cluster_shards.LOST_SECONDS


def test_a_folder_with_another_name_needs_one() -> None:
    with pytest.raises(InvalidParamsError, match="--cluster pages=/mnt/My Pages"):
        name_of("/mnt/My Pages")


def test_what_is_no_index_in_shards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = SoarIndex.build(np.eye(4, dtype=np.float32), BuildParams(nlist=1))
    index.save(tmp_path / "one")
    assert run(["serve", "--cluster", str(tmp_path / "one")]) == 1
    assert "no index in shards" in capsys.readouterr().err
    cut(index, tmp_path / "Cut", shards=2)
    assert run(["serve", "--cluster", str(tmp_path / "Cut")]) != 0
    assert "--cluster pages=" in capsys.readouterr().err
    assert run(["serve"]) != 0
    assert "--data" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--workers", "2"],
        ["--address", "auto"],
        ["--replicas", "2"],
        ["--partial"],
        ["--seconds", "3"],
        ["--lost-seconds", "3"],
    ],
)
def test_who_holds_shards_is_not_said_without_shards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert run(["serve", "--data", str(tmp_path / "data"), *words]) == 1
    said = capsys.readouterr().err
    assert f"{words[0]} is for --cluster, which is not given" in said
    assert not (tmp_path / "data").exists()


def test_a_server_that_is_stopped_while_shards_are_opened_cleans_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []

    @contextmanager
    def opening(*_: object) -> Iterator[None]:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
            yield
        finally:
            ended.append(list(tmp_path.iterdir()))

    monkeypatch.setattr(serving, "held_shards", opening)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = signal.getsignal(signal.SIGTERM)
    mask = os.umask(0)
    try:
        with pytest.raises(SystemExit) as left:
            run(["serve", "--cluster", "pages"])
    finally:
        signal.signal(signal.SIGTERM, before)
        os.umask(mask)
    assert left.value.code == 128 + signal.SIGTERM
    assert len(ended[0]) == 1
    assert not list(tmp_path.iterdir())


def test_each_tenth_of_the_shards_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger=serving.__name__):
        for done in range(26):
            serving.tell_opened("pages", Progress(phase="open", done=done, total=25))
    said = [one.getMessage() for one in caplog.records if one.name == serving.__name__]
    tenths = (0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25)
    assert said == [f"pages: {done} of 25 shards open" for done in tenths]

"""What `gleann serve --cluster` refuses before it starts a cluster."""

from pathlib import Path

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.errors import InvalidParamsError
from gleann.index.shards.cut import cut
from gleann.service.cli.cluster.serving import name_of
from gleann.service.cli.main import run


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

"""Files under an import root that become links while they are imported."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gleann
from gleann.index import errors
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.jobs import import_source
from gleann.service.local import application_stubs

SWAPPED = {
    "v.npy": {},
    "ids.npy": {"ids_path": "ids.npy"},
    "p.csv": {"payload_path": "p.csv"},
    "p.jsonl": {"payload_path": "p.jsonl"},
    "p.parquet": {"payload_path": "p.parquet"},
    "v.parquet": {"path": "v.parquet"},
}


def fill_root(root: Path, rows: np.ndarray) -> None:
    """Files of every kind that is imported."""
    root.mkdir()
    np.save(root / "v.npy", rows)
    np.save(root / "ids.npy", np.arange(len(rows)))
    lines = [str(row) for row in range(len(rows))]
    (root / "p.csv").write_text("\n".join(["word", *lines]))
    (root / "p.jsonl").write_text("\n".join(f'{{"word": {line}}}' for line in lines))
    pq.write_table(pa.table({"word": lines}), root / "p.parquet")
    pq.write_table(pa.table({"vector": rows.tolist()}), root / "v.parquet")


@pytest.mark.parametrize("whole_folder", [False, True])
@pytest.mark.parametrize("name", SWAPPED)
def test_a_link_that_is_made_between_look_and_opening_is_not_followed(
    tmp_path: Path,
    rows: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    whole_folder: bool,
) -> None:
    """The path was found to be under the root; then it leads out of it."""
    root, secret = tmp_path / "root", tmp_path / "secret"
    root.mkdir()
    for folder in (root / "in", secret):
        fill_root(folder, rows)
    look = import_source.allowed_path

    def swap(path: str, roots: tuple[Path, ...]) -> Path:
        found = look(path, roots)
        if found.name == name and not found.is_symlink():
            moved = found.parent if whole_folder else found
            moved.rename(tmp_path / "moved")
            moved.symlink_to(secret if whole_folder else secret / name)
        return found

    config = replace(Config(data_dir=tmp_path / "d"), import_roots=(root,))
    stubs = application_stubs(Application(config))
    given = {
        key: str(root / "in" / value)
        for key, value in {"path": "v.npy", **SWAPPED[name]}.items()
    }
    with gleann.Client.of_stubs(stubs) as client:
        client.create_index("n", dim=8, metric="l2", columns={"word": "string"})
        monkeypatch.setattr(import_source, "allowed_path", swap)
        with pytest.raises((errors.ForbiddenPathError, errors.MissingFileError)):
            client.import_vectors("n", **given).wait(timeout=60)
        assert client.get_index("n").count == 0

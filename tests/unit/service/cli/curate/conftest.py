"""The index of `served_curation`, as a folder and behind a server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import served_curation
from served_curation import KEY


@pytest.fixture(scope="session")
def curated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of the commands, and folders for what they write."""
    folder = tmp_path_factory.mktemp("served-curation")
    for name in ("here", "there"):
        (folder / name).mkdir()
    served_curation.write_files(folder)
    served_curation.fill(folder / "library")
    (folder / "key").write_text(KEY)
    return folder


@pytest.fixture(scope="module")
def place(curated_folder: Path) -> Iterator[list[str]]:
    """The options of the server."""
    with served_curation.served(curated_folder / "library") as address:
        yield ["--server", address, "--api-key-file", str(curated_folder / "key")]

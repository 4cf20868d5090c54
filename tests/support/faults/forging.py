"""Saved indexes changed by someone who knows the format: with right checksums."""

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gleann.index.storage.manifest import manifest_checksum


def npy(array: np.ndarray) -> bytes:
    """The bytes of a `.npy` file."""
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


class Forgery:
    """A copy of a saved index in `path`, to be changed and sealed again."""

    def __init__(self, saved: Path, path: Path) -> None:
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(saved, path)
        self.path = path
        self.manifest: dict[str, Any] = json.loads(
            (path / "manifest.json").read_text(encoding="utf-8")
        )
        self.names = sorted(self.manifest["arrays"])
        self._data = path / self.manifest["data"]

    def array(self, name: str) -> np.ndarray:
        """An array, to be written into."""
        loaded: np.ndarray = np.load(self._data / f"{name}.npy")
        return loaded

    def put(self, name: str, content: np.ndarray | bytes) -> None:
        """Replace the file of an array; its entry says what the file is."""
        raw = content if isinstance(content, bytes) else npy(content)
        (self._data / f"{name}.npy").write_bytes(raw)
        entry = self.manifest["arrays"].setdefault(name, {"dtype": "", "shape": []})
        entry["sha256"] = hashlib.sha256(raw).hexdigest()
        if isinstance(content, np.ndarray):
            entry["shape"], entry["dtype"] = list(content.shape), content.dtype.str

    def edit(self, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
        """Replace an array by what `change` makes of it."""
        self.put(name, change(self.array(name)))

    def seal(self) -> Path:
        """Write the manifest with its checksum; the path of the index."""
        self.manifest.pop("checksum", None)
        self.manifest["checksum"] = manifest_checksum(self.manifest)
        text = json.dumps(self.manifest)
        (self.path / "manifest.json").write_text(text, encoding="utf-8")
        return self.path

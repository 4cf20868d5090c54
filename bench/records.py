"""Result files: where they go, how they are written and read."""

import json
from pathlib import Path
from tempfile import gettempdir
from typing import Any

RESULTS = Path(__file__).parent / "results"


def default_file(name: str, *, quick: bool = False) -> Path:
    """Path of `name`.json; quick runs write to a temporary folder."""
    folder = Path(gettempdir()) / "gleann-bench" if quick else RESULTS
    return folder / f"{name}.json"


def write_json(result: dict[str, Any], path: Path) -> None:
    """Write the result in one step, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(result, indent=1) + "\n")
    part.replace(path)


def read_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Every recorded result, by the name of its file without .json, in order."""
    files = sorted(folder.glob("*.json"))
    return {file.stem: json.loads(file.read_text()) for file in files}

"""The files that the examples of all help texts name."""

import io
import json
import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from certificates import Authority
from PIL import Image

import gleann
from gleann.index import BuildParams, SoarIndex
from gleann.index.errors import StorageError
from gleann.service.cli.main import run

N, DIM, SERVED = 6000, 16, 300
SNAPSHOT, OPERATION = "snapshots/docs-3f2a9c418d20", "operations/3f2a9c418d20aa17"


def vectors() -> np.ndarray:
    """(N, DIM) clustered rows; each of the last 200 is near one of the first."""
    rng = np.random.default_rng(8)
    centres = rng.normal(size=(12, DIM)) * 2
    rows = centres[np.arange(N) % 12] + rng.normal(size=(N, DIM))
    rows[-200:] = rows[:200] + rng.normal(scale=0.01, size=(200, DIM))
    return rows.astype(np.float32)


def payload() -> dict[str, Any]:
    """Columns of every item, in their order."""
    of = np.arange(N)
    return {
        "language": np.where(of % 2, "en", "de"),
        "lang": np.where(of % 2, "en", "de"),
        "licence": np.where(of % 5, "mit", "unknown"),
        "split": np.array(["train", "test", "pool"])[of % 3],
        "site": np.char.add("site-", (of % 200).astype(str)),
        "source": np.where(of % 4, "web", "book"),
        "tenant": np.where(of % 4, "a", "b"),
        "text": np.char.add("text of ", of.astype(str)),
        "title": np.char.add("title of ", of.astype(str)),
        "score": (of % 100) / 100,
        "quality": (of % 50) / 50,
        "added": np.datetime64("2024-01-01T00:00:00", "us") + of * 1_000_000,
        "year": 2000 + of % 30,
        "label": of % 12 % 3,
    }


def _csv(folder: Path, name: str, columns: dict[str, Any]) -> None:
    (folder / f"{name}.csv").unlink(missing_ok=True)  # it may be a link
    pacsv.write_csv(pa.table(columns), folder / f"{name}.csv")


def _picture() -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(held, "png")
    return held.getvalue()


def _write_arrays(folder: Path) -> None:
    rows, of = vectors(), np.arange(N)
    proxy = ((of % 12) / 12 + 0.001).clip(0, 1)
    for name in ("vectors", "items", "v"):
        np.save(folder / f"{name}.npy", rows)
    for name in ("queries", "q", "questions", "wanted"):
        np.save(folder / f"{name}.npy", rows[:20] + np.float32(0.05))
    for name in ("scores", "model-a", "model-b", "city", "river", "c", "costs"):
        np.save(folder / f"{name}.npy", proxy)
    np.save(folder / "i.npy", of)
    cat = np.where(of % 12 % 3, 0.9, 0.2)
    np.save(folder / "p.npy", np.column_stack([cat, 1 - cat]))
    pq.write_table(
        pa.table({"id": of, "cat": cat, "dog": 1 - cat}), folder / "p.parquet"
    )
    table = {"id": of, **payload(), "vector": list(rows), "image": [_picture()] * N}
    for name in ("items", "pages"):
        pq.write_table(pa.table(table), folder / f"{name}.parquet")
    pq.write_table(
        pa.table({"id": of[:20], "vector": list(rows[:20])}), folder / "q.parquet"
    )
    text = {"id": of, "proxy": proxy, "text": payload()["text"]}
    pq.write_table(pa.table(text), folder / "scores.parquet")
    for name in ("scores", "city", "river", "spam", "toxic"):
        _csv(folder, name, {"id": of, "proxy": proxy})


def _write_tables(folder: Path) -> None:
    of = np.arange(N)
    some, yes = of[:400], (of % 12 < 4).astype(int)
    for name in ("items", "pages", "v", "rows"):
        _csv(folder, name, {"id": of, **payload()})
    labels = {"id": some, "label": some % 12 % 3, "kind": some % 12 % 3}
    _csv(folder, "labels", labels)
    _csv(folder, "seed", {"id": some, "label": yes[:400], "city": yes[:400]}
         | {"river": 1 - yes[:400]})  # fmt: skip
    _csv(folder, "seeds", {"id": of[:20], "task": np.where(of[:20] % 2, "law", "code")})
    _csv(folder, "pairs", {"query": np.repeat(of[:20], 2), "id": np.arange(40) + 100})
    _csv(folder, "tests", {"id": of[::10]})
    _csv(folder, "wanted", {"id": of[:20]})
    _csv(folder, "classes", {"id": of, "kind": of % 7})
    _csv(folder, "kept", {"id": of[::3]})
    drawn = np.random.default_rng(1).choice(of[::3], 200, replace=False)
    _csv(folder, "mine", {"id": drawn})
    _csv(folder, "answers", {"id": of, "positive": yes, "value": of % 10 + 0.5})
    pq.write_table(pa.table({"id": of[:900]}), folder / "picks.parquet")
    pq.write_table(pa.table({"id": of, "kept": of % 2 == 0}), folder / "dedup.parquet")


def _write_studio(folder: Path) -> None:
    """A batch and an export of Label Studio with answers to it."""
    of = np.arange(N)[500:520]
    pq.write_table(pa.table({"id": of}), folder / "batch.parquet")
    _csv(folder, "todo", {"id": of})
    words = np.where(of % 12 < 4, "cat", "dog").tolist()
    results = [
        {"from_name": "label", "type": "choices", "value": {"choices": [word]}}
        for word in words
    ]
    tasks = [
        {"data": {"gleann_id": int(name)}, "annotations": [{"result": [one]}]}
        for name, one in zip(of, results, strict=True)
    ]
    (folder / "export.json").write_text(json.dumps(tasks))


def answers_of(words: list[str], folder: Path) -> None:
    """Write the answers and labels that one command reads in a form of its own."""
    of = np.arange(N)
    yes = (of % 12 < 4).astype(int)
    if words[:2] == ["curate", "means"]:
        numbers = {"length": of % 10 + 0.5, "stars": of % 5 + 1.0}
        flags = dict.fromkeys(("toxic", "spam", "advert"), yes)
        _csv(folder, "answers", {"id": of, **numbers, **flags})
    elif words[0] == "estimate-groups" and "--overlapping" in words:
        both = {"id": np.tile(of, 2), "group": np.repeat(["spam", "toxic"], N)}
        _csv(folder, "answers", both | {"positive": np.tile(yes, 2)}
             | {"value": np.tile(of % 10 + 0.5, 2)})  # fmt: skip
    elif words[0] == "estimate-groups":
        groups = np.array(["city", "river", ""])[of % 12 % 3]
        _csv(folder, "answers", {"id": of, "group": groups})
    elif words[:2] == ["curate", "propagate"]:
        some = of[::3][:400]  # of the split "train"
        _csv(folder, "labels", {"id": some, "label": some % 2, "kind": some % 2})
    elif words[:2] == ["rows", "put"]:
        _csv(folder, "scores", {"id": of[:SERVED], "score": of[:SERVED] / N})
    elif words[:2] == ["curate", "acceptance"]:
        batch = of[::3] if "kept.csv" in words else of[:900]
        _csv(folder, "checks", {"id": batch, "failed": yes[batch]})
    elif words[:2] == ["curate", "allocate"]:
        _csv(folder, "labels", {"label": np.where(of[:100] % 3, "cat", "dog")})


def _write_indexes(folder: Path) -> None:
    rows, columns, of = vectors(), payload(), np.arange(N)
    params = BuildParams(metric="cosine", tune_queries=0, nlist=40)
    parts = {
        "words": slice(None),
        "new": slice(0, None, 2),
        "old": slice(1, None, 2),
        "test": slice(0, 1000),
        "train": slice(1000, None),
    }
    for name, part in parts.items():
        held = {key: values[part] for key, values in columns.items()}
        made = SoarIndex.build(rows[part], params, ids=of[part], payload=held)
        made.save(folder / f"{name}.gleann")
    for name in ("items", "pages"):
        shutil.copytree(folder / "words.gleann", folder / f"{name}.gleann")


def _write_library(folder: Path) -> dict[str, str]:
    """A data directory; what the names of the examples stand for there."""
    types = {"split": "string", "score": "float64", "licence": "string"}
    with gleann.Client(folder / "library") as client:
        client.create_index("docs", dim=DIM, metric="cosine", columns=types)
        held = {name: payload()[name][:SERVED].tolist() for name in types}
        client.upsert("docs", np.arange(SERVED), vectors()[:SERVED], held)
        client.build("docs").wait(timeout=120)
        snapshot = client.snapshots.create("docs").wait(timeout=120)
        archive = folder.resolve() / "docs.tar"
        client.snapshots.export_to(snapshot.name, archive).wait(timeout=120)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(SoarIndex, "build_on_disk", _full_disk)
            failed = client.build("docs", BuildParams(metric="cosine", nlist=7))
            with pytest.raises(StorageError):
                failed.wait(timeout=120)
    return {SNAPSHOT: snapshot.name, OPERATION: failed.name}


def _full_disk(*_: Any, **__: Any) -> None:
    raise StorageError("the disk is full")


def write(folder: Path) -> dict[str, str]:
    """Write all files; what the names of the examples stand for."""
    _write_arrays(folder)
    _write_tables(folder)
    _write_indexes(folder)
    names = _write_library(folder)
    Authority(folder).issue("server")
    (folder / "gleann.toml").write_text('data_dir = "library"\n')
    _write_studio(folder)
    (folder / "load.sh").write_text("#!/bin/sh\nexit 0\n")
    (folder / "load.sh").chmod(0o755)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        near = ["curate", "duplicates", "words.gleann", "--similarity", "0.95"]
        assert run([*near, "--out", "found.parquet", "--state", "found.npz"]) == 0
        audit = ["curate", "leakage", "words.gleann", "--splits", "items.csv:split"]
        near = ["--radius", "0.05", "--out", "audit.csv", "--state", "audit.npz"]
        assert run([*audit, *near]) == 0
    return names


def copy(world: Path, folder: Path, text: str) -> None:
    """The files that a text names, in a folder of their own; these are shared."""
    for path in world.iterdir():
        if path.name not in text and path.stem not in ("server", "load"):
            continue
        if path.name == "library":
            shutil.copytree(path, folder / path.name)
        elif path.is_dir():
            shutil.copytree(path, folder / path.name, copy_function=_link)
        else:
            _link(path, folder / path.name)


def _link(source: Any, target: Any) -> None:
    Path(target).hardlink_to(source)


def remove_outputs(words: list[str], folder: Path) -> None:
    """Remove what a command will write."""
    written = {"--out", "--report", "--pairs", "--probabilities-out", "--uncertain-out"}
    written |= {"--config"} if words[0] == "label-studio" else set()
    if "--resume" not in words:
        written.add("--state")
    names = [value for flag, value in pairwise(words) if flag in written]
    names += words[2:3] if words[0] == "build" else []
    names += words[3:4] if words[:2] == ["snapshot", "export"] else []
    for name in names:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name}.manifest.json").unlink(missing_ok=True)
    if words[:2] == ["index", "create"]:
        shutil.rmtree(folder / "library")


def at_home(example: str, names: dict[str, str], folder: Path, server: str) -> str:
    """An example with the names, folders and the server of a test."""
    for name, real in names.items():
        example = example.replace(name, real)
        short = name.removeprefix("operations/")
        example = example.replace(f" {short} ", f" {real} ")
    example = example.replace("grpc://127.0.0.1:50051", server)
    example = example.replace("--nlist 4096", "--nlist 40")  # of few rows
    example = re.sub(r"(?<= )/(data|backup)\b", str(folder), example)
    return re.sub(r"(127\.0\.0\.1|0\.0\.0\.0):50051", "127.0.0.1:0", example)

"""Damage to payload, in the log or in a sealed version: named, exported, repaired."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from databases import run_sql

from gleann.index import BuildParams, errors
from gleann.index.filters.condition import Condition
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Column, Schema
from gleann.service.application import Application
from gleann.service.cli.main import run
from gleann.service.config import Config
from gleann.service.wire.index_messages import build_params_to_wire
from gleann.v1 import index_pb2

SCHEMA = Schema.of({"split": "string", "score": "int64"})
ROWS = np.arange(400, dtype=np.float32).reshape(100, 4)
BUILD = index_pb2.BuildIndexRequest(
    name="a",
    params=build_params_to_wire(BuildParams(metric="l2", nlist=2, tune_queries=0)),
)


@contextmanager
def opened(data: Path) -> Iterator[Application]:
    with closing(Application(Config(data_dir=data))) as application:
        yield application


def values(**columns: list[Any]) -> Payload:
    kinds = {"split": "string", "score": "int64", "day": "int64"}
    return Payload.of(columns, {name: kinds[name] for name in columns})


def fill(app: Application) -> None:
    """Change 1 is sealed; 2 to 7 are of every kind; 5 changes the columns."""
    app.create_index("a", dim=4, metric="l2", schema=SCHEMA)
    scores = list(range(60))
    payload = values(split=["train", "test"] * 30, score=scores)
    app.upsert("a", np.arange(60), ROWS[:60], payload)
    app.jobs.wait(app.build(BUILD).name, seconds=60)
    app.upsert("a", np.arange(55, 80), ROWS[55:80], values(score=[7] * 25))
    app.update_payload("a", Condition("score < 10"), values(split=["few"]))
    app.delete_payload("a", Condition("score = 7"), ["score"])
    app.update_index("a", drop_columns=["split"], add_columns=[Column("day", "int64")])
    app.update_payload("a", np.array([0, 79]), values(day=[1, 2]))
    app.delete_vectors("a", Condition("score = 20"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("made") / "data"
    with opened(directory) as app:
        fill(app)
    return directory


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "data")


def rows_of(app: Application) -> dict[int, dict[str, Any]]:
    view = app.registry.view("a")
    rows = view.live_rows()
    listed = view.payload_at(rows).to_pylist()
    vectors = view.vectors_at(rows)
    ids = view.ids_at(rows).tolist()
    assert np.array_equal(vectors, ROWS[ids])
    return dict(zip(ids, listed, strict=True))


def expected() -> dict[int, dict[str, Any]]:
    scores: dict[int, int | None] = {name: name for name in range(55)}
    scores |= dict.fromkeys(range(55, 80))  # 7, and then nothing
    scores[7] = None
    del scores[20]
    return {
        name: {"score": score, "day": {0: 1, 79: 2}.get(name)}
        for name, score in scores.items()
    }


def doctor(data: Path, capsys: pytest.CaptureFixture, *words: object) -> tuple:
    code = run(["doctor", "--data", str(data), *map(str, words)])
    said = capsys.readouterr()
    return code, said.out + said.err


def test_what_is_whole(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with opened(data) as app:
        assert rows_of(app) == expected()
    code, out = doctor(data, capsys, "--export", tmp_path / "out")
    assert code == 0, out
    assert "'a' is whole: version 1, 6 newer changes" in out
    table = pyarrow.parquet.read_table(tmp_path / "out" / "a.parquet")
    assert table.column_names == ["id", "vector", "score", "day"]
    exported = {
        row["id"]: {"score": row["score"], "day": row["day"]}
        for row in table.to_pylist()
    }
    assert exported == expected()
    for row in table.to_pylist():
        assert row["vector"] == ROWS[row["id"]].tolist()


def test_a_lost_database_is_rebuilt_with_payload(
    data: Path, capsys: pytest.CaptureFixture
) -> None:
    (data / "gleann.sqlite3").unlink()
    assert doctor(data, capsys, "--repair")[0] == 0
    with opened(data) as app:
        assert app.get_index("a").columns == SCHEMA.columns
        assert app.count("a", Condition("split = 'train' AND score < 10"))[0] == 5
        app.update_payload("a", np.array([0]), values(score=[99]))
        assert app.count("a", Condition("score = 99"))[0] == 1
    assert doctor(data, capsys)[0] == 0


SPOILS = {
    "values": "payload = CAST(substr(payload, 1, 80) || x'00' AS BLOB)",
    "no values": "payload = NULL",
    "text": "payload = 'text'",
    "another kind": "kind = 'delete'",
    "a kind there is not": "kind = 'merge'",
    "columns": "detail = '[]'",
}


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_spoilt_change_is_named_and_can_be_left_out(
    data: Path, spoil: str, capsys: pytest.CaptureFixture
) -> None:
    run_sql(data, f"UPDATE changes SET {SPOILS[spoil]} WHERE sequence = 3")
    with opened(data) as app:
        broken = app.get_index("a")
        assert "change 3 of 'a'" in (broken.broken or "")
        assert [column.name for column in broken.columns] == ["score", "day"]
        with pytest.raises(errors.CorruptDataError, match="change 3 of 'a'"):
            app.count("a")
    code, out = doctor(data, capsys)
    assert code == 1
    assert "change 3 of 'a'" in out
    assert doctor(data, capsys, "--repair", "--skip-damaged")[0] == 0
    with opened(data) as app:
        # It only set a column that was dropped later.
        assert rows_of(app) == expected()


def test_a_change_of_the_columns_that_is_left_out(
    data: Path, capsys: pytest.CaptureFixture
) -> None:
    """What later changes say of columns that are missing then is left out too."""
    run_sql(data, "UPDATE changes SET detail = '[[]]' WHERE sequence = 5")
    assert doctor(data, capsys, "--repair", "--skip-damaged")[0] == 0
    with opened(data) as app:
        assert [one.name for one in app.get_index("a").columns] == ["split", "score"]
        kept = {name: row["score"] for name, row in rows_of(app).items()}
        assert kept == {name: row["score"] for name, row in expected().items()}
    assert doctor(data, capsys)[0] == 0


def test_columns_of_the_database_that_are_not_those_of_the_log(
    data: Path, capsys: pytest.CaptureFixture
) -> None:
    """As of a database that was put together of two."""
    with closing(sqlite3.connect(data / "gleann.sqlite3")) as connection:
        from gleann.service.state.damage.checksums import keep_checksums

        keep_checksums(connection)
        connection.execute("UPDATE indexes SET columns = '[]'")
        connection.commit()
    with opened(data) as app:
        assert "but its log leaves it with" in (app.get_index("a").broken or "")
    code, out = doctor(data, capsys)
    assert code == 1
    assert "other columns of payload" in out
    assert doctor(data, capsys, "--repair")[0] == 0
    with opened(data) as app:
        assert rows_of(app) == expected()


def test_a_sealed_payload_that_is_damaged(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (file,) = (data / "indexes" / "1").rglob("payload.arrow")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with opened(data) as app:
        assert "payload.arrow" in (app.get_index("a").broken or "")
    code, out = doctor(data, capsys, "--export", tmp_path / "out")
    assert code == 1
    assert "without the payload of version 1: " in out
    table = pyarrow.parquet.read_table(tmp_path / "out" / "a.parquet")
    rows = {row["id"]: row for row in table.to_pylist()}
    assert rows[79]["day"] == 2
    assert rows[30]["score"] is None
    assert rows[30]["vector"] == ROWS[30].tolist()


def test_a_sealed_version_of_other_columns_is_not_served(
    data: Path, capsys: pytest.CaptureFixture
) -> None:
    (file,) = (data / "indexes" / "1").rglob("manifest.json")
    manifest = json.loads(file.read_text("utf-8"))
    assert json.loads(manifest["seal"]["columns"]) == SCHEMA.to_values()
    with closing(sqlite3.connect(data / "gleann.sqlite3")) as connection:
        from gleann.service.state.damage.checksums import keep_checksums

        keep_checksums(connection)
        connection.execute("UPDATE indexes SET sealed_columns = '[]'")
        connection.commit()
    with opened(data) as app:
        assert "is sealed with columns" in (app.get_index("a").broken or "")
    assert doctor(data, capsys)[0] == 1

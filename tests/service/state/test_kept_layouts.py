"""Layouts of served indexes: built, described, compacted, restarted, exported."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams, exact_search
from gleann.index.errors import (
    CorruptDataError,
    InvalidInputError,
    InvalidParamsError,
)
from gleann.index.params import Keep
from gleann.service.cli.main import run
from gleann.service.config import Config
from gleann.service.server import Server, serve
from gleann.service.state import versions
from tests.support.keeps import DIM, KEEPS, NLIST, as_kept, queries_of, rows_of

N = 300
ALL = SearchParams(k=5, nprobe=NLIST, rerank=60)
WIDE = SearchParams(k=5, nprobe=NLIST, rerank=400)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serve(Config(data_dir=tmp_path / "data", listen="127.0.0.1:0")) as one:
        yield one


def made(client: gleann.Client, params: BuildParams) -> np.ndarray:
    rows = rows_of(N)
    client.create_index("i", dim=DIM, metric="l2")
    client.upsert("i", range(N), rows)
    client.build("i", params).wait()
    return rows


def params_of(keep: Keep, **others: object) -> BuildParams:
    return BuildParams(metric="l2", nlist=NLIST, keep=keep, **others)  # type: ignore[arg-type]


def assert_finds(
    client: gleann.Client,
    rows: np.ndarray,
    ids: np.ndarray,
    params: SearchParams = ALL,
) -> None:
    found = client.search("i", queries_of(8), params)
    near, distances = exact_search(queries_of(8), rows, metric="l2", k=5)
    np.testing.assert_array_equal(found.ids, ids[near])
    np.testing.assert_array_equal(found.distances, distances)


@pytest.mark.slow
@pytest.mark.parametrize("keep", KEEPS)
def test_compactions_keep_the_layout(server: Server, keep: Keep) -> None:
    newer = rows_of(60, seed=9)
    with gleann.Client(server.target) as client:
        rows = made(client, params_of(keep, entry_codes="shared"))
        info = client.get_index("i")
        assert (info.keep, info.entry_codes) == (keep, "shared")
        parts = {part.part: part for part in info.memory}
        assert parts["entries"].anonymous >= 8 * N
        stored = parts["rerank_rows"]
        width = 2 if keep in ("f16", "bf16") else 4
        assert stored.mapped + stored.on_disk == width * N * DIM
        assert (stored.on_disk > 0) == (keep == "disk")
        client.vectors.delete("i", range(0, N, 3))
        client.upsert("i", range(1000, 1060), newer)
        left = np.arange(N) % 3 != 0
        whole = as_kept(np.concatenate([rows[left], newer]), keep)
        ids = np.concatenate([np.flatnonzero(left), np.arange(1000, 1060)])
        for kind in ("fold", "rebuild"):
            client.optimize("i", kind).wait()
            info = client.get_index("i")
            assert (info.keep, info.entry_codes) == (keep, "shared")
            assert_finds(client, whole, ids)
            got = client.vectors.get("i", [1, 1005])
            np.testing.assert_array_equal(got, whole[[0, len(whole) - 55]])


def test_rows_that_float16_does_not_hold_are_refused(server: Server) -> None:
    with gleann.Client(server.target) as client:
        made(client, params_of("f16"))
        big = np.full((2, DIM), 1e5, np.float32)
        big[0] = 1
        with pytest.raises(InvalidInputError, match=r"row 1 has 100000 .* 65504"):
            client.upsert("i", [7, 8], big)
        client.upsert("i", [7, 8], big / 2)


def test_a_budget_is_met_or_refused(server: Server) -> None:
    with gleann.Client(server.target) as client:
        rows = made(client, params_of("f32", memory="60kB"))
        info = client.get_index("i")
        assert info.keep == "disk"
        assert sum(part.anonymous for part in info.memory) <= 60_000
        assert_finds(client, rows, np.arange(N))
        with pytest.raises(InvalidParamsError, match=r"memory is 2 kB.* smallest"):
            client.build("i", params_of("f32", memory="2kB")).wait()


def test_commands_take_and_show_the_layout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "rows.npy", rows_of(N))
    out = tmp_path / "i.gleann"
    build = ["build", str(tmp_path / "rows.npy"), str(out), "--metric", "l2"]
    assert run([*build, "--keep", "bf16", "--entry-codes", "shared"]) == 0
    index = gleann.SoarIndex.load(out)
    assert (index.params.keep, index.params.entry_codes) == ("bf16", "shared")
    data = str(tmp_path / "data")
    with gleann.Client(tmp_path / "data") as client:
        made(client, params_of("f32"))
    assert run(["index", "build", "i", "--keep", "disk", "--data", data]) == 0
    capsys.readouterr()
    assert run(["index", "info", "i", "--data", data]) == 0
    text = capsys.readouterr().out
    assert "keep: disk, entry codes copied" in text
    assert re.search(
        rf"rerank_rows: {4 * N * DIM:,} bytes on disk \(84.0 a row\)", text
    )
    assert re.search(r"memory: [\d,]+ bytes, [\d,.]+ a row", text)
    assert run(["index", "build", "i", "--memory", "1k", "--data", data]) != 0
    assert "memory is 1 kB" in capsys.readouterr().err


def test_damage_of_a_large_version_stops_it_while_it_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gleann.Client(tmp_path / "data") as client:
        made(client, params_of("f32"))
    file = next((tmp_path / "data").glob("indexes/1/versions/*/data-*/vectors.npy"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    monkeypatch.setattr(versions, "LATER_BYTES", 1)
    with gleann.Client(tmp_path / "data") as client:

        def search_for_a_minute() -> None:
            end = time.monotonic() + 60
            while time.monotonic() < end:
                client.search("i", queries_of(1), ALL)

        with pytest.raises(CorruptDataError, match=r"vectors\.npy has sha256"):
            search_for_a_minute()


@pytest.mark.slow
def test_rows_are_projected_where_that_is_asked_for(server: Server) -> None:
    with gleann.Client(server.target) as client:
        rows = made(client, params_of("disk", entry_codes="shared", projection=9))
        info = client.get_index("i")
        assert info.projection == 9
        assert_finds(client, rows, np.arange(N), WIDE)
        newer = rows_of(60, seed=9)
        client.upsert("i", range(N, N + 60), newer)
        assert_finds(client, np.concatenate([rows, newer]), np.arange(N + 60), WIDE)
        client.vectors.delete("i", range(0, N, 3))
        left = np.concatenate([np.arange(N) % 3 != 0, np.ones(60, bool)])
        whole = np.concatenate([rows, newer])[left]
        assert_finds(client, whole, np.flatnonzero(left), WIDE)
        for kind in ("fold", "rebuild"):
            client.optimize("i", kind).wait()
            assert client.get_index("i").projection == 9
            assert_finds(client, whole, np.flatnonzero(left), WIDE)


def test_a_projection_wider_than_the_rows_is_refused(server: Server) -> None:
    with gleann.Client(server.target) as client:
        made(client, params_of("f32"))
        said = f"projection is {DIM + 1}, and rows have {DIM} dimensions"
        wide = params_of("f32", projection=DIM + 1)
        with pytest.raises(InvalidParamsError, match=said):
            client.build("i", wide).wait()
        with pytest.raises(InvalidParamsError, match=said):
            client.plans.build("i", wide)


def test_commands_take_and_show_a_projection(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(tmp_path / "data")
    with gleann.Client(tmp_path / "data") as client:
        made(client, params_of("f32"))
        assert client.get_index("i").projection is None
    assert run(["index", "build", "i", "--projection", "7", "--data", data]) == 0
    capsys.readouterr()
    assert run(["index", "info", "i", "--data", data]) == 0
    assert "projected to 7 dimensions" in capsys.readouterr().out
    np.save(tmp_path / "rows.npy", rows_of(N))
    out = tmp_path / "i.gleann"
    build = ["build", str(tmp_path / "rows.npy"), str(out), "--projection", "5"]
    assert run(build) == 0
    assert gleann.SoarIndex.load(out).params.projection == 5
    assert run([*build, "--overwrite", "--projection", "0"]) != 0
    assert "projection must be" in capsys.readouterr().err

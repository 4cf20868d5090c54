"""`gleann doctor --data`: says what is wrong, and rebuilds what is whole."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from databases import run_sql

import gleann
from gleann.index import BuildParams, SearchParams, errors
from gleann.selection.active import ActiveParams
from gleann.service.cli.main import run

QUICK = BuildParams(metric="l2", nlist=4, tune_queries=0)
ROWS = np.random.default_rng(0).normal(size=(260, 8)).astype(np.float32)
WORDS = [f"wörd {n}" for n in range(260)]
IDS = {"numbers": np.arange(260), "words": np.array(WORDS)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two built indexes with 6 changes since, one never built, a session, a job."""
    directory = tmp_path_factory.mktemp("made") / "data"
    with gleann.Client(directory) as client:
        for name, ids in IDS.items():
            client.create_index(name, dim=8, metric="l2")
            client.upsert(name, ids[:200], ROWS[:200])
            client.build(name, QUICK).wait(timeout=60)
        client.active.start(
            "numbers", ids=[0, 1], labels=[0, 1], params=ActiveParams(batch=3)
        )
        for name, ids in IDS.items():
            for start in range(200, 260, 12):
                end = start + 12
                client.upsert(name, ids[start:end], ROWS[start:end])
            client.delete_vectors(name, ids[3:4])
        client.create_index("plain", dim=2, metric="ip")
        client.upsert("plain", [1, 2], [[1.0, 2.0], [3.0, 4.0]])
    return directory


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "data")


def contents(data: Path) -> dict[str, bytes]:
    transient = {"lock", "gleann.sqlite3-shm", "gleann.sqlite3-wal"}
    return {
        str(path.relative_to(data)): path.read_bytes()
        for path in data.rglob("*")
        if path.is_file() and path.name not in transient
    }


def doctor(data: Path, capsys: pytest.CaptureFixture, *words: object) -> tuple:
    code = run(["doctor", "--data", str(data), *map(str, words)])
    said = capsys.readouterr()
    return code, said.out + said.err


def require_rows(data: Path, name: str, rows: np.ndarray) -> None:
    """The index holds exactly `rows` of ROWS, and answers with them."""
    with gleann.Client(data) as client:
        assert client.get_index(name).broken is None
        assert client.get_index(name).count == len(rows)
        assert np.array_equal(client.get_vectors(name, IDS[name][rows]), ROWS[rows])
        found = client.search(name, ROWS[rows], SearchParams(k=1, exact=True))
        assert found.ids[:, 0].tolist() == IDS[name][rows].tolist()


ALL = np.delete(np.arange(260), 3)
SEALED = np.arange(200)


def test_a_sound_directory(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    before = contents(data)
    code, out = doctor(data, capsys, "--export", tmp_path / "out")
    assert code == 0
    assert "the database of" in out
    assert "'numbers' is whole: version 1, 6 newer changes" in out
    assert "'plain' is whole: never built, 1 newer changes" in out
    assert contents(data) == before
    for name in IDS:
        table = pyarrow.parquet.read_table(tmp_path / "out" / f"{name}.parquet")
        assert table["id"].to_pylist() == IDS[name][ALL].tolist()
        vectors = np.stack(table["vector"].to_numpy(zero_copy_only=False))
        assert np.array_equal(vectors, ROWS[ALL])
    code, out = doctor(data, capsys, "--repair")
    assert (code, contents(data)) == (0, before)


def test_what_was_exported_can_be_imported(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    doctor(data, capsys, "--export", tmp_path / "out")
    for name in IDS:
        with gleann.Client(tmp_path / "new") as client:
            client.create_index(name, dim=8, metric="l2")
            file = tmp_path / "out" / f"{name}.parquet"
            client.import_vectors(name, file, id_column="id").wait(timeout=60)
        require_rows(tmp_path / "new", name, ALL)


@pytest.mark.parametrize("how", ["gone", "empty", "foreign", "cut"])
def test_a_lost_database_is_rebuilt_from_the_sealed_versions(
    data: Path, how: str, capsys: pytest.CaptureFixture
) -> None:
    file = data / "gleann.sqlite3"
    whole = file.read_bytes()
    file.unlink()
    if how == "empty":
        file.write_bytes(b"")
    if how == "foreign":
        run_sql(data, "CREATE TABLE recipes (title TEXT)")
    if how == "cut":
        file.write_bytes(whole[:5000])
    code, out = doctor(data, capsys)
    assert code == 1
    assert "gleann.sqlite3" in out
    assert "--repair" in out
    with pytest.raises(errors.GleannError):
        gleann.Client(data)
    code, out = doctor(data, capsys, "--repair")
    assert code == 0
    assert "'words' is rebuilt from its version 1, up to change 1" in out
    for name in IDS:
        require_rows(data, name, SEALED)
    with gleann.Client(data) as client:
        client.upsert("numbers", [900], ROWS[:1])
        assert client.build("numbers", QUICK).wait(timeout=60).version == 2
    if how == "cut":
        (kept,) = (data / "lost").glob("database-*/gleann.sqlite3")
        assert kept.read_bytes() == whole[:5000]


def test_an_older_database_goes_on_from_newer_versions(
    data: Path, capsys: pytest.CaptureFixture
) -> None:
    older = shutil.copy(data / "gleann.sqlite3", data.parent / "older")
    with gleann.Client(data) as client:
        client.upsert("numbers", IDS["numbers"][3:4], ROWS[3:4])
        client.build("numbers", QUICK).wait(timeout=60)
    shutil.copy(older, data / "gleann.sqlite3")
    code, out = doctor(data, capsys)
    assert code == 1
    assert "but commit" in out
    assert "'numbers': the database has it at sequence 7" in out
    code, out = doctor(data, capsys, "--repair")
    assert code == 0
    require_rows(data, "numbers", np.arange(260))
    require_rows(data, "words", ALL)
    with gleann.Client(data) as client:
        assert client.get_vectors("plain", [2]).tolist() == [[3.0, 4.0]]
        assert len(client.sessions.list()) == 1
        assert len(client.operations.list()) == 2


def test_a_damaged_row_of_an_index_is_rebuilt_with_its_changes(
    data: Path, capsys: pytest.CaptureFixture
) -> None:
    run_sql(data, "UPDATE indexes SET dim = 3 WHERE name = 'numbers'")
    run_sql(data, "UPDATE indexes SET created = created + 1 WHERE name = 'plain'")
    code, out = doctor(data, capsys)
    assert code == 1
    assert "'numbers': its row of the table indexes does not match" in out
    code, out = doctor(data, capsys, "--repair")
    assert code == 0
    for name in IDS:
        require_rows(data, name, ALL)
    with gleann.Client(data) as client:
        assert client.get_vectors("plain", [2]).tolist() == [[3.0, 4.0]]


def test_damaged_changes_are_left_out_only_when_that_is_said(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    where = "WHERE index_number = 1 AND sequence = 4"
    run_sql(data, f"UPDATE changes SET ids = x'ff' {where}")
    code, out = doctor(data, capsys, "--export", tmp_path / "out")
    assert code == 1
    assert "change 4 of 'numbers'" in out
    assert "--skip-damaged" in out
    left = np.delete(ALL, np.flatnonzero((ALL >= 224) & (ALL < 236)))
    table = pyarrow.parquet.read_table(tmp_path / "out" / "numbers.parquet")
    assert table["id"].to_pylist() == left.tolist()
    code, out = doctor(data, capsys, "--repair")
    assert code == 1
    with gleann.Client(data) as client, pytest.raises(errors.CorruptDataError):
        client.get_vectors("numbers", [0])
    code, out = doctor(data, capsys, "--repair", "--skip-damaged")
    assert code == 0, out
    assert "'numbers' is kept without 1 changes, which are lost" in out
    require_rows(data, "numbers", left)
    require_rows(data, "words", ALL)
    with gleann.Client(data) as client:
        client.upsert("numbers", IDS["numbers"][224:236], ROWS[224:236])
        assert client.build("numbers", QUICK).wait(timeout=60).count == 259


def test_a_damaged_version_is_exported_and_skipped(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (codes,) = (data / "indexes" / "1").rglob("codes.npy")
    content = codes.read_bytes()
    codes.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    code, out = doctor(data, capsys, "--export", tmp_path / "out")
    assert code == 1
    assert "codes.npy has sha256" in out
    # The codes are not needed for it.
    table = pyarrow.parquet.read_table(tmp_path / "out" / "numbers.parquet")
    assert table["id"].to_pylist() == ALL.tolist()
    code, out = doctor(data, capsys, "--repair", "--skip", "numbers")
    assert code == 0
    with gleann.Client(data) as client:
        listed = [info.name for info in client.list_indexes()]
        assert listed == ["plain", "words"]
        client.create_index("numbers", dim=8, metric="l2")
        file = tmp_path / "out" / "numbers.parquet"
        client.import_vectors("numbers", file, id_column="id").wait(timeout=60)
    require_rows(data, "numbers", ALL)
    require_rows(data, "words", ALL)
    assert next((data / "lost").glob("database-*/index-1"))


def test_damaged_vectors_are_not_exported(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (vectors,) = (data / "indexes" / "2").rglob("vectors.npy")
    content = vectors.read_bytes()
    vectors.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    code, out = doctor(data, capsys, "--export", tmp_path / "out")
    assert code == 1
    assert "without the rows of version 1: " in out
    table = pyarrow.parquet.read_table(tmp_path / "out" / "words.parquet")
    assert table["id"].to_pylist() == WORDS[200:]


@pytest.mark.parametrize(
    ("version", "names"),
    [(1, ("recovered-1", "recovered-2")), (2, ("angles", "texts"))],
)
def test_a_directory_of_an_older_gleann(
    version: int,
    names: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    """Looked at as it is, and rebuilt without its database; version 1 has no names."""
    golden = Path(__file__).parents[2] / "golden" / f"data-v{version}"
    data = shutil.copytree(golden, tmp_path / "data")
    before = contents(data)
    assert doctor(data, capsys)[0] == 0
    assert contents(data) == before
    (data / "gleann.sqlite3").unlink()
    assert doctor(data, capsys)[0] == 1
    assert doctor(data, capsys, "--repair")[0] == 0
    with gleann.Client(data) as client:
        listed = {info.name: info.count for info in client.list_indexes()}
        assert listed == dict(zip(names, (80, 60), strict=True))


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_database_is_repaired(
    version: int, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Its rows get what they lack, and keep what they had."""
    golden = Path(__file__).parents[2] / "golden" / f"data-v{version}"
    data = shutil.copytree(golden, tmp_path / "data")
    run_sql(data, "DELETE FROM changes WHERE index_number = 1 AND sequence = 3")
    code, out = doctor(data, capsys)
    assert code == 1
    assert "changes 3 to 3 are not in the log" in out
    code, out = doctor(data, capsys, "--repair", "--skip-damaged")
    assert code == 0
    assert "'angles' is kept without 1 changes" in out
    with gleann.Client(data) as client:
        counts = {info.name: info.count for info in client.list_indexes()}
        assert not any(info.broken for info in client.list_indexes())
    # The lost change was a deletion of three.
    assert counts == {"angles": 100, "texts": 54, "never-built": 2, "empty": 0}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--repair"], "need --data"),
        (["--export", "x"], "need --data"),
        (["--data", "absent"], "there is no directory absent"),
        (["--data", "index"], "index is a saved index, not a data directory"),
        (["--data", ".", "--skip", "a"], "need --repair"),
        (["--data", ".", "--export", "."], "exists already"),
    ],
)
def test_what_doctor_refuses(
    words: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    gleann.SoarIndex.build(np.eye(3)).save("index")
    assert run(["doctor", *words]) == 1
    assert not Path("index/lock").exists()
    assert says in capsys.readouterr().err


def test_a_directory_in_use_is_left_alone(
    data: Path, capsys: pytest.CaptureFixture
) -> None:
    with gleann.Client(data):
        assert run(["doctor", "--data", str(data), "--repair"]) == 1
        assert "in use by process" in capsys.readouterr().err


def test_an_index_that_is_not_there_cannot_be_skipped(
    data: Path, capsys: pytest.CaptureFixture
) -> None:
    before = contents(data)
    words = ["doctor", "--data", str(data), "--repair", "--skip", "absent"]
    assert run(words) == 1
    assert "no index 'absent' to skip" in capsys.readouterr().err
    assert contents(data) == before


def test_an_index_whose_rows_were_all_deleted(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with gleann.Client(data) as client:
        client.delete_vectors("words", IDS["words"][ALL])
        client.optimize("words").wait(timeout=60)
    code, out = doctor(data, capsys, "--export", tmp_path / "out")
    assert code == 0
    assert "'words' is whole: version 2, 0 newer changes" in out
    table = pyarrow.parquet.read_table(tmp_path / "out" / "words.parquet")
    assert table.num_rows == 0
    # A repair reads what there is from the seal of the version without rows.
    run_sql(data, "UPDATE indexes SET dim = 9 WHERE name = 'words'")
    code, out = doctor(data, capsys, "--repair")
    assert code == 0, out
    with gleann.Client(data) as client:
        info = client.get_index("words")
        assert (info.count, info.version, info.nlist) == (0, 2, None)
        assert (info.dim, info.id_type) == (8, "string")
        client.upsert("words", ["a"], ROWS[:1])
        assert client.count("words") == 1

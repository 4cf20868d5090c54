"""Checks of large arrays that go on while an index is searched."""

from pathlib import Path
from threading import Event

import numpy as np
import pytest

from gleann.index import SearchParams, SoarIndex
from gleann.index.engines import native
from gleann.index.errors import CorruptDataError, InvalidParamsError
from gleann.index.storage.array_file import ArrayFile
from gleann.index.storage.later_checks import LaterChecks
from tests.support.faults.forging import Forgery
from tests.support.keeps import KEEPS, NLIST, N, params_of, queries_of, rows_of

PARAMS = SearchParams(k=5, nprobe=NLIST, rerank=60)
ENGINES = ["native", "reference"] if native.available() else ["reference"]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Event:
    """Holds the checks back until it is set."""
    go = Event()
    checked = ArrayFile.check

    def waiting(self: ArrayFile, stop: Event, *, into: object = None) -> None:
        if into is None:
            assert go.wait(60)
        checked(self, stop, into=into)  # type: ignore[arg-type]

    monkeypatch.setattr(ArrayFile, "check", waiting)
    return go


def saved(tmp_path: Path, keep: str, **others: object) -> Path:
    SoarIndex.build(rows_of(), params_of(keep, **others)).save(tmp_path / keep)  # type: ignore[arg-type]
    return tmp_path / keep


@pytest.mark.parametrize("keep", KEEPS)
def test_an_index_is_searched_before_its_rows_are_checked(tmp_path, keep, held):
    path = saved(tmp_path, keep)
    index = SoarIndex.load(path, checks="after")
    assert index.later_checks.state == "running"
    found = index.search(queries_of(), PARAMS)
    held.set()
    assert index.later_checks.wait(60)
    assert index.later_checks.state == "passed"
    want = SoarIndex.load(path).search(queries_of(), PARAMS)
    np.testing.assert_array_equal(found.ids, want.ids)
    np.testing.assert_array_equal(found.distances, want.distances)


@pytest.mark.parametrize("name", ["vectors", "codes"])
@pytest.mark.parametrize("engine", ENGINES)
def test_damage_found_later_stops_the_index_with_the_reason(
    tmp_path, name, engine, held
):
    path = saved(tmp_path, "f32")
    file = next(path.glob(f"data-*/{name}.npy"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    index = SoarIndex.load(path, engine=engine, checks="after")
    index.search(queries_of(), PARAMS)  # goes on until it is known
    other = index.served_by(index.engine)
    held.set()
    with pytest.raises(CorruptDataError, match=f"{name}.npy has sha256"):
        index.later_checks.wait(60)
    assert index.later_checks.state == "failed"
    for call in (
        lambda: index.search(queries_of(), PARAMS),
        lambda: other.search(queries_of(1), PARAMS),
        lambda: index.vectors,
        lambda: index.save(tmp_path / "copy"),
    ):
        with pytest.raises(CorruptDataError, match=f"{name}.npy has sha256"):
            call()
    with pytest.raises(CorruptDataError, match=f"{name}.npy has sha256"):
        SoarIndex.load(path, engine=engine)


@pytest.mark.parametrize("tier", [*native.tiers(), native.EMULATED_TIER])
@pytest.mark.parametrize("keep", KEEPS)
def test_forged_numbers_lead_no_engine_out_of_bounds(
    tmp_path, keep, tier, held, monkeypatch
):
    monkeypatch.setenv("GLEANN_NATIVE_TIER", tier)
    forged = Forgery(saved(tmp_path, keep), tmp_path / "forged")

    def spoil(rows: np.ndarray) -> np.ndarray:
        bad = rows.copy()
        ends = {"u": 0x7FC1} if rows.dtype.kind == "u" else {}
        bad[::3] = ends.get("u", np.nan)
        if rows.dtype.kind == "f":
            bad[1::9] = np.inf
        return bad

    forged.edit("vectors", spoil)
    forged.edit("codes", lambda codes: np.full_like(codes, -128))
    index = SoarIndex.load(forged.seal(), checks="after")
    for count in (1, 3, 60):
        found = index.search(queries_of(count), PARAMS)
        assert ((found.ids >= -1) & (found.ids < N)).all()
    held.set()
    with pytest.raises(CorruptDataError, match=r"NaN or infinity|code of -128"):
        index.later_checks.wait(60)


def test_what_engines_follow_is_checked_before(tmp_path, held):
    for name, value in (("entry_rows", N), ("entry_others", NLIST), ("list_mids", -1)):
        forged = Forgery(saved(tmp_path, "f32"), tmp_path / "forged")

        def broken(array: np.ndarray, value: int = value) -> np.ndarray:
            other = array.copy()
            other[3] = value
            return other

        forged.edit(name, broken)
        with pytest.raises(CorruptDataError, match=name):
            SoarIndex.load(forged.seal(), checks="after")


def test_rows_scanned_in_float32_are_checked_before(tmp_path, held):
    held.set()
    path = saved(tmp_path, "f32", codes="float32")
    assert SoarIndex.load(path, checks="after").later_checks is None
    forged = Forgery(path, tmp_path / "forged")
    forged.edit("vectors", lambda rows: np.where(rows > 1, np.nan, rows))
    with pytest.raises(CorruptDataError, match="NaN"):
        SoarIndex.load(forged.seal(), checks="after")


def test_checks_end_when_they_are_forgotten():
    begun, stopped = Event(), Event()

    class Endless:
        def check(self, stop: Event) -> None:
            begun.set()
            if stop.wait(60):
                stopped.set()

    checks = LaterChecks([Endless()])
    assert begun.wait(60)
    assert not checks.wait(0.01)
    del checks
    assert stopped.wait(60)


def test_a_word_that_is_no_time_to_check_is_refused(tmp_path):
    path = saved(tmp_path, "f32")
    with pytest.raises(InvalidParamsError, match="checks must be"):
        SoarIndex.load(path, checks="never")  # type: ignore[arg-type]

"""Index files with right checksums that do not follow the format.

`CorruptDataError` that names the index, or right answers: never another exception, an
answer that could not be, or memory that is not the index's.
"""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forging import Forgery, npy

from gleann.index import BuildParams, SearchParams, SoarIndex, errors, exact_search

N, DIM, NLIST = 160, 6, 9
VERSION_1 = Path(__file__).parents[2] / "golden" / "index-v1"
SECONDS = float(os.environ.get("GLEANN_FUZZ_SECONDS", "4"))
"""How long the fuzzer runs; the slow lane gives it more."""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Saved indexes: of each kind of id, and of each metric."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((N, DIM)).astype(np.float32)
    folder = tmp_path_factory.mktemp("saved")
    texts = np.array([f"row {i}" for i in range(N)])
    for name, metric, ids in (
        ("l2", "l2", None),
        ("cosine", "cosine", texts),
        ("ip", "ip", rng.permutation(N) * 7),
    ):
        params = BuildParams(metric=metric, nlist=NLIST, spill="soar", tune_queries=16)
        SoarIndex.build(rows, params, ids=ids).save(folder / name)
    params = BuildParams(metric="l2", nlist=NLIST, spill="auto", tune_queries=16)
    SoarIndex.build(rows, params).save(folder / "auto")
    for codes in ("int8", "float32"):
        params = BuildParams(metric="ip", nlist=NLIST, codes=codes, tune_queries=16)
        SoarIndex.build(rows + 100, params).save(folder / codes)
    return {path.name: path for path in folder.iterdir()} | {"v1": VERSION_1}


def repeat_first(array: np.ndarray) -> np.ndarray:
    return np.full_like(array, array[0])


def with_value(place: Any, value: float) -> Any:
    def change(array: np.ndarray) -> np.ndarray:
        array[place] = value
        return array

    return change


def swap_halves(array: np.ndarray) -> np.ndarray:
    return np.roll(array, len(array) // 2, axis=0)


ARRAYS = [
    ("l2", "list_mids", lambda a: np.array(1, a.dtype), "list_mids"),
    ("l2", "ids", lambda a: a[:, None], "ids"),
    ("l2", "ids", lambda a: a[:-1], "ids"),
    ("l2", "ids", repeat_first, "an id twice"),
    ("l2", "ids", with_value(3, -1), "below 0"),
    ("ip", "ids", with_value(3, 14), "an id twice"),
    ("l2", "entry_rows", lambda a: a[:, None], "entry_rows"),
    ("l2", "entry_rows", repeat_first, "entry_rows"),
    ("l2", "entry_rows", swap_halves, "entry_rows"),
    ("l2", "entry_rows", with_value(5, N), "entry_rows"),
    ("l2", "entry_others", lambda a: np.full_like(a, -1), "entry_others"),
    ("l2", "entry_others", np.zeros_like, "entry_others"),
    ("l2", "entry_others", with_value(0, NLIST), "entry_others"),
    ("l2", "list_offsets", with_value(2, -1), "list_offsets"),
    ("l2", "list_offsets", with_value(2, 1 << 62), "list_offsets"),
    ("l2", "list_offsets", with_value(-1, -1), "list_offsets"),
    ("l2", "list_mids", lambda a: a * 0, "list_mids"),
    ("l2", "list_mids", with_value(0, 1 << 62), "list_mids"),
    ("l2", "centroids", lambda a: a[:, :0], "centroids"),
    ("l2", "centroids", with_value((1, 1), np.inf), "centroids.*NaN or infinity"),
    ("l2", "vectors", with_value((N - 1, 0), np.nan), "vectors.*NaN or infinity"),
    ("l2", "code_scales", with_value(2, np.nan), "code_scales.*NaN or infinity"),
    ("l2", "code_scales", with_value(2, 0), "code_scales"),
    ("l2", "code_scales", with_value(2, -1), "code_scales"),
    ("l2", "codes", with_value((1, 1), -128), "codes.*-128"),
    ("int8", "center", with_value(0, np.nan), "center.*NaN or infinity"),
    ("int8", "center", lambda a: a[:-1], "center"),
    ("float32", "center", lambda a: a[None], "center"),
    ("int8", "center", with_value(0, -3e38), "center has squared length"),
    ("int8", "centroids", with_value((2, 1), 3e38), "centroids has squared length"),
    ("int8", "code_biases", with_value(1, np.inf), "code_biases.*NaN or infinity"),
    ("float32", "code_biases", lambda a: a[:-1], "code_biases"),
    ("v1", "code_scales", with_value(2, np.nan), "code_scales.*NaN or infinity"),
    ("v1", "entry_rows", repeat_first, "entry_rows"),
    ("l2", "codes", lambda a: a.astype(np.int16), "codes"),
    ("l2", "codes", np.asfortranarray, "codes"),
    ("l2", "vectors", lambda a: a.astype(">f4"), "vectors"),
    ("cosine", "id_offsets", lambda a: a[::-1], "id_offsets"),
    ("cosine", "id_offsets", with_value(3, 1 << 62), "id_offsets"),
    ("cosine", "id_offsets", with_value(0, 1), "id_offsets"),
    ("cosine", "id_offsets", with_value(1, 0), "id_offsets"),
    ("cosine", "id_bytes", with_value(0, 0xFF), "ids cannot be read"),
    ("cosine", "id_bytes", lambda a: a[:0], "id_offsets"),
]


@pytest.mark.parametrize(("which", "name", "change", "says"), ARRAYS)
def test_forged_arrays(
    saved: dict[str, Path],
    tmp_path: Path,
    which: str,
    name: str,
    change: Any,
    says: str,
) -> None:
    forgery = Forgery(saved[which], tmp_path / "forged")
    forgery.edit(name, change)
    with pytest.raises(errors.CorruptDataError, match=f"forged.*{says}"):
        SoarIndex.load(forgery.seal())


def test_more_dimensions_than_there_may_be(
    saved: dict[str, Path], tmp_path: Path
) -> None:
    """Dimensions above the limit, though all arrays agree."""
    forgery = Forgery(saved["l2"], tmp_path / "forged")
    dim = 65_537
    forgery.put("vectors", np.zeros((N, dim), "<f4"))
    forgery.put("codes", np.zeros((N, dim), "|i1"))
    forgery.put("centroids", np.zeros((NLIST, dim), "<f4"))
    forgery.put("center", np.zeros(dim, "<f4"))
    with pytest.raises(errors.CorruptDataError, match="65537 dimensions"):
        SoarIndex.load(forgery.seal())


CENTROIDS = npy(np.zeros((NLIST, DIM), "<f4"))
FILES = [
    b"",
    b"\x93NUMPY",
    b"PK\x03\x04 a zip",
    npy(np.array(3.0, "<f4")),
    CENTROIDS.replace(b"(", b"((", 1),
    npy(np.zeros((NLIST, DIM), "<f4"))
    .replace(b"(9, 6)", b"(99, 6)")
    .replace(b" " * 2, b" ", 1),
    CENTROIDS.replace(b"\x93NUMPY\x01", b"\x93NUMPY\x02"),
    CENTROIDS[:-1],
    CENTROIDS + b"x",
]


@pytest.mark.parametrize("content", FILES)
def test_files_that_are_no_arrays(
    saved: dict[str, Path], tmp_path: Path, content: bytes
) -> None:
    forgery = Forgery(saved["l2"], tmp_path / "forged")
    forgery.put("centroids", content)
    with pytest.raises(errors.CorruptDataError, match=r"forged.*centroids\.npy"):
        SoarIndex.load(forgery.seal())


HEADERS = [
    (("operating_points", 0, "rerank"), 1 << 28),
    (("operating_points", 0, "rerank"), 0),
    (("operating_points", 0, "recall"), "high"),
    (("operating_points", 0, "recall"), float("nan")),
    (("operating_points", 0, "nprobe"), NLIST + 1),
    (("operating_points", 0, "nprobe"), 1.5),
    (("operating_points", 0, "nprobe"), True),
    (("operating_points", 0, "k"), 0),
    (("operating_points", 0, "entries"), None),
    (("operating_points", 0), 7),
    (("operating_points",), {"0": 1}),
    (("operating_points",), None),
    (("primary_points", 0, "rerank"), 1 << 28),
    (("spill_report", "recalls"), "text"),
    (("spill_report", "saving"), [1]),
    (("spill_report", "chosen"), "both"),
    (("spill_report",), []),
    (("params",), []),
    (("params", "metric"), ["l2"]),
    (("params", "nlist"), "many"),
    (("params", "target_recall"), "high"),
    (("params", "spill_lambda"), "1"),
]


@pytest.mark.parametrize(("where", "value"), HEADERS)
def test_forged_headers(
    saved: dict[str, Path], tmp_path: Path, where: tuple[Any, ...], value: Any
) -> None:
    forgery = Forgery(saved["auto"], tmp_path / "forged")
    part = forgery.manifest["index"]
    part.setdefault("primary_points", part["operating_points"].copy())
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = value
    with pytest.raises(errors.CorruptDataError, match="forged"):
        SoarIndex.load(forgery.seal())


def test_deep_json_is_no_manifest(saved: dict[str, Path], tmp_path: Path) -> None:
    forgery = Forgery(saved["l2"], tmp_path / "forged")
    (forgery.path / "manifest.json").write_text("[" * 200_000, encoding="utf-8")
    with pytest.raises(errors.CorruptDataError, match="not JSON"):
        SoarIndex.load(forgery.path)


class Fuzzer:
    """Changes saved indexes at random, most often where the format has borders."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def forge(self, forgery: Forgery) -> None:
        # The manifest last: it says where the arrays are.
        for kind in sorted(self.rng.integers(4, size=self.rng.integers(1, 4))):
            if kind < 2:
                self._change_array(forgery)
            elif kind == 2:
                self._change_file(forgery)
            else:
                self._change_header(forgery.manifest)

    def _change_header(self, part: Any) -> None:
        """Replace, remove or repeat one value somewhere in the manifest."""
        while True:
            keys = list(part) if isinstance(part, dict) else list(range(len(part)))
            if not keys:
                return
            key = keys[self.rng.integers(len(keys))]
            inner = part[key]
            if isinstance(inner, dict | list) and inner and self.rng.random() < 0.9:
                part = inner
                continue
            if self.rng.random() < 0.15:
                del part[key]
            else:
                part[key] = self._any_value(inner)
            return

    def _any_value(self, old: Any) -> Any:
        values: list[Any] = [None, True, -1, 0, 1, 2, 1 << 28, 1 << 70, 0.5, "", "x"]
        values += [float("nan"), float("inf"), -1e308, [], {}, [[1]], [old], str(old)]
        return values[self.rng.integers(len(values))]

    def _change_file(self, forgery: Forgery) -> None:
        """Flip, cut or repeat bytes of a file, mostly of its header."""
        if not forgery.names:
            return
        name = forgery.names[self.rng.integers(len(forgery.names))]
        raw = bytearray(npy(forgery.array(name)))
        end = len(raw) if self.rng.random() < 0.3 else 128
        place = int(self.rng.integers(min(end, len(raw))))
        kind = self.rng.integers(3)
        if kind == 0:
            raw[place] = int(self.rng.integers(256))
        elif kind == 1:
            del raw[place:]
        else:
            raw[place:place] = raw[: int(self.rng.integers(1, 64))]
        forgery.put(name, bytes(raw))
        # Arrays that were read must stay readable for the next change.
        forgery.names = [other for other in forgery.names if other != name]

    def _change_array(self, forgery: Forgery) -> None:
        if not forgery.names:
            return
        name = forgery.names[self.rng.integers(len(forgery.names))]
        forgery.put(name, self._changed(forgery.array(name)))
        forgery.names = [other for other in forgery.names if other != name]

    def _changed(self, array: np.ndarray) -> np.ndarray:
        rng = self.rng
        kind = rng.integers(7)
        if kind == 0 and array.dtype.kind in "iu":
            return array + array.dtype.type(rng.integers(0, 3))
        if kind == 1:
            return array[rng.permutation(len(array))]
        if kind == 2:
            return array[: rng.integers(len(array) + 1)]
        if kind == 3:
            return np.concatenate([array, array[: rng.integers(1, 4)]])
        if kind == 4:
            others = ("<i4", "<i8", "<f4", "|i1", "|u1", ">i4", "<f8")
            return array.astype(others[rng.integers(len(others))])
        changed = array.copy()
        flat = changed.reshape(-1)
        if flat.size:
            places = rng.integers(flat.size, size=rng.integers(1, 4))
            flat[places] = self._any_number(array.dtype, flat)
        return changed

    def _any_number(self, dtype: np.dtype[Any], others: np.ndarray) -> Any:
        if self.rng.random() < 0.4:
            return others[self.rng.integers(len(others))]
        if dtype.kind == "f":
            numbers = [np.nan, np.inf, -np.inf, 0, -1, 1e-45, 3e38, -3e38]
            return dtype.type(numbers[self.rng.integers(len(numbers))])
        info = np.iinfo(dtype)
        whole = [info.min, info.max, 0, 1, N - 1, N, NLIST - 1, NLIST]
        return dtype.type(whole[self.rng.integers(len(whole))] % (int(info.max) + 1))


def loaded(path: Path) -> SoarIndex | None:
    """The index, or None where it is refused as it should be."""
    try:
        return SoarIndex.load(path, threads=1)
    except errors.CorruptDataError as error:
        if str(path) not in str(error):
            raise AssertionError(f"{error} does not name the index") from error
        return None


def use(path: Path) -> bool:
    """Load and search an index; whether it loaded. Answers must be possible ones."""
    index = loaded(path)
    if index is None:
        return False
    n = len(index)
    queries = np.random.default_rng(9).standard_normal((5, index.dim))
    # NumPy cuts a NUL at the end of a text, which readers keep.
    assert len(set(index.held_ids.tolist())) == n
    assert np.isfinite(index.vectors).all()
    k = min(n, 12)
    allowed = np.arange(n) % 2 == 0
    for params in (
        SearchParams(k=k),
        SearchParams(k=1, target_recall=1.0),
        SearchParams(k=n, nprobe=index.nlist),
        SearchParams(k=min(k, int(allowed.sum())), nprobe=1, allowed=allowed),
        SearchParams(k=k, nprobe=index.nlist, rerank=n, segments="primary"),
    ):
        rows, distances = index.search_rows(queries, params)
        assert rows.min() >= 0
        assert rows.max() < n
        assert all(len(set(line)) == len(line) for line in rows.tolist())
        # A row may lie infinitely far: saved by a gleann that had no bound.
        assert not np.isnan(distances).any()
        assert (distances[:, 1:] >= distances[:, :-1]).all()
    exact, _ = index.search_rows(queries, SearchParams(k=k, exact=True))
    full, _ = index.search_rows(
        queries, SearchParams(k=k, nprobe=index.nlist, rerank=n)
    )
    np.testing.assert_array_equal(full, exact)
    return True


@pytest.mark.timeout(SECONDS + 120)
def test_random_forgeries(saved: dict[str, Path], tmp_path: Path) -> None:
    paths = list(saved.values())
    assert all(use(path) for path in paths)
    end = time.monotonic() + SECONDS
    seed = served = 0
    while time.monotonic() < end or seed <= 50 or (not served and seed < 1000):
        forgery = Forgery(paths[seed % len(paths)], tmp_path / "forged")
        Fuzzer(seed).forge(forgery)
        try:
            served += use(forgery.seal())
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error
        seed += 1
    assert 0 < served < seed


def test_exact_search_agrees_with_the_unforged(saved: dict[str, Path]) -> None:
    index = SoarIndex.load(saved["l2"])
    rows, _ = exact_search(index.vectors[:5], index.vectors, metric="l2", k=3)
    found, _ = index.search_rows(index.vectors[:5], SearchParams(k=3, exact=True))
    np.testing.assert_array_equal(found, rows)

"""Strings held by their size: the same strings as Python's, in every operation."""

import numpy as np
import pytest

from gleann.index.ids.held import IdLookup, hashes_of, repeated_id
from gleann.index.texts import FEW, Texts

ALPHABETS = ["ab", "aé", "aé中", "aé中\U0001f600", "\x00a"]


def words(alphabet: str, seed: int, n: int = 40) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list(alphabet), rng.integers(0, 9))) for _ in range(n)]


@pytest.mark.parametrize("alphabet", ALPHABETS)
@pytest.mark.parametrize("seed", range(3))
def test_they_are_those_of_python_and_come_back(alphabet: str, seed: int) -> None:
    texts = words(alphabet, seed)
    held = Texts.of_texts(texts)
    assert held.tolist() == texts
    assert held.packed() == "".join(texts).encode()
    assert held.lengths.tolist() == [len(text.encode()) for text in texts]
    again = Texts.of_packed(held.packed(), held.lengths)
    assert again.tolist() == texts
    assert [held.at(row) for row in range(len(texts))] == texts
    # NumPy's own strings lose NULs at their ends.
    assert held.to_numpy().tolist() == [text.rstrip("\0") for text in texts]
    assert np.asarray(held).dtype.kind == "U"


@pytest.mark.parametrize("alphabet", ALPHABETS)
@pytest.mark.parametrize("m", [0, 1, FEW, FEW + 1, 500])
def test_gathering(alphabet: str, m: int) -> None:
    texts = words(alphabet, 5)
    held = Texts.of_texts(["before", *texts])[1:]  # its text does not begin at 0
    rows = np.random.default_rng(m).integers(-1, len(texts), m)
    wanted = ["" if row < 0 else texts[row] for row in rows]
    assert held.take(rows).tolist() == wanted
    plain = [text.rstrip("\0") for text in wanted]
    assert held.texts_at(rows).tolist() == plain
    assert held.texts_at(rows.reshape(1, -1)).tolist() == [plain]
    mask = np.arange(len(texts)) % 3 == 0
    assert held[mask].tolist() == texts[::3]
    assert held[5:2].tolist() == []
    parts = [held[:7], held[7:7], held[7:]]
    assert Texts.concatenated(parts).tolist() == texts
    assert held.equals(held[np.arange(len(texts))[::-1]]).tolist() == [
        one == other for one, other in zip(texts, texts[::-1], strict=True)
    ]


def test_one_long_string_costs_its_own_length() -> None:
    held = Texts.of_texts(["short"] * 100_000 + ["x" * 100_000])
    assert held.nbytes == 600_000
    # An answer is as wide as its own longest string, not that of the index.
    assert held.texts_at(np.zeros((10, 30), np.int64)).dtype == "<U5"


def test_half_a_surrogate_pair_has_no_utf8() -> None:
    with pytest.raises(UnicodeEncodeError):
        Texts.of_texts(["a", "\ud800"])


@pytest.mark.parametrize(
    ("data", "lengths", "says"),
    [
        (b"abc", [1, 1], "add up to 2, for 3 bytes"),
        (b"abc", [4, -1], "from -1"),
        (b"", [1], "add up to 1, for 0 bytes"),
        (b"ab", [2**62, 2**62, 2**62, 2**62, 2], "from 0 to 4611686018427387904"),
        (b"\xff", [1], "UTF8"),
        (b"\xed\xa0\x80", [3], "UTF8"),
        ("é".encode(), [1, 1], "UTF8"),
        ("aé".encode(), [2, 0, 1], "UTF8"),
    ],
)
def test_bytes_that_are_no_strings(data: bytes, lengths: list[int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Texts.of_packed(data, np.array(lengths, np.int64))


@pytest.mark.parametrize("collide", [False, True])
def test_lookup_also_where_hashes_are_equal(
    collide: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if collide:
        lengths = lambda ids: ids.lengths  # noqa: E731
        monkeypatch.setattr("gleann.index.ids.held.hashes_of", lengths)
    texts = sorted(set(words("aé中", 3, n=60)) - {""})
    there = texts[::2]
    lookup = IdLookup(Texts.of_texts(there))
    rows = lookup.find(Texts.of_texts(texts)).tolist()
    assert rows == [there.index(t) if t in there else -1 for t in texts]
    assert repeated_id(Texts.of_texts(texts)) is None
    twice = Texts.of_texts([*texts, texts[3], texts[3], texts[5]])
    assert repeated_id(twice) == (texts[3], 3, 3)


def test_a_kind_is_not_the_other() -> None:
    assert IdLookup(np.array([1, 2])).find(Texts.of_texts(["1"])).tolist() == [-1]
    assert IdLookup(Texts.of_texts(["1"])).find(np.array([1])).tolist() == [-1]
    assert hashes_of(np.array([3, 1])).tolist() == [3, 1]

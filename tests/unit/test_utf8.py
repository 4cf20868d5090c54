"""Strings to UTF-8 in one go: the same bytes as one Python string at a time."""

import numpy as np
import pytest

from gleann.index.utf8 import decode_texts, encode_texts

ALPHABETS = ["ab", "aé", "aé中", "aé中\U0001f600", "\x00a"]


def decoded(data: bytes, lengths: list[int]) -> list[str]:
    texts = decode_texts(np.frombuffer(data, np.uint8), np.array(lengths, np.int64))
    assert texts.shape == (len(lengths),)
    return texts.tolist()


@pytest.mark.parametrize("alphabet", ALPHABETS)
@pytest.mark.parametrize("seed", range(5))
def test_bytes_are_those_of_python_and_come_back(alphabet, seed):
    rng = np.random.default_rng(seed)
    letters = np.array(list(alphabet))
    words = ["".join(rng.choice(letters, rng.integers(0, 9))) for _ in range(40)]
    texts = np.array(words)  # NumPy drops NULs at the end of a string
    data, lengths = encode_texts(texts)
    encoded = [word.encode() for word in texts.tolist()]
    assert data == b"".join(encoded)
    assert lengths.tolist() == [len(one) for one in encoded]
    assert decoded(data, lengths.tolist()) == texts.tolist()


@pytest.mark.parametrize(
    "texts",
    [
        np.array([], np.str_),
        np.array([], "<U0"),
        np.array([""]),
        np.array(["", "", "x", ""]),
        np.array(["a", "bc"], ">U3"),
        np.array(["a", "b", "c", "d"])[::2],
    ],
)
def test_odd_arrays(texts):
    data, lengths = encode_texts(texts)
    assert decoded(data, lengths.tolist()) == texts.tolist()


def test_half_a_surrogate_pair_has_no_utf8():
    with pytest.raises(ValueError, match="utf-32"):
        encode_texts(np.array(["a", "\ud800"]))


@pytest.mark.parametrize(
    ("data", "lengths", "says"),
    [
        (b"abc", [1, 1], "add up to 2, for 3 bytes"),
        (b"abc", [4, -1], "from -1"),
        (b"", [1], "add up to 1, for 0 bytes"),
        (b"\xff", [1], "utf-8"),
        ("é".encode(), [1, 1], "inside a character"),
        ("aé".encode(), [2, 0, 1], "inside a character"),
    ],
)
def test_bytes_that_are_no_strings(data, lengths, says):
    with pytest.raises(ValueError, match=says):
        decoded(data, lengths)

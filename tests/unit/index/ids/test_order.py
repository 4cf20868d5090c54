"""Order of ids against sorted Python values."""

import numpy as np
import pytest

from gleann.index.ids.checks import hold_id_array
from gleann.index.ids.order import above, count_up_to, first_in_order, id_order

WORDS = ["z", "é", "a", "ab", "ねこ", "A", "a\x00b", "🙂", "b" * 300, "aa"]


def key(value: int | str) -> int | bytes:
    return value.encode() if isinstance(value, str) else value


@pytest.mark.parametrize("kind", ["int", "str", "part"])
@pytest.mark.parametrize("seed", range(3))
def test_order(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    if kind == "int":
        values = rng.permutation(1000)[:50] * (1 << 40)
        ids = hold_id_array(values)
    else:
        values = rng.permutation(WORDS)
        ids = hold_id_array(values)
        if kind == "part":  # a slice has the text of its neighbours as well
            values, ids = values[3:8], ids[3:8]
    listed = values.tolist()
    expected = sorted(listed, key=key)
    order = id_order(ids)
    assert [listed[at] for at in order] == expected
    for count in (0, 1, 3, len(listed), len(listed) + 5):
        first = first_in_order(ids, count)
        assert [listed[at] for at in first] == expected[:count]
    for last in (*listed[:3], "b" if kind != "int" else 5):
        later = [one for one in listed if key(one) > key(last)]
        assert [
            one for one, is_ in zip(listed, above(ids, last), strict=True) if is_
        ] == later
        assert count_up_to(ids, order, last) == len(listed) - len(later)


def test_nothing_has_an_order() -> None:
    for none in (np.empty(0, np.int64), hold_id_array(["a"])[0:0]):
        assert id_order(none).tolist() == []
        assert first_in_order(none, 3).tolist() == []

"""Every method with `where=`, beside an index of the filtered rows alone.

With all lists probed the answers must be the same; with the lists that a recall asks
for, the filter must cost less than half a point of it. Counts, no times.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.curation.part import Measured, Part
from bench.curation.where_methods import METHODS, Items, Method, Side
from bench.say import say
from bench.selection.trials.concepts import Labelled, load_labelled
from bench.tables import markdown
from gleann.index import BuildParams, SoarIndex
from gleann.index.arrays import Ids, Mask
from gleann.index.fold import fold_on_disk

PARAMS = BuildParams(metric="cosine")
SETS = ("digits", "intents-384")
SHARES = (0.01, 0.5)
LEAST_ROWS = 100
"""Of a share; a smaller one of few rows is left out."""
ROWS_A_LIST = 4
"""Of the smallest share, in the index whose lists are copied."""


def run(arguments: argparse.Namespace) -> Iterator[Measured]:
    """Each set at each share of its rows."""
    for name in SETS[:1] if arguments.quick else SETS:
        data = load_labelled(arguments.data / name)
        shares = [one for one in SHARES if one * len(data.base) >= LEAST_ROWS]
        lines = [
            line
            for share in shares
            for line in _lines(data, share, seed=arguments.seed)
        ]
        yield Measured(name=name, values={"rows": len(data.base), "lines": lines})


def show(result: dict[str, Any]) -> str:
    """A line for each method, and columns for each share."""
    shares = sorted({line["share"] for line in result["lines"]})
    of = {(line["method"], line["share"]): line for line in result["lines"]}
    head = ["method"]
    for share in shares:
        rows = next(one["rows"] for one in result["lines"] if one["share"] == share)
        head += [f"{share:.0%} ({rows:,} rows): answers", "same", "recall", "of a copy"]
    rows = [
        [name, *(cell for share in shares for cell in _cells(of[name, share]))]
        for name in dict.fromkeys(line["method"] for line in result["lines"])
    ]
    words = (
        f'{result["rows"]:,} rows. "same": of the answers with a filter and of a copy,'
        ' the share that both have, all lists probed; "recall": of the answers of the'
        " copy, with the lists that are probed for a recall of 0.99"
    )
    return f"{words}\n\n{markdown(head, rows)}"


def _cells(line: dict[str, Any]) -> list[str]:
    exact = "-" if line["same"] is None else f"{line['same']:.4f}"
    recalls = [line["recall"], line["recall_of_copy"]]
    return [
        f"{line['answers']:,}",
        exact,
        *("-" if one is None else f"{one:.4f}" for one in recalls),
    ]


def _lines(data: Labelled, share: float, *, seed: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    ids = rng.permutation(len(data.base)) * 3
    mask = rng.random(len(data.base)) < share
    with tempfile.TemporaryDirectory() as scratch:
        own = sides(data, ids, mask)
        in_lists = sides_in_the_same_lists(data, ids, mask, Path(scratch) / "copy")
        for method in METHODS:
            pair = in_lists if method.by_lists else own
            say(f"{data.name}, {share:.0%}, {method.name}")
            yield {
                "method": method.name,
                "share": share,
                "rows": int(mask.sum()),
                **compared(method, *pair),
            }


def sides(data: Labelled, ids: Ids, mask: Mask) -> tuple[Side, Side]:
    """An index of all rows, and one built of those that pass."""
    whole = SoarIndex.build(data.base, PARAMS, ids=ids)
    copy = SoarIndex.build(data.base[mask], PARAMS, ids=ids[mask])
    return _pair(whole, copy, data, mask)


def sides_in_the_same_lists(
    data: Labelled, ids: Ids, mask: Mask, path: Path
) -> tuple[Side, Side]:
    """An index of few lists, and a copy of the rows that pass in these lists."""
    least = max(len(data.base) * min(SHARES), LEAST_ROWS)
    params = replace(PARAMS, nlist=round(least / ROWS_A_LIST), tune_queries=0)
    index = SoarIndex.build(data.base, params, ids=ids)
    fold_on_disk(index, None, path, keep=mask)
    return _pair(index, SoarIndex.load(path), data, mask)


def _pair(
    whole: SoarIndex, copy: SoarIndex, data: Labelled, mask: Mask
) -> tuple[Side, Side]:
    other = SoarIndex.build(data.queries, PARAMS)
    return (
        Side.of(whole, data, other=other, mask=mask),
        Side.of(copy, data, other=other, mask=mask, is_copy=True),
    )


def compared(method: Method, whole: Side, copy: Side) -> dict[str, Any]:
    truth = method.answer(copy, True)
    if not method.searches:
        found = method.answer(whole, True)
        return _numbers(truth, same=_agreement(found, truth))
    same = None if method.same_by_definition else method.answer(whole, True)
    return _numbers(
        truth,
        same=None if same is None else _agreement(same, truth),
        recall=_recall(method.answer(whole, False), truth),
        recall_of_copy=_recall(method.answer(copy, False), truth),
    )


def _numbers(
    truth: Items,
    *,
    same: float | None,
    recall: float | None = None,
    recall_of_copy: float | None = None,
) -> dict[str, Any]:
    return {
        "answers": len(truth),
        "same": same,
        "recall": recall,
        "recall_of_copy": recall_of_copy,
    }


def _agreement(found: Items, truth: Items) -> float:
    """Of all that either has, what both have."""
    either = len(found | truth)
    return len(found & truth) / either if either else 1.0


def _recall(found: Items, truth: Items) -> float:
    return len(found & truth) / len(truth) if truth else 1.0


WHERE = Part(
    help="every method with a filter, beside an index of the filtered rows alone",
    run=run,
    show=show,
)

"""Audits of choices: Vendi scores, coverage, classes, and what they cost."""

import argparse
from collections.abc import Iterator
from time import perf_counter
from typing import Any

import numpy as np

from bench.curation.part import Measured, Part
from bench.say import say
from bench.selection.trials.concepts import Labelled, load_labelled
from bench.tables import markdown
from gleann.index.arrays import Rows
from gleann.selection.coreset import CoresetRequest, select
from gleann.selection.curation.audit import AuditRequest, audit

SETS = ("digits", "intents-384")
CHOSEN = {"digits": 100, "intents-384": 1000}


def run(arguments: argparse.Namespace) -> Iterator[Measured]:
    """Three choices of each data set, audited."""
    for name in SETS[:1] if arguments.quick else SETS:
        data = load_labelled(arguments.data / name)
        yield Measured(
            name=name,
            values={
                "rows": len(data.base),
                "choices": [
                    _audited(choice, data, rows, arguments.seed)
                    for choice, rows in _choices(data, arguments.seed).items()
                ],
            },
        )


def show(result: dict[str, Any]) -> str:
    """The choices beside as many random rows."""
    orders = result["choices"][0]["orders"]
    head = ["choice", "rows", *(f"Vendi {order}" for order in orders)]
    head += ["radius 0.5", "0.9", "1.0", "classes", "largest ratio", "seconds"]
    rows = [
        [
            row["choice"],
            str(row["chosen"]),
            *(f"{share:.2f}" for share in row["vendi_shares"]),
            *(f"{ratio:.2f}" for ratio in row["radius_ratios"]),
            f"{row['classes']} of {row['of']}",
            f"{row['largest_ratio']:.1f}",
            f"{row['seconds']:.2f}",
        ]
        for row in result["choices"]
    ]
    note = "Vendi scores and radii are over those of as many random rows."
    return f"{result['rows']} rows. {note}\n\n{markdown(head, rows)}"


def _choices(data: Labelled, seed: int) -> dict[str, Rows]:
    k = CHOSEN[data.name]
    few = np.isin(data.classes, np.unique(data.classes)[:5])
    farthest = CoresetRequest(method="farthest_first", k=k, seed=seed)
    rng = np.random.default_rng(seed)
    one = np.flatnonzero(data.classes == data.classes[0])
    near = np.argsort(-(data.base @ data.base[one[0]]), kind="stable")[:k]
    return {
        "farthest first": select(farthest, data.base).chosen.rows,
        "five classes": rng.permutation(np.flatnonzero(few))[:k],
        "neighbours of one row": near,
    }


def _audited(choice: str, data: Labelled, rows: Rows, seed: int) -> dict[str, Any]:
    request = AuditRequest(
        chosen=rows, labels={"class": data.classes}, shares=(0.5, 0.9, 1.0), seed=seed
    )
    begun = perf_counter()
    made = audit(data.base, request)
    seconds = perf_counter() - begun
    ours, random = made["chosen"].coverage, made["random"].coverage
    assert ours is not None
    assert random is not None
    say(f"{data.name}, {choice}: {seconds:.1f} s")
    table = made.tables[0]
    return {
        "choice": choice,
        "chosen": len(rows),
        "orders": [str(order) for order in made.orders],
        "vendi_shares": list(made.vendi_shares),
        "radius_ratios": (ours.radii[-1] / random.radii[-1]).tolist(),
        "classes": int((table.chosen > 0).sum()),
        "of": len(table.groups),
        "largest_ratio": float(table.ratios.max()),
        "seconds": seconds,
    }


AUDIT = Part(
    help="diversity, coverage and classes of a choice beside random rows",
    run=run,
    show=show,
)

"""Coresets in rounds: learning curves of every picker against random draws.

python -m bench.selection.rounds --data DIR [DIR ...] digits
"""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from bench.ending import refusing_data
from bench.option_types import positive
from bench.provenance import provenance
from bench.records import RESULTS
from bench.say import say
from bench.selection.coreset_accuracy import T_975
from bench.selection.notes import Notes, command_of, write_result
from bench.selection.tables.rounds_tables import plot_rounds, rounds_tables, summarise
from bench.selection.trials.rounds_curves import VARIANTS, draw_curve
from bench.selection.trials.rounds_pools import Pool, load_pool


@refusing_data
def main() -> int:
    """Run all curves that have no note yet; the exit status."""
    arguments = make_parser().parse_args()
    out = arguments.out or _default_out(quick=arguments.quick)
    result = run(arguments, out)
    print(rounds_tables(result))
    plotted = out.with_suffix(".svg")
    if plot_rounds(result, plotted):
        say(f"plot: {plotted}")
    say(f"result: {out}")
    return 0


def run(arguments: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Measure according to `arguments` and write the result as JSON to `out`."""
    names = ("rows", "classes", "share", "rounds", "seeds", "pickers", "quick")
    params = {name: getattr(arguments, name) for name in names}
    origin = provenance()
    notes = Notes(out, params, origin)
    sets = [
        _measured(load_pool(source, arguments), arguments, notes)
        for source in arguments.data
    ]
    result = {
        "mode": "selection-rounds",
        "params": params,
        "variants": {name: VARIANTS[name] for name in arguments.pickers},
        "sets": sets,
        "resumed_after": notes.resumed,
    } | origin
    result |= {"command": command_of("rounds")}
    write_result(result, out)
    return result


def _measured(
    pool: Pool, arguments: argparse.Namespace, notes: Notes
) -> dict[str, Any]:
    """All curves of one pool, and their summary."""
    curves = []
    for seed in range(arguments.seeds):
        for name in arguments.pickers:
            curve = notes.once(
                (pool.name, pool.data_hash, seed, name),
                partial(
                    draw_curve,
                    pool,
                    name,
                    seed=seed,
                    share=arguments.share,
                    rounds=arguments.rounds,
                ),
            )
            curves.append({"picker": name, "seed": seed, **curve})
        say(f"{pool.name}, seed {seed}: {len(curves)} curves")
    described = {
        "name": pool.name,
        "n": len(pool.vectors),
        "dim": pool.vectors.shape[1],
        "classes": pool.classes,
        "test_rows": len(pool.test_labels),
        "data_hash": pool.data_hash,
    }
    return {**described, "curves": curves, "summary": summarise(curves)}


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.selection.rounds", description=__doc__
    )
    parser.add_argument(
        "--data", nargs="+", required=True, help="folders; digits is scikit-learn's"
    )
    parser.add_argument(
        "--rows", type=positive, default=10_000, help="most rows of a pool"
    )
    parser.add_argument("--classes", type=positive, default=60, help="most classes")
    parser.add_argument("--share", type=float, default=0.02, help="of rows, a round")
    parser.add_argument("--rounds", type=positive, default=9)
    parser.add_argument("--seeds", type=positive, choices=T_975, default=5)
    parser.add_argument(
        "--pickers", nargs="+", choices=VARIANTS, default=list(VARIANTS)
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    return parser


def _default_out(*, quick: bool) -> Path:
    return (Path.cwd() if quick else RESULTS) / "selection-rounds.json"


if __name__ == "__main__":
    sys.exit(main())

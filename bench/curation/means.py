"""Joint estimates: do all intervals hold together, and what do controls save?"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from bench.curation.part import Measured, Part
from bench.say import say
from bench.selection.trials.populations import load_population
from bench.tables import markdown
from gleann.selection.estimate import EstimateParams, abae_estimate
from gleann.selection.estimate.means import (
    JointEstimates,
    MeansParams,
    MeansSession,
    Statistic,
    run_means,
)

CONFIDENCE = 0.95
LEVEL = 0.01
TRIALS = 1000
BEYOND_NOISE = 2.33
"""Standard errors of a difference of squared errors: one side, 1 %."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """A population.

    Attributes:
        name: of the data.
        values: (n, J); NaN where an "avg" has none.
        statistics: J of them.
        controls: known of every row; the first cuts the strata.
        groups: likewise.
        budgets: to measure.
    """

    name: str
    values: Values
    statistics: tuple[Statistic, ...]
    controls: dict[str, Any]
    groups: dict[str, Any]
    budgets: tuple[int, ...]

    @property
    def truths(self) -> Values:
        """(J,) of the statistics."""
        return np.nanmean(self.values, axis=0)


def run(arguments: argparse.Namespace) -> Iterator[Measured]:
    """Digits, two SUPG files with made values, and a made population."""
    supg = (_supg(arguments, name) for name in ("tacred", "onto"))
    for known in (_digits(), *supg, _made()):
        rows = []
        for budget in known.budgets:
            trials = 5 if arguments.quick else TRIALS
            rows.append(_measured(known, budget, trials, arguments.seed))
            say(f"{known.name}, {budget} labels: {rows[-1]['held']:.3f}")
        abae = []
        if known.name == "digits":
            abae = _abae(known, rows[0], arguments.seed)
        yield Measured(name=known.name, values={"joint": rows, "abae": abae})


def show(result: dict[str, Any]) -> str:
    """One table of the intervals together, one of each statistic."""
    tables = [_joint_table(result), _each_table(result)]
    if result["abae"]:
        rows = [
            [
                row["name"],
                f"{row['rmse']:.4f}",
                ratio_of(row["ours_over"], row["worse"]),
            ]
            for row in result["abae"]
        ]
        tables.append(markdown(["by ABae alone", "RMSE", "ours over it"], rows))
    return "\n\n".join(tables)


def _joint_table(result: dict[str, Any]) -> str:
    head = ["labels", "trials", "all promised hold", "all hold", "standard errors"]
    rows = [
        [
            str(row["budget"]),
            str(row["trials"]),
            f"{row['held']:.3f}{' **no**' if row['p_value'] < LEVEL else ''}",
            f"{row['all_held']:.3f}",
            f"{row['quantile']:.2f}",
        ]
        for row in result["joint"]
    ]
    return markdown(head, rows)


def _each_table(result: dict[str, Any]) -> str:
    head = ["labels", "statistic", "RMSE", "over uniform", "over stratified"]
    head += ["bias (its errors)", "width over stratified", "promised"]
    rows = [
        [
            str(row["budget"]),
            one["name"],
            f"{one['rmse']:.4f}",
            f"{one['rmse_over_uniform']:.2f}",
            ratio_of(one["rmse_over_stratified"], one["worse"]),
            f"{one['bias_over_error']:+.1f}",
            f"{one['over_stratified']:.2f}",
            f"{one['valid']:.2f}",
        ]
        for row in result["joint"]
        for one in row["statistics"]
    ]
    return markdown(head, rows)


def ratio_of(ratio: float, worse: float) -> str:
    """A ratio of errors, marked where it is above 1 beyond noise."""
    return f"{ratio:.3f}{' **no**' if worse > BEYOND_NOISE else ''}"


def _digits() -> Known:
    """Three pixel sums of the eights, and their share, by five known eights."""
    pixels, classes = load_digits(return_X_y=True)
    unit = pixels / np.linalg.norm(pixels, axis=1, keepdims=True)
    held = classes == 8
    likeness = unit @ unit[np.flatnonzero(held)[:5]].mean(axis=0)
    lists = KMeans(20, n_init=1, random_state=0).fit_predict(unit)
    thirds = [pixels[:, part].sum(axis=1) for part in np.array_split(np.arange(64), 3)]
    values = [np.where(held, one, np.nan) for one in thirds]
    return Known(
        name="digits",
        values=np.column_stack([*values, held]),
        statistics=(
            *(Statistic(name=f"third {n + 1} of eights", kind="avg") for n in range(3)),
            Statistic(name="share of eights", kind="share"),
        ),
        controls={"likeness": np.exp(12 * (likeness - likeness.max()))},
        groups={"list": lists},
        budgets=(200,),
    )


def _supg(arguments: argparse.Namespace, name: str) -> Known:
    """The share, a value that the proxy tells, one that it does not, an average."""
    people = load_population(
        arguments.data / "supg-proxies", name, values="independent"
    )
    rng = np.random.default_rng(1)
    inside = np.clip(people.proxy, 1e-9, 1 - 1e-9)
    odds = np.log(inside / (1 - inside))
    n = len(odds)
    return Known(
        name=name,
        values=np.column_stack(
            [
                people.held,
                5 + odds + rng.normal(size=n),
                10 + 3 * rng.normal(size=n),
                np.where(people.held, people.values, np.nan),
            ]
        ),
        statistics=(
            Statistic(name="share", kind="share"),
            Statistic(name="told by the proxy"),
            Statistic(name="not told"),
            Statistic(name="average of positives", kind="avg"),
        ),
        controls={"proxy": people.proxy, "odds": odds, "junk": rng.normal(size=n)},
        groups={"junk": rng.integers(50, size=n)},
        budgets=(100, 1000, 10_000),
    )


def _made(rows: int = 4000) -> Known:
    """A skewed value that nothing tells, beside controls and groups of pure noise."""
    rng = np.random.default_rng(11)
    proxy = rng.beta(0.5, 2, rows)
    skewed = np.exp(1.2 * rng.normal(size=rows))
    held = rng.random(rows) < proxy
    junk = {f"junk {number}": rng.normal(size=rows) for number in range(8)}
    return Known(
        name="made",
        values=np.column_stack([skewed, held, np.where(held, skewed, np.nan)]),
        statistics=(
            Statistic(name="skewed, not told"),
            Statistic(name="share", kind="share"),
            Statistic(name="average of positives", kind="avg"),
        ),
        controls={"proxy": proxy, **junk},
        groups={"junk": rng.integers(60, size=rows)},
        budgets=(60, 400),
    )


def _session(known: Known, budget: int, seed: int) -> JointEstimates:
    params = MeansParams(
        statistics=known.statistics,
        budget=budget,
        stratify_by=next(iter(known.controls)),
        strata_cut="sqrt_mass",
        confidence=CONFIDENCE,
        seed=seed,
    )
    session = MeansSession.start(params, controls=known.controls, groups=known.groups)
    return run_means(session, lambda ids: known.values[ids], chunk=budget)


def _measured(known: Known, budget: int, trials: int, seed: int) -> dict[str, Any]:
    made = [_session(known, budget, seed + number) for number in range(trials)]
    truths = known.truths
    holds, valid = [], []
    for one in made:
        pairs = list(zip(one.estimates, truths, strict=True))
        holds.append(
            [e.low is not None and e.low <= true <= e.high for e, true in pairs]
        )
        valid.append([e.interval_valid for e, _ in pairs])
    promised = (np.array(holds) | ~np.array(valid)).all(axis=1)
    test = binomtest(int(promised.sum()), trials, CONFIDENCE, alternative="less")
    uniform = _uniform_errors(known, budget, seed)
    return {
        "budget": budget,
        "trials": trials,
        "held": float(promised.mean()),
        "p_value": float(test.pvalue),
        "all_held": float(np.array(holds).all(axis=1).mean()),
        "quantile": float(np.mean([one.quantile for one in made])),
        "statistics": [
            _statistic(made, number, float(truths[number]), float(uniform[number]))
            | {"valid": float(np.mean(valid, axis=0)[number])}
            for number in range(len(truths))
        ],
    }


def _statistic(
    made: list[JointEstimates], number: int, truth: float, uniform: float
) -> dict[str, Any]:
    found = [one.estimates[number] for one in made]
    found = [one for one in found if one.value is not None]
    off = np.array([one.value - truth for one in found])
    plain = np.array([one.stratified_value - truth for one in found])
    rmse = float(np.sqrt((off**2).mean()))
    squares = off**2 - plain**2
    spread = float(off.std()) or 1.0
    ratios = [(one.high - one.low) / one.stratified_width for one in found]
    return {
        "name": found[0].name,
        "rmse": rmse,
        "squares_error": float((off**2).std() / np.sqrt(len(off))),
        "rmse_over_uniform": rmse / uniform,
        "rmse_over_stratified": rmse / float(np.sqrt((plain**2).mean())),
        "worse": float(squares.mean() / (squares.std() or 1.0) * np.sqrt(len(off))),
        "bias_over_error": float(off.mean() / spread * np.sqrt(len(off))),
        "over_stratified": float(np.mean(ratios)),
    }


def _uniform_errors(known: Known, budget: int, seed: int) -> Values:
    """RMSE (J,) of plain means of uniform samples, over 1,000 draws."""
    rng = np.random.default_rng(seed)
    off = []
    for _ in range(1000):
        some = known.values[rng.permutation(len(known.values))[:budget]]
        counts = (~np.isnan(some)).sum(axis=0)
        means = np.nansum(some, axis=0) / np.where(counts > 0, counts, np.nan)
        off.append(means - known.truths)
    errors: Values = np.sqrt(np.nanmean(np.square(off), axis=0))
    return errors


def _abae(known: Known, ours: dict[str, Any], seed: int) -> list[dict[str, Any]]:
    """RMSE of ABae as published, with all labels for one statistic, beside ours."""
    proxy = next(iter(known.controls.values()))
    budget, trials = ours["budget"], ours["trials"]
    rows = []
    for number, statistic in enumerate(known.statistics):
        column = known.values[:, number]
        share = statistic.kind == "share"
        held = column == 1 if share else ~np.isnan(column)
        inside = np.nan_to_num(column)
        off = []
        for trial in range(trials):
            params = EstimateParams(
                target="count" if share else "avg", budget=budget, seed=seed + trial
            )
            made = abae_estimate(
                proxy,
                lambda ids, held=held, inside=inside: (held[ids], inside[ids]),
                params,
            )
            if made.value is not None:
                value = made.value / len(column) if share else made.value
                off.append(value - known.truths[number])
        rows.append(
            {"name": statistic.name}
            | beside(np.square(off), ours["statistics"][number])
        )
    return rows


def beside(squares: Values, ours: dict[str, Any]) -> dict[str, float]:
    """RMSE of squared errors (t,), and ours over it with the noise of both."""
    mean, error = float(squares.mean()), float(squares.std() / np.sqrt(len(squares)))
    more = ours["rmse"] ** 2 - mean
    return {
        "rmse": mean**0.5,
        "ours_over": ours["rmse"] / mean**0.5,
        "worse": more / (ours["squares_error"] ** 2 + error**2) ** 0.5,
    }


MEANS = Part(
    help="several means and shares from one sample, with joint intervals",
    run=run,
    show=show,
)

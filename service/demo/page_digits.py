"""The report's section on subsets of the digits."""

from collections.abc import Sequence
from statistics import fmean

from gleann.service.demo.digits import METHODS, Subset
from gleann.service.demo.found import DigitPictures
from gleann.service.demo.result import DemoResult, DigitsResult
from gleann.service.demo.speech import listed, mean_and_spread
from gleann.service.report.charts import Series, line_chart, scatter_chart
from gleann.service.report.examples import strip
from gleann.service.report.markup import Html
from gleann.service.report.page import Section, figure, paragraph, side_by_side
from gleann.service.report.scales import axis_over
from gleann.service.report.tables import Cell, best_of, table

_RIVALS = {"margin": "margin sampling", "farthest_first": "farthest-first"}


def digits_section(result: DemoResult) -> Section:
    """Weighted k-center against simpler subsets."""
    digits = result.digits
    return Section(
        title="A subset to train on",
        body=(
            paragraph(
                f"Of {digits.n:,} images of digits {digits.labelled} are labelled; each"
                f" method chooses {digits.k} more. Radius is the farthest any image is"
                f" from a chosen or labelled one; the margin p1 - p2 is small where the"
                f" model was unsure; accuracy is of a logistic regression trained on"
                f" labelled and chosen, on the other images. Mean"
                f" \N{PLUS-MINUS SIGN} standard deviation over"
                f" {result.scale.digit_seeds} random splits."
            ),
            side_by_side(
                [
                    figure(
                        _digit_map(digits),
                        caption="The images by their first two principal components;"
                        " ringed: what weighted k-center chose.",
                    ),
                    figure(
                        _trade_off(digits),
                        caption="Means over the splits; each point on the line is"
                        " another weight of the costs. Down covers more, left is less"
                        " sure.",
                    ),
                ]
            ),
            paragraph(rival_words(digits.curve)),
            _digits_table(digits.subsets),
            *([side_by_side(_strips(result.pictures))] if result.pictures else []),
            paragraph(_digits_words(digits)),
        ),
    )


def _digit_map(digits: DigitsResult) -> Html:
    clouds = [
        Series(
            name=str(digit),
            x=digits.map[digits.labels == digit, 0].tolist(),
            y=digits.map[digits.labels == digit, 1].tolist(),
            notes=[f"digit {digit}"] * int((digits.labels == digit).sum()),
        )
        for digit in range(10)
    ]
    rows = next(s.rows for s in digits.subsets if s.method == METHODS[0])
    chosen = Series(
        name="chosen",
        x=digits.map[rows, 0].tolist(),
        y=digits.map[rows, 1].tolist(),
        notes=[f"chosen: digit {digits.labels[row]}" for row in rows],
    )
    return scatter_chart(
        clouds,
        chosen,
        x=axis_over("first component", digits.map[:, 0].tolist()),
        y=axis_over("second component", digits.map[:, 1].tolist()),
    )


def _trade_off(digits: DigitsResult) -> Html:
    """Means over the splits: weighted k-center by weight, the others as points."""
    weights = sorted({s.cost_weight for s in digits.curve})
    kinds = [[s for s in digits.curve if s.cost_weight == w] for w in weights]
    series = [_means("weighted k-center", kinds, colour=0)]
    for number, method in enumerate(METHODS[1:], start=1):
        mine = [s for s in digits.subsets if s.method == method]
        series.append(_means(method, [mine], colour=number))
    return line_chart(
        series,
        x=axis_over(
            "mean margin p1 - p2 of the chosen", [x for one in series for x in one.x]
        ),
        y=axis_over("radius", [y for one in series for y in one.y]),
    )


def _means(name: str, kinds: Sequence[Sequence[Subset]], *, colour: int) -> Series:
    """One point per group of subsets, all of one method."""
    return Series(
        name=name,
        x=[fmean(s.mean_cost for s in subsets) for subsets in kinds],
        y=[fmean(s.radius for s in subsets) for subsets in kinds],
        notes=[_note(name, subsets) for subsets in kinds],
        colour=colour,
    )


def _note(name: str, subsets: Sequence[Subset]) -> str:
    weight = subsets[0].cost_weight if subsets[0].ratio is not None else None
    return (
        f"{name}{'' if weight is None else f', weight {weight}'}: radius"
        f" {fmean(s.radius for s in subsets):.3f}, mean margin"
        f" {fmean(s.mean_cost for s in subsets):.3f}, accuracy"
        f" {fmean(s.accuracy for s in subsets):.3f}"
    )


def rival_words(curve: Sequence[Subset]) -> str:
    """At which weights the best-of rule ended in a simple method."""
    parts = []
    for weight in sorted({s.cost_weight for s in curve}):
        winners = [s.winner for s in curve if s.cost_weight == weight]
        parts += [
            f"weight {weight} makes it {words} on {winners.count(name)} of"
            f" {len(winners)} splits"
            for name, words in _RIVALS.items()
            if name in winners
        ]
    ends = listed(parts) if parts else "no weight on the line ended in either"
    return (
        "Weighted k-center takes the best of its own sets, margin sampling and"
        f" farthest-first: {ends}."
    )


def _digits_table(subsets: Sequence[Subset]) -> Html:
    by_method = [[s for s in subsets if s.method == method] for method in METHODS]
    rows: list[list[Cell]] = []
    for method, mine in zip(METHODS, by_method, strict=True):
        ratios = [s.ratio for s in mine if s.ratio is not None]
        rows.append(
            [
                method,
                mean_and_spread([s.radius for s in mine]),
                mean_and_spread([s.mean_cost for s in mine]),
                mean_and_spread([s.accuracy for s in mine]),
                f"{max(ratios):.2f}" if ratios else None,
            ]
        )
    radii = [fmean(s.radius for s in mine) for mine in by_method]
    margins = [fmean(s.mean_cost for s in mine) for mine in by_method]
    accuracies = [fmean(s.accuracy for s in mine) for mine in by_method]
    best = (
        best_of(radii, column=1, want="low")
        | best_of(margins, column=2, want="low")
        | best_of(accuracies, column=3, want="high")
    )
    head = ["method", "radius", "mean margin", "accuracy", "at most x best objective"]
    return table(head, rows, best=best)


def _strips(pictures: Sequence[DigitPictures]) -> list[Html]:
    """The first images that each method chose."""
    return [
        figure(
            strip(
                [
                    (picture, f"a {digit}")
                    for picture, digit in zip(one.pictures, one.digits, strict=True)
                ]
            ),
            caption=f"{one.method}: its first {len(one.pictures)} images, of"
            f" {len(set(one.digits))} different digits.",
        )
        for one in pictures
    ]


def _digits_words(digits: DigitsResult) -> str:
    ratios = [s.ratio for s in digits.subsets if s.ratio is not None]
    return (
        f"The certificate says that weighted k-center's objective was at most"
        f" {max(ratios):.2f} times the best possible one on any split. The service"
        f" chose {'the same' if digits.remote_same else 'other'} images"
        f" {'as' if digits.remote_same else 'than'} the library in process."
    )

"""The report's section on subsets of the digits."""

from collections.abc import Sequence
from statistics import fmean

from gleann.service.demo.digits import METHODS, Subset
from gleann.service.demo.result import DemoResult, DigitsResult
from gleann.service.demo.speech import listed, mean_and_spread
from gleann.service.report.charts import Series, line_chart, scatter_chart
from gleann.service.report.markup import Html
from gleann.service.report.page import Section, figure, paragraph, side_by_side
from gleann.service.report.scales import axis_over
from gleann.service.report.tables import Cell, table


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
                        caption="One split: every weight gives another compromise"
                        " between coverage and uncertainty; down and left is better.",
                    ),
                ]
            ),
            _digits_table(digits.subsets),
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
    curve = sorted(digits.curve, key=lambda s: (s.mean_cost, s.radius))
    first = [s for s in digits.subsets if s.seed == digits.subsets[0].seed]
    series = [
        Series(
            name="weighted k-center",
            x=[s.mean_cost for s in curve],
            y=[s.radius for s in curve],
            notes=[_subset_note(s) for s in curve],
        )
    ]
    series += [
        Series(
            name=s.method,
            x=[s.mean_cost],
            y=[s.radius],
            notes=[_subset_note(s)],
            colour=number + 1,
        )
        for number, s in enumerate(first[1:])
    ]
    points = [*curve, *first]
    return line_chart(
        series,
        x=axis_over("mean margin p1 - p2 of the chosen", [s.mean_cost for s in points]),
        y=axis_over("radius", [s.radius for s in points]),
    )


def _subset_note(subset: Subset) -> str:
    weight = f" (weight {subset.cost_weight})" if subset.ratio is not None else ""
    return (
        f"{subset.method}{weight}: radius {subset.radius:.3f}, mean margin"
        f" {subset.mean_cost:.3f}, accuracy {subset.accuracy:.3f}"
    )


def _digits_table(subsets: Sequence[Subset]) -> Html:
    rows: list[list[Cell]] = []
    for method in METHODS:
        mine = [s for s in subsets if s.method == method]
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
    head = ["method", "radius", "mean margin", "accuracy", "at most x best objective"]
    return table(head, rows)


def _digits_words(digits: DigitsResult) -> str:
    accuracy = {
        method: fmean(s.accuracy for s in digits.subsets if s.method == method)
        for method in METHODS
    }
    ranked = sorted(accuracy, key=lambda method: -accuracy[method])
    ratios = [s.ratio for s in digits.subsets if s.ratio is not None]
    order = listed([f"{method} {accuracy[method]:.3f}" for method in ranked])
    return (
        f"By mean accuracy: {order}. The certificate says that weighted k-center's"
        f" objective was at most {max(ratios):.2f} times the best possible one on any"
        f" split. The service chose {'the same' if digits.remote_same else 'other'}"
        f" images {'as' if digits.remote_same else 'than'} the library in process."
    )

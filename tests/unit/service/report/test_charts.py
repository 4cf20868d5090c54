"""Charts put numbers where they belong, and a page fetches nothing."""

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gleann.service.report.bars import Bars, Counts, bar_chart, histogram_chart
from gleann.service.report.charts import (
    Series,
    Whisker,
    line_chart,
    scatter_chart,
    whisker_chart,
)
from gleann.service.report.markup import element
from gleann.service.report.measures.distances import Histogram
from gleann.service.report.numerals import percent
from gleann.service.report.page import Section, figure, page
from gleann.service.report.plot import WIDTH
from gleann.service.report.scales import Axis, axis_over

FETCHES = re.compile(
    r"""(?:src|href)\s*=\s*["'](?!\#|data:)|url\(|@import|<script|<link|<iframe""", re.I
)


def svg_of(chart):
    return ElementTree.fromstring(chart[chart.index("<svg") :])


def dots(chart):
    return [
        (float(circle.get("cx")), float(circle.get("cy")))
        for circle in svg_of(chart).iter("circle")
    ]


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.sampled_from(["linear", "log"]))
def test_ticks_are_round_ascending_and_inside(low, span, scale):
    if scale == "log":
        assume(low > 1e-3)
    high = low + span
    assume(high > low * (1 + 1e-6) or low <= 0)
    assume(high - low > 1e-9 * max(abs(low), abs(high)))
    axis = Axis(label="", low=low, high=high, scale=scale)
    ticks = axis.ticks()
    slack = 2e-3 * max(abs(low), abs(high)) + 1e-9
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    assert ticks == sorted(set(ticks))
    assert len(ticks) <= 12


def test_ticks_by_hand():
    assert Axis(label="", low=0, high=1).ticks() == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    log = Axis(label="", low=90, high=5_000, scale="log")
    assert log.ticks() == [100, 200, 500, 1_000, 2_000, 5_000]


def test_positions():
    assert Axis(label="", low=2, high=4).position(3) == 0.5
    log = Axis(label="", low=1, high=100, scale="log")
    assert log.position(10) == pytest.approx(0.5)


@settings(deadline=None)
@given(st.lists(st.floats(-1e9, 1e9), max_size=8), st.booleans())
def test_axis_over_holds_its_values(values, zero):
    axis = axis_over("", [*values, math.nan, math.inf], zero=zero)
    assert axis.low < axis.high
    assert all(-1e-9 <= axis.position(value) <= 1 + 1e-9 for value in values)


def test_a_line_rises_to_the_right_when_its_numbers_do():
    one = Series(name="a", x=[0, 1, 2], y=[1, 10, 100])
    chart = line_chart(
        [one],
        x=Axis(label="x", low=0, high=2),
        y=Axis(label="y", low=1, high=100, scale="log"),
    )
    (x0, y0), (x1, y1), (x2, y2) = dots(chart)
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    # On a log axis equal factors are equal steps, and up is a smaller coordinate.
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)
    assert y0 > y1


def test_whiskers_and_truth_stand_at_their_numbers():
    whiskers = [
        Whisker(label="a", name="a", value=2, low=1, high=4),
        Whisker(label="", name="b", value=3, low=3, high=3, colour=1),
    ]
    chart = whisker_chart(whiskers, x=Axis(label="n", low=0, high=5), truth=2)
    svg = svg_of(chart)
    truth = next(line for line in svg.iter("line") if line.get("class") == "truth")
    first, second = dots(chart)
    assert first[0] == pytest.approx(float(truth.get("x1")), abs=0.1)
    assert second[0] > first[0]
    assert second[1] > first[1]
    bars = [line for line in svg.iter("line") if "whisker" in line.get("class")]
    low, value, high = float(bars[0].get("x1")), first[0], float(bars[0].get("x2"))
    assert value - low == pytest.approx((high - low) / 3, abs=0.2)


def test_scatter_rings_the_chosen():
    cloud = Series(name="7", x=[0, 1], y=[0, 1])
    chosen = Series(name="chosen", x=[1], y=[1], notes=["a <digit>"])
    axis = Axis(label="", low=0, high=1)
    chart = scatter_chart([cloud], chosen, x=axis, y=axis)
    rings = [c for c in svg_of(chart).iter("circle") if "ring" in c.get("class")]
    assert len(rings) == 1
    assert rings[0].find("title").text == "a <digit>"


@pytest.mark.parametrize("series", [[], [Series(name="a", x=[], y=[])]])
def test_empty_charts_are_drawn_too(series):
    axis = axis_over("nothing", [])
    svg = svg_of(line_chart(series, x=axis, y=axis))
    assert svg.get("viewBox").split()[2] == str(WIDTH)


def test_a_page_fetches_nothing_and_its_links_lead_somewhere():
    one = Series(name="<a>", x=[1, 2], y=[0.1, 0.2], low=[0, 0.1], high=[0.2, 0.3])
    axis = axis_over("share", [0, 1], write=percent)
    chart = line_chart([one], x=axis_over("x", [1, 2]), y=axis)
    made = page("t", "l", [Section(title="s", body=(figure(chart, caption="c"),))])
    assert not FETCHES.search(made)
    assert "http" not in made
    targets = re.findall(r'href="#([^"]+)"', made)
    assert targets
    assert all(f'id="{target}"' in made for target in targets)


def test_the_check_for_fetches_can_fail():
    assert FETCHES.search(element("img", {"src": "http://example.org/a.png"}))
    assert FETCHES.search('<a href="other.html">')
    assert not FETCHES.search('<a href="#here">')


def rects(chart, look):
    return [r for r in svg_of(chart).iter("rect") if look in r.get("class").split()]


def test_bars_are_as_long_as_their_values():
    chart = bar_chart(
        ["one", "a name that is much too long to be shown"],
        [
            Bars(name="before", values=[0.2, 0.4], notes=["n1", "n2"]),
            Bars(name="after", values=[0.1, None], notes=["n3", "n4"]),
        ],
        x=Axis(label="share", low=0, high=0.5),
    )
    first, second = (float(r.get("width")) for r in rects(chart, "c0"))
    (after,) = rects(chart, "c1")
    assert second == pytest.approx(2 * first, abs=0.2)
    assert float(after.get("width")) == pytest.approx(first / 2, abs=0.2)
    assert after.find("title").text == "n3"
    # The two bars of a group do not overlap.
    tops = [float(r.get("y")) for r in (rects(chart, "c0")[0], after)]
    assert tops[1] - tops[0] >= float(after.get("height"))
    assert "<title>a name that is much too long to be shown</title>" in chart


def test_histograms_are_as_high_as_their_counts():
    values = Histogram(edges=(0, 1, 2, 3), counts=(2, 0, 4), left_out=0)
    chart = histogram_chart(
        [Counts(name="rows", values=values)],
        x=Axis(label="x", low=0, high=3),
        y=Axis(label="rows", low=0, high=4),
    )
    low, high = (float(r.get("height")) for r in rects(chart, "column"))
    assert high == pytest.approx(2 * low, abs=0.2)
    left, right = (float(r.get("x")) for r in rects(chart, "column"))
    assert right - left == pytest.approx(2 * (WIDTH - 80) / 3, abs=1)
    assert "rows: 4 from 2 to 3" in chart


def test_charts_say_what_they_show():
    axis = Axis(label="distance", low=0, high=1)
    series = [Series(name="chosen", x=[0], y=[0], marked=False)]
    svg = svg_of(line_chart(series, x=axis, y=Axis(label="rows", low=0, high=1)))
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == "Lines of rows by distance: chosen"

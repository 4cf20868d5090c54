"""The whole report."""

from statistics import fmean

from gleann.service.demo.page_digits import digits_section
from gleann.service.demo.page_estimating import estimating_section
from gleann.service.demo.page_labelling import labelling_section
from gleann.service.demo.page_search import (
    at,
    fastest_exact,
    service_section,
    speed_section,
)
from gleann.service.demo.result import DemoResult
from gleann.service.report.asked import Step, next_section
from gleann.service.report.markup import Html
from gleann.service.report.numerals import compact, percent
from gleann.service.report.page import Section, code, page, paragraph, tiles
from gleann.service.report.tables import facts

YOUR_FILE = (
    Step(
        what="Index the vectors of a parquet file:",
        command="gleann build items.parquet items.gleann --id-column id",
    ),
    Step(
        what="Choose 500 items that cover all others, and look at them:",
        command="gleann select farthest-first items.gleann --k 500 --out picks.parquet"
        " --report picks.html --show-from items.parquet --show-column text",
    ),
    Step(
        what="Estimate how many items have a property: it lists the items to label, and"
        " goes on when their answers are in answers.csv:",
        command="gleann estimate --index items.gleann --budget 1000 --oracle-csv"
        " answers.csv --out share.json --report share.html",
    ),
)
"""The next three commands of a reader."""


def render(result: DemoResult) -> str:
    """One self-contained HTML document."""
    about = result.about["machine"]
    lead = (
        f"{result.words:,} word vectors indexed, searched through gRPC, and training"
        f" data chosen from them: {sum(result.stages.values()):.0f} seconds on"
        f" {about['cores']} cores of {about['cpu']}."
    )
    sections = [
        Section(title="At a glance", body=(_glance(result),)),
        service_section(result),
        speed_section(result),
        labelling_section(result),
        estimating_section(result),
        digits_section(result),
        _run_section(result),
        next_section(YOUR_FILE, title="Now with your file"),
    ]
    return page("gleann demo", lead, sections)


def _glance(result: DemoResult) -> Html:
    shown = [
        (f"{result.tour.build_seconds:.1f} s", "to build the index, by the client")
    ]
    for target, race in result.speed.raced.items():
        soar = at(race, "SOAR")
        if soar is not None:
            times = soar.qps / fastest_exact(race).qps
            shown.append(
                (
                    f"{compact(soar.qps)} queries/s",
                    f"SOAR at recall {soar.recall:.3f} (wanted {target}),"
                    f" {times:.0f} times exact search",
                )
            )
    ours = [r for r in result.runs if r.method == "default"]
    looked = fmean(r.checkpoints[-1].looked_at for r in ours)
    shown.append((percent(looked), "of the words looked at to find rare concepts"))
    ratios = [s.ratio for s in result.digits.subsets if s.ratio is not None]
    shown.append(
        (f"{max(ratios):.2f} x", "the best possible, at most: the certificate")
    )
    return tiles(shown)


def _run_section(result: DemoResult) -> Section:
    about, stages = result.about, result.stages
    pairs = [
        ("machine", ", ".join(f"{k} {v}" for k, v in about["machine"].items())),
        ("versions", ", ".join(f"{k} {v}" for k, v in about["versions"].items())),
        ("seed", str(result.seed)),
        ("finished", about["finished"]),
        ("seconds", ", ".join(f"{k} {v:.1f}" for k, v in stages.items())),
    ]
    return Section(
        title="This run",
        body=(
            paragraph("Every figure is also in report.json beside this file."),
            code(about["command"]),
            facts(pairs),
        ),
    )

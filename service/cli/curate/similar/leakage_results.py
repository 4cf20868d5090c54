"""An audit of leakage as output files, and as lines for a reader."""

from dataclasses import asdict
from pathlib import Path

from gleann.index.ids.held import take_ids
from gleann.selection.curation.leakage import Leakage, save_leakage
from gleann.service.cli.files import outputs
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.cli.reports import FileItems
from gleann.service.report.asked import Asked
from gleann.service.report.pages.leakage import LeakageReport, leakage_page


def write(
    found: Leakage,
    record: JobRecord,
    *,
    out: Path,
    pairs: Path | None,
    state: Path | None,
) -> dict[str, object]:
    """Write an audit and its record; return the record's results."""
    results: dict[str, object] = {
        **found.summary(),
        "metric": found.metric,
        "groups": [asdict(one) | {"group": str(one.group)} for one in found.by_group()],
        "edges": found.edges.tolist(),
        "provenance": found.provenance,
    }
    with outputs.staged() as files:
        files.add_table(out, found.table().columns)
        if pairs is not None:
            files.add_table(pairs, _pairs(found))
        if state is not None:
            files.add(state, lambda temporary: save_leakage(found, temporary))
        record.add_to(files, out, results)
    return results


def page_of(found: Leakage, items: FileItems, asked: Asked) -> str:
    """The page of an audit."""
    return leakage_page(
        LeakageReport(
            asked=asked, found=found, items=items, has_training=found.one_index
        )
    )


def _pairs(found: Leakage) -> dict[str, outputs.Values]:
    return {
        "id": take_ids(found.held_ids, found.pairs.rows),
        "reference_id": take_ids(found.reference_ids, found.pairs.others),
        "distance": found.pairs.distances,
    }

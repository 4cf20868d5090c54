"""The parts of `python -m bench curation`, by name: a line for each."""

from bench.curation import duplicates, large
from bench.curation.audit import AUDIT
from bench.curation.graph_labels import GRAPH_LABELS
from bench.curation.means import MEANS
from bench.curation.part import Part
from bench.curation.promises import PROMISES
from bench.curation.target import TARGET
from bench.curation.where import WHERE

PARTS: dict[str, Part] = {
    "audit": AUDIT,
    "duplicates": duplicates.PART,
    "duplicates-large": large.PART,
    "graph-labels": GRAPH_LABELS,
    "means": MEANS,
    "promises": PROMISES,
    "target": TARGET,
    "where": WHERE,
}

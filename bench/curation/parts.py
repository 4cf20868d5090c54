"""The parts of `python -m bench curation`, by name: a line for each."""

from bench.curation.graph_labels import GRAPH_LABELS
from bench.curation.part import Part

PARTS: dict[str, Part] = {
    "graph_labels": GRAPH_LABELS,
}

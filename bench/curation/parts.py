"""The parts of `python -m bench curation`, by name: a line for each."""

from bench.curation.part import Part

PARTS: dict[str, Part] = {}

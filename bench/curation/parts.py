"""The parts of `python -m bench curation`, by name: a line for each."""

from bench.curation import duplicates, large
from bench.curation.part import Part

PARTS: dict[str, Part] = {
    "duplicates": duplicates.PART,
    "duplicates-large": large.PART,
}

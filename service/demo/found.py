"""What the demo found: words of a concept, and pictures of chosen digits."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from gleann.service.demo import digits
from gleann.service.demo.digits import Subset
from gleann.service.demo.labelling import METHODS, Run, Task, seed_rows
from gleann.service.demo.words import Words
from gleann.service.report.pictures import thumbnail

MOST_WORDS = 24
MOST_DIGITS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundWords:
    """Positives that one run found.

    Attributes:
        concept: its name.
        method: of the run.
        seeds: positives it started from.
        count: positives among its labels, without those.
        words: the most frequent of them, at most `MOST_WORDS`.
    """

    concept: str
    method: str
    seeds: int
    count: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitPictures:
    """Images that one method chose.

    Attributes:
        method: its name.
        pictures: data URIs, in the order of choice, at most `MOST_DIGITS`.
        digits: the digit of each.
    """

    method: str
    pictures: tuple[str, ...]
    digits: tuple[int, ...]


def found_words(
    tasks: Sequence[Task], runs: Sequence[Run], words: Words
) -> list[FoundWords]:
    """What the first method found in its first run, for every concept."""
    found = []
    for task in tasks:
        run = next(r for r in runs if r.concept == task.name and r.method == METHODS[0])
        seeds = seed_rows(task, seed=run.seed)
        rows = np.setdiff1d(run.rows[task.positive[run.rows]], seeds)
        found.append(
            FoundWords(
                concept=task.name,
                method=run.method,
                seeds=int(task.positive[seeds].sum()),
                count=len(rows),
                # Rows are in order of frequency.
                words=tuple(words.words[words.base[row]] for row in rows[:MOST_WORDS]),
            )
        )
    return found


def digit_pictures(subsets: Sequence[Subset], *, seed: int) -> list[DigitPictures]:
    """The first images that each method chose on one split; none without Pillow."""
    if find_spec("PIL") is None:
        return []
    split = digits.load(seed=seed)
    return [
        DigitPictures(
            method=one.method,
            pictures=tuple(
                _picture(split.vectors[row]) for row in one.rows[:MOST_DIGITS]
            ),
            digits=tuple(split.labels[one.rows[:MOST_DIGITS]].tolist()),
        )
        for one in subsets
        if one.seed == seed
    ]


def _picture(pixels: NDArray[np.float32]) -> str:
    """Dark strokes on white, as a data URI."""
    from PIL import Image

    side = int(np.sqrt(len(pixels)))
    shades = (255 * (1 - pixels.reshape(side, side))).astype(np.uint8)
    written = BytesIO()
    Image.fromarray(shades).save(written, "PNG")
    return thumbnail(written.getvalue())

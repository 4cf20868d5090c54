"""What a curation would do, as its plan says it."""

from dataclasses import dataclass

from gleann.selection.curation.forecast.value import Forecast
from gleann.service.jobs.curation.work import Asked
from gleann.service.plans.reading import Reading
from gleann.service.views.live_index import View


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Planned:
    """What a method would do.

    Attributes:
        rows: vectors that take part.
        forecast: of its work.
        steps: one sentence each.
        opened: indexes whose vectors it reads as an index of the library.
    """

    rows: int
    forecast: Forecast
    steps: tuple[str, ...]
    opened: tuple[View, ...] = ()


def taking_part(asked: Asked) -> Reading:
    """The vectors that pass the filter."""
    return Reading(view=asked.view, rows=asked.passing)


def all_of(asked: Asked, name: str) -> Reading:
    """All vectors of another index."""
    view = asked.view if name == asked.view.name else asked.like(name)
    return Reading(view=view, rows=view.live_rows())

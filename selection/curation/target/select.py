"""One call for all ways to choose for a target, by name."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Literal, NamedTuple, get_args

from gleann.index import SoarIndex
from gleann.index.checks import require_one_of
from gleann.index.errors import InvalidParamsError
from gleann.selection.curation.target.best_rank import BestRankRequest, best_rank
from gleann.selection.curation.target.pool import NO_LIMITS, Limits
from gleann.selection.curation.target.resample import ResampleRequest, resample
from gleann.selection.curation.target.round_robin import (
    RoundRobinRequest,
    round_robin,
)
from gleann.selection.curation.target.targets import TargetsLike
from gleann.selection.progress import ProgressCallback
from gleann.selection.result import Selection

Mode = Literal["round_robin", "best_rank", "resample"]


class _Way(NamedTuple):
    """A way to choose: the class of its requests, and the function that answers."""

    request: type[Any]
    choose: Callable[..., Selection]


_WAYS: dict[str, _Way] = {
    "round_robin": _Way(RoundRobinRequest, round_robin),
    "best_rank": _Way(BestRankRequest, best_rank),
    "resample": _Way(ResampleRequest, resample),
}
_SHARED = ("targets", "budget", "limits")


def for_target(  # noqa: PLR0913 (what for, how, how many, of which)
    index: SoarIndex,
    targets: TargetsLike,
    *,
    budget: int,
    mode: Mode = "round_robin",
    limits: Limits = NO_LIMITS,
    options: Mapping[str, Any] | None = None,
    progress: ProgressCallback | None = None,
) -> Selection:
    """Choose the rows of an index that help with a target.

    Args:
        index: whose rows are chosen.
        targets: examples of what is wanted: vectors (m, d), or `Targets` for ids and
            tasks.
        budget: rows to choose.
        mode: "round_robin" gives every target, or task, its nearest rows in turns;
            "best_rank" takes rows that any target ranks high; "resample" draws rows
            distributed over the lists of the index as the targets are.
        limits: which rows may be chosen, and how many of each group.
        options: further fields of the mode's request: "target_recall" of "round_robin"
            and "best_rank", "seed" of "best_rank" and "resample", "shares" and
            "smoothing" of "resample".
        progress: called as rows are chosen.

    Raises:
        InvalidParamsError: an unknown mode or option; also as the mode's request.
        InvalidInputError: as the mode's function.
    """
    require_one_of("mode", mode, get_args(Mode))
    way = _WAYS[mode]
    known = [one.name for one in fields(way.request) if one.name not in _SHARED]
    given = dict(options or {})
    if strange := [name for name in given if name not in known]:
        raise InvalidParamsError(
            f"{mode} has no option {strange[0]!r}; its options are: {', '.join(known)}"
        )
    request = way.request(targets=targets, budget=budget, limits=limits, **given)
    return way.choose(index, request, progress=progress)

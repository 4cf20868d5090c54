"""How a selection job chooses: gather vectors, run the method, and its baselines."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gleann.index import Progress
from gleann.index.arrays import Vectors
from gleann.service.jobs.candidates import Candidates, resolve
from gleann.service.jobs.jobs import Task
from gleann.service.state.live_index import View
from gleann.service.values import Selected
from gleann.v1 import selection_pb2


def choose(
    view: View,
    request: selection_pb2.CreateSelectionJobRequest,
    task: Task,
    *,
    device: str | None,
) -> Selected:
    """Choose as the request says, from `view`; its baselines stand beside it.

    Args:
        view: what is chosen from.
        request: how.
        task: hears of progress.
        device: torch's name of the device that measures; None is the host.
    """
    candidates = resolve(view, request)
    vectors = view.vectors_at(candidates.rows)
    task.progress(Progress(phase="choose", done=0, total=candidates.k))
    selection = _selection(request, candidates, vectors, task, device=device)
    return Selected(
        ids=selection.ids,
        scores=selection.scores,
        weights=selection.weights,
        why=selection.why,
        summary=dict(selection.summary),
        provenance={
            **selection.provenance,
            "params": {**selection.provenance["params"], **_quota_rule(request)},
            "data_hash": _data_hash(view, vectors),
        },
    )


def _selection(
    request: selection_pb2.CreateSelectionJobRequest,
    candidates: Candidates,
    vectors: Vectors,
    task: Task,
    *,
    device: str | None,
) -> Any:
    name = request.WhichOneof("strategy")
    assert name is not None
    seed = getattr(getattr(request, name), "seed", 0)
    if not candidates.measured:
        return _drawn(request, candidates, seed=seed)
    chosen = _chosen(
        request,
        candidates,
        vectors,
        method=_METHODS[name](request, task),
        seed=seed if name in _DRAWING else None,
        device=device,
    )
    selection = chosen.to_selection(candidates.ids)
    if name == "random":
        return selection
    task.progress(Progress(phase="compare", done=0, total=candidates.k))
    beside = _beside(request, candidates, vectors, task, seed=seed, device=device)
    return replace(selection, summary={**selection.summary, **beside})


def _drawn(
    request: selection_pb2.CreateSelectionJobRequest,
    candidates: Candidates,
    *,
    seed: int,
) -> Any:
    """A random draw, which needs no metric and may take every vector."""
    from gleann.selection.coreset import draw_within_groups
    from gleann.selection.uniform import uniform

    if candidates.groups is None:
        return uniform(
            len(candidates.ids),
            k=candidates.k,
            seed=seed,
            ids=candidates.ids,
            excluded=candidates.locked,
        )
    return draw_within_groups(
        candidates.groups,
        quotas=_quotas(request, candidates),
        locked=candidates.locked,
        seed=seed,
        ids=candidates.ids,
    )


def _beside(
    request: selection_pb2.CreateSelectionJobRequest,
    candidates: Candidates,
    vectors: Vectors,
    task: Task,
    *,
    seed: int,
    device: str | None,
) -> dict[str, float | str]:
    """What random vectors and the strongest simple method achieve, as many."""
    from gleann.selection.coreset import choose_baselines

    weighing = _weighing(request)

    def choose(method: Any, *, seed: int | None) -> Any:
        weighed = partial(method, **weighing)
        return _chosen(
            request, candidates, vectors, method=weighed, seed=seed, device=device
        )

    name = request.WhichOneof("strategy")
    assert name is not None
    return choose_baselines(
        choose,
        asked="k_center" if name == "farthest_first" else name,
        priced=bool(np.any(candidates.costs)),
        seed=seed,
        progress=task.progress,
    ).told()


def _chosen(
    request: selection_pb2.CreateSelectionJobRequest,
    candidates: Candidates,
    vectors: Vectors,
    *,
    method: Any,
    seed: int | None,
    device: str | None,
) -> Any:
    """What `method` chooses, within groups where there are quotas.

    Args:
        request: says how groups share.
        candidates: the vectors looked at.
        vectors: (n, d) they.
        method: of the library, its own parameters bound, the seed left open.
        seed: None where it draws nothing.
        device: torch's name of the device that measures; None is the host.
    """
    from gleann.selection.coreset import within_groups

    method = partial(method, device=device)
    if candidates.groups is None:
        drawing = {} if seed is None else {"seed": seed}
        return method(
            vectors,
            k=candidates.k,
            costs=candidates.costs,
            locked=candidates.locked,
            **drawing,
        )
    return within_groups(
        method,
        vectors,
        groups=candidates.groups,
        quotas=_quotas(request, candidates),
        costs=candidates.costs,
        locked=candidates.locked,
        seed=seed,
        device=device,
        **_weighing(request),
    )


def _quota_rule(request: selection_pb2.CreateSelectionJobRequest) -> dict[str, str]:
    if not request.HasField("quotas"):
        return {}
    equal = request.quotas.rule == selection_pb2.QUOTA_RULE_EQUAL
    return {"quota_rule": "equal" if equal else "proportional"}


def _quotas(
    request: selection_pb2.CreateSelectionJobRequest, candidates: Candidates
) -> Any:
    from gleann.selection.coreset import equal_quotas, proportional_quotas

    assert candidates.groups is not None
    open_groups = np.delete(candidates.groups, candidates.locked)
    if _quota_rule(request)["quota_rule"] == "equal":
        return equal_quotas(open_groups, k=candidates.k)
    return proportional_quotas(open_groups, k=candidates.k)


def _weighing(request: selection_pb2.CreateSelectionJobRequest) -> dict[str, Any]:
    """What costs weigh in the objective, where the strategy has one."""
    if request.WhichOneof("strategy") != "weighted_k_center":
        return {}
    params = request.weighted_k_center
    mean = params.cost_on == selection_pb2.COST_ON_MEAN
    return {
        "cost_weight": params.cost_weight if params.HasField("cost_weight") else 1.0,
        "cost_on": "mean" if mean else "sum",
    }


def _weighted_k_center(
    request: selection_pb2.CreateSelectionJobRequest, task: Task
) -> Any:
    from gleann.selection.coreset import weighted_k_center

    params = request.weighted_k_center
    return partial(
        weighted_k_center,
        **_weighing(request),
        eps=params.eps if params.HasField("eps") else 0.1,
        progress=task.progress,
    )


def _farthest_first(_: selection_pb2.CreateSelectionJobRequest, task: Task) -> Any:
    from gleann.selection.coreset import k_center

    return partial(k_center, progress=task.progress)


def _margin(_: selection_pb2.CreateSelectionJobRequest, __: Task) -> Any:
    from gleann.selection.coreset import margin

    return margin


def _gist(request: selection_pb2.CreateSelectionJobRequest, _: Task) -> Any:
    from gleann.selection.coreset import gist

    return partial(gist, **{"diversity": 1.0, **_numbers(request.gist)})


def _ccs(request: selection_pb2.CreateSelectionJobRequest, _: Task) -> Any:
    from gleann.selection.coreset import ccs

    return partial(ccs, **_numbers(request.ccs))


def _random(_: selection_pb2.CreateSelectionJobRequest, __: Task) -> Any:
    from gleann.selection.coreset import uniform

    return uniform


_METHODS = {
    "weighted_k_center": _weighted_k_center,
    "farthest_first": _farthest_first,
    "margin": _margin,
    "gist": _gist,
    "ccs": _ccs,
    "random": _random,
}
"""The method of each strategy, with its parameters bound but for the seed."""

_DRAWING = ("farthest_first", "ccs", "random")
"""Strategies that take a seed."""


def _numbers(message: Any) -> dict[str, Any]:
    """The parameters of a strategy that are plain numbers, but for the seed."""
    return {
        field.name: value
        for field, value in message.ListFields()
        if isinstance(value, int | float) and field.name != "seed"
    }


def _data_hash(view: View, vectors: Vectors) -> str:
    from gleann.selection.provenance import fingerprint

    clean = not len(view.delta) and view.alive is None
    if view.sealed is not None and clean and len(vectors) == view.count:
        return view.sealed.index.data_hash
    return fingerprint(vectors)

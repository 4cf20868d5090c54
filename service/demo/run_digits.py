"""Subsets of the digits, in process and through the service."""

from statistics import fmean

import numpy as np

from gleann.index import BuildParams
from gleann.service.client import Client
from gleann.service.demo import digits
from gleann.service.demo.digits import METHODS, Digits, Subset
from gleann.service.demo.result import DigitsResult
from gleann.service.demo.stage import Stage

NAME = "digits"


def run_digits(stage: Stage, client: Client) -> DigitsResult:
    """Every method on every split, one trade-off curve, and the service's result."""
    k = stage.scale.digits
    with stage.timed("subsets of the digits"):
        first = digits.load(seed=stage.seed)
        subsets: list[Subset] = []
        curve: list[Subset] = []
        for seed in range(stage.seed, stage.seed + stage.scale.digit_seeds):
            split = digits.load(seed=seed)
            subsets += digits.subsets(split, k=k, seed=seed)
            curve += digits.trade_off(split, k=k, seed=seed)
        same = _same_remotely(client, first, subsets[0])
        _tell(stage, subsets)
        stage.say(f"   {'the same' if same else 'other'} images through gRPC")
    return DigitsResult(
        n=len(first.vectors),
        k=k,
        subsets=subsets,
        curve=curve,
        map=_principal(first),
        labels=first.labels,
        labelled=len(first.labelled),
        remote_same=same,
    )


def _same_remotely(client: Client, first: Digits, chosen: Subset) -> bool:
    """Whether the service chooses the same images: upsert, build, select."""
    ids = np.arange(len(first.vectors))
    client.create_index(NAME, dim=first.vectors.shape[1], metric="l2")
    client.upsert(NAME, ids, first.vectors)
    client.build(NAME, BuildParams(metric="l2")).wait()
    picked = client.coresets.weighted_k_center(
        NAME,
        k=len(chosen.rows),
        costs=(ids, first.costs),
        cost_weight=chosen.cost_weight,
        locked_ids=first.labelled,
    ).wait()
    return picked.ids.tolist() == chosen.rows.tolist()


def _principal(first: Digits) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """First two principal components (n, 2)."""
    from sklearn.decomposition import PCA

    made: np.ndarray[tuple[int, int], np.dtype[np.float64]] = PCA(
        n_components=2, random_state=0
    ).fit_transform(first.vectors.astype(np.float64))
    return made


def _tell(stage: Stage, subsets: list[Subset]) -> None:
    for method in METHODS:
        mine = [s for s in subsets if s.method == method]
        ratios = [s.ratio for s in mine if s.ratio is not None]
        stage.say(
            f"   {method:<18} radius {fmean(s.radius for s in mine):.3f},"
            f" mean margin {fmean(s.mean_cost for s in mine):.3f},"
            f" accuracy {fmean(s.accuracy for s in mine):.3f}"
            + (f", at most {max(ratios):.2f} x the best" if ratios else "")
        )

"""Active learning: query the labels that help most."""

from gleann._needed import needing as _needing

with _needing("gleann.selection.active"):
    from gleann.selection.active.coverage import Coverage
    from gleann.selection.active.models.classifier import Classifier
    from gleann.selection.active.params import ActiveParams
    from gleann.selection.active.pools.anchors import AnchorPool, OpenNeighbours
    from gleann.selection.active.pools.choice import PoolChoice
    from gleann.selection.active.pools.classifier import ClassifierPool, Searcher
    from gleann.selection.active.pools.global_pool import GlobalPool
    from gleann.selection.active.pools.seals import SealsPool
    from gleann.selection.active.run import ActiveRun, BatchRecord, run_active
    from gleann.selection.active.session import ActiveSession
    from gleann.selection.active.stopping import StopAdvice

__all__ = [
    "ActiveParams",
    "ActiveRun",
    "ActiveSession",
    "AnchorPool",
    "BatchRecord",
    "Classifier",
    "ClassifierPool",
    "Coverage",
    "GlobalPool",
    "OpenNeighbours",
    "PoolChoice",
    "SealsPool",
    "Searcher",
    "StopAdvice",
    "run_active",
]

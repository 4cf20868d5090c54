"""Active learning: ask for the labels that teach most."""

from gleann.selection.active.advice import StopAdvice
from gleann.selection.active.anchors import AnchorPool, OpenNeighbours
from gleann.selection.active.classifier_query import ClassifierPool, Searcher
from gleann.selection.active.coverage import Coverage
from gleann.selection.active.everything import GlobalPool
from gleann.selection.active.model import Classifier
from gleann.selection.active.params import ActiveParams
from gleann.selection.active.run import ActiveRun, BatchRecord, run_active
from gleann.selection.active.seals import SealsPool
from gleann.selection.active.session import ActiveSession

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
    "SealsPool",
    "Searcher",
    "StopAdvice",
    "run_active",
]

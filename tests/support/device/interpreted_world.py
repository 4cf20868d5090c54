"""What tests of interpreted kernels share; to be imported where torch is.

Scores of small integers are exact, so keys must agree to the last bit. Not for bf16,
whose `dot` the interpreter does not do rightly; tiny shapes, since it is slow.
"""

import device_world as world
import numpy as np
import torch

from gleann.index.engines.contract import ScanRequest
from gleann.index.engines.device.layout.layout import lay_out
from gleann.index.engines.device.layout.view import view_for
from gleann.index.engines.device.steps.queries import code_queries

SIZES = [0, 1, 127, 128, 129, 300]

KINDS = ["fp16", "fp32", "int8"]


def setting(kind, d, *, metric="l2", nq=5, allowed=None, segments="both"):
    """Queries, lists to probe and a view of an index with lists of odd lengths."""
    data = world.sized_index(SIZES, d=d, metric=metric)
    if kind == "int8":
        # A row with 127 in it is coded on scale 1: integers stay themselves.
        vectors = data.vectors.copy()
        vectors[:, 0] = 127
        primary, secondary = world.assignments(data)
        data = world.index_of(vectors, primary, secondary, metric=metric, nlist=6)
    lists = lay_out(data, kind=kind, device=torch.device("cpu"))
    asked = world.integer_queries(nq, d)
    if kind == "int8":
        asked[:, 0] = 127
    if allowed is not None:
        allowed = np.random.default_rng(3).random(len(data.vectors)) < allowed
    view = view_for(
        lists, ScanRequest(k=1, rerank=1, allowed=allowed, segments=segments)
    )
    list_nos = torch.from_numpy(world.some_lists(nq, 3, len(SIZES)).astype(np.int64))
    list_nos[0, 1] = -1
    return code_queries(torch.from_numpy(asked), lists), list_nos, view

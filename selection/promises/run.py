"""A promised set in one call, with an oracle."""

from collections.abc import Callable

from numpy.typing import ArrayLike

from gleann.index.arrays import Ids
from gleann.selection.among import AmongLike
from gleann.selection.labelling import label_all
from gleann.selection.progress import ProgressCallback
from gleann.selection.promises.params import PromiseParams
from gleann.selection.promises.result import PromisedSet
from gleann.selection.promises.session import PromiseSession

Oracle = Callable[[Ids], ArrayLike]
"""Ids (m,) to labels (m,) bool."""


def promised_set(
    proxy: ArrayLike,
    oracle: Oracle,
    params: PromiseParams,
    *,
    ids: ArrayLike | None = None,
    among: AmongLike | None = None,
    progress: ProgressCallback | None = None,
) -> PromisedSet:
    """Label `params.budget` rows by `oracle`, and choose a set that keeps the promise.

    For an oracle that may fail, call `run_promise` with your own session: it keeps the
    labels submitted before the failure.

    Args:
        proxy: (n,) cheap scores, as for `PromiseSession.start`.
        oracle: labels rows; called once per row.
        params: of the promise.
        ids: (n,) names of the rows; None numbers them.
        among: rows that the promise is about, as for `PromiseSession.start`.
        progress: called as labels arrive.
    """
    session = PromiseSession.start(proxy, params, ids=ids, among=among)
    return run_promise(session, oracle, progress=progress)


def run_promise(
    session: PromiseSession,
    oracle: Oracle,
    *,
    chunk: int = 100,
    progress: ProgressCallback | None = None,
) -> PromisedSet:
    """Finish a session by an oracle.

    Exceptions of `oracle` and `progress` pass through; the labels of earlier chunks
    stay in the session, and a second call continues from there.

    Args:
        session: new, or partly labelled.
        oracle: labels rows.
        chunk: rows per call of the oracle.
        progress: called after each chunk.
    """

    def label(ids: Ids) -> None:
        session.submit(ids, oracle(ids))

    label_all(session, label, chunk=chunk, progress=progress)
    return session.promised()

"""Promises about a chosen set: its recall, its precision, and failures in a batch."""

from gleann._needed import needing as _needing

with _needing("gleann.selection.promises"):
    from gleann.selection.promises.acceptance import (
        AcceptanceBound,
        failures_bound,
        quantile_bound,
    )
    from gleann.selection.promises.batch_audit import (
        AuditParams,
        BatchAudit,
        acceptance_bound,
        score_bound,
    )
    from gleann.selection.promises.params import PromiseParams
    from gleann.selection.promises.result import PromisedSet
    from gleann.selection.promises.run import promised_set, run_promise
    from gleann.selection.promises.session import PromiseSession

__all__ = [
    "AcceptanceBound",
    "AuditParams",
    "BatchAudit",
    "PromiseParams",
    "PromiseSession",
    "PromisedSet",
    "acceptance_bound",
    "failures_bound",
    "promised_set",
    "quantile_bound",
    "run_promise",
    "score_bound",
]

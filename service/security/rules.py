"""The right that each method needs, and what its request names.

Every method that the server has must be here: `tests/service/server/security` compares
with the descriptors.

READ is to look and to search. WRITE changes vectors and payload, and starts work whose
results are kept: builds, selections, sessions. ADMIN makes, changes and deletes whole
indexes and snapshots.
"""

from dataclasses import dataclass
from typing import Literal

from gleann.service.calls.caller import Right

Kind = Literal["curation", "operation", "selection", "session", "snapshot"]
"""What belongs to an index without being one; operations and sessions have an owner."""

READ, WRITE, ADMIN = Right.READ, Right.WRITE, Right.ADMIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a caller of a method needs.

    Attributes:
        right: on the index that the request names; None for a method that is open to
            everybody, without a key.
        index: path of the field with the name of that index, such as "start.index";
            None where the request names none.
        optional: whether an empty index stands for all; the answer leaves out what the
            caller may not read.
        resource: field with the name of a resource; None where it names none.
        kind: of that resource.
        resource_right: on the index of the resource; None for `right`.
        changes: whether the method changes what is kept; such calls are audited.
    """

    right: Right | None
    index: str | None = None
    optional: bool = False
    resource: str | None = None
    kind: Kind | None = None
    resource_right: Right | None = None
    changes: bool = False


def _on(right: Right, field: str = "index") -> Rule:
    """A method on one index."""
    return Rule(right=right, index=field, changes=right is not READ)


def _of(kind: Kind, right: Right, field: str = "name") -> Rule:
    """A method on one resource of an index."""
    return Rule(right=right, resource=field, kind=kind, changes=right is not READ)


_LISTED = Rule(right=READ, index="index", optional=True)
_ANYWHERE = Rule(right=READ)
_OPEN = Rule(right=None)

_INDEX = {
    "CreateIndex": _on(ADMIN, "name"),
    "GetIndex": _on(READ, "name"),
    "ListIndexes": _ANYWHERE,
    "DeleteIndex": _on(ADMIN, "name"),
    "BuildIndex": _on(WRITE, "name"),
    "UpdateIndex": _on(ADMIN, "name"),
    "OptimizeIndex": _on(WRITE, "name"),
}
_VECTOR = {
    "UpsertVectors": _on(WRITE),
    "StreamUpsertVectors": _on(WRITE, "start.index"),
    "ImportVectors": _on(WRITE),
    "GetVectors": _on(READ),
    "DeleteVectors": _on(WRITE),
    "UpdatePayload": _on(WRITE),
    "DeletePayload": _on(WRITE),
    "ScrollVectors": _on(READ),
    "CountVectors": _on(READ),
}
_SEARCH = {"Search": _on(READ), "SearchRadius": _on(READ)}
_CORESET = {
    "CreateSelectionJob": _on(WRITE),
    "GetSelection": _of("selection", READ),
    "ListSelectedItems": _of("selection", READ),
    "ListSelections": _LISTED,
    "DeleteSelection": _of("selection", WRITE),
}
_CURATION = {
    # The other indexes that a method reads: `Curating.check` asks for the right.
    "CreateCurationJob": _on(WRITE),
    "GetCuration": _of("curation", READ),
    "ListCurations": _LISTED,
    "ReadCurationTable": _of("curation", READ),
    "DeleteCuration": _of("curation", WRITE),
}
_ACTIVE = {
    "StartActiveSession": _on(WRITE),
    "NextBatch": _of("session", WRITE, "session"),
    "SubmitLabels": _of("session", WRITE, "session"),
    "IgnoreIds": _of("session", WRITE, "session"),
    "GetStopAdvice": _of("session", READ, "session"),
    "ScoreItems": _of("session", READ, "session"),
    "ListWantedIds": _of("session", READ, "session"),
    "SubmitProbabilities": _of("session", WRITE, "session"),
    "GetCoverage": _of("session", READ, "session"),
}
_ROUNDS = {
    "StartRoundsSession": _on(WRITE),
    "NextBatch": _of("session", WRITE, "session"),
    "SubmitLabels": _of("session", WRITE, "session"),
    "IgnoreIds": _of("session", WRITE, "session"),
    "ScoreItems": _of("session", READ, "session"),
}
_ESTIMATE = {
    "StartEstimateSession": _on(WRITE),
    "NextEstimateBatch": _of("session", WRITE, "session"),
    "SubmitEstimateLabels": _of("session", WRITE, "session"),
    "GetEstimate": _of("session", READ, "session"),
    "StartGroupSession": _on(WRITE),
    "NextGroupBatches": _of("session", WRITE, "session"),
    "SubmitGroupLabels": _of("session", WRITE, "session"),
    "GetGroupEstimates": _of("session", READ, "session"),
}
_SESSION = {
    "GetSession": _of("session", READ),
    "ListSessions": _LISTED,
    "CloseSession": _of("session", WRITE),
}
_SNAPSHOT = {
    "CreateSnapshot": _on(ADMIN),
    "GetSnapshot": _of("snapshot", READ),
    "ListSnapshots": _LISTED,
    "DeleteSnapshot": _of("snapshot", ADMIN),
    "VerifySnapshot": _of("snapshot", WRITE),
    "RestoreSnapshot": Rule(
        right=ADMIN,
        index="index",
        resource="name",
        kind="snapshot",
        resource_right=READ,
        changes=True,
    ),
    "ExportSnapshot": _of("snapshot", ADMIN),
    # The index is named in the file: `Snapshots.asked_to_import` asks for the right.
    "ImportSnapshot": Rule(right=ADMIN, changes=True),
}
_ADMIN = {"GetServerInfo": _ANYWHERE, "GetServerStatus": _ANYWHERE}
_JOB = {
    "PauseJob": _of("operation", WRITE),
    "ResumeJob": _of("operation", WRITE),
    "RetryJob": _of("operation", WRITE),
    "GetJobLog": _of("operation", READ),
}
_OPERATIONS = {
    "ListOperations": _ANYWHERE,
    "GetOperation": _of("operation", READ),
    "DeleteOperation": _of("operation", WRITE),
    "CancelOperation": _of("operation", WRITE),
    "WaitOperation": _of("operation", READ),
}
# Probes carry no keys; the health of one index is told to those who may read it.
_HEALTH = {"Check": _OPEN, "Watch": _OPEN, "List": _OPEN}

_SERVICES = {
    "gleann.v1.IndexService": _INDEX,
    "gleann.v1.VectorService": _VECTOR,
    "gleann.v1.SearchService": _SEARCH,
    "gleann.v1.CoresetService": _CORESET,
    "gleann.v1.CurationService": _CURATION,
    "gleann.v1.ActiveLearningService": _ACTIVE,
    "gleann.v1.RoundsService": _ROUNDS,
    "gleann.v1.EstimateService": _ESTIMATE,
    "gleann.v1.SessionService": _SESSION,
    "gleann.v1.SnapshotService": _SNAPSHOT,
    "gleann.v1.AdminService": _ADMIN,
    "gleann.v1.JobService": _JOB,
    "google.longrunning.Operations": _OPERATIONS,
    "grpc.health.v1.Health": _HEALTH,
    "grpc.reflection.v1alpha.ServerReflection": {"ServerReflectionInfo": _ANYWHERE},
}

RULES: dict[str, Rule] = {
    f"/{service}/{method}": rule
    for service, methods in _SERVICES.items()
    for method, rule in methods.items()
}
"""The rule of each method by its path, such as "/gleann.v1.SearchService/Search"."""

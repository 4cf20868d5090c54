"""An audit of a batch: which rows to check, and what that says about the others."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import Ids, Rows
from gleann.index.checks import as_array, require_one_of
from gleann.index.errors import (
    InvalidInputError,
    InvalidParamsError,
    NotReadyError,
    UnknownIdError,
)
from gleann.selection.checks import IdMap, as_scores, require_count
from gleann.selection.promises.acceptance import (
    AcceptanceBound,
    failures_bound,
    quantile_bound,
    require_confidence,
)
from gleann.selection.promises.answers import Answers, as_held
from gleann.selection.promises.drawn import require_no_pattern
from gleann.selection.provenance import (
    check_format,
    check_origin,
    ids_hash,
    provenance,
    sealed,
)
from gleann.selection.saved import rebuilding
from gleann.selection.seeds import hashed_order

FORMAT = "gleann.batch-audit/1"
_PARTS = ("params", "data_hash", "ids_hash", "rounds", "labels")


Design = Literal["seeded", "uniform"]

_OLDER = {"design": "seeded"}
"""Parameters that older states lack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditParams:
    """Parameters of an audit.

    Attributes:
        size: rows to check.
        confidence: of the bound.
        seed: the only source of randomness; not used where the caller draws.
        design: "seeded" draws by the ids and the seed; "uniform" states that the caller
            drew, uniformly from the whole batch without replacement, a number fixed
            before and without a look at what was found. A bound holds for no other
            draw.
    """

    size: int
    confidence: float = 0.95
    seed: int = 0
    design: Design = "seeded"

    def __post_init__(self) -> None:
        require_one_of("design", self.design, get_args(Design))
        require_count("size", self.size)
        require_count("seed", self.seed, at_least=0)
        require_confidence(self.confidence)


class BatchAudit:
    """A uniform sample of a batch to check, and the bound on the rest.

    Which rows it draws depends on their ids and the seed, not on their order, so it
    must be started after the batch is chosen and with a seed that played no part in
    the choice.

    Args:
        batch: (m,) distinct ids, such as `Selection.ids`.
        params: of the audit.
        drawn: (size,) ids that the caller drew, for the design "uniform" alone.

    Raises:
        InvalidInputError: no ids; drawn ones that are not in the batch, or in equal
            steps of it where chance hardly draws such; or none for "uniform".
        DuplicateIdError: one twice, as in a draw with replacement.
        InvalidParamsError: a size above the batch, or another than that of `drawn`; or
            `drawn` for another design.
    """

    def __init__(
        self, batch: ArrayLike, params: AuditParams, *, drawn: ArrayLike | None = None
    ) -> None:
        self._names = _names_of(batch)
        self._params = params
        if params.size > len(self._names):
            raise InvalidParamsError(
                f"size is {params.size}, but the batch has {len(self._names)} rows"
            )
        self._answers = Answers(len(self._names))
        self._answers.add_round(self._draw() if drawn is None else self._taken(drawn))

    @property
    def params(self) -> AuditParams:
        """Parameters of the audit."""
        return self._params

    @property
    def labels_used(self) -> int:
        """Rows checked so far."""
        return self._answers.used

    @property
    def ids(self) -> Ids:
        """All ids to check (size,), in the order they were drawn."""
        return self._names.ids_of(self._answers.rounds[0])

    @property
    def pending(self) -> Ids:
        """Ids that are not checked yet."""
        return self._names.ids_of(self._answers.pending)

    def _draw(self) -> Rows:
        """The rows that the seed draws."""
        if self._params.design != "seeded":
            raise InvalidInputError(
                f"the design is {self._params.design!r}: give the ids that were drawn"
            )
        order = hashed_order(
            self._names.held, seed=self._params.seed, purpose="batch audit"
        )
        return order[: self._params.size]

    def _taken(self, drawn: ArrayLike) -> Rows:
        """The rows that the caller drew, if they can be a uniform draw."""
        if self._params.design != "uniform":
            raise InvalidParamsError(
                f"drawn is given, but the design is {self._params.design!r}: only a"
                " uniform draw without replacement has a bound, state design='uniform'"
            )
        rows = _rows_in(self._names, drawn)
        if len(rows) != self._params.size:
            raise InvalidParamsError(
                f"size is {self._params.size}, but {len(rows)} ids were drawn"
            )
        require_no_pattern(rows, batch=len(self._names))
        return rows

    def submit(self, ids: ArrayLike, failed: ArrayLike) -> int:
        """Take results of checked rows; a result may be given twice.

        Args:
            ids: (m,) among those to check.
            failed: (m,) bool: whether the row fails.

        Returns:
            Number of new results.

        Raises:
            InvalidInputError: an id that is not in the batch or not to be checked, or
                a result that contradicts an earlier one.
            DimensionMismatchError: lengths differ.
        """
        rows = _rows_in(self._names, ids)
        held = as_held(failed, n=len(rows), name="failed")
        return self._answers.write(rows, held, ids=self._names.ids_of(rows))

    def bound(self) -> AcceptanceBound:
        """The bound on failures among the other rows of the batch.

        Raises:
            NotReadyError: some rows are not checked.
        """
        if left := len(self._answers.pending):
            raise NotReadyError(
                f"{left} of {self._params.size} rows are not checked: a bound from the"
                " checked ones alone would not hold"
            )
        return failures_bound(
            batch=len(self._names),
            audited=self._params.size,
            failed=int((self._answers.labels == 1).sum()),
            confidence=self._params.confidence,
        )

    def provenance(self) -> dict[str, Any]:
        """Method, params, seed, data_hash and version, as JSON values."""
        return provenance(
            "batch_audit",
            params=asdict(self._params),
            seed=self._params.seed,
            data_hash=ids_hash(self._names.held),
        )

    def state(self) -> dict[str, Any]:
        """All but the ids, as JSON values for `resume`."""
        hashed = ids_hash(self._names.held)
        return sealed(
            {
                "format": FORMAT,
                "params": asdict(self._params),
                "data_hash": hashed,
                "ids_hash": hashed,
                **self._answers.state(),
            }
        )

    @classmethod
    def resume(cls, state: dict[str, Any], batch: ArrayLike) -> "BatchAudit":
        """Continue from `state()`, with the same batch in the same order.

        Raises:
            CorruptDataError: not such a state, or of another batch.
        """
        saved = check_format(state, expected=FORMAT, parts=_PARTS)
        hashed = ids_hash(_names_of(batch).held)
        check_origin(saved, data="batch", data_hash=hashed, ids_hash=hashed)
        names = _names_of(batch)
        answers = Answers.of_state(saved, n=len(names), most=1)
        if not answers.rounds:
            saved.refuse("rounds", "hold no rows")
        with rebuilding("params"):
            params = saved.params("params", AuditParams, absent=_OLDER)
            drawn = None
            if params.design == "uniform":
                drawn = names.ids_of(answers.rounds[0])
            audit = cls(batch, params, drawn=drawn)
        if not np.array_equal(answers.rounds[0], audit._answers.rounds[0]):
            saved.refuse("rounds", "hold other rows than the seed draws")
        audit._answers = answers
        return audit


def acceptance_bound(
    batch: ArrayLike,
    audited: ArrayLike,
    failed: ArrayLike,
    *,
    confidence: float = 0.95,
) -> AcceptanceBound:
    """Bound the failures in a batch from an audit of one's own.

    Args:
        batch: (m,) distinct ids.
        audited: (n,) ids that were drawn uniformly from the batch, without replacement
            and without a look at what was found: the bound holds for no other draw,
            such as the first ones, or rows that seemed doubtful. `BatchAudit` draws so,
            or takes such a draw and refuses what cannot be one.
        failed: (n,) bool.
        confidence: of the bound.

    Raises:
        InvalidInputError: no ids, or audited ones that are not in the batch.
        DuplicateIdError: an id twice.
        DimensionMismatchError: lengths differ.
    """
    names = _names_of(batch)
    rows = _rows_in(names, audited)
    held = as_held(failed, n=len(rows), name="failed")
    return failures_bound(
        batch=len(names),
        audited=len(rows),
        failed=int(held.sum()),
        confidence=confidence,
    )


def score_bound(
    batch: ArrayLike,
    audited: ArrayLike,
    scores: ArrayLike,
    *,
    quantile: float = 0.5,
    confidence: float = 0.95,
) -> float:
    """A score that the rest of a batch has at its quantile or above, from an audit.

    Args:
        batch: (m,) distinct ids.
        audited: (n,) as in `acceptance_bound`, fewer than m.
        scores: (n,) of the audited rows; negated, with 1 - quantile, for an upper end.
        quantile: of the rest; 0.5 is its median.
        confidence: of the bound.

    Raises:
        As `acceptance_bound`; InvalidParamsError also where nothing is left.
    """
    names = _names_of(batch)
    rows = _rows_in(names, audited)
    return quantile_bound(
        as_scores(scores, n=len(rows), name="scores"),
        rest=len(names) - len(rows),
        quantile=quantile,
        confidence=confidence,
    )


def _names_of(batch: ArrayLike) -> IdMap:
    n = as_array(batch, name="batch").size
    if not n:
        raise InvalidInputError("the batch must have at least 1 id, got 0")
    return IdMap(batch, n=n)


def _rows_in(names: IdMap, ids: ArrayLike) -> Any:
    try:
        return names.rows_of(ids)
    except UnknownIdError as error:
        raise InvalidInputError(
            f"the audit is not drawn from the batch of {len(names)}: {error}"
        ) from error

"""What every estimate session over one set of rows holds, saves and resumes."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from gleann.selection.checks import IdMap
from gleann.selection.estimate.labels.known import KnownGroupRows, KnownRows
from gleann.selection.estimate.labels.round_answers import RoundAnswers
from gleann.selection.estimate.params import BEFORE_1_1, EstimateParams
from gleann.selection.provenance import check_origin, ids_hash, provenance, sealed
from gleann.selection.saved import Saved

Rows = TypeVar("Rows", KnownRows, KnownGroupRows)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SessionCore(Generic[Rows]):
    """Parameters, rows and answers of a session; make one with `of`.

    Attributes:
        params: of the estimate.
        names: ids of the rows.
        known: labels known before the session.
        answers: of the rows drawn in the session.
        data_hash: of the proxies or vectors.
        ids_hash: of the ids.
    """

    params: EstimateParams
    names: IdMap
    known: Rows
    answers: RoundAnswers
    data_hash: str
    ids_hash: str

    @classmethod
    def of(
        cls, params: EstimateParams, names: IdMap, known: Rows, *, data_hash: str
    ) -> "SessionCore[Rows]":
        """The core of a new session, without answers."""
        return cls(
            params=params,
            names=names,
            known=known,
            answers=RoundAnswers(names, value_range=params.value_range),
            data_hash=data_hash,
            ids_hash=ids_hash(names.held),
        )

    @classmethod
    def resume(
        cls,
        saved: Saved,
        names: IdMap,
        known_of: Callable[[Saved], Rows],
        *,
        data: str,
        data_hash: str,
    ) -> "SessionCore[Rows]":
        """The core of a saved session; its answers are restored by the session.

        Args:
            saved: the state.
            names: ids of the rows now.
            known_of: reads the labels known before from their part of the state.
            data: the session's data as the message names it: "vectors" or "proxies".
            data_hash: of the data now.

        Raises:
            CorruptDataError: other data or ids than the session was started with, or
                parameters that do not fit.
        """
        params = saved.params("params", EstimateParams, absent=BEFORE_1_1)
        now = ids_hash(names.held)
        check_origin(saved, data=data, data_hash=data_hash, ids_hash=now)
        return cls(
            params=params,
            names=names,
            known=known_of(saved.part("known")),
            answers=RoundAnswers(names, value_range=params.value_range),
            data_hash=data_hash,
            ids_hash=now,
        )

    def provenance(self, method: str, **more: int) -> dict[str, Any]:
        """Provenance of the session's answers, with parameters beyond `params`."""
        return provenance(
            method,
            params={**asdict(self.params), **more},
            seed=self.params.seed,
            data_hash=self.data_hash,
        )

    def state(self, state_format: str, **parts: Any) -> dict[str, Any]:
        """The sealed state: what the core holds but for the answers, and `parts`."""
        return sealed(
            {
                "format": state_format,
                "params": asdict(self.params),
                "data_hash": self.data_hash,
                "ids_hash": self.ids_hash,
                "known": self.known.state(),
                **parts,
            }
        )

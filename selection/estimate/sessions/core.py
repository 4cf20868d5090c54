"""What every estimate session over one set of rows holds, saves and resumes."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from gleann.index.arrays import Rows
from gleann.selection.among import Among, origin_of, rows_in_all, state_of
from gleann.selection.checks import IdMap
from gleann.selection.estimate.labels.known import KnownGroupRows, KnownRows
from gleann.selection.estimate.labels.round_answers import RoundAnswers
from gleann.selection.estimate.params import BEFORE_1_1, EstimateParams
from gleann.selection.estimate.population import Population
from gleann.selection.provenance import check_origin, ids_hash, provenance, sealed
from gleann.selection.result import Selection
from gleann.selection.saved import Saved

CORE_PARTS = ("params", "data_hash", "ids_hash", "known")
"""What every state holds, as `SessionCore.state` makes it."""

Known = TypeVar("Known", KnownRows, KnownGroupRows)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SessionCore(Generic[Known]):
    """Parameters, rows and answers of a session; make one with `of`.

    Rows are numbered within the population, which `among` may limit; what leaves the
    session is numbered in all rows.

    Attributes:
        params: of the estimate.
        names: ids of the rows of the population.
        known: labels known before the session.
        answers: of the rows drawn in the session.
        data_hash: of the proxies or vectors.
        ids_hash: of the ids.
        among: the rows of the population; None for all.
    """

    params: EstimateParams
    names: IdMap
    known: Known
    answers: RoundAnswers
    data_hash: str
    ids_hash: str
    among: Among | None

    @classmethod
    def of(
        cls,
        params: EstimateParams,
        population: Population,
        known: Known,
        *,
        data_hash: str,
    ) -> "SessionCore[Known]":
        """The core of a new session, without answers."""
        return cls(
            params=params,
            names=population.names,
            known=known,
            answers=RoundAnswers(population.names, value_range=params.value_range),
            data_hash=data_hash,
            ids_hash=ids_hash(population.names.held),
            among=population.among,
        )

    @classmethod
    def resume(
        cls,
        saved: Saved,
        population: Population,
        known_of: Callable[[Saved], Known],
        *,
        data: str,
        data_hash: str,
    ) -> "SessionCore[Known]":
        """The core of a saved session; its answers are restored by the session.

        Args:
            saved: the state.
            population: with the ids of its rows now.
            known_of: reads the labels known before from their part of the state.
            data: the session's data as the message names it: "vectors" or "proxies".
            data_hash: of the data now.

        Raises:
            CorruptDataError: other data or ids than the session was started with, or
                parameters that do not fit.
        """
        params = saved.params("params", EstimateParams, absent=BEFORE_1_1)
        now = ids_hash(population.names.held)
        check_origin(saved, data=data, data_hash=data_hash, ids_hash=now)
        return cls(
            params=params,
            names=population.names,
            known=known_of(saved.part("known")),
            answers=RoundAnswers(population.names, value_range=params.value_range),
            data_hash=data_hash,
            ids_hash=now,
            among=population.among,
        )

    def provenance(self, method: str, **more: int) -> dict[str, Any]:
        """Provenance of the session's answers, with parameters beyond `params`."""
        return {
            **provenance(
                method,
                params={**asdict(self.params), **more},
                seed=self.params.seed,
                data_hash=self.data_hash,
            ),
            **origin_of(self.among),
            **({"known_outside": n} if (n := self.known.outside) else {}),
        }

    def in_all(self, rows: Rows) -> Rows:
        """Rows (m,) of the population, numbered in all rows."""
        return rows_in_all(rows, self.among)

    def placed(self, selection: Selection) -> Selection:
        """A batch of a session over the population, its rows numbered in all rows."""
        return selection if self.among is None else self.among.placed(selection)

    def state(self, state_format: str, **parts: Any) -> dict[str, Any]:
        """The sealed state: what the core holds but for the answers, and `parts`."""
        return sealed(
            {
                "format": state_format,
                "params": asdict(self.params),
                "data_hash": self.data_hash,
                "ids_hash": self.ids_hash,
                "known": self.known.state(),
                **state_of(self.among),
                **parts,
            }
        )

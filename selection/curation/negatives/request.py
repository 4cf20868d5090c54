"""What to mine: queries, their positives, and which rows are hard enough."""

from dataclasses import dataclass
from typing import Literal, get_args

from numpy.typing import ArrayLike

from gleann.index import SearchParams
from gleann.index.checks import require_number, require_one_of
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.nouns import number_of
from gleann.selection.among import AmongLike
from gleann.selection.checks import require_between, require_count
from gleann.selection.curation.negatives.positives import Positives

Sampling = Literal["top", "random"]
"""Which of the rows that qualify are taken."""

WINDOW = (0, 200)
"""Ranks of candidates: STAR takes the first 200."""

TARGET_RECALL = 0.99


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NegativesRequest:
    """Rows that resemble a query and do not answer it.

    Similarity is the cosine, the inner product, or minus the squared L2 distance.

    Attributes:
        queries: (m, d) vectors; None where there are `query_ids`.
        query_ids: (m,) ids of rows of the index that are the queries; they are never
            their own negatives. None where there are `queries`.
        positives: the rows that answer each query; they are never negatives of it.
        per_query: negatives of each query.
        window: first rank, from 0, and the rank after the last, among the rows that
            remain without the positives, their near-duplicates and the query.
        max_similarity: no negative is more similar to its query; None for no limit.
        margin: a negative is less similar than every positive of its query, by this at
            least (0 takes semi-hard negatives); None for no limit.
        relative_margin: a negative has at most this share of the similarity of every
            positive of its query, such as 0.95; where that is negative, as much less.
            Under cosine and ip; None for no limit.
        duplicate_radius: rows within this distance of a positive are near-duplicates of
            it and never negatives: 1 - cos, or squared L2 (under ip too). 0 leaves out
            equal rows; None leaves out none.
        sampling: "top" takes the most similar, "random" a uniform draw of all that
            qualify.
        among: the rows to mine: a mask (n,) of bool, or ids; None for all.
        target_recall: of the searches; 1 looks at every row.
        seed: of random draws.

    Raises:
        InvalidInputError: both kinds of queries, or neither.
        InvalidParamsError: a parameter out of its range.
    """

    positives: Positives
    per_query: int
    queries: ArrayLike | None = None
    query_ids: ArrayLike | None = None
    window: tuple[int, int] = WINDOW
    max_similarity: float | None = None
    margin: float | None = None
    relative_margin: float | None = None
    duplicate_radius: float | None = None
    sampling: Sampling = "top"
    among: AmongLike | None = None
    target_recall: float = TARGET_RECALL
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.queries is None) == (self.query_ids is None):
            given = "neither" if self.queries is None else "both"
            raise InvalidInputError(
                f"give queries or query_ids of the index, got {given}"
            )
        require_count("per_query", self.per_query)
        require_count("seed", self.seed, at_least=0)
        require_one_of("sampling", self.sampling, get_args(Sampling))
        SearchParams(target_recall=self.target_recall)
        _require_window(self.window, self.per_query)
        if self.max_similarity is not None:
            require_number("max_similarity", self.max_similarity)
        for name, high in (
            ("margin", float("inf")),
            ("relative_margin", 1.0),
            ("duplicate_radius", float("inf")),
        ):
            if getattr(self, name) is not None:
                require_between(name, getattr(self, name), low=0, high=high)


def _require_window(window: object, per_query: int) -> None:
    if not isinstance(window, tuple | list) or len(window) != 2:
        raise InvalidParamsError(f"window must be two ranks, got {window!r:.80}")
    low, high = window
    require_count("first rank of window", low, at_least=0)
    require_count("end of window", high)
    if high - low < per_query:
        raise InvalidParamsError(
            f"window {low}..{high} has {number_of(max(0, high - low), 'ranks')}, but"
            f" per_query is {per_query}"
        )

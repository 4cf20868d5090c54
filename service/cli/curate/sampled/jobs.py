"""Parameters of the commands that ask for labels of a sample."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.selection.estimate.means import MeansParams, Statistic
from gleann.selection.estimate.means.params import Joint
from gleann.selection.promises import AuditParams, PromiseParams
from gleann.selection.promises.batch_audit import Design
from gleann.selection.promises.params import Promise
from gleann.service.cli.curate.served.options import ServedOptions
from gleann.service.cli.place import place_options

Callback = TypeVar("Callback", bound=Callable[..., None])


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions(ServedOptions):
    """Parameters of a session that a server may keep; jobs inherit them.

    Attributes:
        todo: file for the items to label.
        oracle_csv: file with the answers so far.
        session: one that was started before, or None.
    """

    todo: Path
    oracle_csv: Path
    session: str | None = None

    @property
    def is_served(self) -> bool:
        """Whether a server or a data directory has the items.

        Raises:
            InvalidInputError: --session, and neither.
        """
        served = self.server is not None or self.data is not None
        if self.session is not None and not served:
            raise InvalidInputError(
                "--session names one of a server: give --server or --data too"
            )
        return served

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of columns that tell sessions on the same files apart."""
        return ()


def session_place_options(function: Callback) -> Callback:
    """The options of a place, and --session."""
    session = click.option(
        "--session",
        metavar="NAME",
        help="With --server or --data: go on with this session, which was started"
        " before. The same command does so by itself.",
    )
    return place_options(session(function))


def index_option(function: Callback) -> Callback:
    """The option --index of a command that needs none here."""
    return click.option(
        "--index",
        metavar="NAME",
        help="With --server or --data: the index that has the items.",
    )(function)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseJob(SessionOptions):
    """Parameters of `gleann curate promise`."""

    proxy: Path
    promise: Promise
    target: float
    budget: int
    confidence: float
    seed: int
    out: Path
    index: str | None
    state: Path | None
    resume: bool
    overwrite: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """The column of payload that is the proxy, with its colon; none for a file."""
        given = str(self.proxy)
        return (given,) if given.startswith(":") else ()

    @property
    def params(self) -> PromiseParams:
        """Parameters of the session."""
        return PromiseParams(
            promise=self.promise,
            target=self.target,
            budget=self.budget,
            confidence=self.confidence,
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptanceJob(SessionOptions):
    """Parameters of `gleann curate acceptance`."""

    batch: Path
    size: int | None
    drawn: Path | None
    confidence: float
    seed: int
    index: str | None
    out: Path
    overwrite: bool

    def require_one_draw(self) -> None:
        """Refuse a job of which nobody draws the items, or two do.

        Raises:
            InvalidParamsError: with what is given.
        """
        if (self.size is None) == (self.drawn is None):
            given = "neither" if self.size is None else "both"
            raise InvalidParamsError(
                f"give --size or --drawn, one of them: got {given}"
            )

    @property
    def design(self) -> Design:
        """Who draws the items: the audit by its seed, or the user."""
        return "seeded" if self.drawn is None else "uniform"

    def params(self, *, drawn: int | None) -> AuditParams:
        """Parameters of the audit; `drawn` is how many ids the user drew, or None."""
        size = self.size if drawn is None else drawn
        assert size is not None, "one of both is there"
        return AuditParams(
            size=size,
            confidence=self.confidence,
            seed=self.seed,
            design=self.design,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MeansJob(SessionOptions):
    """Parameters of `gleann curate means`."""

    items: Path | None
    index: Path | None
    mean: tuple[str, ...]
    share: tuple[str, ...]
    avg: tuple[str, ...]
    control: tuple[str, ...]
    group: tuple[str, ...]
    stratify_by: str | None
    strata: int
    strata_cut: str
    budget: int
    confidence: float
    joint: Joint
    seed: int
    out: Path
    state: Path | None
    resume: bool
    overwrite: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """The controls, and after an empty name the groups."""
        return (*self.control, "", *self.group)

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The means, then the shares, then the averages."""
        return (
            *(Statistic(name=name, kind="mean") for name in self.mean),
            *(Statistic(name=name, kind="share") for name in self.share),
            *(Statistic(name=name, kind="avg") for name in self.avg),
        )

    @property
    def params(self) -> MeansParams:
        """Parameters of the session."""
        return MeansParams(
            statistics=self.statistics,
            budget=self.budget,
            stratify_by=self.stratify_by,
            strata=self.strata,
            strata_cut=self.strata_cut,
            confidence=self.confidence,
            joint=self.joint,
            seed=self.seed,
        )

"""What commands have in common that ask a person for labels, and go on with them."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, TypeVar

import click
from numpy.typing import ArrayLike

from gleann.index.arrays import Ids
from gleann.selection.result import Selection
from gleann.service.cli import options
from gleann.service.cli.files import output_paths
from gleann.service.cli.files.output_paths import OutputPath
from gleann.service.cli.files.session_file import SavableSession, SessionFile

Callback = TypeVar("Callback", bound=Callable[..., None])


class LabelSession(SavableSession, Protocol):
    """A session that asks for one kind of label."""

    @property
    def labelled_ids(self) -> Ids:
        """Ids that are labelled."""

    def next_batch(self) -> Selection:
        """The rows to label next; empty at the end."""

    def submit(self, ids: Ids, labels: ArrayLike, /) -> int:
        """Take labels."""


Asking = TypeVar("Asking", bound=LabelSession)

Ask = Callable[[Ids], ArrayLike]
"""The answers of ids (m,); raises LabelsNeeded where some have none."""


def todo_option(columns: str) -> Callable[[Callback], Callback]:
    """The option --todo of a file with these columns."""
    return click.option(
        "--todo",
        type=options.PATH,
        default=Path("todo.csv"),
        show_default=True,
        help=f"File for the items to label: {columns}; every run rewrites it.",
    )


def session_options(function: Callback) -> Callback:
    """The options --state and --resume."""
    state = click.option(
        "--state",
        type=options.PATH,
        help="File for the session: a run continues from it if it is there, instead of"
        " repeating all rounds. One of other data or parameters is refused;"
        " --overwrite replaces it.",
    )
    resume = click.option(
        "--resume", is_flag=True, help="Continue from --state, which must be there."
    )
    return state(resume(function))


def require_outputs(
    out: OutputPath,
    todo: Path,
    state: Path | None,
    *,
    pages: Iterable[OutputPath],
    inputs: Iterable[Path | None],
    overwrite: bool,
) -> None:
    """Refuse output paths of a command that asks for labels, before any work.

    Raises:
        As `output_paths.require_writable`.
    """
    kept = [OutputPath(flag="--state", path=state, replaces=True)] if state else []
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        output_paths.table("--todo", todo, replaces=True),
        *kept,
        *pages,
        inputs=inputs,
        overwrite=overwrite,
    )


def json_file(path: Path) -> OutputPath:
    """The file of --out that holds numbers as JSON."""
    return OutputPath(flag="--out", path=path, suffixes=(".json",))


def unchanged(session: Asking, known: Callable[[Ids], Ids], ask: Ask) -> Asking:
    """A resumed session, whose labels are those of the answers file.

    Args:
        session: resumed.
        known: which of some ids have an answer.
        ask: the answers of ids.

    Raises:
        InvalidInputError: an answer differs from that given before.
    """
    ids = known(session.labelled_ids)
    session.submit(ids, ask(ids))
    return session


def label(session: LabelSession, ask: Ask, file: SessionFile) -> None:
    """Submit the answers, a whole round at a time, and keep the session after each.

    A person then gets all questions of a round at once.

    Raises:
        LabelsNeeded: the answers lack some of a round's.
    """
    while len(batch := session.next_batch()):
        file.keep(session)
        session.submit(batch.ids, ask(batch.ids))
    file.keep(session)

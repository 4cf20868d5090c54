"""Options that several commands share, and command lines as values."""

import errno
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Literal, NoReturn, TypeVar, get_args

import click

from gleann.index.checks import MAX_THREADS
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.filters.condition import Condition
from gleann.index.params import EntryCodes, Keep, Metric
from gleann.service.cli.exit_codes import MEANINGS
from gleann.service.cli.say import json_option
from gleann.service.values import DeviceChoice

Job = TypeVar("Job")
Callback = TypeVar("Callback", bound=Callable[..., None])


_VERBS = "is|are|must|has|have|needs|need|cannot|of"
"""What follows the name of a parameter at the begin of a message."""


_GIVE = r"(?<=^give )(one of )?\w+(, \w+)*( (or|and) \w+)?"
"""Names of parameters of which one must be given, at the begin of a message."""


class _Path(click.Path):
    """A path that is not empty; `Path("")` would be the current folder."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        if not os.fspath(value):
            self.fail("the path is empty", param, ctx)
        if why := _impossible(value):
            self.fail(why, param, ctx)
        return Path(value)


def _impossible(path: str | os.PathLike[str]) -> str:
    """Why no file can have this path, or ""; most calls raise it, each in its way."""
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return f"{error.strerror}: {os.fspath(path)[:SHOWN_CHARACTERS]}..."
    except ValueError:
        return "the path has a NUL"
    return ""


SHOWN_CHARACTERS = 60
"""Of a path that is too long."""

PATH = _Path(path_type=Path)
"""A path; whether it exists is for the reader to say, with its own error."""


def takes(
    job: Callable[..., Job],
) -> Callable[[Callable[[Job], None]], Callable[..., None]]:
    """Pass the parsed parameters to a command as one `job` value; add --json.

    `job` is a dataclass with one field per click parameter, with the same name, or
    makes the value of these parameters.
    """

    def decorate(function: Callable[[Job], None]) -> Callable[..., None]:
        @wraps(function)
        def callback(**parsed: object) -> None:
            try:
                function(job(**parsed))
            except (InvalidParamsError, InvalidInputError) as error:
                flags = _flags(click.get_current_context().command)
                raise type(error)(_in_flags(str(error), flags)) from error

        return json_option(callback)

    return decorate


def _flags(command: click.Command) -> dict[str, str]:
    """The first spelling of each option, by all its names in Python."""
    return {
        spelling.lstrip("-").replace("-", "_"): option.opts[0]
        for option in command.params
        if isinstance(option, click.Option)
        for spelling in option.opts
    }


def _in_flags(message: str, flags: dict[str, str]) -> str:
    """A message of the library with its parameters as the options that set them."""

    def named(found: re.Match[str]) -> str:
        return flags.get(found[0], found[0])

    message = re.sub(rf"^\w+(?= ({_VERBS})\b)", named, message)
    message = re.sub(_GIVE, lambda found: re.sub(r"\w+", named, found[0]), message)
    # After a colon it is a key of a file.
    return re.sub(r"(?<![\w/.-])(?<!: )[a-z]+(_[a-z]+)+(?![\w/.-])", named, message)


def layout_options(function: Callback) -> Callback:
    """Add the options of what an index holds in memory, and of a budget for it."""
    memory = click.option(
        "--memory",
        metavar="SIZE",
        help="Memory that the index may take, such as 8GB: chooses --keep,"
        " --entry-codes and --projection where they are not given.",
    )
    return kept_options(memory(function))


def kept_options(function: Callback) -> Callback:
    """Add the options of what an index holds in memory."""
    for option in reversed(_KEPT_OPTIONS):
        function = option(function)
    return function


_KEPT_OPTIONS = (
    click.option(
        "--keep",
        type=click.Choice(get_args(Keep)),
        help="What is kept of the rows to re-rank: f32, the default; half of it; or"
        " disk, which reads the rows that a query needs.",
    ),
    click.option(
        "--entry-codes",
        type=click.Choice(get_args(EntryCodes)),
        help="Whether both entries of a row have its code, the default, or share it:"
        " slower, in half the memory.",
    ),
    click.option(
        "--projection",
        type=int,
        metavar="P",
        help="Dimensions of the int8 codes; all by default. Fewer take less memory, and"
        " more rows are re-ranked.",
    ),
)


def parse_nlist(
    _context: click.Context, _option: click.Parameter, text: str
) -> int | Literal["auto"]:
    """Parse `--nlist` into the value that `BuildParams` accepts."""
    if text == "auto":
        return "auto"
    try:
        return int(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is neither auto nor an integer") from error


def examples(*lines: str) -> str:
    """Format example command lines for the end of a help text."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def exit_codes() -> str:
    """Format the exit codes for the end of a help text."""
    lines = (f"  {code:<4} {meaning}" for code, meaning in MEANINGS.items())
    return "\b\nExit codes:\n" + "\n".join(lines)


def out_option(example: str) -> Callable[[Callback], Callback]:
    """The option --out for the output file."""
    return click.option(
        "--out",
        type=PATH,
        required=True,
        help=f"File to write, such as {example}; the suffix decides the format.",
    )


def overwrite_option(function: Callback) -> Callback:
    """The option --overwrite."""
    return click.option(
        "--overwrite", is_flag=True, help="Replace the output if it exists."
    )(function)


def progress_option(function: Callback) -> Callback:
    """The option --progress."""
    return click.option(
        "--progress",
        is_flag=True,
        help="Show progress bars even if stderr is not a terminal.",
    )(function)


def dry_run_option(function: Callback) -> Callback:
    """The option --dry-run."""
    return click.option(
        "--dry-run",
        is_flag=True,
        help="Only check the request, and say what it would do and take.",
    )(function)


def verbose_option(function: Callback) -> Callback:
    """The option --verbose."""
    return click.option(
        "--verbose", "-v", is_flag=True, help="Also print how the work was done."
    )(function)


def seed_option(function: Callback) -> Callback:
    """The option --seed."""
    return click.option(
        "--seed", default=0, show_default=True, help="The only source of randomness."
    )(function)


def column_options(function: Callback) -> Callback:
    """Options for the columns of vectors and ids."""
    vectors = click.option(
        "--vectors-column",
        help="Column with the vectors, or array of a .npz or HDF5 file; needed if"
        " several qualify.",
    )
    ids = click.option(
        "--id-column",
        help="Column with the ids; by default id if there is one, else row"
        " numbers. '' takes row numbers always.",
    )
    return vectors(ids(function))


@dataclass(frozen=True, kw_only=True)  # no slots, so that a job has other bases too
class FilterOptions:
    """Parameters of a filter on payload; jobs inherit them.

    Attributes:
        where: the condition, or None for no filter.
        param: values of $1, $2 and so on, as they are written.
    """

    where: str | None = None
    param: tuple[str, ...] = ()

    @property
    def parameters(self) -> tuple[object, ...]:
        """The values of $1, $2 and so on.

        What is JSON has the value that it has there, all else is text.
        """
        return tuple(map(_parameter, self.param))


def filter_options(function: Callback) -> Callback:
    """The options --where and --param."""
    where = click.option(
        "--where",
        metavar="CONDITION",
        help="Condition on payload as in SQL, such as \"split = 'train' AND score >"
        ' $1".',
    )
    param = click.option(
        "--param",
        metavar="VALUE",
        multiple=True,
        help="Value of $1; repeat for $2 and so on. 5, 0.5, true, null and [1, 2] are"
        " what they are in JSON, all else is text; so is '\"5\"'.",
    )
    return where(param(function))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")


def _parameter(text: str) -> object:
    try:
        value: object = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, dict) else value


def metric_option(function: Callback) -> Callback:
    """The option --metric of selections."""
    return click.option(
        "--metric",
        type=click.Choice(get_args(Metric)),
        help="Distance metric of a file of vectors: cosine by default, as in `gleann"
        " build`, or l2 if a row is a zero vector. An index has its own.",
    )(function)


def threads_option(function: Callback) -> Callback:
    """The option --threads."""
    return click.option(
        "--threads",
        type=click.IntRange(0, MAX_THREADS),
        default=0,
        show_default=True,
        help="0 uses all cores.",
    )(function)


def engine_options(function: Callback) -> Callback:
    """The options --engine and --threads."""
    engine = click.option(
        "--engine",
        default="auto",
        show_default=True,
        help="auto, native, faiss, faiss-gpu, reference, torch or triton; `gleann"
        " doctor` lists the available ones.",
    )
    return engine(threads_option(function))


def device_option(what: str) -> Callable[[Callback], Callback]:
    """The option --device; `what` is the work in its help text."""
    return click.option(
        "--device",
        type=click.Choice(get_args(DeviceChoice)),
        default="cpu",
        show_default=True,
        help=f"Where {what}. auto and cuda fall back to the CPU, require-cuda does"
        " not.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """Parameters of a command's report; jobs inherit them.

    Attributes:
        report: page to write, or None for no report.
        show_from: file with the columns below; None is the job's own input.
        show_column: columns whose text is shown.
        image_column: column with pictures, or None.
        class_column: column with a class of every row, or None.
    """

    report: Path | None = None
    show_from: Path | None = None
    show_column: tuple[str, ...] = ()
    image_column: str | None = None
    class_column: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AmongOptions(ReportOptions):
    """Parameters of the items to choose among, and of the report; jobs inherit them.

    Attributes:
        where: the condition that they meet, or None for all.
        param: values of $1, $2 and so on, as they are written.
        payload: file with the columns of the condition, or None.
    """

    where: str | None = None
    param: tuple[str, ...] = ()
    payload: Path | None = None

    @property
    def condition(self) -> Condition | None:
        """The condition, or None.

        Raises:
            InvalidFilterError: --param without --where.
        """
        return Condition.of(self.where, tuple(map(_parameter, self.param)))


def among_options(function: Callback) -> Callback:
    """The options --where, --param and --payload."""
    payload = click.option(
        "--payload",
        type=PATH,
        help="Columns of --where, one row an item in their order (.csv, .jsonl or"
        " .parquet); by default those of the index, or of a parquet file of items.",
    )
    return filter_options(payload(function))


def report_option(function: Callback) -> Callback:
    """The option --report alone."""
    return click.option(
        "--report",
        type=PATH,
        help="Also write a page with the result in tables and charts: one .html file"
        " that needs nothing else.",
    )(function)


def report_options(function: Callback) -> Callback:
    """The option --report, and what its page shows of single rows."""
    decorators = [
        report_option,
        click.option(
            "--show-column",
            multiple=True,
            help="Column whose text the report shows of single rows. Repeat for more.",
        ),
        click.option(
            "--image-column",
            help="Column with pictures for the report: bytes, or paths from its file's"
            " folder.",
        ),
        click.option(
            "--class-column",
            help="Column with the class of every row, by which the report counts.",
        ),
        click.option(
            "--show-from",
            type=PATH,
            help="Parquet, csv or jsonl file with these columns, by its column id or in"
            " row order; by default the input, if that is such a file.",
        ),
    ]
    for decorator in reversed(decorators):
        function = decorator(function)
    return function

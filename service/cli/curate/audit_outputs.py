"""Output files of `gleann curate audit`, and what it prints."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gleann.index.errors import InvalidInputError
from gleann.service.cli.curate.audit_inputs import AuditJob, chosen_file
from gleann.service.cli.files import output_paths
from gleann.service.cli.files.output_paths import OutputPath
from gleann.service.cli.say import say
from gleann.service.report.measures.some import some_of
from gleann.service.report.numerals import short

MOST_LINES = 12
"""Groups, orders and shares that are printed."""

Line = Mapping[str, Any]


def require_outputs(
    job: AuditJob,
    *,
    pages: Iterable[OutputPath] = (),
    more: Iterable[Path | None] = (),
) -> None:
    """Refuse outputs of groups without any, and paths that cannot be written.

    Args:
        job: of the command.
        pages: of the report.
        more: input files besides that of the choice.

    Raises:
        InvalidInputError: --groups-out or --parts-out without groups.
        and those of `output_paths.require_writable`.
    """
    of_groups = {"--groups-out": job.groups_out, "--parts-out": job.parts_out}
    if not (job.groups or job.group_column):
        for flag, path in of_groups.items():
            if path is not None:
                raise InvalidInputError(
                    f"{flag} needs groups: give --groups or --group-column"
                )
    out = output_paths.table("--out", job.out)
    tables = {"--coverage-out": job.coverage_out, **of_groups}
    output_paths.require_writable(
        out,
        output_paths.manifest(out),
        *(output_paths.table(flag, path) for flag, path in tables.items() if path),
        *pages,
        inputs=(chosen_file(job.chosen)[0], job.payload, *more),
        overwrite=job.overwrite,
    )


def columns_as_lines(columns: Mapping[str, Any]) -> list[Line]:
    """Columns (m,) as m lines."""
    held = [values.tolist() for values in columns.values()]
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*held, strict=True)
    ]


def say_audit(
    job: AuditJob,
    sets: Sequence[Line],
    groups: Sequence[Line],
    *,
    room: str,
    seconds: float,
) -> None:
    """Print the scores and radii of the choice beside those of random items.

    Args:
        job: of the command.
        sets: a line for each set, by the column "set".
        groups: a line for each group: column, group, pool, chosen.
        room: the items, in words.
        seconds: that it took.
    """
    by_name = {str(one["set"]): one for one in sets}
    ours, theirs = by_name["chosen"], by_name["random"]
    say(
        f"{job.out}: {ours['rows']:,} of {room} measured in {seconds:.2f} s, beside as"
        " many random ones"
    )
    orders = [name for name in ours if name.startswith("vendi_")]
    for name in (orders[at] for at in some_of(len(orders), [], most=MOST_LINES)):
        score, other = ours[name], theirs[name]
        say(
            f"Vendi score of order {name.removeprefix('vendi_')}: {short(score)},"
            f" random {short(other)} ({short(score / other)} times)"
        )
    _say_left(len(orders), "orders", "--out")
    shares = [name for name in ours if name.startswith("radius_")]
    last = len(shares) - 1
    for name in (shares[at] for at in some_of(len(shares), [last], most=MOST_LINES)):
        say(
            f"{100 * float(name.removeprefix('radius_')):g} % of the items within"
            f" {short(ours[name])}, random {short(theirs[name])}"
        )
    _say_left(len(shares), "shares", "--coverage-out")
    for column in dict.fromkeys(str(one["column"]) for one in groups):
        _say_bare(column, [one for one in groups if one["column"] == column])


def _say_left(count: int, what: str, where: str) -> None:
    """Say how many are not printed."""
    if count > MOST_LINES:
        say(f"{count - MOST_LINES:,} of {count:,} {what} are left out; {where} has all")


def _say_bare(column: str, groups: Sequence[Line]) -> None:
    """Print the groups that are not in the choice."""
    bare = [str(one["group"]) for one in groups if not one["chosen"]]
    if not bare:
        return
    shown = ", ".join(bare[:MOST_LINES])
    more = ", ..." if len(bare) > MOST_LINES else ""
    say(
        f"{len(bare):,} of {len(groups):,} values of {column} are not in the choice:"
        f" {shown}{more}"
    )

"""`gleann keys`: API keys of a server; their file has no secrets."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import click

from gleann.index.errors import AlreadyExistsError, InvalidParamsError, StorageError
from gleann.service.calls.caller import Grant, Right
from gleann.service.cli import options
from gleann.service.cli.groups import SuggestingGroup
from gleann.service.cli.say import result, say
from gleann.service.security.key_ring import Key
from gleann.service.security.keys_file import changing, others_may, read_keys
from gleann.service.security.making_keys import new_key, revoked, rotated, with_key

Callback = TypeVar("Callback", bound=Callable[..., None])

FILE_VARIABLE = "GLEANN_SECURITY_KEYS_FILE"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"(\d{1,5})([smhdw])")
_RIGHTS = tuple(right.name.lower() for right in Right)


@click.group(
    "keys",
    cls=SuggestingGroup,
    short_help="Make, list, rotate and revoke API keys of a server.",
    invoke_without_command=True,
    epilog=options.examples(
        "gleann keys add app --right read --index 'docs-*' --keys keys.json",
        "gleann serve --data library --keys keys.json",
        "gleann keys rotate app --overlap 24h --keys keys.json",
    ),
)
@click.pass_context
def command(context: click.Context) -> None:
    """Work on a file of API keys; a server that uses it follows within a second.

    The file keeps names, rights and hashes: a key is shown once, when it is made.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def duration(text: str, name: str) -> timedelta:
    """A duration such as "90d", "12h", "30m", "45s" or "2w".

    Raises:
        InvalidParamsError: another text, or nothing at all.
    """
    match = _DURATION.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise InvalidParamsError(
            f"{name} must be a number of s, m, h, d or w, such as 90d, got"
            f" {text[:40]!r}"
        )
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def file_option(function: Callback) -> Callback:
    """The option --keys."""
    return click.option(
        "--keys",
        type=options.PATH,
        required=True,
        envvar=FILE_VARIABLE,
        help=f"The keys file of the server; also read from {FILE_VARIABLE}.",
    )(function)


def out_option(function: Callback) -> Callback:
    """The option --out for the key."""
    return click.option(
        "--out",
        type=options.PATH,
        help="New file for the key, for this user only; without it, it is printed.",
    )(function)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddJob:
    """Parameters of `gleann keys add`."""

    name: str
    right: str
    index: tuple[str, ...]
    expires: str | None
    keys: Path
    out: Path | None


@command.command(
    "add",
    short_help="Make a key.",
    epilog=options.examples(
        "gleann keys add app --right read --index docs --keys keys.json",
        "gleann keys add team --right write --index 'team-*' --expires 90d"
        " --keys keys.json --out team.key",
        "gleann keys add ops --right admin --index '*' --keys keys.json",
    ),
)
@click.argument("name")
@click.option(
    "--right",
    type=click.Choice(_RIGHTS),
    required=True,
    help="read: look and search. write: also change vectors, build, select and label."
    " admin: also make, change and delete indexes and snapshots.",
)
@click.option(
    "--index",
    multiple=True,
    required=True,
    metavar="PATTERN",
    help="Indexes on which it has the right, such as docs or 'team-*'; '*' is all; may"
    " be repeated.",
)
@click.option(
    "--expires",
    metavar="DURATION",
    help="For how long it is good, such as 90d or 12h; without it, until revoked.",
)
@file_option
@out_option
@options.takes(AddJob)
def add_command(job: AddJob) -> None:
    """Make the key NAME and print it: the only time that it is shown."""
    now = datetime.now(UTC)
    lasts = None if job.expires is None else duration(job.expires, "expires")
    grants = [Grant(Right[job.right.upper()], pattern) for pattern in job.index]
    key, token = new_key(
        job.name, grants, now=now, expires=None if lasts is None else now + lasts
    )
    with changing(job.keys) as replace:
        found = with_key(read_keys(job.keys) if job.keys.exists() else (), key)
        with _giving(token, job.out):
            replace(found)
    result(**_described(key, now))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListJob:
    """Parameters of `gleann keys list`."""

    keys: Path


@command.command(
    "list",
    short_help="List keys with their rights.",
    epilog=options.examples("gleann keys list --keys keys.json"),
)
@file_option
@options.takes(ListJob)
def list_command(job: ListJob) -> None:
    """List all keys: name, id, state, rights and indexes."""
    now = datetime.now(UTC)
    found = [_described(key, now) for key in read_keys(job.keys)]
    for one in found:
        ends = "" if one["expires"] is None else f" until {one['expires']}"
        say(f"{one['name']}  {one['key_id']}  {one['state']}{ends}  {one['grants']}")
    if may := others_may(job.keys):
        click.echo(f"gleann: other users may {may} {job.keys}: chmod 600", err=True)
    result(keys=found)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeJob:
    """Parameters of `gleann keys revoke`."""

    name: str
    keys: Path


@command.command(
    "revoke",
    short_help="Make a key useless.",
    epilog=options.examples("gleann keys revoke app --keys keys.json"),
)
@click.argument("name")
@file_option
@options.takes(RevokeJob)
def revoke_command(job: RevokeJob) -> None:
    """Revoke the key NAME, and the older ones of that name that are still good."""
    now = datetime.now(UTC)
    with changing(job.keys) as replace:
        keys = read_keys(job.keys)
        replace(revoked(keys, job.name, now=now))
    number = sum(key.name == job.name and key.is_good(now) for key in keys)
    say(f"revoked {job.name}: {number} key{'s' if number > 1 else ''}")
    result(name=job.name, revoked=number)


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateJob:
    """Parameters of `gleann keys rotate`."""

    name: str
    overlap: str
    keys: Path
    out: Path | None


@command.command(
    "rotate",
    short_help="Replace a key by a new one with the same rights.",
    epilog=options.examples(
        "gleann keys rotate app --keys keys.json",
        "gleann keys rotate app --overlap 1h --keys keys.json --out app.key",
    ),
)
@click.argument("name")
@click.option(
    "--overlap",
    metavar="DURATION",
    default="24h",
    show_default=True,
    help="For how long the old key stays good.",
)
@file_option
@out_option
@options.takes(RotateJob)
def rotate_command(job: RotateJob) -> None:
    """Make a new key of the name NAME and print it; the old one is good for a while."""
    now = datetime.now(UTC)
    overlap = duration(job.overlap, "overlap")
    with changing(job.keys) as replace:
        keys = read_keys(job.keys)
        found, token = rotated(keys, job.name, now=now, overlap=overlap)
        with _giving(token, job.out):
            replace(found)
    result(**_described(found[-1], now))


@contextmanager
def _giving(token: str, out: Path | None) -> Iterator[None]:
    """Print a key once the keys file has it, or write it to a new file before.

    Raises:
        AlreadyExistsError: the file exists.
        StorageError: it cannot be written.
    """
    if out is None:
        yield
        say(token)
        result(key=token)
        return
    _write_new(out, token)
    try:
        yield
    except BaseException:
        out.unlink()
        raise
    say(f"the key is in {out}")


def _write_new(out: Path, token: str) -> None:
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(out, flags, 0o600), "w") as file:
            file.write(token + "\n")
    except FileExistsError as error:
        raise AlreadyExistsError(f"--out {out} exists") from error
    except OSError as error:
        raise StorageError(f"--out {out}: {error.strerror}") from error


def _described(key: Key, now: datetime) -> dict[str, object]:
    if key.revoked is not None:
        state = "revoked"
    else:
        state = "good" if key.is_good(now) else "expired"
    return {
        "name": key.name,
        "key_id": key.key_id,
        "state": state,
        "grants": ", ".join(
            f"{grant.right.name.lower()} {grant.indexes}" for grant in key.grants
        ),
        "created": _shown(key.created),
        "expires": _shown(key.expires),
    }


def _shown(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")

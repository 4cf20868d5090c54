"""Settings by name from a file, the environment and a command line; later ones win."""

import difflib
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gleann.index.errors import InvalidParamsError, MissingFileError

PREFIX = "GLEANN_"


@dataclass(frozen=True, slots=True)
class Given:
    """The value of a setting, and the name under which the user gave it.

    Attributes:
        value: as given, not converted.
        origin: such as "gleann.toml: threads", "GLEANN_THREADS" or "--threads".
        secret: whether messages must not show the value.
    """

    value: object
    origin: str
    secret: bool = False


def read_given(
    path: Path | None,
    *,
    names: Iterable[str],
    environ: Mapping[str, str],
    overrides: Mapping[str, Given],
) -> dict[str, Given]:
    """Merge a TOML file, variables and overrides by name.

    Args:
        path: the file, or None.
        names: all settings; those of a table have a dot, such as "limits.dim".
        environ: variables; an empty one counts as not set.
        overrides: settings of the command line.

    Raises:
        MissingFileError: the file cannot be read.
        InvalidParamsError: not TOML, or a setting that does not exist.
    """
    known = list(names)
    found = {} if path is None else _of_file(path, known)
    for name in known:
        variable = variable_of(name)
        if text := environ.get(variable):
            found[name] = Given(text, variable)
    found |= overrides
    for name in found.keys() - known:
        raise InvalidParamsError(_unknown(name, found[name].origin, known))
    return found


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.replace(".", "_").upper()


def whole(given: Given) -> int:
    """An integer, from a number of a file or the text of a variable."""
    if isinstance(given.value, bool) or not isinstance(given.value, int | str):
        raise InvalidParamsError(_not("an integer", given))
    try:
        return int(given.value)
    except ValueError as error:
        raise InvalidParamsError(_not("an integer", given)) from error


def real(given: Given) -> float:
    """A number, from a number of a file or the text of a variable."""
    if isinstance(given.value, bool) or not isinstance(given.value, int | float | str):
        raise InvalidParamsError(_not("a number", given))
    try:
        return float(given.value)
    except ValueError as error:
        raise InvalidParamsError(_not("a number", given)) from error


def flag(given: Given) -> bool:
    """True or false; a variable may also have 1 or 0."""
    text = str(given.value).lower()
    if text not in ("true", "false", "1", "0"):
        raise InvalidParamsError(_not("true or false", given))
    return text in ("true", "1")


def text(given: Given) -> str:
    """A text."""
    if not isinstance(given.value, str):
        raise InvalidParamsError(_not("text", given))
    return given.value


def path(given: Given) -> Path:
    """A path that the file system can have."""
    return _path(given.value, given)


def paths(given: Given) -> tuple[Path, ...]:
    """Paths: a list, or a variable with the separator of PATH."""
    value = given.value
    if isinstance(value, str) and given.origin.startswith(PREFIX):
        value = value.split(os.pathsep)
    if not isinstance(value, list | tuple):
        raise InvalidParamsError(_not("a list of paths", given))
    return tuple(_path(one, given) for one in value)


def texts(given: Given) -> tuple[str, ...]:
    """Texts: a list, or a variable with commas between them."""
    value = given.value
    if isinstance(value, str) and given.origin.startswith(PREFIX):
        value = [one.strip() for one in value.split(",") if one.strip()]
    if not isinstance(value, list | tuple) or not all(
        isinstance(one, str) for one in value
    ):
        raise InvalidParamsError(_not("a list of texts", given))
    return tuple(value)


CONVERTERS: dict[str, Callable[[Given], Any]] = {
    "int": whole,
    "float": real,
    "bool": flag,
    "str": text,
    "Path": path,
    "tuple[Path, ...]": paths,
    "tuple[str, ...]": texts,
}
"""Converters by the type of a field."""


def _path(value: object, given: Given) -> Path:
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise InvalidParamsError(_not("a path", given))
    return Path(value)


def _of_file(file: Path, known: list[str]) -> dict[str, Given]:
    try:
        values = tomllib.loads(file.read_text())
    except OSError as error:
        raise MissingFileError(f"{file}: {error.strerror}") from error
    # A number of 5000 digits is a ValueError, and so is what is not UTF-8.
    except (ValueError, RecursionError) as error:
        raise InvalidParamsError(f"{file} is not TOML: {error}") from error
    tables = {name.partition(".")[0] for name in known if "." in name}
    found = {}
    for name, value in values.items():
        if name not in tables:
            found[name] = Given(value, f"{file}: {name}")
        elif not isinstance(value, dict):
            raise InvalidParamsError(
                _not(f"a table [{name}]", Given(value, f"{file}: {name}"))
            )
        else:
            for key, part in value.items():
                full = f"{name}.{key}"
                found[full] = Given(part, f"{file}: {full}")
    return found


def _not(kind: str, given: Given) -> str:
    shown = f"a {type(given.value).__name__}" if given.secret else repr(given.value)
    return f"{given.origin} must be {kind}, got {shown}"


def _unknown(name: str, origin: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{origin} is no setting{hint}"

"""Configuration from a file, the environment and arguments, in this order."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gleann.index.errors import InvalidParamsError
from gleann.service.config.config import Config
from gleann.service.config.given import CONVERTERS, Given, read_given, variable_of
from gleann.service.config.table import SETTINGS, TABLES


def load_config(
    path: str | os.PathLike[str] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
    flags: Mapping[str, str] | None = None,
) -> Config:
    """Read a configuration from file, environment and overrides; later ones win.

    Args:
        path: a TOML file with the fields of `Config`, and a table for each of its
            fields that is one, such as [limits].
        environ: variables GLEANN_<FIELD>, and GLEANN_<TABLE>_<FIELD> for the fields of
            a table; defaults to the process environment. Several paths are separated
            as in PATH.
        overrides: fields by name, such as "listen" or "limits.dim"; None leaves a field
            alone.
        flags: how messages name an override, such as "--data" for data_dir.

    Raises:
        MissingFileError: the file does not exist.
        InvalidParamsError: not TOML, an unknown field, or a value of the wrong type or
            out of its range.
    """
    found = given_settings(path, environ=environ, overrides=overrides, flags=flags)
    values = typed_settings(found)
    if "data_dir" not in values:
        raise InvalidParamsError(
            f"data_dir is required: give --data, {variable_of('data_dir')}, or data_dir"
            " in the file of --config"
        )
    tables = {name: _taken_from(values, f"{name}.") for name in TABLES}
    try:
        made = {name: _table_of(name, given) for name, given in tables.items()}
        return Config(**values, **made)
    except InvalidParamsError as error:
        raise InvalidParamsError(_at_origin(str(error), found)) from error


def _taken_from(values: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Take the values of a table out of `values`, without the name of the table."""
    names = [name for name in values if name.startswith(prefix)]
    return {name.removeprefix(prefix): values.pop(name) for name in names}


def _table_of(name: str, given: Mapping[str, Any]) -> Any:
    try:
        return replace(TABLES[name], **given)  # type: ignore[type-var]  # a dataclass
    except InvalidParamsError as error:
        raise InvalidParamsError(f"{name}.{error}") from error


def _at_origin(message: str, found: Mapping[str, Given]) -> str:
    """A message that begins with a setting, which is named as the user gave it."""
    name, space, rest = message.partition(" ")
    return f"{found[name].origin}{space}{rest}" if name in found else message


def given_settings(
    path: str | os.PathLike[str] | None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
    flags: Mapping[str, str] | None = None,
) -> dict[str, Given]:
    """The settings that were given, by name; arguments as those of `load_config`."""
    names = flags or {}
    found = read_given(
        None if path is None else Path(path),
        names=SETTINGS,
        environ=os.environ if environ is None else environ,
        overrides={
            name: Given(value, names.get(name, name))
            for name, value in (overrides or {}).items()
            if value is not None
        },
    )
    return {
        name: replace(one, secret=SETTINGS[name].secret) for name, one in found.items()
    }


def typed_settings(found: Mapping[str, Given]) -> dict[str, Any]:
    """The values of settings, converted to the types of their fields.

    Raises:
        InvalidParamsError: a value of another type.
    """
    return {name: CONVERTERS[SETTINGS[name].kind](one) for name, one in found.items()}

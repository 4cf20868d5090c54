"""`SETTINGS`: every setting with its type, default, meaning and metadata."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from gleann.service.config.about import About, about_of, choices_of, type_hints
from gleann.service.config.config import Config

REQUIRED = Path("required")
"""Stands for the default of a setting without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting.

    Attributes:
        name: such as "listen", or "limits.dim" in the table [limits].
        kind: the name of its converter (`given.CONVERTERS`).
        default: its value where none is given; `REQUIRED` if one must be.
        meaning: its line of the docstring.
        flag: the option of `gleann serve` that sets it, or "".
        reload: whether SIGHUP may change it.
        secret: whether its value is not shown.
        choices: the values allowed, if they are few.
    """

    name: str
    kind: str
    default: object
    meaning: str
    flag: str
    reload: bool
    secret: bool
    choices: tuple[str, ...]


def _kind(hint: object) -> str:
    """The name of the converter for a type."""
    for kind in (bool, int, float, str, Path):
        if hint in (kind, kind | None):
            return kind.__name__
    lists = {tuple[Path, ...]: "tuple[Path, ...]", tuple[str, ...]: "tuple[str, ...]"}
    return next((name for kind, name in lists.items() if hint == kind), "str")


def _default_of(field: "Field[Any]") -> object:
    if field.default is not MISSING:
        return field.default
    return REQUIRED if field.default_factory is MISSING else field.default_factory()


def _reloads(name: str, one: About, table: About) -> bool:
    if isinstance(table.reload, tuple):
        return name in table.reload
    return table.reload or bool(one.reload)


def _settings_of(
    defaults: object, kind: type, path: str, table: About
) -> list[Setting]:
    hints, meanings = type_hints(kind), _attributes(kind)
    return [
        Setting(
            name=path + field.name,
            kind=_kind(hints[field.name]),
            default=getattr(defaults, field.name),
            meaning=meanings.get(field.name, ""),
            flag=about_of(field).flag,
            reload=_reloads(field.name, about_of(field), table),
            secret=about_of(field).secret,
            choices=choices_of(hints[field.name]),
        )
        for field in fields(kind)
    ]


def _attributes(kind: type) -> dict[str, str]:
    """The section "Attributes" of a docstring, each text on one line."""
    _, _, section = (inspect.getdoc(kind) or "").partition("Attributes:\n")
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    texts = {name: " ".join(says.split()) for name, says in found}
    return {name: says[:1].upper() + says[1:] for name, says in texts.items()}


class _Defaults:
    """The defaults of the fields of `Config` as attributes."""

    def __init__(self) -> None:
        for field in fields(Config):
            setattr(self, field.name, _default_of(field))


_HINTS = type_hints(Config)
TABLES: Mapping[str, object] = {
    field.name: _default_of(field)
    for field in fields(Config)
    if is_dataclass(_HINTS[field.name])
}
"""The defaults of each table of `Config`, by its name in a file."""


def _all_settings() -> dict[str, Setting]:
    top = _settings_of(_Defaults(), Config, "", About())
    found = [one for one in top if one.name not in TABLES]
    by_name = {field.name: about_of(field) for field in fields(Config)}
    for name, defaults in TABLES.items():
        kind = _HINTS[name]
        found += _settings_of(defaults, kind, f"{name}.", by_name[name])
    return {one.name: one for one in found}


SETTINGS: Mapping[str, Setting] = _all_settings()
"""Every setting by its name, in the order of the fields."""

FLAGS: Mapping[str, str] = {
    name: one.flag for name, one in SETTINGS.items() if one.flag
}
"""The options of `gleann serve` that are settings."""

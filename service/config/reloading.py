"""Which settings of a new configuration take effect at once, and which at a restart."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gleann.service.config.config import Config
from gleann.service.config.table import SETTINGS, TABLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """A configuration that replaces another one.

    Attributes:
        config: the old one, with the new values of settings that may change.
        changed: names of those settings.
        waiting: names of settings whose new values need a restart.
    """

    config: Config
    changed: tuple[str, ...]
    waiting: tuple[str, ...]


def reloaded(old: Config, new: Config) -> Reloaded:
    """Take what may change from `new`, and all else from `old`.

    Raises:
        InvalidParamsError: values that do not go together.
    """
    differing = [
        name for name in SETTINGS if value_of(old, name) != value_of(new, name)
    ]
    changed = tuple(name for name in differing if SETTINGS[name].reload)
    values = {name: value_of(new, name) for name in changed}
    return Reloaded(
        config=_replaced(old, values),
        changed=changed,
        waiting=tuple(name for name in differing if name not in values),
    )


def value_of(config: Config, name: str) -> object:
    """The value of a setting, such as "listen" or "limits.dim"."""
    table, dot, field = name.rpartition(".")
    return getattr(getattr(config, table) if dot else config, field)


def _replaced(config: Config, values: Mapping[str, object]) -> Config:
    top: dict[str, Any] = {k: v for k, v in values.items() if "." not in k}
    for table in TABLES:
        prefix = f"{table}."
        given = {k.removeprefix(prefix): v for k, v in values.items() if prefix in k}
        if given:
            top[table] = replace(getattr(config, table), **given)
    return replace(config, **top)

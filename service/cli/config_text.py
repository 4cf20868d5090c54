"""The settings of a server as text: a configuration file, and a table for readers."""

import json
from collections.abc import Mapping
from pathlib import Path

from gleann.service.config.given import Given, variable_of
from gleann.service.config.load import load_config, typed_settings
from gleann.service.config.table import REQUIRED, SETTINGS, Setting


def config_text(found: Mapping[str, Given]) -> str:
    """A TOML file with every setting, its value, its origin and its meaning.

    Secrets are left out: the text is made to be shown.

    Args:
        found: the settings that were given.

    Raises:
        InvalidParamsError: a value of the wrong type or out of its range.
    """
    values = _checked(found)
    lines = ["# gleann serve --config FILE reads this file."]
    last = ""
    for name, setting in SETTINGS.items():
        table = name.rpartition(".")[0]
        if table != last:
            lines += ["", f"[{table}]"]
        last = table
        lines += ["", *_entry(setting, values[name], found.get(name))]
    return "\n".join(lines)


def config_values(found: Mapping[str, Given]) -> dict[str, dict[str, object]]:
    """The value, the origin and the meaning of every setting; no secrets.

    Args and errors as those of `config_text`.
    """
    return {
        name: {
            "value": None
            if value is REQUIRED or SETTINGS[name].secret
            else _plain(value),
            "origin": found[name].origin if name in found else "default",
            "meaning": SETTINGS[name].meaning,
            "reload": SETTINGS[name].reload,
        }
        for name, value in _checked(found).items()
    }


def _checked(found: Mapping[str, Given]) -> dict[str, object]:
    """The value of every setting; refuses one out of its range."""
    values = {name: one.default for name, one in SETTINGS.items()}
    values |= typed_settings(found)
    origins = {name: given.origin for name, given in found.items()}
    load_config(environ={}, overrides=values, flags=origins)
    return values


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def _entry(setting: Setting, value: object, given: Given | None) -> list[str]:
    says = f"# {setting.meaning}"
    origin = f"from {given.origin}" if given else "default"
    key = setting.name.rpartition(".")[2]
    if setting.secret:
        shown = f"{origin}, not shown" if value else "none is given"
        return [says, f"# {key} = ...  # {shown}"]
    if value is REQUIRED:
        return [says, f'# {key} = "..."  # required; none is given']
    if value is None:
        return [says, f"# {key} = ...  # none is given"]
    return [says, f"{key} = {_toml(value)}  # {origin}"]


def settings_table() -> str:
    """Every setting with its variable, its option and its default, in Markdown."""
    lines = [
        "| setting | variable | option | default | reload | meaning |",
        "|---|---|---|---|---|---|",
    ]
    for name, setting in SETTINGS.items():
        option = f"`{setting.flag}`" if setting.flag else ""
        lines.append(
            f"| `{name}` | `{variable_of(name)}` | {option} | {_default(setting)}"
            f" | {'yes' if setting.reload else ''} | {setting.meaning} |"
        )
    return "\n".join(lines)


def _default(setting: Setting) -> str:
    if setting.default is REQUIRED:
        return "required"
    return "none" if setting.default is None else f"`{_toml(setting.default)}`"


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Path):
        value = str(value)
    return json.dumps(value, ensure_ascii=False)

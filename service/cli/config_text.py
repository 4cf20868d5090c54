"""The settings of a server as text: a configuration file, and a table for readers."""

import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path

from gleann.service.config import (
    LIMITS,
    OPTIMIZER,
    SETTINGS,
    Config,
    load_config,
    typed_settings,
)
from gleann.service.settings import Setting, variable_of
from gleann.service.values import OPTIMIZER_DEFAULTS, Limits, OptimizerParams

FLAGS = {
    "data_dir": "--data",
    "listen": "--listen",
    "allow_remote": "--allow-remote",
    "import_roots": "--import-root",
    "export_roots": "--export-root",
    "engine": "--engine",
    "device": "--device",
    "threads": "--threads",
}
"""The options of `gleann serve` that are settings."""

REQUIRED = Path("required")


def config_text(found: Mapping[str, Setting]) -> str:
    """A TOML file with every setting, its value, its origin and its meaning.

    The API key is left out: the text is made to be shown.

    Args:
        found: the settings that were given.

    Raises:
        InvalidParamsError: a value of the wrong type or out of its range.
    """
    values = _checked(found)
    lines = ["# gleann serve --config FILE reads this file."]
    last = ""
    for name in SETTINGS:
        table = name.rpartition(".")[0]
        if table != last:
            lines += ["", f"[{table}]"]
        last = table
        lines += ["", *_entry(name, values[name], found.get(name))]
    return "\n".join(lines)


def config_values(found: Mapping[str, Setting]) -> dict[str, dict[str, object]]:
    """The value, the origin and the meaning of every setting; no API key.

    Args and errors as those of `config_text`.
    """
    return {
        name: {
            "value": None if value is REQUIRED or name == "api_key" else _plain(value),
            "origin": found[name].origin if name in found else "default",
            "meaning": meanings()[name],
        }
        for name, value in _checked(found).items()
    }


def _checked(found: Mapping[str, Setting]) -> dict[str, object]:
    """The value of every setting; refuses one out of its range."""
    values = defaults() | typed_settings(found)
    origins = {name: setting.origin for name, setting in found.items()}
    load_config(environ={}, overrides=values, flags=origins)
    return values


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def _entry(name: str, value: object, given: Setting | None) -> list[str]:
    says = f"# {meanings()[name]}"
    origin = f"from {given.origin}" if given else "default"
    key = name.rpartition(".")[2]
    if name == "api_key":
        shown = f"{origin}, not shown" if value else "no key is asked for"
        return [says, f"# {key} = ...  # {shown}"]
    if value is REQUIRED:
        return [says, f'# {key} = "..."  # required; none is given']
    return [says, f"{key} = {_toml(value)}  # {origin}"]


def settings_table() -> str:
    """Every setting with its variable, its option and its default, in Markdown."""
    lines = [
        "| setting | variable | option | default | meaning |",
        "|---|---|---|---|---|",
    ]
    for name, value in defaults().items():
        option = f"`{FLAGS[name]}`" if name in FLAGS else ""
        shown = "required" if value is REQUIRED else f"`{_toml(value)}`"
        lines.append(
            f"| `{name}` | `{variable_of(name)}` | {option}"
            f" | {'none' if value is None else shown} | {meanings()[name]} |"
        )
    return "\n".join(lines)


def defaults() -> dict[str, object]:
    """The default of every setting, `REQUIRED` where there is none."""
    found: dict[str, object] = {}
    for one in fields(Config):
        if one.name in SETTINGS:
            found[one.name] = REQUIRED if one.default is MISSING else one.default
    found |= {LIMITS + cap.name: cap.default for cap in fields(Limits)}
    return found | {OPTIMIZER + k: v for k, v in asdict(OPTIMIZER_DEFAULTS).items()}


def meanings() -> dict[str, str]:
    """What every setting means, from the documentation of its field."""
    found = _attributes(Config)
    for table, kind in ((LIMITS, Limits), (OPTIMIZER, OptimizerParams)):
        found |= {table + name: says for name, says in _attributes(kind).items()}
    return found


def _attributes(kind: type) -> dict[str, str]:
    """The section "Attributes" of a docstring, each text on one line."""
    _, _, section = (inspect.getdoc(kind) or "").partition("Attributes:\n")
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    texts = {name: " ".join(says.split()) for name, says in found}
    return {name: says[:1].upper() + says[1:] for name, says in texts.items()}


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Path):
        value = str(value)
    return json.dumps(value, ensure_ascii=False)

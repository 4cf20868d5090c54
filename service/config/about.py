"""What a field of a table of settings has beside its type, default and docstring line.

A setting is a field of `Config`, or of one of the tables in it. Its help text is its
line in the section "Attributes" of the docstring. All else is metadata of the field,
made by `about`. Files, variables, options, `--print-config`, the reload by SIGHUP and
the table in `docs/configuration.md` follow from the fields.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

from gleann.index.errors import InvalidParamsError

LARGEST = 1_000_000_000
"""Largest value of a number: gRPC takes options of 32 bits, one of them doubled."""
_KEY = "gleann setting"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Metadata of a setting.

    Attributes:
        flag: the option of `gleann serve` that sets it; "" if none does.
        reload: whether SIGHUP may change it; for a table, the fields it may change.
        secret: whether its value stays out of messages, logs and `--print-config`.
        at_least: the smallest number allowed.
        at_most: the largest number allowed.
    """

    flag: str = ""
    reload: bool | tuple[str, ...] = False
    secret: bool = False
    at_least: float | None = None
    at_most: float = LARGEST


def about(
    *,
    flag: str = "",
    reload: bool | tuple[str, ...] = False,
    secret: bool = False,
    at_least: float | None = None,
    at_most: float = LARGEST,
) -> Mapping[str, About]:
    """Metadata for `dataclasses.field`; arguments as the attributes of `About`."""
    return MappingProxyType(
        {
            _KEY: About(
                flag=flag,
                reload=reload,
                secret=secret,
                at_least=at_least,
                at_most=at_most,
            )
        }
    )


def about_of(field: "Field[Any]") -> About:
    """The metadata of a field, or the defaults."""
    found: About = field.metadata.get(_KEY, About())
    return found


def require_allowed(table: object, prefix: str = "") -> None:
    """Check the numbers and choices of a table against its types and metadata.

    Args:
        table: an instance of a dataclass of settings.
        prefix: of the names in messages, such as "limits.".

    Raises:
        InvalidParamsError: a number out of its range, or none of the choices.
    """
    hints = type_hints(cast("Any", type(table)))
    for field in fields(cast("Any", table)):
        value, one = getattr(table, field.name), about_of(field)
        require_choice(prefix + field.name, value, choices_of(hints[field.name]))
        if one.at_least is not None and value is not None:
            require_number(
                prefix + field.name, value, at_least=one.at_least, at_most=one.at_most
            )


def require_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse a value that is none of the choices, if there are any.

    Raises:
        InvalidParamsError: with the choices.
    """
    if choices and value not in choices:
        raise InvalidParamsError(
            f"{name} must be one of {', '.join(choices)}; got {value!r}"
        )


def require_number(
    name: str, value: float, *, at_least: float = 1, at_most: float = LARGEST
) -> None:
    """Refuse a number out of its range.

    Raises:
        InvalidParamsError: with the bound and the value.
    """
    if not at_least <= value <= at_most:  # no infinity, and not NaN either
        above = value > at_most
        side = f"most {at_most}" if above else f"least {at_least}"
        raise InvalidParamsError(f"{name} must be at {side}, got {value}")


def choices_of(hint: object) -> tuple[str, ...]:
    """The values of a `Literal`; none for other types."""
    return get_args(hint) if get_origin(hint) is Literal else ()


@cache
def type_hints(table: type) -> Mapping[str, Any]:
    """The types of the fields of a table."""
    return get_type_hints(table)

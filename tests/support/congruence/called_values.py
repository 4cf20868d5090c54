"""Values of calls that tests compare, and what calls of tests share."""

import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from gleann.index import BuildParams
from gleann.index.errors import (
    GleannError,
)

TIMES = {"created_at": None, "built_at": None}
PARAMS = BuildParams(metric="l2", nlist=8, tune_queries=50)


def refused(call: Callable[..., Any], *arguments: Any) -> tuple[type, str]:
    """The exception of a call, without names that are random."""
    with pytest.raises(GleannError) as caught:
        call(*arguments)
    return caught.type, re.sub(r"operations/\w+", "operations/...", str(caught.value))


def plain(value: Any) -> Any:
    """Arrays, tables and dataclasses as lists and dictionaries, which compare."""
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, value.tolist()
    if isinstance(value, pa.Table):
        return value.schema.remove_metadata(), value.to_pylist()
    if hasattr(value, "__dataclass_fields__"):
        parts = {field.name: getattr(value, field.name) for field in fields(value)}
        return type(value), plain(parts)
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return without_names(value) if isinstance(value, str) else value


def without_names(text: str) -> str:
    """The text, but for the name of a curation, which is drawn at random."""
    return re.sub(r"^curations/\w+$", "curations/...", text)

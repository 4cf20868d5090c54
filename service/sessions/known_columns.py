"""The controls and groups of a session of means, as bytes in the database."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.index.errors import CorruptDataError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownColumns:
    """What is known of every row.

    Attributes:
        controls: float64 (n,) by name; NaN for rows outside the population.
        groups: int64 (n,) by name: numbers of groups.
    """

    controls: Mapping[str, NDArray[np.float64]]
    groups: Mapping[str, Rows]


def packed(known: KnownColumns) -> bytes:
    """What `unpacked` reads."""
    names = [list(known.controls), list(known.groups)]
    arrays: dict[str, NDArray[np.generic]] = {
        "names": np.frombuffer(json.dumps(names).encode(), np.uint8),
        **{f"control-{i}": one for i, one in enumerate(known.controls.values())},
        **{f"group-{i}": one for i, one in enumerate(known.groups.values())},
    }
    file = BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def unpacked(kept: bytes | None) -> KnownColumns:
    """The columns of `packed`.

    Raises:
        CorruptDataError: they cannot be read.
    """
    try:
        with np.load(BytesIO(kept or b""), allow_pickle=False) as found:
            controls, groups = json.loads(found["names"].tobytes())
            return KnownColumns(
                controls={n: found[f"control-{i}"] for i, n in enumerate(controls)},
                groups={n: found[f"group-{i}"] for i, n in enumerate(groups)},
            )
    except (OSError, ValueError, TypeError, KeyError, EOFError, BadZipFile) as error:
        raise CorruptDataError(
            f"the {len(kept or b'')} bytes of columns that were kept for a MeansSession"
            f" cannot be read: {error}"
        ) from error

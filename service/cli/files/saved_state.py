"""Read the file of a saved session."""

import json
from pathlib import Path
from typing import Any, TypeAlias

from gleann.index.errors import InvalidInputError, MissingFileError

State: TypeAlias = dict[str, Any]


def read_state(path: Path) -> State:
    """A session's state.

    Raises:
        MissingFileError: there is no such file, or it cannot be read.
        InvalidInputError: it holds no JSON object.
    """
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingFileError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{path} is not a session: {error}") from error
    if not isinstance(state, dict):
        raise InvalidInputError(f"{path} is not a session: it holds no object")
    return state

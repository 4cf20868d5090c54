"""The state file of a labelling session."""

import json
from pathlib import Path

from gleann.index.errors import InvalidInputError, MissingFileError


def read_state(path: Path) -> dict[str, object]:
    """Read a session's state from a file of JSON.

    Raises:
        MissingFileError: it cannot be read.
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

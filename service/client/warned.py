"""Warnings that name the line of the caller of a client."""

import inspect
import warnings

_OWN = "gleann.service.client."


def warn_caller(text: str, category: type[Warning]) -> None:
    """Warn; the warning is of the first frame outside the client.

    How many frames of the client are between depends on its mode.
    """
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_OWN):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)

"""Formats of log lines: one line a record, whatever is in names and messages."""

import json
import logging
from datetime import UTC, datetime

from gleann.service.calls.context import CallContext, current_call

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
}
# Line and paragraph separators, which some viewers break lines at.
_CONTROLS |= {0x2028: "\\u2028", 0x2029: "\\u2029"}
_BELOW = "    | "
"""Before each line of a traceback, so that none looks like a record."""


def one_line(text: str) -> str:
    """The text with its control characters escaped."""
    return text.translate(_CONTROLS)


class ConsoleFormat(logging.Formatter):
    """Lines for people: time, level, logger, message, and the call if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, and a traceback indented below it."""
        line = (
            f"{_time_of(record)} {record.levelname} {record.name}"
            f" {one_line(record.getMessage())}"
        )
        about = _about(current_call())
        if about:
            shown = " ".join(f"{key}={one_line(text)}" for key, text in about.items())
            line += f" [{shown}]"
        below = _traceback(self, record).splitlines()
        return "\n".join([line, *(_BELOW + one_line(part) for part in below)])


class JsonFormat(logging.Formatter):
    """JSON objects, one a line.

    They have "time" (RFC 3339, UTC), "level", "logger" and "message"; within a call
    "call_id", "method", "peer" and "key" (the name of the caller's key); what a record
    carries in `extra={"fields": {...}}`; and "traceback" of an exception.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as a JSON object without a line break."""
        values: dict[str, object] = {
            "time": _time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_about(current_call()),
            **getattr(record, "fields", {}),
        }
        if traceback := _traceback(self, record):
            values["traceback"] = traceback
        return json.dumps(values, ensure_ascii=True, default=str)


def _about(call: CallContext) -> dict[str, str]:
    """What the call is; empty outside of one."""
    found = {
        "call_id": call.call_id,
        "method": call.method,
        "peer": call.peer,
        "key": call.caller.name,
    }
    return {key: text for key, text in found.items() if text}


def _time_of(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _traceback(form: logging.Formatter, record: logging.LogRecord) -> str:
    if record.exc_info is None:
        return ""
    return form.formatException(record.exc_info)

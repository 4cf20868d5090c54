"""Set up the log of a server process, and again when its settings are changed."""

import logging
import sys
from contextlib import suppress
from logging.handlers import WatchedFileHandler
from pathlib import Path

from gleann.index.errors import StorageError
from gleann.service.config.log import LogSettings
from gleann.service.logs.formats import ConsoleFormat, JsonFormat


class ServerLog:
    """The one handler of the root logger.

    A file is opened again where it was moved (logrotate), and by `apply`.
    """

    def __init__(self, settings: LogSettings) -> None:
        """Write as `settings` say.

        Raises:
            StorageError: the file cannot be opened.
        """
        self._handler: logging.Handler | None = None
        self._level_before = logging.getLogger().level
        self.apply(settings)

    def apply(self, settings: LogSettings) -> None:
        """Change level, format and file; the file is opened again in any case.

        Raises:
            StorageError: the file cannot be opened; the log goes on as it was.
        """
        handler = _handler_of(settings.file)
        is_json = settings.format == "json"
        handler.setFormatter(JsonFormat() if is_json else ConsoleFormat())
        root = logging.getLogger()
        root.addHandler(handler)
        if self._handler is not None:
            root.removeHandler(self._handler)
            self._handler.close()
        self._handler = handler
        root.setLevel(settings.level.upper())

    def close(self) -> None:
        """Take the handler away, and set the level that was there before."""
        root = logging.getLogger()
        root.setLevel(self._level_before)
        if self._handler is not None:
            root.removeHandler(self._handler)
            self._handler.close()


class _LogFile(WatchedFileHandler):
    """A file of lines; one that it does not take, as on a full disk, goes to stderr.

    Whoever logs, such as a call or the thread that looks at the disk, goes on.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, to a new file where this one was moved."""
        try:
            super().emit(record)
        except OSError:  # there can be no new file
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Write a line to stderr that the file does not take."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)
            return
        with suppress(OSError):
            sys.stderr.write(f"{self.format(record)}\n")

    def close(self) -> None:
        """Close the file; what it did not take is lost."""
        with suppress(OSError):
            super().close()


def _handler_of(file: Path | None) -> logging.Handler:
    if file is None:
        return logging.StreamHandler(sys.stderr)
    try:
        return _LogFile(file, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise StorageError(f"log.file {file}: {error.strerror}") from error

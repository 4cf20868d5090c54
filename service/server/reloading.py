"""SIGHUP: read the settings again, and apply those that may change."""

import logging
from collections.abc import Callable, Sequence

from gleann.index.errors import GleannError
from gleann.service.config.config import Config
from gleann.service.config.reloading import reloaded

_log = logging.getLogger(__name__)

Apply = Callable[[Config], None]


class Reloading:
    """Applies new settings to a running server, in one thread.

    Attributes:
        config: in force.
    """

    def __init__(
        self, config: Config, load: Callable[[], Config], applying: Sequence[Apply]
    ) -> None:
        """Remember how.

        Args:
            config: in force.
            load: reads the settings again.
            applying: each applies its part of a configuration, also where nothing in
                it changed: files that settings name may have.
        """
        self.config = config
        self._load = load
        self._applying = applying

    def reload(self) -> None:
        """Read and apply; where the new settings are wrong, the old ones stay."""
        try:
            found = reloaded(self.config, self._load())
        except GleannError as error:
            _log.error("the settings stay as they are: %s", error)
            return
        except Exception:  # noqa: BLE001  the edge: a server does not end by its settings
            _log.exception("the settings stay as they are")
            return
        for apply in self._applying:
            try:
                apply(found.config)
            except GleannError as error:
                _log.error("a part of the settings stays as it is: %s", error)
            except Exception:  # noqa: BLE001  the edge
                _log.exception("a part of the settings stays as it is")
        self.config = found.config
        changed = ", ".join(found.changed) or "nothing"
        _log.info("the settings were read again; changed: %s", changed)
        if found.waiting:
            _log.warning("these need a restart: %s", ", ".join(found.waiting))

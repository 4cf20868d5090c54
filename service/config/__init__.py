"""Settings of a server: one dataclass a table; from file, environment and flags."""

from gleann.service.config.config import Config
from gleann.service.config.load import load_config

__all__ = ["Config", "load_config"]

"""`Client`: its calls, their results, and in-process and remote connections."""

from gleann.service.client.client import Client

__all__ = ["Client"]

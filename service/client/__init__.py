"""`Client`: its calls, the values they answer with, and the two ways to a server."""

from gleann.service.client.client import Client

__all__ = ["Client"]

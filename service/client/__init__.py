"""`Client` and `AsyncClient`: their calls and results, in process and remote."""

from gleann.service.client.async_client import AsyncClient
from gleann.service.client.client import Client

__all__ = ["AsyncClient", "Client"]

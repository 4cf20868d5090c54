"""`Tls`: how a client trusts a server, and how it shows who it is."""

from dataclasses import dataclass, fields
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from gleann.index.errors import InvalidParamsError, MissingFileError
from gleann.service.client.target import Server
from gleann.service.client.warned import warn_caller
from gleann.service.config.address import is_remote

if TYPE_CHECKING:
    import grpc

MOST_BYTES = 16 << 20
"""Of a file of certificates."""


class PlaintextKeyWarning(UserWarning):
    """An API key crosses a network without TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Files and names of a connection by TLS (`grpcs://`).

    Attributes:
        ca: PEM file with the certificates of the authorities that the client trusts;
            None for the public ones that gRPC knows.
        cert: PEM file with the client's certificate, where the server wants one.
        key: PEM file with the private key of `cert`.
        server_name: name that the server's certificate must have; None for the host of
            the address.
    """

    ca: str | PathLike[str] | None = None
    cert: str | PathLike[str] | None = None
    key: str | PathLike[str] | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            given, other = ("cert", "key") if self.key is None else ("key", "cert")
            raise InvalidParamsError(f"{given} is set without {other}")
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, str | PathLike | None) or value == "":
                raise InvalidParamsError(
                    f"{field.name} must be a {_KINDS.get(field.name, 'path')}, got a"
                    f" {type(value).__name__}"
                )

    def credentials(self) -> "grpc.ChannelCredentials":
        """What gRPC takes; the files are read now.

        Raises:
            MissingFileError: a file cannot be read.
            InvalidParamsError: a file has no PEM of its kind.
        """
        import grpc

        key = _pem(self.key, "key", "PRIVATE KEY")
        return grpc.ssl_channel_credentials(
            root_certificates=_pem(self.ca, "ca", "CERTIFICATE"),
            private_key=key,
            certificate_chain=_pem(self.cert, "cert", "CERTIFICATE"),
        )

    def options(self) -> list[tuple[str, str]]:
        """Options of the channel."""
        if self.server_name is None:
            return []
        return [
            ("grpc.ssl_target_name_override", self.server_name),
            ("grpc.default_authority", self.server_name),
        ]


_KINDS = {"server_name": "name"}


def tls_for(place: Server | Path, tls: Tls | None) -> Tls | None:
    """How to connect to a place; None without TLS.

    Raises:
        InvalidParamsError: `tls` for a directory, or for an address without TLS.
    """
    if isinstance(place, Server) and place.tls:
        return tls or Tls()
    if tls is not None:
        what = "a directory" if isinstance(place, Path) else place.address
        raise InvalidParamsError(f"tls needs grpcs://host:port, the target is {what}")
    return None


def warn_of_plaintext_key(address: str) -> None:
    """Warn of an API key that is sent to another machine without TLS."""
    place = address.removeprefix("dns:").rpartition("///")[2]
    if is_remote(place):
        warn_caller(
            f"the API key goes to {address} without TLS: use grpcs:// there",
            PlaintextKeyWarning,
        )


def _pem(file: str | PathLike[str] | None, name: str, kind: str) -> bytes | None:
    if file is None:
        return None
    try:
        with Path(file).open("rb") as opened:
            text = opened.read(MOST_BYTES)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise MissingFileError(f"{name} {fspath(file)}: {why}") from error
    if f"{kind}-----".encode() not in text:
        raise InvalidParamsError(f"{name} {fspath(file)} has no PEM {kind.lower()}")
    return text

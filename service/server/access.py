"""`Access`: who may reach a server; its keys and its TLS, which follow their files."""

import logging
from functools import partial

import grpc

from gleann.index.errors import (
    InvalidParamsError,
    ServiceError,
    UnauthenticatedError,
)
from gleann.service.application import Application
from gleann.service.config import Config
from gleann.service.config.address import is_remote
from gleann.service.security.gate import Gate
from gleann.service.security.key_ring import KeyRefusal, OpenRing
from gleann.service.security.watching import Watch, Watched
from gleann.service.server.audit import Allow, AuditLog
from gleann.service.server.free_port import require_free
from gleann.service.server.holdings import finds_of
from gleann.service.server.key_source import ring_of
from gleann.service.server.rate_limited_log import host_of
from gleann.service.server.rpc import Rpc
from gleann.service.server.tls import ServerTls, TlsFiles

_log = logging.getLogger(__name__)


class Access:
    """Keys and TLS of a server.

    Attributes:
        gate: lets calls in by their keys.
        audit: the log of changes and refused calls.
        scheme: of the server's address, "grpc" or "grpcs".
    """

    def __init__(self, config: Config, application: Application) -> None:
        """Read keys and certificates; `close` ends the watch over their files.

        Raises:
            MissingFileError: a file cannot be read.
            InvalidInputError: a file is not of its kind, or a certificate expired.
            InvalidParamsError: keys would cross a network in plain text, or others may
                write to the keys file.
            StorageError: the audit log cannot be opened.
        """
        self._config = config
        files = TlsFiles.of(config.security)
        # Before they are read: what changes meanwhile is read again.
        watched = self._watched(files)
        ring = ring_of(config)
        self._tls = None if files is None else ServerTls(files)
        self.scheme = "grpc" if self._tls is None else "grpcs"
        _require_private(config, has_keys=not isinstance(ring, OpenRing))
        self.gate = Gate(ring, finds_of(application))
        self.audit = AuditLog(config.security.audit_log)
        self._watch = Watch(watched, also=self._warn_of_end)

    def listen(self, server: grpc.Server) -> int:
        """Listen on the address of the settings; return the port.

        Raises:
            ServiceError: the address is in use, or not of this machine.
        """
        address = self._config.listen
        require_free(address)
        try:
            if self._tls is None:
                port: int = server.add_insecure_port(address)
            else:
                port = server.add_secure_port(address, self._tls.credentials())
        except RuntimeError as error:
            raise ServiceError(f"cannot listen on {address}: {error}") from error
        return port

    def allowing(self, path: str) -> Allow:
        """What refuses requests of a method whose caller lacks a right."""
        return self.audit.guarded(path, partial(self.gate.allow, path))

    def require_still(self, rpc: Rpc, index: str) -> None:
        """Refuse to go on with a call whose key may have been revoked since it began.

        Args:
            rpc: the call.
            index: that it works on; "" while that is not known.

        Raises:
            UnauthenticatedError: the key is no longer good.
            PermissionDeniedError: it has no longer the right on the index.
        """
        try:
            self.gate.require_still(rpc.context.method, rpc.metadata, index)
        except KeyRefusal as refusal:
            call = rpc.context
            host = host_of(call.peer)
            _log.warning(
                "ended a call of %r from %s: %s", call.caller.name, host, refusal
            )
            raise UnauthenticatedError(
                "the key of this call is no longer good"
            ) from None

    def reread(self) -> None:
        """Read keys and certificates again, and open the audit log again, now.

        What cannot be read stays in force.
        """
        self._watch.look(anyway=True)
        self.audit.reopen()

    def close(self) -> None:
        """Stop to watch the files, and write what waits for the audit log."""
        self._watch.close()
        self.audit.close()

    def _watched(self, tls: TlsFiles | None) -> list[Watched]:
        security = self._config.security
        keys = [file for file in (security.keys_file, security.api_key_file) if file]
        found = []
        if keys:
            found.append(Watched(keys, self._read_keys))
        if tls is not None:
            found.append(Watched(tls.paths, self._read_tls))
        return found

    def _read_keys(self) -> None:
        self.gate.ring = ring_of(self._config)

    def _read_tls(self) -> None:
        if self._tls is not None:
            self._tls.read()

    def _warn_of_end(self) -> None:
        if self._tls is not None:
            self._tls.warn_of_end()


def _require_private(config: Config, *, has_keys: bool) -> None:
    """Refuse keys that could be read on their way; warn of an open server."""
    if not is_remote(config.listen):
        return
    secured = config.security.tls_cert is not None
    if not has_keys and config.security.tls_client_ca is None:
        _log.warning("other machines reach this server, and no key is required")
    if has_keys and not secured and not config.security.allow_plaintext_keys:
        raise InvalidParamsError(
            f"API keys would go to {config.listen} in plain text: set tls_cert and"
            " tls_key, or allow_plaintext_keys behind a proxy that ends TLS"
        )

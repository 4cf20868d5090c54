"""TLS of the server: its files are checked, and read again when they change.

gRPC says little of bad files and takes expired ones, so they are checked by the
standard library before.
"""

import logging
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc

from gleann.index.errors import InvalidInputError, MissingFileError
from gleann.service.config.security import SecuritySettings

MOST_BYTES = 16 << 20
WARN_BEFORE = timedelta(days=14)
"""Before its end, a certificate is warned of: at the start and once a day."""

_ANY_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python does not name."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """The files of a server with TLS.

    Attributes:
        cert: PEM, its certificate and chain.
        key: PEM, the private key of `cert`.
        client_ca: PEM, the authorities of clients, or None.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None

    @classmethod
    def of(cls, settings: SecuritySettings) -> "TlsFiles | None":
        """The files of the settings; None without TLS."""
        if settings.tls_cert is None or settings.tls_key is None:
            return None
        return cls(
            cert=settings.tls_cert,
            key=settings.tls_key,
            client_ca=settings.tls_client_ca,
        )

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of them."""
        two = (self.cert, self.key)
        return two if self.client_ca is None else (*two, self.client_ca)


class ServerTls:
    """The credentials of a server, from files that may change.

    Attributes:
        ends: when the certificate expires, UTC.
    """

    def __init__(self, files: TlsFiles) -> None:
        """Read and check the files; errors as `read`."""
        self._files = files
        self._told = datetime.min.replace(tzinfo=UTC)
        self.read()

    def read(self) -> None:
        """Read the files; connections made from now on use them.

        Raises:
            MissingFileError: a file cannot be read.
            InvalidInputError: a file is no PEM, the key is not that of the certificate
                or has a passphrase, or the certificate has expired.
        """
        files = self._files
        cert, key = _read(files.cert), _read(files.key)
        authorities = None if files.client_ca is None else _read(files.client_ca)
        context = _context(files, cert, key)
        if files.client_ca is not None and authorities is not None:
            _require_authorities(files.client_ca, authorities)
        self.ends = _require_current(files.cert, cert, context)
        self._configuration: grpc.ServerCertificateConfiguration = (
            grpc.ssl_server_certificate_configuration(
                [(key, cert)], root_certificates=authorities
            )
        )
        self.warn_of_end()

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials that follow the files."""
        self._taken = self._configuration
        return grpc.dynamic_ssl_server_credentials(
            self._configuration,
            self._news,
            require_client_authentication=self._files.client_ca is not None,
        )

    def _news(self) -> grpc.ServerCertificateConfiguration | None:
        """The configuration for the next connection; None for that of the last one."""
        if self._taken is self._configuration:
            return None
        self._taken = self._configuration
        return self._taken

    def warn_of_end(self) -> None:
        """Warn of a certificate that expires soon, at most once a day."""
        now = datetime.now(UTC)
        if self.ends - now < WARN_BEFORE and now - self._told >= timedelta(days=1):
            self._told = now
            verb = "expires" if self.ends > now else "has expired: it ended"
            _log.warning("%s %s %s", self._files.cert, verb, _shown(self.ends))


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MOST_BYTES)
    except OSError as error:
        raise MissingFileError(f"{file}: {error.strerror}") from error


def _context(files: TlsFiles, cert: bytes, key: bytes) -> ssl.SSLContext:
    """A context with a certificate and its key, once they fit each other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def refuse() -> str:
        raise InvalidInputError(f"{files.key} has a passphrase: a server cannot ask it")

    for file, text, kind in (
        (files.cert, cert, b"CERTIFICATE"),
        (files.key, key, b"PRIVATE KEY"),
    ):
        if kind + b"-----" not in text:
            raise InvalidInputError(f"{file} has no PEM {kind.decode().lower()}")
    with _in_memory(cert) as cert_path, _in_memory(key) as key_path:
        try:
            context.load_cert_chain(cert_path, key_path, password=refuse)
        except ssl.SSLError as error:
            raise InvalidInputError(_unfit(files, error)) from error
    return context


def _unfit(files: TlsFiles, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{files.key} is not the private key of {files.cert}"
    reason = error.reason or "no PEM that OpenSSL can read"
    return f"{files.cert} and {files.key} cannot be used: {reason}"


def _require_authorities(file: Path, text: bytes) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(cadata=text.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise InvalidInputError(f"{file} has no PEM certificate") from error
    if not context.cert_store_stats()["x509_ca"]:
        raise InvalidInputError(f"{file} has no certificate of an authority")


def _require_current(file: Path, cert: bytes, context: ssl.SSLContext) -> datetime:
    """Refuse a certificate that is not good now; return when it expires."""
    found = _described(file, cert, context)
    begins, ends = _moment(found["notBefore"]), _moment(found["notAfter"])
    now = datetime.now(UTC)
    if now >= ends:
        raise InvalidInputError(f"{file} expired {_shown(ends)}")
    if now < begins:
        raise InvalidInputError(f"{file} is good from {_shown(begins)}, it is too soon")
    return ends


def _described(file: Path, cert: bytes, server: ssl.SSLContext) -> dict[str, str]:
    """The fields of the certificate that a context shows.

    The standard library has no other public way to read it than to be its client.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VerifyFlags(ssl.VERIFY_X509_PARTIAL_CHAIN | _ANY_TIME)
    client.load_verify_locations(cadata=cert.decode("ascii", errors="replace"))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_side=False),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    try:
        for _ in range(4):  # flights of a handshake
            for end in ends:
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        found = ends[0].getpeercert() or {}
    except (ssl.SSLError, ValueError) as error:
        why = getattr(error, "verify_message", "") or str(error)
        raise InvalidInputError(
            f"{file} is no certificate of a server: {why}"
        ) from error
    return {name: str(found[name]) for name in ("notBefore", "notAfter")}


@contextmanager
def _in_memory(text: bytes) -> Iterator[str]:
    """The path of a file in memory: no copy of a key may reach a disk."""
    number = os.memfd_create("gleann-pem", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(number), "wb") as file:
            file.write(text)
        yield f"/proc/self/fd/{number}"
    finally:
        os.close(number)


def _moment(text: str) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC)


def _shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")

"""The table [security]."""

from dataclasses import dataclass, field
from pathlib import Path

from gleann.index.errors import InvalidParamsError
from gleann.service.config.about import about, require_allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class SecuritySettings:
    """Keys, TLS and the audit log.

    Attributes:
        keys_file: file with the API keys, made by `gleann keys add`; if set, every call
            must send one. A changed file is read again without a restart.
        api_key_file: file with the value of api_key; a changed file is read again.
        tls_cert: PEM file with the server's certificate and its chain; if set, clients
            connect by grpcs://. Changed files are read again without a restart.
        tls_key: PEM file with the private key of tls_cert.
        tls_client_ca: PEM file with the certificates of the authorities of clients; if
            set, every client must have a certificate of one of them (mutual TLS).
        allow_plaintext_keys: whether API keys may cross a network without TLS, such as
            behind a proxy that ends TLS.
        audit_log: file to which a JSON line is appended for every change and every
            refused call.
    """

    keys_file: Path | None = field(default=None, metadata=about(flag="--keys"))
    api_key_file: Path | None = None
    tls_cert: Path | None = field(default=None, metadata=about(flag="--tls-cert"))
    tls_key: Path | None = field(default=None, metadata=about(flag="--tls-key"))
    tls_client_ca: Path | None = field(
        default=None, metadata=about(flag="--tls-client-ca")
    )
    allow_plaintext_keys: bool = False
    audit_log: Path | None = field(default=None, metadata=about(flag="--audit-log"))

    def __post_init__(self) -> None:
        require_allowed(self)
        if (self.tls_cert is None) != (self.tls_key is None):
            given, other = "tls_cert", "tls_key"
            if self.tls_cert is None:
                given, other = other, given
            raise InvalidParamsError(f"{given} is set without {other}")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise InvalidParamsError("tls_client_ca is set without tls_cert")

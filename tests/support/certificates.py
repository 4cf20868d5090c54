"""Certificates for tests, made by trustme (which has `cryptography` beneath).

OpenSSL's command line would do as well, but 3.0, which is the common one, cannot make a
certificate that has expired without a whole directory of an authority.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Pair:
    """A certificate with its chain, and its private key: PEM files."""

    cert: Path
    key: Path


class Authority:
    """A certificate authority that writes into a folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._authority = trustme.CA()
        self._folder = folder
        self.file = folder / f"{name}.pem"
        self._authority.cert_pem.write_to_path(str(self.file))

    def issue(
        self,
        name: str,
        *hosts: str,
        days: float = 30,
        began: float = 1,
        to: Path | None = None,
    ) -> Pair:
        """A certificate for `hosts` that is good from `began` days ago, for `days`.

        Negative `days` make one that has expired.
        """
        now = datetime.now(UTC)
        ends = now + timedelta(days=days)
        begins = min(now - timedelta(days=began), ends - timedelta(hours=1))
        made = self._authority.issue_cert(
            *(hosts or ("localhost", "127.0.0.1")), not_before=begins, not_after=ends
        )
        folder = to or self._folder
        pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
        made.private_key_pem.write_to_path(str(pair.key))
        pair.cert.write_bytes(b"".join(one.bytes() for one in made.cert_chain_pems))
        return pair

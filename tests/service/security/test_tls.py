"""TLS and mutual TLS: who connects, what is refused and what that says."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest

import gleann
from gleann.index import errors
from gleann.service.client.tls import PlaintextKeyWarning
from gleann.service.config import Config
from gleann.service.config.security import SecuritySettings
from gleann.service.security import watching
from gleann.service.server import Server, serve
from gleann.service.server import tls as tls_module

pytest.importorskip("trustme", reason="needs trustme (pip install trustme)")
from certificates import Authority, Pair
from keys_of_tests import until


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def tls_server(
    start_server: Callable[..., Server], authority: Authority
) -> Callable[..., Server]:
    """Start a server with TLS; by default its certificate is for this machine."""

    def start(
        pair: Pair | None = None, *, client_ca: Path | None = None, **settings: object
    ) -> Server:
        pair = pair or authority.issue("server")
        security = SecuritySettings(
            tls_cert=pair.cert, tls_key=pair.key, tls_client_ca=client_ca
        )
        return start_server(security=security, **settings)

    return start


def call(target: str, tls: gleann.Tls | None = None, key: str | None = None) -> None:
    with gleann.Client(target, tls=tls, api_key=key, timeout=60) as client:
        client.list_indexes()


def refusal(target: str, tls: gleann.Tls | None = None) -> str:
    with pytest.raises(errors.UnavailableError) as caught:
        call(target, tls)
    return str(caught.value)


def test_a_client_that_trusts_the_authority_calls(
    tls_server: Callable[..., Server], authority: Authority
) -> None:
    server = tls_server(api_key="secret")
    assert server.target == f"grpcs://127.0.0.1:{server.port}"
    with gleann.Client(
        server.target, tls=gleann.Tls(ca=authority.file), api_key="secret"
    ) as client:
        client.create_index("a", dim=2)
        assert [info.name for info in client.list_indexes()] == ["a"]


def test_an_async_client_calls_by_tls(
    tls_server: Callable[..., Server], authority: Authority
) -> None:
    target = tls_server(api_key="secret").target

    async def names(tls: gleann.Tls) -> list[str]:
        async with gleann.AsyncClient(
            target, api_key="secret", tls=tls, timeout=60
        ) as client:
            await client.create_index("a", dim=2)
            return [info.name for info in await client.list_indexes()]

    assert asyncio.run(names(gleann.Tls(ca=authority.file))) == ["a"]
    with pytest.raises(errors.UnavailableError, match="is not signed by one"):
        asyncio.run(names(gleann.Tls()))


def test_a_server_of_an_unknown_authority(
    tls_server: Callable[..., Server], tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    target = tls_server().target
    said = refusal(target, gleann.Tls(ca=other.file))
    assert "is not signed by one that the client trusts" in said
    assert str(other.file) in said
    # Without a file, it is the public authorities that are trusted.
    assert "the public authorities" in refusal(target)


def test_a_certificate_for_another_host(
    tls_server: Callable[..., Server], authority: Authority
) -> None:
    target = tls_server(authority.issue("other", "example.org")).target
    said = refusal(target, gleann.Tls(ca=authority.file))
    assert "certificate is not for 127.0.0.1" in said
    call(target, gleann.Tls(ca=authority.file, server_name="example.org"))


def test_a_certificate_that_expires_while_it_is_served(
    tls_server: Callable[..., Server],
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server has started two days ago; it has been expired for one."""

    class Before(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) - timedelta(days=2)

    pair = authority.issue("brief", days=-1, began=3)
    with monkeypatch.context() as patched:
        patched.setattr(tls_module, "datetime", Before)
        target = tls_server(pair).target
    said = refusal(target, gleann.Tls(ca=authority.file))
    assert "is not good now: certificate has expired" in said


def test_plain_clients_and_plain_servers(
    tls_server: Callable[..., Server],
    start_server: Callable[..., Server],
    authority: Authority,
) -> None:
    with_tls = tls_server().target.replace("grpcs", "grpc")
    assert "the server speaks TLS: use grpcs://" in refusal(with_tls)
    plain = start_server("plain").target.replace("grpc", "grpcs")
    said = refusal(plain, gleann.Tls(ca=authority.file))
    assert "the server does not speak TLS: use grpc://" in said


def test_mutual_tls_wants_a_certificate_of_the_authority(
    tls_server: Callable[..., Server], authority: Authority, tmp_path: Path
) -> None:
    clients = Authority(tmp_path, "clients")
    target = tls_server(client_ca=clients.file).target
    good, stranger = clients.issue("me"), authority.issue("stranger")
    expired = clients.issue("expired", days=-1)
    call(target, gleann.Tls(ca=authority.file, cert=good.cert, key=good.key))
    for pair in (None, stranger, expired):
        tls = gleann.Tls(
            ca=authority.file,
            cert=pair and pair.cert,
            key=pair and pair.key,
        )
        said = refusal(target, tls)
        assert "it may want a certificate of an authority" in said
        assert ("none is set" if pair is None else str(pair.cert)) in said
    tls = gleann.Tls(ca=authority.file, cert=good.cert, key=stranger.key)
    assert "do not fit each other" in refusal(target, tls)


def _bad_files(authority: Authority) -> dict[str, tuple[Path, Path, Path | None]]:
    good, other = authority.issue("good"), authority.issue("other")
    old = authority.issue("old", days=-1)
    early = authority.issue("early", began=-2, days=9)
    folder = good.cert.parent
    (folder / "junk").write_text(
        "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"
    )
    return {
        "other.key is not the private key of .*good.pem": (good.cert, other.key, None),
        r"old.pem expired 20\d\d-": (old.cert, old.key, None),
        "early.pem is good from .* it is too soon": (early.cert, early.key, None),
        "junk and .*good.key cannot be used": (folder / "junk", good.key, None),
        "good.key has no PEM certificate": (good.key, good.key, None),
        "nothing: No such file": (good.cert, folder / "nothing", None),
        "junk has no PEM certificate": (good.cert, good.key, folder / "junk"),
        "has no certificate of an authority": (good.cert, good.key, good.cert),
    }


@pytest.mark.parametrize("number", range(8))
def test_bad_files_are_refused_at_the_start(
    number: int, authority: Authority, tmp_path: Path
) -> None:
    says, (cert, key, ca) = list(_bad_files(authority).items())[number]
    config = Config(
        data_dir=tmp_path / "data",
        listen="127.0.0.1:0",
        security=SecuritySettings(tls_cert=cert, tls_key=key, tls_client_ca=ca),
    )
    with pytest.raises((errors.InvalidInputError, errors.MissingFileError), match=says):
        serve(config)
    serve(Config(data_dir=tmp_path / "data", listen="127.0.0.1:0")).stop()


def shown(server: Server) -> str:
    """The certificate that a new connection sees."""
    return ssl.get_server_certificate(("127.0.0.1", server.port))


def test_changed_files_are_served_without_a_restart(
    tls_server: Callable[..., Server],
    authority: Authority,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "SECONDS_BETWEEN", 0.05)
    pair = authority.issue("server")
    server = tls_server(pair)
    tls = gleann.Tls(ca=authority.file)
    before = shown(server)
    (tmp_path / "next").mkdir()
    renewed = authority.issue("server", to=tmp_path / "next")
    with caplog.at_level(logging.INFO):
        # The key alone does not fit: what was read before stays.
        renewed.key.replace(pair.key)
        until(lambda: "is not the private key" in caplog.text)
        assert shown(server) == before
        call(server.target, tls)
        renewed.cert.replace(pair.cert)
        until(lambda: shown(server) != before)
    call(server.target, tls)
    assert caplog.text.count("is not the private key") == 1


def test_a_certificate_that_ends_soon_is_warned_of(
    tls_server: Callable[..., Server],
    authority: Authority,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        tls_server(authority.issue("fortnight", days=15))
        assert "fortnight.pem" not in caplog.text
        tls_server(authority.issue("soon", days=13), directory="second")
    assert caplog.text.count("soon.pem expires 20") == 1


def test_keys_stay_off_plain_networks(
    tmp_path: Path, authority: Authority, start_server: Callable[..., Server]
) -> None:
    open_to_all = {"listen": "0.0.0.0:0", "allow_remote": True, "api_key": "secret"}
    data = tmp_path / "data"
    with pytest.raises(errors.InvalidParamsError, match=r"plain text.*tls_cert"):
        serve(Config(data_dir=data, **open_to_all))
    pair = authority.issue("server")
    for settings in (
        SecuritySettings(allow_plaintext_keys=True),
        SecuritySettings(tls_cert=pair.cert, tls_key=pair.key),
    ):
        serve(Config(data_dir=data, security=settings, **open_to_all)).stop()


def test_a_client_warns_of_a_key_without_tls() -> None:
    with pytest.warns(PlaintextKeyWarning, match="grpcs"):
        gleann.Client("grpc://example.org:1", api_key="secret").close()
    for target in ("grpc://127.0.0.1:1", "grpcs://example.org:1", "unix:/tmp/x"):
        gleann.Client(target, api_key="secret").close()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda d: gleann.Tls(cert=d), "cert is set without key"),
        (lambda d: gleann.Tls(key=d), "key is set without cert"),
        (lambda d: gleann.Tls(ca=b"pem"), "ca must be a path, got a bytes"),
        (lambda d: gleann.Client(d, tls=gleann.Tls()), "the target is a directory"),
        (
            lambda d: gleann.Client("grpc://h:1", tls=gleann.Tls()),
            "tls needs grpcs://",
        ),
        (
            lambda d: gleann.Client("grpcs://h:1", tls=gleann.Tls(ca=d / "no")),
            "no: No such file",
        ),
    ],
)
def test_what_a_client_refuses(
    make: Callable[[Path], object], says: str, tmp_path: Path
) -> None:
    with pytest.raises((errors.InvalidParamsError, errors.MissingFileError)) as caught:
        make(tmp_path)
    assert says in str(caught.value)

"""Facts about files of credentials."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from edge.credentials import CredentialsUnavailable, SecretFile, Token, read_token, tls_context
from edge.settings import Settings
from sandbox.credentials import Authority, TokenIssuer


def settings(**variables: str) -> Settings:
    """Settings of an environment with just these variables."""
    return Settings.load(variables, pid=1)


def of(path: Path) -> SecretFile:
    """A token file."""
    return SecretFile(path, "token file", "SAT_TOKEN_PATH")


def test_a_token_is_read_without_the_white_space_around_it(tmp_path: Path) -> None:
    """`kubectl create token > file` ends the file with a newline; the broker must not see it."""
    (tmp_path / "token").write_bytes(b" abc.def.ghi\n")

    assert read_token(of(tmp_path / "token")).raw == b"abc.def.ghi"


def test_a_tokens_expiry_and_audience_are_read_from_it(tmp_path: Path) -> None:
    """They are the JWT's `exp` and `aud` claims."""
    token = TokenIssuer().token(audience="aio-internal", lifetime_seconds=60, now=1_000_000)
    (tmp_path / "token").write_text(token)
    read = read_token(of(tmp_path / "token"))

    assert (read.expires_at, read.audience) == (1_000_060.0, ("aio-internal",))


@pytest.mark.parametrize("raw", [b"x", b"a.b.c", b"a.e30.c", b"a.W10.c", b"..", b"\xff.\xff.\xff", b"a.bnVsbA.c"])
def test_what_is_no_token_has_no_claims(raw: bytes) -> None:
    """Garbage is passed on as it is: only the broker decides what a token is worth."""
    assert Token.parse(raw) == Token(raw, None, ())


def test_a_token_does_not_show_itself() -> None:
    """Its text is not in its repr, which may reach a log."""
    assert "secret" not in repr(Token(b"secret"))


@pytest.mark.parametrize("content", [None, b"", b" \n"], ids=["missing", "empty", "blank"])
def test_a_missing_or_empty_token_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    """The error names the file and what is wrong with it."""
    path = tmp_path / "broker-sat"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(CredentialsUnavailable, match=r"token file .*broker-sat is (missing|empty)"):
        read_token(of(path))


def test_tls_verifies_by_default(tmp_path: Path) -> None:
    """Certificate and host name are checked, with TLS 1.2 or newer."""
    (tmp_path / "ca.crt").write_bytes(Authority().ca_pem)
    context = tls_context(settings(MQTT_CA_FILE=str(tmp_path / "ca.crt")))

    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert len(context.get_ca_certs()) == 1


def test_verification_goes_only_on_request() -> None:
    """MQTT_TLS_INSECURE=true is the one way to turn it off."""
    context = tls_context(settings(MQTT_TLS_INSECURE="true"))

    assert context is not None
    assert context.verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize("content", [None, b"", b"no certificate"], ids=["missing", "empty", "not PEM"])
def test_a_useless_ca_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    """The error names the file; nothing else is trusted instead."""
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(CredentialsUnavailable, match=r"CA file .*ca\.crt"):
        tls_context(settings(MQTT_CA_FILE=str(path)))


def test_without_tls_there_is_no_context() -> None:
    """MQTT_TLS=false means plain TCP."""
    assert tls_context(settings(MQTT_TLS="false", MQTT_AUTH_METHOD="NONE")) is None


def test_a_client_certificate_that_does_not_load_is_named(tmp_path: Path) -> None:
    """X509 with files that are no certificate and key: the error names both, not what they hold."""
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).write_bytes(b"TOP-SECRET")
    files = {"MQTT_CERT_FILE": str(tmp_path / "tls.crt"), "MQTT_KEY_FILE": str(tmp_path / "tls.key")}

    with pytest.raises(CredentialsUnavailable, match=r"tls\.crt and key .*tls\.key do not load") as error:
        tls_context(settings(MQTT_AUTH_METHOD="X509", **files))
    assert "TOP-SECRET" not in str(error.value)

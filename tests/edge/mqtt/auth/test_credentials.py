"""Facts about files of credentials."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from threading import Event, active_count

import pytest

from edge.mqtt.auth.credentials import (
    CredentialsUnavailable,
    Login,
    Note,
    Reader,
    SecretFile,
    Token,
    read_token,
    tls_context,
)
from edge.settings.loader import Settings
from sandbox.credentials import Authority, TokenIssuer
from tests.support.brokers.credentials import Credentials


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


@pytest.mark.parametrize(
    "claims",
    [
        b'{"exp":1e400}',
        b'{"exp":-1e400}',
        b'{"exp":NaN}',
        b'{"exp":-5}',
        b'{"exp":0}',
        b'{"exp":1e20}',
        b'{"exp":true}',
        b'{"exp":"tomorrow"}',
        b'{"exp":[1]}',
        b'{"exp":1' + b"0" * 4000 + b"}",
        b'{"exp":1' + b"0" * 6000 + b"}",
        b'{"exp":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"exp":1,"exp":null}',
        b"null",
        b"[]",
    ],
    ids=lambda text: text[:20].decode(),
)
def test_an_expiry_that_is_no_time_is_none(claims: bytes) -> None:
    """Then no expiry is known, and nothing stumbles."""
    token = Token.parse(b"e30." + base64.urlsafe_b64encode(claims).rstrip(b"=") + b".c2ln")

    assert (token.expires_at, token.not_before) == (None, None)


@pytest.mark.parametrize(
    ("claims", "audience", "subject"),
    [
        (b'{"aud":"one","sub":"me"}', ("one",), "me"),
        (b'{"aud":["one",2,null,["three"],{"a":1},"four"],"sub":["me"]}', ("one", "four"), ""),
        (b'{"aud":{"a":1},"sub":1e400}', (), ""),
        (b'{"aud":7}', (), ""),
    ],
    ids=["texts", "a list of all kinds", "an object", "a number"],
)
def test_of_audience_and_subject_only_text_counts(claims: bytes, audience: tuple[str, ...], subject: str) -> None:
    """What is of another type is left out."""
    token = Token.parse(b"e30." + base64.urlsafe_b64encode(claims).rstrip(b"=") + b".c2ln")

    assert (token.audience, token.subject) == (audience, subject)


SECRETS: dict[str, tuple[dict[str, str], str, str]] = {
    "token": ({"MQTT_AUTH_METHOD": "K8S-SAT", "MQTT_TLS": "false"}, "SAT_TOKEN_PATH", "token file"),
    "password": (
        {"MQTT_AUTH_METHOD": "USERPASS", "MQTT_USERNAME": "me", "MQTT_TLS": "false"},
        "MQTT_PASSWORD_FILE",
        "password file",
    ),
    "CA": ({"MQTT_AUTH_METHOD": "NONE"}, "MQTT_CA_FILE", "CA file"),
    "certificate": ({"MQTT_AUTH_METHOD": "X509", "MQTT_KEY_FILE": "good"}, "MQTT_CERT_FILE", "certificate file"),
    "key": ({"MQTT_AUTH_METHOD": "X509", "MQTT_CERT_FILE": "good"}, "MQTT_KEY_FILE", "key file"),
    "key password": (
        {"MQTT_AUTH_METHOD": "X509", "MQTT_CERT_FILE": "good", "MQTT_KEY_FILE": "good"},
        "MQTT_KEY_PASSWORD_FILE",
        "key password file",
    ),
}
"""Each secret: the options it goes with, its own, and what it is called."""


def leave_out(_path: Path) -> None:
    """Nothing is there."""


NO_SECRETS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (leave_out, "is missing"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "blank": (lambda path: path.write_bytes(b" \n\t"), "is empty"),
    "too long": (lambda path: path.write_bytes(b"x" * 5_000_000), "cannot be read: it is larger than"),
    "a directory": (lambda path: path.mkdir(), "cannot be read: it is a directory"),
    "a pipe": (os.mkfifo, "cannot be read: it is a pipe, not a file"),
    "endless": (lambda path: path.symlink_to("/dev/zero"), "cannot be read: it is a device, not a file"),
    "a link to itself": (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links"),
}


@pytest.mark.parametrize("what", NO_SECRETS)
@pytest.mark.parametrize("whose", SECRETS)
def test_what_is_no_secret_is_named_in_one_line_with_its_option(whose: str, what: str, tmp_path: Path) -> None:
    """At once, whatever the path leads to."""
    others, option, name = SECRETS[whose]
    make, why = NO_SECRETS[what]
    path = tmp_path / "secret"
    make(path)
    (tmp_path / "good").write_text("any")
    given = {key: str(tmp_path / value) if value == "good" else value for key, value in others.items()}

    with pytest.raises(CredentialsUnavailable) as error:
        Login.of(settings(**given, **{option: str(path)}))

    assert str(error.value).startswith(f"{name} {path} {why}")
    assert str(error.value).endswith(f"(see {option})")
    assert "\n" not in str(error.value)


def test_a_token_of_the_longest_length_is_read_and_one_more_byte_is_too_much(tmp_path: Path) -> None:
    """65,535 bytes are the most that MQTT carries (MQTT 5, 1.5.6)."""
    path = tmp_path / "token"
    path.write_bytes(b"x" * 65_535)
    assert len(read_token(of(path)).raw) == 65_535
    path.write_bytes(b"x" * 65_536)

    with pytest.raises(CredentialsUnavailable, match="larger than 65,535 bytes"):
        read_token(of(path))


def test_a_file_that_never_answers_is_named_and_waited_for_by_one_thread_only(tmp_path: Path) -> None:
    """The loop goes on, each attempt says so in time, and when the file answers, that is the answer."""
    hangs, path = Event(), tmp_path / "token"

    def read(note: Note) -> bytes:
        note(of(path))
        hangs.wait(20)
        return b"token"

    async def story() -> tuple[list[str], int, bytes]:
        before, reader, said = active_count(), Reader(read, 0.05), []
        for _ in range(3):
            with pytest.raises(CredentialsUnavailable) as error:
                await reader.now()
            said.append(str(error.value))
        threads = active_count() - before
        hangs.set()
        return said, threads, await reader.now()

    said, threads, token = asyncio.run(story())

    assert set(said) == {f"token file {path} cannot be read: no answer within 0.05 s (see SAT_TOKEN_PATH)"}
    assert (threads, token) == (1, b"token")


def test_a_ca_file_without_any_text_does_not_open_the_door_to_the_systems_authorities(tmp_path: Path) -> None:
    """Bytes beyond ASCII alone are no certificate, and nothing is trusted in its place."""
    (tmp_path / "ca.crt").write_bytes(b"\xff\xfe" * 100)

    with pytest.raises(CredentialsUnavailable, match=r"ca\.crt contains no certificate in PEM form"):
        tls_context(settings(MQTT_CA_FILE=str(tmp_path / "ca.crt")))


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

    with pytest.raises(CredentialsUnavailable, match=r"cannot load certificate .*tls\.crt and key .*tls\.key") as error:
        tls_context(settings(MQTT_AUTH_METHOD="X509", **files))
    assert "TOP-SECRET" not in str(error.value)


def test_a_damaged_certificate_among_others_is_named_by_its_place(credentials: Credentials, tmp_path: Path) -> None:
    """Copying a bundle by hand cuts one of them, and the others are good."""
    good = credentials.ca_file.read_text()
    bad_text, cut = good.replace("MI", "!!", 1), good[:-40] + "\n"
    path = tmp_path / "ca.crt"
    lines = good.count("\n")
    for pem, which in (
        (good + bad_text, f"certificate 2 of 2, which begins in line {lines + 1}, is damaged"),
        (bad_text + good, "certificate 1 of 2, which begins in line 1, is damaged"),
        (f"# ours\n{good}\n{cut}{good}", f"certificate 2 of 3, which begins in line {lines + 3}, is damaged"),
    ):
        path.write_text(pem)
        with pytest.raises(CredentialsUnavailable, match=rf"CA file \S+ cannot be used: {which} \(see MQTT_CA_FILE\)"):
            tls_context(settings(MQTT_CA_FILE=str(path)))


def test_a_file_for_tls_keys_that_cannot_be_written_is_named(
    credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python opens it for every context, wherever it is used."""
    monkeypatch.setenv("SSLKEYLOGFILE", "/no/such/folder/keys")
    why = r"cannot write to /no/such/folder/keys \(see SSLKEYLOGFILE\): No such file or directory"
    for options in ({"MQTT_CA_FILE": str(credentials.ca_file)}, {}):
        with pytest.raises(CredentialsUnavailable, match=why):
            tls_context(settings(**options))

"""Facts about redaction: what a peer sends shows no secret of ours, no control character, and no more than a line."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import edge.redaction
from edge.mqtt.protocol.reason_codes import Packet, explain
from edge.redaction import escaped, from_peer, protect, without_credentials
from edge.settings.types import AuthMethod

PASSWORD = b"Xq7!vR2%zK9&wP4"
JWT = b".".join(
    base64.urlsafe_b64encode(part).rstrip(b"=")
    for part in (b'{"alg":"RS256","kid":"Zx8"}', b'{"aud":["aio-internal"],"exp":1893456000}', bytes(range(90, 154)))
)
SECRETS = (PASSWORD, JWT)
HIDDEN = "(not shown: it contains a part of our credentials)"


@pytest.fixture(autouse=True)
def _in_use() -> Iterator[None]:
    """Both secrets have been read, as for a login; those of other tests have not."""
    before = [*edge.redaction._in_use]
    edge.redaction._in_use.clear()
    for secret in SECRETS:
        protect(secret)
    yield
    edge.redaction._in_use.clear()
    edge.redaction._in_use.extend(before)


def parts(secret: bytes) -> Iterator[str]:
    """Every 8 characters of a secret, as it is and in base64."""
    for form in (secret, base64.b64encode(secret), base64.urlsafe_b64encode(secret)):
        text = form.decode().rstrip("=")
        yield from (text[place : place + 8] for place in range(len(text) - 7))


ENCODED: list[Callable[[bytes], str]] = [
    bytes.decode,
    lambda secret: secret.decode().swapcase(),
    lambda secret: base64.b64encode(secret).decode(),
    lambda secret: base64.urlsafe_b64encode(b"factory:" + secret).decode(),
    lambda secret: base64.b64encode(b"u" + secret).decode(),
    bytes.hex,
    lambda secret: secret.hex(":"),
    quote,
    lambda secret: " ".join(secret.decode()),
    lambda secret: "\x1b[0m".join(secret.decode()[place : place + 7] for place in range(0, len(secret), 7)),
    repr,
]
AROUND = st.text(st.characters(exclude_characters="\0"), max_size=200)
"""What MQTT allows in a string (MQTT 5, 1.5.4)."""


@given(before=AROUND, secret=st.sampled_from(SECRETS), cut=st.data(), after=AROUND)
def test_no_text_of_a_broker_shows_a_part_of_a_secret(
    before: str, secret: bytes, cut: st.DataObject, after: str
) -> None:
    """In Reason String and Server Reference: any cut of it, in any usual encoding, wherever it stands."""
    first = cut.draw(st.integers(0, len(secret) - 8))
    piece = secret[first : cut.draw(st.integers(first + 8, len(secret)))]
    text = before + cut.draw(st.sampled_from(ENCODED))(piece) + after
    line = explain(Packet.CONNACK, 0x86, AuthMethod.USERPASS, text, text)

    assert [part for each in SECRETS for part in parts(each) if part in line] == []
    assert line.isprintable()
    assert len(line) < 600


@pytest.mark.parametrize("form", ENCODED)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_text_that_repeats_a_secret_is_hidden_as_a_whole(secret: bytes, form: Callable[[bytes], str]) -> None:
    """To mask only what is recognised would leave the rest."""
    assert from_peer(f"bad credentials: {form(secret)}") == HIDDEN


@given(AROUND)
@example("other.example:8883")
@example("x" * 200)
@example("\x1b]0;title\x07")
def test_other_text_stays_readable_in_one_line(text: str) -> None:
    """A broker's own words help; they are cut, and their control characters are replaced."""
    shown = from_peer(text)

    assert shown.isprintable()
    assert len(shown) <= 163
    assert shown == "".join(each if each.isprintable() else "?" for each in text[:160]) + "..." * (len(text) > 160)


def test_a_short_secret_is_hidden_as_a_whole() -> None:
    """It has no part of eight characters."""
    protect(b"Zq9~")

    assert from_peer("not Zq9~, please") == HIDDEN
    assert from_peer("not Zq, please") == "not Zq, please"


def test_a_former_token_is_hidden_too() -> None:
    """It is valid for a while after the new one is there; a long run does not collect all of them."""
    for number in range(2, 100):
        protect(b"token-number-%d" % number)

    assert from_peer("token-number-98") == HIDDEN
    assert len(edge.redaction._in_use) < 10


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://host:8080/oee", "http://host:8080/oee"),
        (
            "http://host/oee?machine_type=cnc_machine&after=CNC-1",
            "http://host/oee?machine_type=cnc_machine&after=CNC-1",
        ),
        ("http://user:hunter2@host/oee", "http://[redacted]@host/oee"),
        ("http://user:hun@ter2@host/oee", "http://[redacted]@host/oee"),
        ("http://hunter2@[::1/oee", "http://[redacted]@[::1/oee"),
        ("http://host/oee?access_token=hunter2&x=1", "http://host/oee?access_token=[redacted]&x=1"),
        ("http://host/\x1b[2Joee", "http://host/?[2Joee"),
    ],
)
def test_the_credentials_of_a_url_are_not_shown(url: str, shown: str) -> None:
    """What remains of it shows where it leads."""
    assert without_credentials(url) == shown


@given(st.text())
def test_a_terminal_gets_no_control_characters(text: str) -> None:
    """Lines and tabs remain; what is printable is as it was."""
    assert re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", escaped(text)) is None
    assert all(each.isprintable() or each in "\n\t" for each in escaped(text))
    assert escaped("a\tb\n\x1b[2J") == "a\tb\n\\x1b[2J"

"""Facts about reason codes: what each means in each packet that may have it, by how we log in."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from edge.mqtt.protocol.reason_codes import CODES, Outcome, Packet, explain, name_of, outcome
from edge.settings.types import AuthMethod

SPECIFIED = {
    Packet.CONNACK: "00 80 81 82 83 84 85 86 87 88 89 8A 8C 90 95 97 99 9A 9B 9C 9D 9F",
    Packet.PUBACK: "00 10 80 83 87 90 91 97 99",
    Packet.SUBACK: "00 01 02 80 83 87 8F 91 97 9E A1 A2",
    Packet.DISCONNECT: "00 80 81 82 83 87 89 8B 8D 8E 8F 90 93 94 95 96 97 98 99 9A 9B 9C 9D 9E 9F A0 A1 A2",
    Packet.AUTH: "00 18",
}
"""The codes that a server may send (MQTT 5: 3.2.2.2, 3.4.2.1, 3.9.3, 3.14.2.1 and 4.13 for 0x81, 3.15.2.1)."""

TAKEN = {
    Packet.CONNACK: "00",
    Packet.PUBACK: "00 10",
    Packet.SUBACK: "00 01 02",
    Packet.DISCONNECT: "",
    Packet.AUTH: "00",
}
WAITED_FOR = {
    Packet.CONNACK: "",
    Packet.PUBACK: "91 97",
    Packet.SUBACK: "",
    Packet.DISCONNECT: "",
    Packet.AUTH: "18",
}
TRIED_AGAIN = {
    Packet.CONNACK: "80 88 89 97 9C 9D 9F",
    Packet.PUBACK: "",
    Packet.SUBACK: "",
    Packet.DISCONNECT: "00 80 83 87 89 8B 8D 93 96 97 98 9C 9D 9F A0",
    Packet.AUTH: "",
}
WORDS_OF_A_LOGIN = {
    AuthMethod.K8S_SAT: ("token", "BrokerAuthentication"),
    AuthMethod.USERPASS: ("user name", "MQTT_USERNAME", "MQTT_PASSWORD_FILE"),
    AuthMethod.X509: ("certificate", "MQTT_CERT_FILE"),
    AuthMethod.NONE: (),
}


def every() -> list[tuple[Packet, int, AuthMethod]]:
    """Each packet, each of its codes, each login."""
    both = product(Packet, AuthMethod)
    return [(packet, int(code, 16), method) for packet, method in both for code in SPECIFIED[packet].split()]


def listed(table: dict[Packet, str], packet: Packet, code: int) -> bool:
    """Whether a table has this code of this packet."""
    return f"{code:02X}" in table[packet].split()


@pytest.mark.parametrize(("packet", "code", "method"), every())
def test_each_code_of_each_packet_has_its_outcome(packet: Packet, code: int, method: AuthMethod) -> None:
    """Taken, waited for, tried again, or the end; a token that is not authorized may be newer at the next attempt."""
    expected = (
        Outcome.TAKEN
        if listed(TAKEN, packet, code)
        else Outcome.RETRY
        if listed(TRIED_AGAIN, packet, code)
        else Outcome.WAIT
        if listed(WAITED_FOR, packet, code) or (packet, code, method) == (Packet.CONNACK, 0x87, AuthMethod.K8S_SAT)
        else Outcome.FATAL
    )

    assert outcome(packet, code, method) is expected
    assert "not in MQTT 5" not in name_of(code)


@pytest.mark.parametrize(("packet", "code", "method"), every())
def test_no_text_blames_what_had_no_part_in_it(packet: Packet, code: int, method: AuthMethod) -> None:
    """Of the logins only the one that is used is spoken of, and with PUBACK and SUBACK none: those are about topics."""
    said = explain(packet, code, method)
    others = [word for other, words in WORDS_OF_A_LOGIN.items() if other is not method for word in words]
    if packet in {Packet.PUBACK, Packet.SUBACK}:
        others += WORDS_OF_A_LOGIN[method]
    if code == 0x86:  # whatever our login is, a password is what the broker asks for
        others = [word for word in others if word != "user name"]

    assert [word for word in others if word in said] == []


@pytest.mark.parametrize("packet", Packet)
def test_a_code_of_which_mqtt_knows_nothing_is_never_the_end(packet: Packet) -> None:
    """Whatever a broker makes up, a connection is tried again; a message is given up, as it may be at fault."""
    strange = [code for code in range(256) if f"{code:02X}" not in " ".join(SPECIFIED.values()).split()]
    outcomes = {outcome(packet, code) for code in strange if code >= 0x80}

    assert outcomes == {Outcome.FATAL if packet in {Packet.PUBACK, Packet.SUBACK} else Outcome.RETRY}


@pytest.mark.parametrize("packet", [Packet.CONNACK, Packet.DISCONNECT])
@pytest.mark.parametrize("code", [0x9C, 0x9D])
def test_another_server_is_named_and_not_followed(packet: Packet, code: int) -> None:
    """The line has the Server Reference, cleaned, and says that it is for people."""
    said = explain(packet, code, AuthMethod.NONE, server_reference="other.example:8883\r\nERROR")

    assert "server reference: other.example:8883??ERROR" in said
    assert "the simulator does not follow redirects" in said


WORDS = {Outcome.TAKEN: "accepted", Outcome.FATAL: "exit 3", Outcome.RETRY: "reconnects", Outcome.WAIT: "retries"}
COLUMNS = (Packet.CONNACK, Packet.DISCONNECT, Packet.PUBACK, Packet.AUTH)


def test_the_table_of_reason_codes_is_that_of_the_code() -> None:
    """docs/troubleshooting.md has a row for every code that a broker may send the simulator, with what follows."""
    page = (Path(__file__).parents[4] / "docs" / "troubleshooting.md").read_text("utf-8")
    table = page.partition("## Look up a reason code")[2]
    rows = [line for line in table.splitlines() if line.startswith("| `0x")]

    assert rows == [row(code) for code in CODES if any(f"{code:02X}" in SPECIFIED[each].split() for each in COLUMNS)]


def row(code: int) -> str:
    """A code's row."""
    cells = [cell(packet, code) if f"{code:02X}" in SPECIFIED[packet].split() else "" for packet in COLUMNS]
    return f"| `{name_of(code)}` | {' | '.join(cells)} |".replace("  |", " |")


def cell(packet: Packet, code: int) -> str:
    """What follows from a code of a packet."""
    word = WORDS[outcome(packet, code)].replace("exit 3", "refused" if packet is Packet.PUBACK else "exit 3")
    return (
        f"{word}; with a token: retries"
        if outcome(packet, code, AuthMethod.K8S_SAT) is not outcome(packet, code)
        else word
    )

"""Facts about exported rules at a real ejabberd: what each client may do there, and how the rest is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.neutral import access_trial
from tests.support.neutral.access_trial import CLIENTS, exported, password, reads, subscriptions, writes
from tests.support.neutral.ejabberd import Ejabberd
from tests.support.neutral.required import require_ejabberd
from tests.support.neutral.visitor import GRANTED, NotLetIn, Visitor

TOPIC_NAME_INVALID, TOPIC_FILTER_INVALID = 0x90, 0x8F
USERS = {name: password(name) for name in CLIENTS}


@contextmanager
def running(folder: Path, *flags: str) -> Iterator[Ejabberd]:
    """A broker with the exported rules."""
    require_ejabberd()
    with Ejabberd(folder / "ejabberd", USERS, rules=exported(folder, "ejabberd", *flags)) as broker:
        yield broker


@pytest.fixture(scope="module")
def by_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ejabberd]:
    """A broker with rules for users, where machines of a type share a topic."""
    with running(tmp_path_factory.mktemp("users"), "--patterns", "always") as broker:
        yield broker


def entering(broker: Ejabberd) -> access_trial.Enter:
    """How clients connect, each as the user of its name."""
    return lambda name: Visitor(broker.mqtt_port, name, password(name))


def test_each_client_publishes_what_it_may_and_nothing_else(by_user: Ejabberd) -> None:
    """Refused with PUBACK 0x90, which ejabberd has for it instead of 0x87."""
    assert access_trial.published(entering(by_user), "type") == writes("type")
    assert access_trial.refusals(entering(by_user), "type") == {TOPIC_NAME_INVALID}


def test_each_client_subscribes_to_what_it_may_and_nothing_else(by_user: Ejabberd) -> None:
    """Refused with SUBACK 0x8F; what is granted is received."""
    enter = entering(by_user)

    assert access_trial.granted(enter, "type") == subscriptions("type")
    assert access_trial.received(enter, "type", subscriptions("type")) == reads("type")
    with enter("intruder") as intruder:
        assert intruder.subscribe("factory/#") == TOPIC_FILTER_INVALID


def test_nobody_is_let_in_without_a_password(by_user: Ejabberd) -> None:
    """A client without a user name is taken for the user that is called like its client id."""
    for name, word, client_id in ((None, None, "CNC-01"), (None, None, "x"), ("CNC-01", "wrong", ""), ("x", "x", "")):
        with pytest.raises(NotLetIn), Visitor(by_user.mqtt_port, name, word, client_id):
            pass


def test_client_ids_open_the_topics_of_a_machine_to_whoever_takes_its_id(tmp_path: Path) -> None:
    """As ejabberd has rules about client ids, roles are client ids too: any user is the controller by its id."""
    with running(tmp_path, "--topic-layout", "machine", "--identity", "client_id") as broker:

        def enter(name: str) -> Visitor:
            return Visitor(broker.mqtt_port, "intruder", password("intruder"), name)

        assert access_trial.published(enter, "machine") == writes("machine")
        assert access_trial.granted(enter, "machine") == subscriptions("machine")
        with Visitor(broker.mqtt_port, "CNC-01", password("CNC-01"), "other") as named:
            assert named.publish("factory/cnc/CNC-01") >= GRANTED

"""Facts about exported rules at the embedded broker: what each client may do there, and how the rest is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.access import Passwords
from sandbox.acl import Acl
from sandbox.broker import EmbeddedBroker
from sandbox.connections.listener import Listener
from tests.support.neutral import access_trial
from tests.support.neutral.access_trial import CLIENTS, exported, password, reads, subscriptions, writes
from tests.support.neutral.visitor import NOT_AUTHORIZED, NotLetIn, Visitor
from tests.support.processes.daemon import running

USERS = {name: password(name) for name in CLIENTS}


@contextmanager
def with_rules(folder: Path, *flags: str) -> Iterator[EmbeddedBroker]:
    """A broker with the exported rules."""
    rules = Acl.read(exported(folder, "sandbox", *flags))
    with running(EmbeddedBroker(Listener(access=Passwords(USERS), acl=rules))) as broker:
        yield broker


def entering(broker: EmbeddedBroker) -> access_trial.Enter:
    """How clients connect, each as the user of its name."""
    return lambda name: Visitor(broker.port, name, password(name))


@pytest.mark.parametrize("layout", ["machine", "type"])
def test_each_client_may_do_what_it_may_and_nothing_else(layout: str, tmp_path: Path) -> None:
    """All that is not allowed is refused: PUBACK 0x87 and SUBACK 0x87; what is allowed arrives."""
    with with_rules(tmp_path, "--topic-layout", layout) as broker:
        enter = entering(broker)

        assert access_trial.published(enter, layout) == writes(layout)
        assert access_trial.refusals(enter, layout) == {NOT_AUTHORIZED}
        assert access_trial.granted(enter, layout) == subscriptions(layout)
        assert access_trial.received(enter, layout, subscriptions(layout)) == reads(layout)
        with enter("intruder") as intruder:
            assert intruder.subscribe("#") == NOT_AUTHORIZED


def test_patterns_allow_the_same_except_for_topics_with_ones_own_name(tmp_path: Path) -> None:
    """A welder may write to the topic that a CNC machine with its id would have."""
    expected = dict(writes("machine")) | {"WELD-01": writes("machine")["WELD-01"] | {"factory/cnc/WELD-01"}}
    with with_rules(tmp_path, "--topic-layout", "machine", "--patterns", "always") as broker:
        assert access_trial.published(entering(broker), "machine") == expected


def test_nobody_is_let_in_without_a_name_or_with_a_wrong_password(tmp_path: Path) -> None:
    """Anonymous clients get nothing, as they do not get in."""
    with with_rules(tmp_path) as broker:
        for name, word in ((None, None), ("CNC-01", "wrong"), ("stranger", "x")):
            with pytest.raises(NotLetIn), Visitor(broker.port, name, word):
                pass

"""The output: where messages go that the plant has emitted."""

from __future__ import annotations

import asyncio

from edge.delivery.queue import MessageQueue
from edge.runtime.output import Output, Sink
from edge.settings.loader import Settings
from messages import START, FactoryMessageGenerator
from tests.support.factory.acted_on import press, read


def test_messages_of_a_type_that_is_gone_keep_their_topic() -> None:
    """They may be queued still, and their consumers are there; one that comes back has the topic it then has."""
    plant = FactoryMessageGenerator.of(read(press()), 1)
    nowhere: list[MessageQueue] = []

    def make_sink(queue: MessageQueue) -> Sink:
        nowhere.append(queue)
        return None  # type: ignore[return-value]

    output = Output(
        Settings.load({}, pid=1),
        plant,
        asyncio.Event(),
        lambda: 0.0,
        lambda: 0.0,
        dry_run=False,
        show_first=False,
        command_part=(1, 1),
        make_sink=make_sink,
    )
    message = next(each for each in plant.advance(START + 60) if each.kind == "press.production")
    plant.reload(read({"message_types": {}}))
    output.invalidate()
    gone = output.topic(message)
    plant.reload(read(press(topic="{prefix}/other")))
    output.invalidate()

    assert (gone, output.topic(message)) == ("factory/press/production", "factory/other/production")

"""A simulator for all tests of `top`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.factory.acted_on import PRESS, content
from tests.support.processes.daemon import DaemonProcess
from tests.support.processes.ports import free_port


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a simulator with an embedded broker, four presses, and two mills in a plant of Berlin."""
    plant = tmp_path_factory.mktemp("plant") / "plant.yaml"
    types = {"press": PRESS, "mill": {**PRESS, "count": 2}}
    plant.write_text(content({"calendar": {"time_zone": "Europe/Berlin"}, "message_types": types}))
    flags = ["--seed", "1", "--message-config-path", str(plant), "--http-port", str(free_port())]
    with DaemonProcess("run", "--demo", *flags) as daemon:
        daemon.says("first on factory/press")
        yield daemon.url()

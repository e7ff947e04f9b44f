"""Draws the screen of `top` as an SVG, as it shows a simulator of its own after a minute.

python -m tools.pictures.top > docs/pictures/top.svg
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Final
from urllib.request import Request, urlopen

from cli.ctl.client import Client
from cli.top.app import TopApp
from tests.support.processes.daemon import DaemonProcess
from tests.support.processes.ports import free_port
from tools.pictures.terminal import FONT

SIZE: Final = (110, 27)
SECONDS: Final = 60
PLANT: Final = "scenarios/spaceship-faults.yaml"
COMMANDS: Final = (
    {"command": "stop", "machine_id": "CNC-03"},
    {"command": "inject", "machine_id": "PAINT-01", "fault": "clogging"},
    {"command": "inject", "machine_id": "CNC-02", "fault": "tool_breakage", "severity": 2},
    {"command": "scale", "message_type": "printer_3d", "count": 10},
)


async def screen(url: str) -> str:
    """Return the screen as an SVG after a minute, with the second type selected."""
    app = TopApp(Client(url), time.monotonic)
    async with app.run_test(size=SIZE) as pilot:
        await asyncio.sleep(SECONDS)
        await pilot.press("down")
        await pilot.pause(1.5)
        return app.export_screenshot(title="python app.py top")


def act(url: str) -> None:
    """Give the commands, one of which is refused."""
    for command in COMMANDS:
        request = Request(f"{url}/api/v1/commands", json.dumps(command).encode(), method="POST")  # noqa: S310
        try:
            urlopen(request, timeout=10).close()  # noqa: S310 - the simulator that runs here
        except OSError as error:
            print(error, file=sys.stderr)


def local(svg: str) -> str:
    """Return the picture without fonts of the Internet."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return re.sub(r"font-family: [^;]*Fira Code[^;]*;", f"font-family: {FONT};", svg)


if __name__ == "__main__":
    flags = ["--http-port", str(free_port()), "--seed", "1", "--message-config-path", PLANT]
    with DaemonProcess("run", "--demo", *flags) as daemon:
        act(daemon.url())
        sys.stdout.write(local(asyncio.run(screen(daemon.url()))))

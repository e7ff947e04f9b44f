"""The client on docs/api.md: exactly what stands there, called by a plant that runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.edge.runtime.test_live_commands import http
from tests.support.processes.daemon import ROOT, DaemonProcess

PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")


@pytest.fixture
def snippet() -> str:
    """The only Python on the page."""
    (found,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def test_the_client_on_the_page_stops_a_machine_and_finds_it(snippet: str, tmp_path: Path) -> None:
    """In a dozen lines of the standard library; only the port is another one."""
    with DaemonProcess(
        "run", "--dry-run", "--message-config-path", str(ROOT / "message_structure.yaml"), *http()
    ) as daemon:
        url = daemon.says(r"HTTP on (http://\S+):").group(1)
        client = tmp_path / "client.py"
        client.write_text(snippet.replace("http://localhost:8080", url))
        ran = subprocess.run([sys.executable, str(client)], capture_output=True, text=True, timeout=30, check=False)

    assert (ran.stdout, ran.stderr) == ("['CNC-03']\n", "")
    assert len([line for line in snippet.splitlines() if line.strip()]) <= 14

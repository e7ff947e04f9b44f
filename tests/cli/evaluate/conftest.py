"""The command, for the tests of `evaluate`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.evaluate.runs import Command


@pytest.fixture
def evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Calls `app.py evaluate` with ground truth, detections and messages in files."""
    return Command(tmp_path, capsys)

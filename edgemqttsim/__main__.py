"""The command `edgemqttsim`, and `python -m edgemqttsim`: what app.py is in a checkout."""

from __future__ import annotations

import sys

from edge.installed import require
from edge.startup import guarded, prepare


def command() -> int:
    """Run the command line of this process; the exit code is the answer."""
    prepare()
    require()
    from app import of_this_process  # noqa: PLC0415 - only now, as app.py does it

    return guarded(of_this_process)


if __name__ == "__main__":
    sys.exit(command())

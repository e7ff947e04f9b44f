"""Runs a command of app.py in a process that the nursery forks: `python -I -S command.py FD ARGUMENTS`.

It has the streams, the environment and the directory of this process, which waits for its end and has its exit code.
FD is the descriptor of a socket at which the nursery is asked.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path


def main() -> int:
    """Ask for the process, and wait for its end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    argv = [str(Path(__file__).parents[3] / "app.py"), *sys.argv[2:]]
    head = json.dumps({"argv": argv, "environ": dict(os.environ), "directory": str(Path.cwd())})
    with socket.socket(fileno=int(sys.argv[1])) as requests, theirs:
        socket.send_fds(requests, [head.encode()], [0, 1, 2, theirs.fileno()])
    with ours:
        ours.recv(32)  # its process id
        code = int(ours.recv(32))
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())

"""What Linux says of a process (proc_pid_status(5), proc_pid_stat(5))."""

from __future__ import annotations

import os
from pathlib import Path


def memory_bytes(pid: int, figure: str = "VmRSS") -> int:
    """Memory that a process has, or as VmHWM the most it ever had; ProcessLookupError where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        line = next(line for line in lines if line.startswith(f"{figure}:"))
    except (OSError, StopIteration):
        # One that has ended and was not waited for yet still has a status, without any memory.
        raise ProcessLookupError(f"no process {pid}") from None
    return int(line.split()[1]) * 1024


def cpu_seconds(pid: int) -> float:
    """Processor time of all threads of a process, its own and the kernel's for it."""
    # The second field is the name in brackets, which may hold blanks; fields 14 and 15 are counted from there.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

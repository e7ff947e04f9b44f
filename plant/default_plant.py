"""The default plant: message_structure.yaml of the working directory, or else the one that comes with the program."""

from __future__ import annotations

from pathlib import Path
from typing import Final

NAME: Final = "message_structure.yaml"
PACKAGED: Final = Path(__file__).absolute().parent.parent / NAME
"""It lies above the packages: in the top level of a checkout, or in the package that was installed."""


def existing(path: str | Path = NAME) -> Path:
    """Return the path, or PACKAGED where the path is NAME and there is nothing of that name."""
    here = Path(path)
    return PACKAGED if here == Path(NAME) and _is_nothing(here) else here


def _is_nothing(path: Path) -> bool:
    """Whether there is nothing of that name; where nobody may look, reading it says so."""
    try:
        return not path.is_symlink() and not path.exists()
    except OSError:
        return False

"""The default plant: message_structure.yaml in the working directory, otherwise the one in the package."""

from __future__ import annotations

from pathlib import Path
from typing import Final

NAME: Final = "message_structure.yaml"
PACKAGED: Final = Path(__file__).absolute().parent.parent / NAME
"""In a checkout it is at the top level, in an installation in the package `edgemqttsim`."""


def existing(path: str | Path = NAME) -> Path:
    """Return the path, or PACKAGED if the path is NAME and no such file exists."""
    requested = Path(path)
    return PACKAGED if requested == Path(NAME) and _is_nothing(requested) else requested


def _is_nothing(path: Path) -> bool:
    """Return whether nothing of that name exists; without permission to look, reading it reports the error."""
    try:
        return not path.is_symlink() and not path.exists()
    except OSError:
        return False

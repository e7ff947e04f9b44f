"""The errors in the lines of a file: all are counted, and the first are listed with their place and rule."""

from __future__ import annotations

from cli.verify.input.reference import InvalidInput

_LISTED = 20


class LineErrors:
    """The errors in the lines of one input.  where: its name."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._count = 0
        self._listed: list[str] = []

    def add(self, line: int, rule: str) -> None:
        """Count an error. line: its number, from 1."""
        self._count += 1
        if self._count <= _LISTED:
            self._listed.append(f"{self._where}:{line}: {rule}")

    def raise_any(self) -> None:
        """Raise InvalidInput with the errors, a line each, if there are any."""
        if not self._count:
            return
        more = f", the first {_LISTED} of them" if self._count > _LISTED else ""
        errors = "1 error" if self._count == 1 else f"{self._count:,} errors"
        raise InvalidInput("\n".join([f"{errors} in {self._where}{more}:", *self._listed]))

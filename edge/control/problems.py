"""Why a command was not executed, as problem details (RFC 9457): the same over HTTP and MQTT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from edge.status import Busy, PlantError
from plant.interventions.commands import CommandRefused

_BUSY_SECONDS: Final = 2


@dataclass(frozen=True, slots=True)
class FieldError:
    """A field that breaks a rule. pointer: to the field, as a JSON pointer (RFC 6901); "" is the whole."""

    pointer: str
    detail: str

    def described(self) -> dict[str, object]:
        """Return it as plain data."""
        return {"pointer": self.pointer, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class ParameterError:
    """A parameter of an address that breaks a rule."""

    parameter: str
    detail: str

    def described(self) -> dict[str, object]:
        """Return it as plain data."""
        return {"parameter": self.parameter, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class FileError:
    """An error of a plant's YAML that was sent."""

    error: PlantError

    @property
    def detail(self) -> str:
        """The error in one line."""
        line, path, rule = self.error
        return f"{path}: {rule}" if line is None else f"line {line}: {path}: {rule}"

    def described(self) -> dict[str, object]:
        """Return it as plain data: in one line, and in parts."""
        line, path, rule = self.error
        return {"line": line, "path": path, "rule": rule, "detail": self.detail}


class Problem(Exception):
    """What was wrong. status: as a status code of HTTP.  retry_seconds: when to try again, if that may help."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[FieldError | ParameterError | FileError] = (),
        retry_seconds: int | None = None,
    ) -> None:
        super().__init__(status, detail, errors, retry_seconds)  # so that it can be copied to another process
        self.status, self.detail, self.errors, self.retry_seconds = status, detail, errors, retry_seconds

    def __str__(self) -> str:
        return self.detail

    def described(self) -> dict[str, object]:
        """Return the members of the problem details."""
        content: dict[str, object] = {
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            content["errors"] = [each.described() for each in self.errors]
        return content


def problem_of(error: Exception) -> Problem | None:
    """Return why a command was not executed; None for an error of our own."""
    match error:
        case Problem():
            return error
        case CommandRefused(place=place, rule=rule):
            return Problem(422, str(error), [FieldError(pointer_of(place), rule)])
        case Busy():
            return Problem(503, "too many commands wait; try again in a moment", retry_seconds=_BUSY_SECONDS)
        case TimeoutError():
            return Problem(503, "the plant does not answer in time; it may still execute the command")
    return None


def pointer_of(place: str) -> str:
    """Return the JSON pointer of a place such as `signals.temperature`."""
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in place.split(".") if step)

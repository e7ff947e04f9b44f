"""Reading a scenario file: its plan, or every error in it with file, line, path and rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any, Final

from cli.scenario.definition.actions import Action, read_action
from cli.scenario.definition.models import ScenarioFile, ScenarioSpec, StepSpec
from cli.scenario.definition.plan import Plan
from cli.scenario.definition.step_rules import Placed, Timeline, broken
from edge.settings.loader import Settings, SettingsError
from plant.definition import plant_config
from plant.definition.document import yaml_file
from plant.definition.document.errors import (
    ConfigError,
    Place,
    PlantConfigError,
    Violation,
    format_place,
    with_lines,
)
from plant.definition.document.validation import validated
from plant.definition.plant_config import PlantConfig

_STEPS: Final = "steps"
_PLANT: Final = "plant"
_NOT_HERE: Final = ("WORKERS", "SHARD", "HTTP_PORT", "MESSAGE_CONFIG_PATH", "SEED")
_OF_EMBEDDED: Final = {
    "MQTT_BROKER",
    "MQTT_PORT",
    "MQTT_AUTH_METHOD",
    "MQTT_TLS",
    "MQTT_CA_FILE",
    "SAT_TOKEN_PATH",
}


class ScenarioError(Exception):
    """A scenario file cannot be used. mistakes: every error, in the order of the file."""

    def __init__(self, mistakes: Sequence[ConfigError]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(map(str, mistakes)))


class PlantFiles:
    """The plants that a scenario names: relative to it, or the default one.

    load: returns the plant of a file, and its content; raises PlantConfigError.  check: raises it for wrong topics.
    """

    def __init__(
        self,
        folder: Path,
        default: Path,
        load: Callable[[Path], tuple[PlantConfig, bytes]],
        check: Callable[[PlantConfig, Path], PlantConfig],
    ) -> None:
        self._folder, self.default, self._load, self.check = folder, default, load, check

    def config(self, path: Path | None) -> PlantConfig:
        """Return the plant of a file; raises PlantConfigError."""
        return self._load(self.default if path is None else self._folder / path)[0]

    def content(self, path: Path) -> bytes:
        """Return the content of a valid file; raises PlantConfigError."""
        return self._load(self._folder / path)[1]


def read(path: Path, files: PlantFiles) -> Plan:
    """Return the plan of a scenario file; raises ScenarioError with every error in it."""
    try:
        document = yaml_file.read(path)
    except yaml_file.UnreadableError as error:
        raise ScenarioError([ConfigError(str(path), error.line, format_place(error.place), error.rule)]) from None
    return _Reader(path, document, files).plan()


class _Reader:
    """Reads one file, and collects what is wrong with it."""

    def __init__(self, path: Path, document: yaml_file.Document, files: PlantFiles) -> None:
        self._path, self._document, self._files = path, document, files
        self._data = document.data
        self._wrong: list[Violation] = [*document.violations]
        self._of_plant: list[ConfigError] = []

    def plan(self) -> Plan:
        """Return the plan; raises ScenarioError."""
        head = self._head()
        given, actions = self._steps()
        config = self._plant(head)
        self._wrong += [each for step, place in given for each in broken(step, place, self._broker)]
        self._wrong += _wrong_settings(self._data.get("settings"), self._broker)
        timeline = Timeline(head, given, self._document.lines) if head is not None else None
        self._wrong += timeline.violations if timeline else []
        if head is None or timeline is None or config is None or self._wrong or self._of_plant:
            mistakes = [*with_lines(self._wrong, str(self._path), self._document.lines), *self._of_plant]
            raise ScenarioError(sorted(mistakes, key=lambda each: (each.file != str(self._path), each.line or 0)))
        speed = head.speed or (inf if head.broker == "none" else 1.0)
        return Plan(
            file=self._path,
            name=head.name,
            plant_name=_plant_name(head),
            config=config,
            seed=str(head.seed),
            start_ms=head.start,
            end_ms=timeline.end_ms,
            speed=speed,
            broker=head.broker,
            settings={name: _text(value) for name, value in head.settings.items()},
            steps=timeline.steps(actions),
        )

    def _head(self) -> ScenarioSpec | None:
        flags = self._document.flags
        if unknown := [key for key in self._data if key not in _keys()]:
            self._wrong += [Violation((key,), "is an unknown key", _keys()) for key in unknown]
        known = {key: value for key, value in self._data.items() if key in _keys() and key != _STEPS}
        head, wrong = validated(ScenarioSpec, known, flags)
        self._wrong += wrong
        return head

    @property
    def _broker(self) -> object:
        return self._data.get("broker", "none")

    def _steps(self) -> tuple[list[Placed], list[list[Action]]]:
        """Return the steps that can be read, with their places, and what they do."""
        steps, given, actions = self._data.get(_STEPS), list[Placed](), list[list[Action]]()
        if not isinstance(steps, list) or not steps:
            rule = "is missing" if _STEPS not in self._data else "must be a list of steps, with at least one"
            self._wrong.append(Violation((_STEPS,), rule))
            return [], []
        for number, data in enumerate(steps):
            place: Place = (_STEPS, number)
            if not isinstance(data, dict):
                self._wrong.append(Violation(place, "must be a mapping (key: value)"))
                continue
            step, wrong = validated(StepSpec, data, self._document.flags, place)
            self._wrong += wrong
            if step is not None:
                given.append((step, place))
                actions.append(self._actions(step, place))
        return given, actions

    def _actions(self, step: StepSpec, place: Place) -> list[Action]:
        is_list = isinstance(self._data[_STEPS][place[1]].get("do"), list)
        found = []
        for number, data in enumerate(step.do or ()):
            at = (*place, "do", number) if is_list else (*place, "do")
            action, wrong = read_action(data, at, self._document.flags, self._files.content)
            self._wrong += wrong
            found += [action] if action else []
        return found

    def _plant(self, head: ScenarioSpec | None) -> PlantConfig | None:
        given = self._data.get(_PLANT) if head is None else head.plant
        try:
            if isinstance(given, dict):
                return self._inline(given)
            return self._files.config(Path(given) if isinstance(given, str) and given else None)
        except PlantConfigError as error:
            missing = [each for each in error.mistakes if each.is_about_file]
            self._wrong += [Violation((_PLANT,), str(each)) for each in missing]
            self._of_plant += [each for each in error.mistakes if not each.is_about_file]
            return None

    def _inline(self, data: Mapping[str, Any]) -> PlantConfig:
        """Return the plant that stands in the file itself; raises PlantConfigError with places in this file."""
        lines = {place[1:]: line for place, line in self._document.lines.items() if place[:1] == (_PLANT,)}
        flags = {place[1:]: word for place, word in self._document.flags.items() if place[:1] == (_PLANT,)}
        try:
            return self._files.check(plant_config.parse(data, str(self._path), lines, (), flags), self._path)
        except PlantConfigError as error:
            raise PlantConfigError(replace(each, path=f"{_PLANT}.{each.path}") for each in error.mistakes) from None


def _keys() -> list[str]:
    return [*ScenarioFile.model_fields]


def _plant_name(head: ScenarioSpec) -> str:
    if isinstance(head.plant, str):
        return head.plant
    return "in the file" if head.plant else "the default plant"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _wrong_settings(given: object, broker: object) -> list[Violation]:
    """Return a violation for each option that is unknown, that has no meaning here, or whose value is wrong.

    Options have to agree with each other, too, unless the environment has the rest of them.
    """
    options = given if isinstance(given, dict) else {}
    wrong = [each for name, value in options.items() for each in _wrong_setting(name, value, broker)]
    if wrong or broker == "settings":
        return wrong
    mistakes = _mistakes({name: _text(value) for name, value in options.items()}, together=True)
    return [Violation(("settings", name) if name in options else ("settings",), rule) for name, rule in mistakes]


def _wrong_setting(name: object, value: object, broker: object) -> list[Violation]:
    known = [variable.upper() for variable in Settings.model_fields]
    place = ("settings", str(name))
    if name in _NOT_HERE:
        return [Violation(place, "has no meaning in a scenario")]
    if name in _OF_EMBEDDED and broker == "sandbox":
        return [Violation(place, "is that of the embedded broker with `broker: sandbox`")]
    if name not in known:
        return [Violation(place, "is no option", known)]
    return [Violation(place, rule) for _, rule in _mistakes({str(name): _text(value)}, together=False)]


def _mistakes(options: Mapping[str, str], *, together: bool) -> list[tuple[str, str]]:
    """Return what is wrong with options, each with its name. together: rules between options count, too."""
    try:
        Settings.load(options, pid=1)
    except SettingsError as error:
        parts = [each.partition(": ") for each in error.mistakes if together or not error.disagree]
        return [(name, rule if name in options else f"{name}: {rule}") for name, _, rule in parts]
    return []

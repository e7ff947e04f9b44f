"""The models by name: those of this package, and those of installed packages that offer some."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Final

from plant.models.model import Model

ENTRY_POINTS: Final = "edgemqttsim.models"
"""The group of entry points by which a package offers models: a name, and the class."""

_OTHER_MODULES: Final = ("model", "registry")


@cache
def models() -> Mapping[str, Model]:
    """Return all models by name; one of this package has the name of its module."""
    return {**dict(_offered()), **dict(_own())}


def _own() -> Iterator[tuple[str, Model]]:
    for module in iter_modules([str(Path(__file__).parent)]):
        if module.name not in _OTHER_MODULES:
            yield module.name, _model_of(import_module(f"{__package__}.{module.name}"))


def _offered() -> Iterator[tuple[str, Model]]:
    for each in entry_points(group=ENTRY_POINTS):
        yield each.name, each.load()()


def _model_of(module: ModuleType) -> Model:
    """Return the model of a module, which has one class with outputs."""
    [found] = [each for each in vars(module).values() if isinstance(each, type) and hasattr(each, "outputs")]
    model: Model = found()
    return model

"""The plant for programs of your own: `from edgemqttsim import FactoryMessageGenerator`.

It works in a checkout and where the package is installed. There all modules are below this one: edgemqttsim.plant ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from messages import START, FactoryMessageGenerator

__all__ = ["START", "FactoryMessageGenerator"]


def __getattr__(name: str) -> object:
    """Import on first use (PEP 562): the command has to put streams and signals right before that."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from messages import START, FactoryMessageGenerator  # noqa: PLC0415

    return {"START": START, "FactoryMessageGenerator": FactoryMessageGenerator}[name]

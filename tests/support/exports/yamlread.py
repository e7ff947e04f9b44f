"""Reading YAML, by libyaml where PyYAML was built with it: the same rules, an order of magnitude faster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def value(text: str | bytes) -> Any:
    """What a text of one document says."""
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 - both are safe loaders


def every(text: str) -> Iterator[Any]:
    """What each document of a text says."""
    return yaml.load_all(text, Loader=_LOADER)


def documents(text: str) -> list[dict[str, Any]]:
    """All documents of a text that are not empty."""
    return [document for document in every(text) if document]

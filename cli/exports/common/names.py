"""Names of resources, and what each resource has in common: where its data come from, what made its file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any, Final

from cli.exports.common.export import Export
from plant.catalogue.catalogue import FieldSpec, MessageKind

LONGEST: Final = 63
"""Characters in a name, by the rule of Azure Device Registry and of DNS labels (RFC 1123): `[a-z0-9-]`, 3 to 63."""


def resource_name(*parts: str) -> str:
    """A name that obeys the rule, readable where the parts are: other signs, or too many, are told apart by a hash."""
    raw = "-".join(parts)
    plain = len(raw) <= LONGEST and re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_/-]*[A-Za-z0-9])?", raw)
    return _slug(raw) if plain and len(raw) > 2 else unique_name(*parts)


def unique_name(*parts: str) -> str:
    """A name that obeys the rule and that no other parts have."""
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=5).hexdigest()
    return "-".join(filter(None, (_slug("-".join(parts))[: LONGEST - 11].rstrip("-"), digest)))


def _slug(raw: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", raw.lower()).strip("-")


def data_points(kinds: Iterable[MessageKind]) -> list[FieldSpec]:
    """The fields of the messages on one topic, each name once."""
    found = {field.name: field for kind in kinds for field in kind.fields}
    return list(found.values())


def metadata(export: Export, name: str) -> dict[str, Any]:
    """The metadata of a Kubernetes resource of this program."""
    return {"name": name, "namespace": export.namespace, "labels": {"app": export.app}}


def heading(text: str, target: str) -> str:
    """The comment at the top of a file: what it is, and the command that makes it."""
    made = f"Made by `python app.py export {target}` from the plant's YAML: change that, and make it anew."
    return f"{text.strip()}\n\n{made}\n"

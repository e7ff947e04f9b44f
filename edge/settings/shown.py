"""The options in force as they may be shown to everybody who can reach the HTTP port."""

from __future__ import annotations

from pydantic import SecretBytes

from edge.redaction import redact
from edge.settings.options import Options

_HIDDEN = "[redacted]"


def shown_settings(options: Options) -> dict[str, object]:
    """Return the options by their variables, and which of them were set; of a secret, only whether there is one."""
    values = {name.upper(): _shown(value) for name, value in options}
    return {"settings": values, "given": sorted(name.upper() for name in options.model_fields_set)}


def _shown(value: object) -> object:
    if isinstance(value, SecretBytes):
        return _HIDDEN
    return value if value is None or isinstance(value, bool | int | float) else redact(str(value))

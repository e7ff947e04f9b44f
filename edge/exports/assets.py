"""Target `assets`: what makes the factory known to Azure IoT Operations, in each form that it takes."""

from __future__ import annotations

from edge.exports.azcli import commands
from edge.exports.bicep import bicep
from edge.exports.classic import classic
from edge.exports.export import Export, File
from edge.exports.namespaced import namespaced


def assets(export: Export) -> list[File]:
    """Endpoint and assets for Azure IoT Operations: classic and namespaced YAML, Bicep, `az` commands."""
    return [*classic(export), *namespaced(export), *bicep(export), *commands(export)]

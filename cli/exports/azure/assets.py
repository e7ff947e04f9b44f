"""Target `assets`: what makes the factory known to Azure IoT Operations, in each form that it takes."""

from __future__ import annotations

from cli.exports.azure.az_cli import commands
from cli.exports.azure.bicep import bicep
from cli.exports.azure.classic import classic
from cli.exports.azure.namespaced import namespaced
from cli.exports.common.export import Export, File


def assets(export: Export) -> list[File]:
    """Endpoint and assets for Azure IoT Operations: classic and namespaced YAML, Bicep, `az` commands."""
    return [*classic(export), *namespaced(export), *bicep(export), *commands(export)]

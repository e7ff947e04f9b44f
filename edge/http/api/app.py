"""The control API as a whole."""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI

from edge.http.api.commands import add_commands
from edge.http.api.context import ApiContext
from edge.http.api.errors import add_error_handlers
from edge.http.api.messages import add_messages
from edge.http.api.openapi import describe_problems
from edge.http.api.plant import add_plant
from edge.http.api.reading import add_reading
from edge.http.api.wire import add_wire, wire_of_connection


def add_api(app: FastAPI, context: ApiContext) -> None:
    """Add the control API to an application."""
    add_error_handlers(app)
    add_reading(app, context)
    add_messages(app, context)
    add_commands(app, context)
    add_plant(app, context)
    add_wire(app, context.wire or partial(wire_of_connection, context.source))
    describe_problems(app)

"""The stream of one viewer: server-sent events (WHATWG HTML, 9.2), for as long as it reads.

What a viewer is sent is made when it can take it: while it does not read, nothing is made for it and nothing waits, and
when it reads again it gets what has changed since, as it is then.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from fastapi.responses import Response
from starlette.types import Message, Receive, Scope, Send

from edge.http.asgi import HEAD
from edge.http.connection_limits import ENDLESS

_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}
_AGAIN: Final = b"retry: 2000\n\n"
_HEARTBEAT: Final = b":\n\n"
_HEARTBEAT_SECONDS: Final = 15.0
_PATIENCE_SECONDS: Final = 1.0
"""Within which a viewer has to read, for others to look on its behalf."""

Place = tuple[int, ...]
"""How far a viewer has come in a feed."""


def event(name: str, data: bytes) -> bytes:
    """Return a server-sent event. data: JSON in one line."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


class Feed(Protocol):
    """Something that viewers are shown."""

    @property
    def is_closed(self) -> bool:
        """Whether the process ends, and viewers are to go."""

    def join(self, notify: Callable[[], None]) -> None:
        """Add a viewer. notify: called whenever there is something new, and at the end."""

    def leave(self, notify: Callable[[], None]) -> None:
        """Remove a viewer."""

    def events(self, since: Place | None) -> tuple[bytes, Place | None]:
        """Return the events after a place, and the place after them; None is before all."""


class EventStream(Response):
    """The answer to a viewer: the events of feeds, until it goes or the process ends.

    feeds: returns them, once somebody really looks; the first has to have something before any other is shown.
    """

    def __init__(self, feeds: Callable[[], Sequence[Feed]]) -> None:
        super().__init__(None, media_type="text/event-stream", headers=_HEADERS)
        del self.headers["content-length"]
        self._feeds = feeds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events as they come and as the viewer can take them."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope.get(HEAD):
            return await send(_body(b"", more=False))
        scope.get("state", {}).get(ENDLESS, _do_nothing)()
        viewer = _Viewer(self._feeds(), send)
        gone = asyncio.create_task(_until_gone(receive), name="viewer")
        gone.add_done_callback(lambda _: viewer.notify())
        try:
            await viewer.run(gone.done)
        finally:
            gone.cancel()
        return await send(_body(b"", more=False))


class _Viewer:
    def __init__(self, feeds: Sequence[Feed], send: Send) -> None:
        self._places: dict[Feed, Place | None] = dict.fromkeys(feeds)
        self._send, self._news = send, asyncio.Event()

    def notify(self) -> None:
        """Wake it up."""
        self._news.set()

    async def run(self, is_gone: Callable[[], bool]) -> None:
        """Send until the viewer is gone, or a feed is closed."""
        await self._send(_body(_AGAIN))
        while not is_gone():
            with self._joined():
                if not await self._watch(is_gone):
                    return
            # Nothing is looked at for a viewer that does not read.
            await self._send(_body(b""))

    async def _watch(self, is_gone: Callable[[], bool]) -> bool:
        """Send for as long as the viewer reads; return whether it may read again."""
        while True:
            beat = await self._wait()
            if not await self._reads():
                return True
            self._news.clear()
            if is_gone() or any(feed.is_closed for feed in self._places):
                return False
            if events := self._new_events() or beat:
                await self._send(_body(events))

    async def _reads(self) -> bool:
        """Return whether what was sent before is taken soon: nothing more is sent before."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._send(_body(b""))
                return True
        return False

    @contextlib.contextmanager
    def _joined(self) -> Iterator[None]:
        with contextlib.ExitStack() as joined:
            for feed in self._places:
                feed.join(self.notify)
                joined.callback(feed.leave, self.notify)
            yield

    async def _wait(self) -> bytes:
        """Wait for news; return what is sent in its place where none has come for long."""
        try:
            async with asyncio.timeout(_HEARTBEAT_SECONDS):
                await self._news.wait()
        except TimeoutError:
            return _HEARTBEAT
        return b""

    def _new_events(self) -> bytes:
        found = list[bytes]()
        for feed, place in self._places.items():
            events, new = feed.events(place)
            if new is None:
                break
            self._places[feed] = new
            found.append(events)
        return b"".join(found)


def _do_nothing() -> None:
    """Stand for a server that has no limits."""


def _body(content: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

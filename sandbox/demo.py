"""The embedded broker of `run --demo` on loopback: TLS and K8S-SAT for the simulator, plain ports for other clients.

For demos and tests, not for production: its certificate authority and its tokens are created at the
start and deleted at the end. The simulator logs in as in a cluster, and its token is rotated as there.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.access import Access, Anyone, Passwords, ServiceAccountTokens
from sandbox.acl import Acl, AclError
from sandbox.broker import EmbeddedBroker, Listener
from sandbox.credentials import Authority, ProjectedVolume, TokenIssuer
from sandbox.lessons import Lessons
from sandbox.limits import Limits

__all__ = ["MQTTX_WEB", "PLACEHOLDERS", "TOKEN_SECONDS", "Acl", "AclError", "Clients", "Demo", "Limits"]

AIO_PORT, PLAIN_PORT, WEB_PORT = 18883, 1883, 9001
MQTTX_WEB = "https://mqttx.app"
"""The origin of MQTTX's page, which the demo lets in beside pages of this machine."""

TOKEN_SECONDS, _ROTATED_AT = 600.0, 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """Who may use the ports for other clients, and for what; without anything: all, for everything.

    users: passwords by user name; with any, a client needs one of them.  anonymous: whether a client may come without
    a name all the same.  acl: what each of them may do, or None for everything.  origins: of pages, such as
    https://example.org, that may connect by WebSocket beside those of this machine.
    """

    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    anonymous: bool = False
    acl: Acl | None = None
    origins: frozenset[str] = frozenset({MQTTX_WEB})

    @property
    def access(self) -> Access:
        """How they log in."""
        return Passwords(self.users, anonymous=self.anonymous) if self.users else Anyone()

    @property
    def login(self) -> str:
        """How they log in, in words."""
        if not self.users:
            return "without TLS or login"
        names = ", ".join(sorted(self.users))
        return f"without TLS, {'with or without a login' if self.anonymous else 'with a login'} ({names})"


PLACEHOLDERS = ("port", "websocket_port", "tls_port", "users")
"""What a text of one's own about the demo may have in braces."""


class Demo:
    """The embedded broker with credentials in a temporary folder, and how to use it; an async context manager.

    wanted_ports: for the simulator, for other clients, and for other clients by WebSocket, if they are free; otherwise,
    and for 0, it takes any. The last may be left out.  clients: who the others are.  limits: for all clients.
    token_seconds: how long the simulator's token lasts; a new one is there after four fifths of this time.
    """

    def __init__(
        self,
        wanted_ports: tuple[int, ...] = (AIO_PORT, PLAIN_PORT, WEB_PORT),
        clients: Clients | None = None,
        limits: Limits | None = None,
        token_seconds: float = TOKEN_SECONDS,
    ) -> None:
        secure, plain, *web = wanted_ports
        self._clients = clients = clients or Clients()
        self._token_seconds = token_seconds
        # It is also removed where a signal ends the process before the demo has begun.
        with _signals_later():
            self._temporary = tempfile.TemporaryDirectory(prefix="edgemqttsim-demo-", ignore_cleanup_errors=True)
        self._folder = Path(self._temporary.name)
        self._issuer = TokenIssuer()
        self._volume = ProjectedVolume(self._folder)
        with _signals_later():
            authority = Authority()
        self._files = {"ca.crt": authority.ca_pem}
        self._rotate()
        self.broker = EmbeddedBroker(
            Listener(
                port=secure,
                or_any_port=True,
                tls=authority.server_context(),
                access=ServiceAccountTokens(self._issuer),
            ),
            Listener(port=plain, or_any_port=True, access=clients.access, acl=clients.acl),
            *(
                Listener(
                    port=port,
                    or_any_port=True,
                    access=clients.access,
                    acl=clients.acl,
                    websocket=True,
                    origins=clients.origins,
                )
                for port in web
            ),
            limits=limits,
            wall_clock=self._issuer.clock,
        )
        self._rotation: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.broker.start()
        self._rotation = asyncio.create_task(self._keep_rotating(), name="token rotation")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rotation is not None:
            self._rotation.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._rotation
        await self.broker.close()
        self._temporary.cleanup()

    @property
    def lessons(self) -> Lessons:
        """What has happened of the things that the exercises are about."""
        return self.broker.lessons

    @property
    def addresses(self) -> dict[str, str | None]:
        """Where other clients connect: `mqtt`, and `websocket`, None without such a port."""
        _, port, *web = self.broker.ports
        return {"mqtt": f"localhost:{port}", "websocket": f"ws://localhost:{web[0]}" if web else None}

    @property
    def environ(self) -> dict[str, str]:
        """The variables with which the simulator connects to this broker."""
        return {
            "MQTT_BROKER": "localhost",
            "MQTT_PORT": str(self.broker.ports[0]),
            "MQTT_AUTH_METHOD": "K8S-SAT",
            "MQTT_TLS": "true",
            "MQTT_CA_FILE": str(self._folder / "ca.crt"),
            "SAT_TOKEN_PATH": str(self._folder / "broker-sat"),
        }

    def how_to_look(
        self, filters: Sequence[str], plant: Path, page: str | None, *, own: bool, welcome: str | None = None
    ) -> tuple[str, dict[str, str]]:
        """Return how to see the messages and change the plant: as text for people, and as values for a JSON log.

        filters: those of MQTT for all its messages.  plant: its YAML file.  page: its URL, or None.
        own: whether the user may edit that file, which is otherwise the one that the program comes with.
        welcome: the text for people where it is not the usual one; its PLACEHOLDERS are filled in.
        """
        secure, port, *web = self.broker.ports
        topics = " ".join(f"-t '{each}'" for each in filters)
        watch = f"mosquitto_sub -V mqttv5 -h localhost -p {port} {topics} -v"
        pages = "".join(
            f"                  pages in a browser: ws://localhost:{each}, MQTT over WebSocket\n" for each in web
        )
        begin = f"Look at the plant, and steer it, in a browser: {page}\n" if page else ""
        calls = f"  HTTP calls      {page}docs, to try out\n" if page else ""
        change = (
            f"edit {plant} while it runs, and the messages change"
            if own
            else f"to change the plant, copy {plant} into this directory, start again, and edit the copy"
        )
        text = (
            "An embedded broker runs on this machine (not for production).\n"
            f"  the simulator   localhost:{secure}, TLS and K8S-SAT, as in a cluster\n"
            f"  your clients    localhost:{port}, {self._clients.login}: watch the messages from another terminal\n"
            f"                    {watch}\n"
            f"                  or MQTTX: host localhost, port {port}, MQTT 5 or 3.1.1, topic {' and '.join(filters)}\n"
            f"{pages}"
            f"{calls}"
            f"  {change}; Ctrl-C stops it\n"
        )
        facts = {
            "simulator": f"localhost:{secure}",
            "clients": f"localhost:{port}",
            "watch": watch,
            "plant": str(plant),
        }
        if web:
            facts["websocket"] = f"ws://localhost:{web[0]}"
        if welcome is not None:
            filled = (str(port), str(web[0] if web else 0), str(secure), ", ".join(sorted(self._clients.users)))
            text = welcome.format(**dict(zip(PLACEHOLDERS, filled, strict=True)))
        return begin + text, facts | ({"page": page} if page else {})

    def _rotate(self) -> None:
        """Write the volume like the kubelet: a new folder, and one symlink swapped."""
        token = self._issuer.token(lifetime_seconds=self._token_seconds)
        self._volume.write({**self._files, "broker-sat": token.encode()})

    async def _keep_rotating(self) -> None:
        while True:
            await asyncio.sleep(self._token_seconds * _ROTATED_AT)
            self._rotate()


@contextlib.contextmanager
def _signals_later() -> Iterator[None]:
    """Hold back signals that end the process: between the making of a file and what removes it, they would leave it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

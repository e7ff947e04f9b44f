"""The embedded broker of `run --demo` on loopback: TLS and K8S-SAT for the simulator, a plain port for other clients.

For demos and tests, not for production: its certificate authority and its tokens are created at the
start and deleted at the end. The simulator logs in as in a cluster, and its token is rotated as there.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.access import ServiceAccountTokens
from sandbox.broker import EmbeddedBroker, Listener
from sandbox.credentials import Authority, ProjectedVolume, TokenIssuer

AIO_PORT, PLAIN_PORT = 18883, 1883
_TOKEN_SECONDS, _ROTATED_AT = 600.0, 0.8


class Demo:
    """The embedded broker with credentials in a temporary folder, and how to use it; an async context manager.

    wanted_ports: for the simulator and for other clients, if they are free; otherwise, and for 0, it takes any.
    """

    def __init__(self, wanted_ports: tuple[int, int] = (AIO_PORT, PLAIN_PORT)) -> None:
        secure, plain = wanted_ports
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
            Listener(port=plain, or_any_port=True),
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
        self, filters: Sequence[str], plant: Path, page: str | None, *, own: bool
    ) -> tuple[str, dict[str, str]]:
        """Return how to see the messages and change the plant: as text for people, and as values for a JSON log.

        filters: those of MQTT for all its messages.  plant: its YAML file.  page: the URL for a browser, or None.
        own: whether the user may edit that file, which is otherwise the one that the program comes with.
        """
        secure, port = self.broker.ports[:2]
        topics = " ".join(f"-t '{each}'" for each in filters)
        watch = f"mosquitto_sub -V mqttv5 -h localhost -p {port} {topics} -v"
        browser = f"  in a browser    {page}\n" if page else ""
        change = (
            f"edit {plant} while it runs, and the messages change"
            if own
            else f"to change the plant, copy {plant} into this directory, start again, and edit the copy"
        )
        text = (
            "An embedded broker runs on this machine (not for production).\n"
            f"  the simulator   localhost:{secure}, TLS and K8S-SAT, as in a cluster\n"
            f"  your clients    localhost:{port}, without TLS or login: watch the messages from another terminal\n"
            f"                    {watch}\n"
            f"                  or MQTTX: host localhost, port {port}, MQTT 5, topic {' and '.join(filters)}\n"
            f"{browser}"
            f"  {change}; Ctrl-C stops it\n"
        )
        facts = {
            "simulator": f"localhost:{secure}",
            "clients": f"localhost:{port}",
            "watch": watch,
            "plant": str(plant),
        }
        return text, facts | ({"page": page} if page else {})

    def _rotate(self) -> None:
        """Write the volume like the kubelet: a new folder, and one symlink swapped."""
        token = self._issuer.token(lifetime_seconds=_TOKEN_SECONDS)
        self._volume.write({**self._files, "broker-sat": token.encode()})

    async def _keep_rotating(self) -> None:
        while True:
            await asyncio.sleep(_TOKEN_SECONDS * _ROTATED_AT)
            self._rotate()


@contextlib.contextmanager
def _signals_later() -> Iterator[None]:
    """Hold back signals that end the process: between the making of a file and what removes it, they would leave it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

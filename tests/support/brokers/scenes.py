"""The embedded broker and its clients, as most tests of the connection need them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.mqtt.connection import BrokerRefused
from sandbox.access import ServiceAccountTokens
from sandbox.broker import EmbeddedBroker, Listener
from sandbox.credentials import Authority, ProjectedVolume
from tests.support.brokers.credentials import Credentials
from tests.support.brokers.rig import Rig, secure, settings_for


class Pod:
    """What a pod has at hand: a CA file and a projected token, which a test rotates as the kubelet does."""

    def __init__(self, credentials: Credentials, folder: Path) -> None:
        self.credentials = credentials
        self.volume = ProjectedVolume(folder / "tokens")
        self.token_file = folder / "tokens" / "broker-sat"
        self.ca_file = folder / "ca.crt"
        self.ca_file.write_bytes(credentials.authority.ca_pem)

    def rotate(self, token: bytes | None = None) -> bytes:
        """Put another token in force by the swap of a symbolic link; return it."""
        token = self.credentials.token() if token is None else token
        self.volume.write({"broker-sat": token + b"\n"})
        return token

    def broker(self, authority: Authority | None = None, port: int = 0) -> EmbeddedBroker:
        """A broker with TLS and K8S-SAT, its certificate from the pod's authority or from another."""
        tls = (authority or self.credentials.authority).server_context()
        return EmbeddedBroker(Listener(port=port, tls=tls, access=ServiceAccountTokens(self.credentials.issuer)))

    def rig(self, port: int, **options: object) -> Rig:
        """A client that logs in with the token."""
        return Rig(settings_for(port, **secure(self.ca_file, self.token_file, **options)))


@asynccontextmanager
async def plain(one: EmbeddedBroker | None = None, **options: object) -> AsyncIterator[tuple[EmbeddedBroker, Rig]]:
    """A broker, plain unless another is given, and a rig connected to it."""
    async with one or EmbeddedBroker() as broker, Rig(settings_for(broker.port, **options)) as rig:
        await rig.connected()
        yield broker, rig


async def refusal(rig: Rig) -> BrokerRefused:
    """How a rig's life ends where the broker does not want it."""
    with pytest.raises(BrokerRefused) as refused:
        await asyncio.wait_for(rig.living, 10.0)
    return refused.value

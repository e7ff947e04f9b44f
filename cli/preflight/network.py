"""Preflight's first steps: has the broker's name an address, and does anybody answer there."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Mapping

from cli.preflight.findings import Case, ExitCode, Failure, Finding, get, ok, warn
from edge.mqtt.dialing import Address, Dialer, NotReached, connected, race, reason

_SOON_SECONDS = 2.0
_PREVIEW_NAME = "aio-mq-dmqtt-frontend"


async def check_name(case: Case) -> list[Finding]:
    """DNS: the broker's addresses."""
    host, found = case.settings.mqtt_broker, [address.text for address in await _addresses(case)]
    return [ok(f"{host} is an address" if found == [host] else f"{host} is {', '.join(found)}")]


async def check_port(case: Case) -> list[Finding]:
    """TCP: one of the addresses takes connections. All are tried, as the daemon would; those that differ are told."""
    addresses, port = await _addresses(case), case.settings.mqtt_port
    try:
        winner, sock = await race(case.settings.mqtt_broker, addresses, case.timeout_seconds)
    except NotReached as error:
        raise _unreachable(case, error.lost) from None
    sock.close()
    others = [address for address in addresses if address != winner]
    lost = await asyncio.gather(*(_knock(case, address) for address in others))
    failed = [warn(f"{other.text} port {port}: {why}") for other, why in zip(others, lost, strict=True) if why]
    return [ok(f"{winner.text} port {port} takes connections"), *failed]


async def _addresses(case: Case) -> list[Address]:
    dialer = Dialer(case.settings.mqtt_broker, case.settings.mqtt_port, lookup_seconds=case.timeout_seconds)
    host = dialer.host
    try:
        return await dialer.resolve()
    except socket.gaierror as error:
        raise (_no_name_server(host) if error.errno == socket.EAI_AGAIN else _no_such_name(host)) from None


async def _knock(case: Case, address: Address) -> str | None:
    """Open a connection and drop it; why that is not to be had, if so. An address that is not needed has not long."""
    try:
        (await connected(address, min(_SOON_SECONDS, case.timeout_seconds))).close()
    except OSError as error:
        return _in_words(error)
    return None


def _no_name_server(host: str) -> Failure:
    return Failure(
        ExitCode.NO_ADDRESS,
        f"no name server could say where {host} is",
        "DNS itself is away: are the pods of CoreDNS well (kubectl get pods -n kube-system)?",
        "Does a NetworkPolicy keep this pod from port 53? --wait tries again.",
    )


def _no_such_name(host: str) -> Failure:
    what = f"no address for the host {host}: there is no such name"
    if host.startswith(_PREVIEW_NAME):
        return Failure(
            ExitCode.NO_ADDRESS,
            what,
            "This is the broker's name in preview versions. Set MQTT_BROKER=aio-broker and MQTT_PORT=18883.",
        )
    return Failure(
        ExitCode.NO_ADDRESS,
        what,
        f"Set MQTT_BROKER to a service of the cluster: {get('service')}",
        "Outside the namespace azure-iot-operations the name is aio-broker.azure-iot-operations.",
    )


def _unreachable(case: Case, lost: Mapping[Address, OSError]) -> Failure:
    reasons = "; ".join(f"{address.text}: {_in_words(error)}" for address, error in lost.items())
    what = f"nobody answers on port {case.settings.mqtt_port}: {reasons}"
    return Failure(ExitCode.UNREACHABLE, what, *_ways_there(lost))


def _ways_there(lost: Mapping[Address, OSError]) -> tuple[str, ...]:
    running = f"Is the broker running? {get('pods')}"
    if all(ipaddress.ip_address(address.text.partition("%")[0]).is_loopback for address in lost):
        return (
            "Is the broker running on this machine, on this port?",
            "In a pod this is the pod itself: set MQTT_BROKER to the broker's service, aio-broker.",
        )
    if any(isinstance(error, TimeoutError) for error in lost.values()):
        return ("Packets vanish: a firewall, or a NetworkPolicy that does not let this pod out to the port?", running)
    return (f"Compare MQTT_PORT with the ports of the broker's service: {get('service')}", running)


def _in_words(error: OSError) -> str:
    return "connection refused, nothing listens on that port" if error.errno == errno.ECONNREFUSED else reason(error)

"""Preflight's first steps: has the broker's name an address, and does anybody answer there."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket

from edge.preflight_findings import Case, Exit, Failure, Finding, get, ok, warn

_PREVIEW_NAME = "aio-mq-dmqtt-frontend"


async def check_name(case: Case) -> list[Finding]:
    """DNS: the broker's addresses."""
    host, found = case.settings.mqtt_broker, await _addresses(case)
    return [ok(f"{host} is an address" if found == [host] else f"{host} is {', '.join(found)}")]


async def check_port(case: Case) -> list[Finding]:
    """TCP: one of the addresses takes connections. All are tried, as the daemon would."""
    lost: dict[str, OSError] = {}
    port = case.settings.mqtt_port
    for address in await _addresses(case):
        try:
            await _knock(case, address)
        except OSError as error:
            lost[address] = error
            continue
        failed = [warn(f"{other} port {port}: {_in_words(error)}") for other, error in lost.items()]
        return [ok(f"{address} port {port} takes connections"), *failed]
    raise _unreachable(case, lost)


async def _addresses(case: Case) -> list[str]:
    loop, host = asyncio.get_running_loop(), case.settings.mqtt_broker
    try:
        async with asyncio.timeout(case.timeout_seconds):
            found = await loop.getaddrinfo(host, case.settings.mqtt_port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise _no_name_server(host) from None
    except socket.gaierror as error:
        raise (_no_name_server(host) if error.errno == socket.EAI_AGAIN else _no_such_name(host)) from None
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def _no_name_server(host: str) -> Failure:
    return Failure(
        Exit.NO_ADDRESS,
        f"no name server could say where {host} is",
        "DNS itself is away: are the pods of CoreDNS well (kubectl get pods -n kube-system)?",
        "Does a NetworkPolicy keep this pod from port 53? --wait tries again.",
    )


def _no_such_name(host: str) -> Failure:
    what = f"no address for the host {host}: there is no such name"
    if host.startswith(_PREVIEW_NAME):
        return Failure(
            Exit.NO_ADDRESS,
            what,
            "This is the broker's name in preview versions. Set MQTT_BROKER=aio-broker and MQTT_PORT=18883.",
        )
    return Failure(
        Exit.NO_ADDRESS,
        what,
        f"Set MQTT_BROKER to a service of the cluster: {get('service')}",
        "Outside the namespace azure-iot-operations the name is aio-broker.azure-iot-operations.",
    )


async def _knock(case: Case, address: str) -> None:
    """Open a connection and drop it."""
    async with asyncio.timeout(case.timeout_seconds):
        _, writer = await asyncio.open_connection(address, case.settings.mqtt_port)
    writer.transport.abort()


def _unreachable(case: Case, lost: dict[str, OSError]) -> Failure:
    reasons = "; ".join(f"{address}: {_in_words(error)}" for address, error in lost.items())
    what = f"nobody answers on port {case.settings.mqtt_port}: {reasons}"
    return Failure(Exit.UNREACHABLE, what, *_ways_there(lost))


def _ways_there(lost: dict[str, OSError]) -> tuple[str, ...]:
    running = f"Is the broker running? {get('pods')}"
    if all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in lost):
        return (
            "Is the broker running on this machine, on this port?",
            "In a pod this is the pod itself: set MQTT_BROKER to the broker's service, aio-broker.",
        )
    if any(isinstance(error, TimeoutError) for error in lost.values()):
        return ("Packets vanish: a firewall, or a NetworkPolicy that does not let this pod out to the port?", running)
    return (f"Compare MQTT_PORT with the ports of the broker's service: {get('service')}", running)


def _in_words(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if error.errno == errno.ECONNREFUSED:
        return "connection refused, nothing listens on that port"
    return os.strerror(error.errno) if error.errno else str(error)

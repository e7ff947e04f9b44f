"""The steps DNS and TCP: whether the broker's name has addresses, and whether one of them accepts connections."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Mapping

from cli.options.preflight import ExitCode
from cli.preflight.findings import CheckContext, Failure, Finding, kubectl_get, ok, warn
from edge.mqtt.dialing import Address, Dialer, NotReached, connected, race, reason

_OTHER_ADDRESS_SECONDS = 2.0
_PREVIEW_NAME = "aio-mq-dmqtt-frontend"


async def check_dns(context: CheckContext) -> list[Finding]:
    """Report the broker's addresses; Failure if there are none."""
    host, found = context.settings.mqtt_broker, [address.text for address in await _addresses(context)]
    return [ok(f"{host} is an address" if found == [host] else f"{host} is {', '.join(found)}")]


async def check_tcp(context: CheckContext) -> list[Finding]:
    """Report the address that accepts a connection (raced as by RFC 8305), and warn about each that does not."""
    addresses, port = await _addresses(context), context.settings.mqtt_port
    try:
        winner, sock = await race(context.settings.mqtt_broker, addresses, context.timeout_seconds)
    except NotReached as error:
        raise _unreachable(context, error.lost) from None
    sock.close()
    others = [address for address in addresses if address != winner]
    errors = await asyncio.gather(*(_error_at(context, address) for address in others))
    failed = [warn(f"{other.text} port {port}: {why}") for other, why in zip(others, errors, strict=True) if why]
    return [ok(f"{winner.text} port {port} accepts connections"), *failed]


async def _addresses(context: CheckContext) -> list[Address]:
    dialer = Dialer(context.settings.mqtt_broker, context.settings.mqtt_port, lookup_seconds=context.timeout_seconds)
    host = dialer.host
    try:
        return await dialer.resolve()
    except socket.gaierror as error:
        raise (_no_name_server(host) if error.errno == socket.EAI_AGAIN else _no_such_name(host)) from None


async def _error_at(context: CheckContext, address: Address) -> str | None:
    """Return why an address does not accept a connection within a short time, or None if it does."""
    try:
        (await connected(address, min(_OTHER_ADDRESS_SECONDS, context.timeout_seconds))).close()
    except OSError as error:
        return _described(error)
    return None


def _no_name_server(host: str) -> Failure:
    return Failure(
        ExitCode.NO_ADDRESS,
        f"no name server answered for {host}",
        "DNS is not available. Are the pods of CoreDNS running? kubectl get pods -n kube-system",
        "Does a NetworkPolicy block port 53 for this pod? --wait retries.",
    )


def _no_such_name(host: str) -> Failure:
    what = f"no address for the host {host}: the name does not exist"
    if host.startswith(_PREVIEW_NAME):
        return Failure(
            ExitCode.NO_ADDRESS,
            what,
            "Preview versions had a broker of this name. Set MQTT_BROKER=aio-broker and MQTT_PORT=18883.",
        )
    return Failure(
        ExitCode.NO_ADDRESS,
        what,
        f"Set MQTT_BROKER to a service of the cluster: {kubectl_get('service')}",
        "Outside the namespace azure-iot-operations the name is aio-broker.azure-iot-operations.",
    )


def _unreachable(context: CheckContext, errors: Mapping[Address, OSError]) -> Failure:
    reasons = "; ".join(f"{address.text}: {_described(error)}" for address, error in errors.items())
    what = f"no connection on port {context.settings.mqtt_port}: {reasons}"
    return Failure(ExitCode.UNREACHABLE, what, *_fixes(errors))


def _fixes(errors: Mapping[Address, OSError]) -> tuple[str, ...]:
    running = f"Is the broker running? {kubectl_get('pods')}"
    if all(ipaddress.ip_address(address.text.partition("%")[0]).is_loopback for address in errors):
        return (
            "Is the broker running on this machine, on this port?",
            "In a pod, this address is the pod itself: set MQTT_BROKER to the broker's service, aio-broker.",
        )
    if any(isinstance(error, TimeoutError) for error in errors.values()):
        return ("Packets are lost. Does a firewall or a NetworkPolicy block this port for the pod?", running)
    return (f"Compare MQTT_PORT with the ports of the broker's service: {kubectl_get('service')}", running)


def _described(error: OSError) -> str:
    return "connection refused, no process listens on that port" if error.errno == errno.ECONNREFUSED else reason(error)

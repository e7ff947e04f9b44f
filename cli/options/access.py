"""The options of `export acl`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class AclFormat(StrEnum):
    """A broker's form of access rules."""

    MOSQUITTO = "mosquitto"
    DYNSEC = "mosquitto-dynsec"
    EJABBERD = "ejabberd"
    SANDBOX = "sandbox"


class Identity(StrEnum):
    """By what a broker identifies a client."""

    USERNAME = "username"
    CLIENT_ID = "client_id"


class Publishers(StrEnum):
    """Whether each machine has a connection of its own, or one client publishes for all of them."""

    PER_MACHINE = "per_machine"
    SHARED = "shared"


class Patterns(StrEnum):
    """When the id of a machine is left open in a rule: for many machines, in any case, or never."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class AclOptions:
    """The options of `export acl`; None: not given, for which the properties have what is then meant."""

    format: str | None = None
    identity: str | None = None
    connections: str | None = None
    patterns: str | None = None

    @property
    def given(self) -> list[str]:
        """Return the flags that were given, to be named where the target has no use for them."""
        values = {name: getattr(self, name) for name in ("format", "identity", "connections", "patterns")}
        return [f"--{name}" for name, value in values.items() if value is not None]

    def command(self, form: AclFormat) -> str:
        """Return the command after `export` that generates a format with these options."""
        values = {"identity": self.identity, "connections": self.connections, "patterns": self.patterns}
        words = (f"--{name} {value}" for name, value in values.items() if value is not None)
        return " ".join([f"acl --format {form}", *words])

    @property
    def formats(self) -> tuple[AclFormat, ...]:
        """Return the formats to generate: the one that was asked for, or all."""
        return (AclFormat(self.format),) if self.format else tuple(AclFormat)

    @property
    def by(self) -> Identity:
        """Return what identifies a client."""
        return Identity(self.identity or Identity.USERNAME)

    @property
    def publishers(self) -> Publishers:
        """Return who publishes: each machine for itself, unless said otherwise."""
        return Publishers(self.connections or Publishers.PER_MACHINE)

    @property
    def open_ids(self) -> Patterns:
        """Return when rules leave the id of a machine open."""
        return Patterns(self.patterns or Patterns.AUTO)


FLAGS: Final = (
    ("format", tuple(AclFormat), "with acl: only this broker's form"),
    ("identity", tuple(Identity), "with acl: what names a client: its user name, or (weak) its client id [username]"),
    ("connections", tuple(Publishers), "with acl: who publishes, as MQTT_CONNECTIONS has it [per_machine]"),
    ("patterns", tuple(Patterns), "with acl: rules with %%u or %%c instead of one block a machine [auto: above 100]"),
)
"""Flag and field, the values, the help."""

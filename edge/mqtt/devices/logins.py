"""Credentials of many connections: shared where they are the same, else from templates of file names, or from a table.

In MQTT_USERNAME, MQTT_PASSWORD_FILE, MQTT_CERT_FILE and MQTT_KEY_FILE, `{machine_id}` is the id of the machine.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterator
from functools import partial
from math import inf
from pathlib import Path
from typing import Final, NamedTuple

from edge.blocking import read_small
from edge.mqtt.auth.credentials import Login, Note, Reader, SecretFile
from edge.mqtt.devices.places import PLANT, Place
from edge.redaction import printable, protect
from edge.settings.loader import AuthMethod, Settings

_MACHINE: Final = "{machine_id}"
_TEMPLATES: Final = ("mqtt_password_file", "mqtt_cert_file", "mqtt_key_file")
_MOST_TABLE_BYTES: Final = 64 * 1024 * 1024
_COLUMNS: Final = ("machine_id", "username", "password")
_SHARED_SECONDS: Final = 1.0
"""For which a login that was read is used for further connections: to read it for each would be too slow."""


class _Credentials(NamedTuple):
    username: str
    password: bytes

    def __repr__(self) -> str:
        return f"<credentials of {self.username}>"


class DeviceLogins:
    """Returns the login of each connection, read again from its files, or from what was read less than a second ago."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._table = _Table(settings.mqtt_device_logins) if settings.mqtt_device_logins is not None else None
        paths = [str(getattr(settings, name)) for name in _TEMPLATES]
        self._is_own = any(_MACHINE in path for path in paths)
        self._shared = Reader(partial(Login.of, _without_table(settings)))
        self._login: Login | None = None
        self._read_at = -inf

    async def of(self, place: Place) -> Login:
        """Return the login of a machine, or of the plant; raise CredentialsUnavailable where it has none."""
        login = await (Reader(partial(Login.of, self._settings_of(place))).now() if self._is_own else self._of_all())
        if self._table is not None:
            found = await self._table.row(place)
            protect(found.password)
            return Login(login.context, login.token, found.password, found.username)
        if self._settings.mqtt_auth_method is AuthMethod.USERPASS:
            name = (self._settings.mqtt_username or "").replace(_MACHINE, place.machine_id)
            return Login(login.context, login.token, login.password, name)
        return login

    async def _of_all(self) -> Login:
        now = asyncio.get_running_loop().time()
        if self._login is None or now - self._read_at > _SHARED_SECONDS:
            self._login = await self._shared.now()
            self._read_at = asyncio.get_running_loop().time()
        return self._login

    def _settings_of(self, place: Place) -> Settings:
        """Return the settings with the names of files filled in."""
        machine_id = place.machine_id.replace("/", "_")  # an id is part of a file's name, never of its folder
        filled = {
            name: Path(str(path).replace(_MACHINE, machine_id))
            for name in _TEMPLATES
            if (path := getattr(self._settings, name)) is not None
        }
        return self._settings.model_copy(update=filled)


class _Table:
    """Rows of a CSV file by machine; read again when it has changed, at most once a second."""

    def __init__(self, path: Path) -> None:
        self._file = SecretFile(path, "logins file", "MQTT_DEVICE_LOGINS", _MOST_TABLE_BYTES)
        self._content = b""
        self._rows: dict[str, _Credentials] = {}
        self._read_at = -inf
        self._reader = Reader(self._read)

    async def row(self, place: Place) -> _Credentials:
        """Return the row of a machine; raise CredentialsUnavailable where there is none."""
        if asyncio.get_running_loop().time() - self._read_at > _SHARED_SECONDS:
            self._rows = await self._reader.now()
            self._read_at = asyncio.get_running_loop().time()
        try:
            return self._rows[place.machine_id]
        except KeyError:
            whose = f"the machine {place.machine_id}" if place.is_machine else f"the plant's own connection, {PLANT}"
            raise self._file.error(f"has no row for {whose}") from None

    def _read(self, note: Note) -> dict[str, _Credentials]:
        note(self._file)
        try:
            content = read_small(self._file.path, self._file.most_bytes)
        except FileNotFoundError:
            raise self._file.error("is missing") from None
        except OSError as error:
            raise self._file.error(f"cannot be read: {error.strerror}") from None
        if content != self._content or not self._rows:
            return self._parsed(content)
        return self._rows

    def _parsed(self, content: bytes) -> dict[str, _Credentials]:
        rows: dict[str, _Credentials] = {}
        for number, row in self._lines(content):
            if len(row) != len(_COLUMNS) or not row[0] or not row[1]:
                raise self._file.error(f"needs three columns, the first two not empty: line {number}")
            if row[0] in rows:
                raise self._file.error(f"has the machine {printable(row[0])} twice: line {number}")
            rows[row[0]] = _Credentials(row[1], row[2].encode())
        self._content = content
        return rows

    def _lines(self, content: bytes) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows after the first, which names the columns, with their lines; empty ones are skipped."""
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise self._file.error(f"is not UTF-8: line {line}") from None
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        try:
            if tuple(each.strip() for each in next(reader, [])) != _COLUMNS:
                raise self._file.error(f"must begin with the line {','.join(_COLUMNS)}")
            for row in reader:
                if row:
                    yield reader.line_num, row
        except csv.Error:
            raise self._file.error(f"is no CSV: line {reader.line_num}") from None


def _without_table(settings: Settings) -> Settings:
    """Return settings of which no password is read, where each machine has its own in a table."""
    if settings.mqtt_device_logins is None:
        return settings
    return settings.model_copy(update={"mqtt_password_file": None, "mqtt_password": None})

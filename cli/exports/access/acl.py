"""Target `acl`: who may read and write which topics, for brokers with users."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from cli.exports.access.acl_file import acl_file
from cli.exports.access.dynamic_security import dynamic_security
from cli.exports.access.ejabberd import ejabberd
from cli.exports.access.rules import AclError
from cli.exports.common.export import Export, File
from cli.options.access import AclFormat

_WRITERS: Final[dict[AclFormat, Callable[[Export], File]]] = {
    AclFormat.MOSQUITTO: partial(acl_file, form=AclFormat.MOSQUITTO),
    AclFormat.DYNSEC: dynamic_security,
    AclFormat.EJABBERD: ejabberd,
    AclFormat.SANDBOX: partial(acl_file, form=AclFormat.SANDBOX),
}


def acl(export: Export) -> list[File]:
    """Least privilege for machines, controller, dashboard and observer at mosquitto, ejabberd and the embedded broker.

    A file for each format, for operators. Tested at the real brokers. Raise AclError where a format that was asked for
    cannot have the rules; where all were asked for, those that can.
    """
    files: list[File] = []
    failures: list[AclError] = []
    for form in export.acl.formats:
        try:
            files.append(_WRITERS[form](export))
        except AclError as error:
            failures.append(error)
    if failures and not files:
        raise failures[0]
    return files

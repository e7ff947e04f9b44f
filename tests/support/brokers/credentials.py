"""One authority and one token issuer, with everything that a broker and its clients read from files."""

from __future__ import annotations

from pathlib import Path

from sandbox.credentials import Authority, TokenIssuer, write_key_pair

AUDIENCE = "aio-internal"


class Credentials:
    """Files in `directory`, all PEM: the CA, a server's and a client's certificate and key, the issuer's public key."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority()
        self.issuer = TokenIssuer()
        self.ca_file = _file(directory / "ca.crt", self.authority.ca_pem)
        self.public_key_file = _file(directory / "issuer.pub", self.issuer.public_pem)
        for side in ("server", "client"):
            (directory / side).mkdir()
        server, client = self.authority.server_certificate(), self.authority.client_certificate("edgemqttsim")
        self.server_cert_file, self.server_key_file = write_key_pair(directory / "server", server)
        self.client_cert_file, self.client_key_file = write_key_pair(directory / "client", client)

    def token(self, audience: str = AUDIENCE, lifetime_seconds: float = 3600) -> bytes:
        """A new K8S-SAT token."""
        return self.issuer.token(audience, lifetime_seconds).encode()


def _file(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path

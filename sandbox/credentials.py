"""A temporary certificate authority, tokens like those of Kubernetes service accounts, and their files.

For demos and tests, not for production: keys are generated at the start and kept in memory.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import shutil
import ssl
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALIDITY = datetime.timedelta(days=7)
CLOCK_SKEW = datetime.timedelta(minutes=5)
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
SUBJECT = "system:serviceaccount:azure-iot-operations:mqtt-client"


class KeyPair(NamedTuple):
    """A certificate and its unencrypted private key, both PEM."""

    certificate_pem: bytes
    key_pem: bytes


class Authority:
    """A certificate authority with an EC P-256 key, valid for a week. Its certificates pass strict X.509 checks."""

    def __init__(self, common_name: str = "Sandbox Root CA - Not for Production") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(common_name)
        builder = _builder(self._name, self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_key_usage(ca=True), critical=True)
        self._certificate = builder.sign(self._key, hashes.SHA256())

    @property
    def ca_pem(self) -> bytes:
        """The authority's own certificate, for clients' trust bundles."""
        return self._certificate.public_bytes(Encoding.PEM)

    def server_certificate(self, names: Iterable[str] = ()) -> KeyPair:
        """Issue a certificate for localhost, 127.0.0.1, ::1 and more DNS names or IP addresses."""
        wanted = list(dict.fromkeys((*LOCAL_NAMES, *names)))
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in wanted])
        return self._issue("sandbox-broker", ExtendedKeyUsageOID.SERVER_AUTH, alternatives)

    def client_certificate(self, common_name: str) -> KeyPair:
        """Issue a client certificate for mutual TLS."""
        alternatives = x509.SubjectAlternativeName([x509.DNSName(common_name)])
        return self._issue(common_name, ExtendedKeyUsageOID.CLIENT_AUTH, alternatives)

    def server_context(self, names: Iterable[str] = (), *, client_ca_pem: bytes | None = None) -> ssl.SSLContext:
        """Return a context for a listener, TLS 1.2 or later.  client_ca_pem: require certificates of that authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # The ssl module reads keys from files only.
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = write_key_pair(Path(folder), self.server_certificate(names))
            context.load_cert_chain(certificate, key)
        if client_ca_pem is not None:
            context.load_verify_locations(cadata=client_ca_pem.decode())
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _issue(
        self, common_name: str, usage: x509.ObjectIdentifier, alternatives: x509.SubjectAlternativeName
    ) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = _builder(_name(common_name), self._name, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(ca=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(issuer_key, critical=False)
        builder = builder.add_extension(alternatives, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return KeyPair(certificate.public_bytes(Encoding.PEM), _private_pem(key))


class TokenIssuer:
    """Issues and verifies RS256 tokens like those of a Kubernetes service account.  clock: Unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._key_id = uuid.uuid4().hex
        self.issuer = "https://kubernetes.default.svc.cluster.local"

    @property
    def public_pem(self) -> bytes:
        """The public key, for another broker that verifies these tokens."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def token(
        self,
        audience: str = "aio-internal",
        lifetime_seconds: float = 86_400,
        subject: str = SUBJECT,
        now: float | None = None,
    ) -> str:
        """Issue a token; like in Kubernetes, times are whole seconds: it expires at floor(now + lifetime).

        subject: `system:serviceaccount:NAMESPACE:NAME`.  now: Unix seconds, by default the clock's.
        """
        issued = self.clock() if now is None else now
        claims = {
            "aud": [audience],
            "exp": int(issued + lifetime_seconds),
            "iat": int(issued),
            "iss": self.issuer,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": _bound_objects(subject),
            "nbf": int(issued),
            "sub": subject,
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._key_id})

    def verify(self, token: str | bytes, audience: str = "aio-internal") -> dict[str, Any]:
        """Return the claims of a valid token; raise jwt.InvalidTokenError otherwise."""
        claims: dict[str, Any] = jwt.decode(
            token,
            self._key.public_key(),
            algorithms=["RS256"],
            audience=audience,
            issuer=self.issuer,
            # PyJWT compares times with the system's clock; `clock` may be another.
            options={
                "require": ["aud", "exp", "nbf", "sub"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
        if not claims["nbf"] <= self.clock() < claims["exp"]:
            raise jwt.ExpiredSignatureError("the token is not valid now")
        return claims

    def write_token(self, path: Path, token: str | None = None) -> str:
        """Replace a file with a token in one step, by default a new one; return the token."""
        text = self.token() if token is None else token
        write_atomically(path, text.encode())
        return text


class ProjectedVolume:
    """A directory that changes as the kubelet changes a projected volume or a ConfigMap.

    The files are symbolic links to `..data/NAME`; `..data` links to a directory with a time in its name. New content
    is a new directory, and one rename of `..data` activates all of it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def write(self, files: Mapping[str, bytes]) -> None:
        """Replace the content by these files, in the kubelet's order of steps."""
        data = self.directory / "..data"
        old = data.resolve() if data.is_symlink() else None
        new = Path(tempfile.mkdtemp(prefix=time.strftime("..%Y_%m_%d_%H_%M_%S.", time.gmtime()), dir=self.directory))
        new.chmod(0o755)
        for name, content in files.items():
            (new / name).write_bytes(content)
        pending = self.directory / "..data_tmp"
        pending.symlink_to(new.name)
        pending.rename(data)
        self._link(files)
        # At the end, so that a reader who followed the old link before the rename still finds its file.
        if old is not None:
            shutil.rmtree(old)

    def _link(self, files: Mapping[str, bytes]) -> None:
        links = {path.name for path in self.directory.iterdir() if not path.name.startswith("..")}
        # Links to files that stay are not changed, like by the kubelet: a watch of only the links reports nothing.
        for name in files.keys() - links:
            (self.directory / name).symlink_to(f"..data/{name}")
        for name in links - files.keys():
            (self.directory / name).unlink()


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file in one step: a reader gets the old content or the new. Only its owner can read it."""
    # Beside the target: a rename is one step only within a file system.
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(temporary).replace(path)


def write_key_pair(folder: Path, pair: KeyPair) -> tuple[Path, Path]:
    """Write `tls.crt` and `tls.key`, the names in a Kubernetes TLS secret; return their paths."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    write_atomically(certificate, pair.certificate_pem)
    write_atomically(key, pair.key_pem)
    return certificate, key


def _bound_objects(subject: str) -> dict[str, Any]:
    """Return the claim `kubernetes.io`: namespace, pod and service account of the token."""
    *_, namespace, account = subject.split(":")
    return {
        "namespace": namespace,
        "node": {"name": "node-0", "uid": str(uuid.uuid4())},
        "pod": {"name": f"{account}-0", "uid": str(uuid.uuid4())},
        "serviceaccount": {"name": account, "uid": str(uuid.uuid4())},
    }


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key)
    builder = builder.serial_number(x509.random_serial_number())
    # From a little before now, for peers with a slow clock.
    builder = builder.not_valid_before(now - CLOCK_SKEW).not_valid_after(now + VALIDITY)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

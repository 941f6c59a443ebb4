"""Makes a private authority and certificates for a test run with the system's `openssl`."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: an authority, a server's certificate for 127.0.0.1 and localhost, one for elsewhere, and a client's."""

    authority: Path
    server: Path
    elsewhere: Path
    client: Path

    def server_context(self, *, elsewhere: bool = False, client_required: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate = self.elsewhere if elsewhere else self.server
        context.load_cert_chain(certificate, key_of(certificate))
        if client_required:
            context.load_verify_locations(self.authority)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def key_of(certificate: Path) -> Path:
    return certificate.with_suffix(".key")


def make_certificates(directory: Path) -> Certificates:
    authority = directory / "authority.pem"
    _openssl("req", "-x509", *_new_key(authority), "-days", "2", "-subj", "/CN=test authority", "-out", str(authority))
    return Certificates(
        authority,
        _signed(directory, authority, "server", "IP:127.0.0.1,DNS:localhost"),
        _signed(directory, authority, "elsewhere", "DNS:elsewhere.example"),
        _signed(directory, authority, "client", "DNS:client.example"),
    )


def _signed(directory: Path, authority: Path, name: str, subject_names: str) -> Path:
    certificate, request, extensions = (directory / f"{name}{suffix}" for suffix in (".pem", ".csr", ".ext"))
    extensions.write_text(f"subjectAltName={subject_names}\n")
    _openssl("req", *_new_key(certificate), "-subj", f"/CN={name}", "-out", str(request))
    signing = ["-CA", str(authority), "-CAkey", str(key_of(authority)), "-CAcreateserial", "-days", "2"]
    _openssl("x509", "-req", "-in", str(request), *signing, "-extfile", str(extensions), "-out", str(certificate))
    return certificate


def _new_key(certificate: Path) -> list[str]:
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    return [*curve, "-keyout", str(key_of(certificate))]


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)

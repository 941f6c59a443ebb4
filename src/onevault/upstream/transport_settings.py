"""Holds what both transports are set to: limits, trust, the client's certificate and the outgoing proxy."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportSettings:
    """Limits of the pool and of answers, and who is trusted. An origin is a scheme, host and port.

    `connections_per_origin_max` counts connections being made, busy and idle. `idle_s` is best kept below the time after
    which providers close idle connections themselves. `head_bytes_max` and `header_count_max` hold for an answer's head,
    `informational_max` for the 1xx answers before it, `chunk_overhead_bytes_max` for what chunked coding may add beyond 16
    bytes for each byte of content (long extensions, trailers). `read_buffer_bytes_max` is what may wait for a slow reader
    before the connection is no longer read from.

    `ca_file` (PEM) is trusted beside the system's roots, or instead of them where `system_trust` is False.
    `client_certificate_file` (PEM chain) needs `client_key_file` unless it holds the key itself.
    `proxy_url` (`http://user:password@host:port`) is what an `HTTPS_PROXY` variable would say; no variable is read here.
    """

    connections_per_origin_max: int = 2048
    idle_per_origin_max: int = 256
    idle_s: float = 30.0
    waiters_per_origin_max: int = 8192
    head_bytes_max: int = 65_536
    header_count_max: int = 128
    informational_max: int = 8
    chunk_overhead_bytes_max: int = 16_384
    read_buffer_bytes_max: int = 262_144
    tcp_keepalive_idle_s: int = 45
    system_trust: bool = True
    ca_file: str | None = None
    client_certificate_file: str | None = None
    client_key_file: str | None = None
    client_key_password: str | None = field(default=None, repr=False)
    proxy_url: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in ("connections_per_origin_max", "head_bytes_max", "header_count_max", "read_buffer_bytes_max"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if not self.system_trust and self.ca_file is None:
            raise ValueError("without the system's roots a ca_file is needed")
        if self.client_key_file is not None and self.client_certificate_file is None:
            raise ValueError("a client_key_file needs a client_certificate_file")


def tls_context(settings: TransportSettings) -> ssl.SSLContext:
    """How servers are verified and what they are shown: TLS 1.2 or newer, names checked, HTTP/1.1 only.

    Raises OSError for a file that cannot be read and ssl.SSLError for one that holds no certificate or key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.system_trust:
        context.load_default_certs()
    if settings.ca_file is not None:
        context.load_verify_locations(cafile=settings.ca_file)
    if settings.client_certificate_file is not None:
        password = settings.client_key_password
        # A callable, so that a key whose password is missing is an error and never a question on the terminal.
        context.load_cert_chain(
            settings.client_certificate_file, settings.client_key_file, lambda: password if password is not None else ""
        )
    context.set_alpn_protocols(["http/1.1"])
    return context

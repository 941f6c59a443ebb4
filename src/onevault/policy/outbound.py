"""Decides which addresses a tenant may have the gateway speak to: those of the public internet, and what the operator added.

The table is our own, after the special-purpose registries of RFC 6890 as IANA keeps them: what the standard library calls global
takes in 6to4, NAT64 and other ways around.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, urlsplit

import msgspec

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

URL_CHARACTERS_MAX: Final = 2_048
HOST_CHARACTERS_MAX: Final = 253

_SPECIAL_IPV4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network, unspecified
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # carriers' shared space (CGNAT)
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local, and every cloud's metadata
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)
_GLOBAL_IPV6: Final = IPv6Network("2000::/3")
"""The only global unicast space there is: outside of it lie loopback, mapped and translated IPv4 (::ffff:0:0/96, 64:ff9b::/96,
64:ff9b:1::/48), private (fc00::/7), link-local (fe80::/10), site-local (fec0::/10) and multicast (ff00::/8)."""
_SPECIAL_IPV6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: an IPv4 address in disguise
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)
_INTERNAL_NAMES: Final = ("localhost", "local", "localdomain", "internal", "intranet", "lan", "home.arpa", "onion")
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?")
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")


class Destination(msgspec.Struct, frozen=True):
    """Where a URL leads. `address` None: its host is a name, and what that resolves to is still to be checked."""

    host: str
    port: int
    address: Address | None


def is_allowed(address: Address, networks: Sequence[Network] = ()) -> bool:
    """Whether it is an address of the public internet, or in one of the networks that the operator added."""
    if any(address in network for network in networks):
        return True
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_IPV4)
    return address in _GLOBAL_IPV6 and not any(address in network for network in _SPECIAL_IPV6)


def destination(url: str, networks: Sequence[Network] = ()) -> Destination:
    """Where a URL leads that a tenant wrote. Raises ValueError with the reason.

    Plain http is for loopback, where the operator added it. A host is a name of the public DNS or an address in its one customary
    spelling: what could be read as another address elsewhere (octal, hexadecimal, shortened) is refused.
    """
    parts = _parts(url)
    host = (parts.hostname or "").lower()
    address = _address(host, is_bracketed="[" in parts.netloc)
    if address is None:
        _check_name(host)
    elif not is_allowed(address, networks):
        raise ValueError("must not lead to an internal or special address")
    if parts.scheme == "http" and (address is None or not address.is_loopback):
        raise ValueError("must begin with https://")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Destination(host, port, address)


def read_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Raises ValueError for what is no network."""
    return tuple(ip_network(text) for text in texts)


def _parts(url: str) -> SplitResult:
    if len(url) > URL_CHARACTERS_MAX:
        raise ValueError(f"must have at most {URL_CHARACTERS_MAX} characters")
    if not _VISIBLE.fullmatch(url) or "\\" in url:
        raise ValueError("must be a URL of visible ASCII characters (a host of other letters as xn--…)")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in ("https", "http") or not url.lower().startswith(f"{parts.scheme}://"):
        raise ValueError("must begin with https://")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password")
    if "#" in url:
        raise ValueError("must have no fragment (#)")
    if not parts.hostname or port == 0 or parts.netloc.endswith(":") or "%" in parts.netloc:
        raise ValueError("must name a host, and a port only as a number from 1 to 65535")
    return parts


def _address(host: str, *, is_bracketed: bool) -> Address | None:
    """The address that a host is written as; None for a name."""
    if is_bracketed:
        try:
            return IPv6Address(host)
        except ValueError:
            raise ValueError("must name a host: this is no IPv6 address") from None
    if not _looks_numeric(host):
        return None
    try:
        return ip_address(host)
    except ValueError:
        raise ValueError("must spell an IPv4 address as four decimal numbers, as 192.0.2.7") from None


def _looks_numeric(host: str) -> bool:
    """By the rule of the URL standard: a host whose last label is a number is an address, however many labels there are."""
    last = host.removesuffix(".").rpartition(".")[2]
    return last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last) is not None


def _check_name(host: str) -> None:
    if len(host) > HOST_CHARACTERS_MAX or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise ValueError("must name a host by its whole name, without a dot at its end")
    if "." not in host or any(host == name or host.endswith(f".{name}") for name in _INTERNAL_NAMES):
        raise ValueError("must name a host of the public internet by its whole name")

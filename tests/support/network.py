"""A network of its own for a server: a namespace of Linux, with a link to it for each host, that can be cut so that packets vanish."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_BEYOND_NAME = "ovt{}"
_NEAR, _FAR = "ovt{}n{}", "ovt{}f{}"
"""A link's two ends; the system allows fifteen characters."""


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Network:
    """`within` goes before a command that is to run there; `addresses` has where it is reached, by a link of its own each."""

    def __init__(self, links: int) -> None:
        self._id = os.getpid() % 10_000_000
        self._name = _BEYOND_NAME.format(self._id)
        self.within = ("ip", "netns", "exec", self._name)
        block = 64 + self._id % 128
        self._nets = [f"10.213.{block}.{4 * link}" for link in range(links)]
        self.addresses = [f"10.213.{block}.{4 * link + 2}" for link in range(links)]

    def make(self) -> None:
        _ip("netns", "add", self._name)
        _ip("-n", self._name, "link", "set", "lo", "up")
        for link, net in enumerate(self._nets):
            near, far = _NEAR.format(self._id, link), _FAR.format(self._id, link)
            _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", self._name)
            _ip("addr", "add", f"{net.rpartition('.')[0]}.{4 * link + 1}/30", "dev", near)
            _ip("link", "set", near, "up")
            _ip("-n", self._name, "addr", "add", f"{self.addresses[link]}/30", "dev", far)
            _ip("-n", self._name, "link", "set", far, "up")

    def cut(self, link: int) -> None:
        """From now on nothing arrives in either direction, and nobody is told."""
        _ip("-n", self._name, "link", "set", _FAR.format(self._id, link), "down")

    def mend(self, link: int) -> None:
        _ip("-n", self._name, "link", "set", _FAR.format(self._id, link), "up")

    def remove(self) -> None:
        """Its links go with it."""
        subprocess.run(["ip", "netns", "delete", self._name], check=False, capture_output=True)


@contextmanager
def network(links: int) -> Iterator[Network]:
    """Skips where the system does not let one be made: that takes root, and `ip` of the package iproute2."""
    if shutil.which("ip") is None:
        pytest.skip("no `ip` on the PATH: install iproute2")
    made = Network(links)
    try:
        try:
            made.make()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespace can be made here: {error.stderr.strip()}")
        yield made
    finally:
        made.remove()

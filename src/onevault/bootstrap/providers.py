"""Keeps the way to providers as the configuration in force has it: catalog, endpoints, and what credentials are signed with."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from onevault.bootstrap.policies import catalog_of, transport_of
from onevault.bootstrap.simulating import WantedSimulator
from onevault.config.credential import Credential
from onevault.config.schema import ProviderSettings, Settings
from onevault.core.ports import Clock
from onevault.core.transport import Transport
from onevault.upstream.catalog import ConfiguredCatalog
from onevault.upstream.endpoint import Endpoint
from onevault.upstream.endpoints import Signing, endpoint_with, endpoints


@dataclass(slots=True)
class Providers:
    """`settings` and `catalog` are swapped in whole when the configuration changes."""

    settings: Settings
    catalog: ConfiguredCatalog
    _simulator: WantedSimulator
    _simulator_url: str | None
    _signing: Signing

    @property
    def transport(self) -> Transport:
        return self._signing.transport

    def endpoints(self) -> Mapping[str, Endpoint]:
        """By entry, with the credentials that the configuration gives."""
        return endpoints(self.settings, simulator_url=self._simulator_url, signing=self._signing)

    def endpoint_with(self, name: str, credential: Credential) -> Endpoint | None:
        """The endpoint of an entry with a credential from the vault; None where there is no such entry."""
        return endpoint_with(self.settings, name, credential, simulator_url=self._simulator_url, signing=self._signing)

    def entries(self) -> Mapping[str, ProviderSettings]:
        """The configured entries by name."""
        return {entry.name: entry for entry in self.settings.providers}

    async def apply(self, settings: Settings) -> None:
        """Follows a changed configuration. Raises OSError, and changes nothing, where the simulator is wanted and cannot listen."""
        self._simulator_url = await self._simulator.url(settings)
        self.settings = settings
        self.catalog = catalog_of(settings)


async def open_providers(settings: Settings, clock: Clock, stack: AsyncExitStack) -> Providers:
    """What is opened here and by later configurations is closed with the stack. Raises OSError for files that cannot be read, or
    where the simulator cannot listen."""
    simulator = WantedSimulator(stack)
    simulator_url = await simulator.url(settings)
    transport = transport_of(settings)
    stack.push_async_callback(transport.close)
    return Providers(settings, catalog_of(settings), simulator, simulator_url, Signing(transport, clock))

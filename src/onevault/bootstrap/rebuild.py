"""Makes endpoints with credentials from the vault, by the configuration that is in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onevault.config.credential import Credential
from onevault.config.schema import ProviderSettings, Settings
from onevault.upstream.endpoint import Endpoint
from onevault.upstream.endpoints import Signing, endpoint_with


@dataclass(slots=True)
class Rebuild:
    """`settings` are swapped in whole when the configuration changes."""

    settings: Settings
    simulator_url: str | None
    signing: Signing

    def __call__(self, name: str, credential: Credential) -> Endpoint | None:
        return endpoint_with(self.settings, name, credential, simulator_url=self.simulator_url, signing=self.signing)

    def entries(self) -> Mapping[str, ProviderSettings]:
        """The configured entries by name."""
        return {entry.name: entry for entry in self.settings.providers}

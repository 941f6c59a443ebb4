"""A gateway with short timeouts and small limits for requests that nobody should send, and the proof that they did nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.processes import GatewayProcess, SimulatorProcess, http

BODY_BYTES_MAX = 1 << 20
TIMEOUT_S = 0.5
CONFIG = f"""
gateway:
  body_size_max: {BODY_BYTES_MAX}
  header_timeout: {TIMEOUT_S}
  body_timeout: {TIMEOUT_S}
  idle_timeout: 1
"""


@dataclass
class Hostile:
    """`narrow_key` may use `gpt-4o-mini` and nothing else."""

    gateway: GatewayProcess
    simulator: SimulatorProcess
    key: str
    narrow_key: str
    body_bytes_max: int = BODY_BYTES_MAX
    timeout_s: float = TIMEOUT_S

    @property
    def port(self) -> int:
        return self.gateway.port

    def figures(self) -> Any:
        """Everything that a call could have changed: calls sent to the provider, and money, tokens and calls of both keys."""
        usages = [http(f"{self.gateway.base_url}/v1/usage", key=key)[2] for key in (self.key, self.narrow_key)]
        return [len(self.simulator.calls()), [(usage["key"], usage["user"]) for usage in usages]]

    @contextmanager
    def nothing_happens(self) -> Iterator[None]:
        """Fails where something was sent, held or charged meanwhile, where the gateway failed inside, or no longer answers."""
        before, at = self.figures(), len(self.gateway.process.output)
        yield
        if self.figures() != before:
            time.sleep(0.2)  # a call that was cut off may still be on its way out
        after, said = self.figures(), self.gateway.process.output[at:]
        assert after == before
        assert "Traceback" not in said
        assert '"level":"error"' not in said
        assert "internal fault" not in said

"""Every engine of the ledger and the rates: the same tests run on each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from onevault.core.ports import Ledger, Rates
from onevault.stores.memory.ledger import MemoryLedger
from onevault.stores.memory.minutes import TokenMinutes
from onevault.stores.memory.rates import MemoryRates


def _memory() -> tuple[Ledger, Rates]:
    minutes = TokenMinutes()
    return MemoryLedger(minutes=minutes), MemoryRates(minutes=minutes)


ENGINES: dict[str, Callable[[], tuple[Ledger, Rates]]] = {"memory": _memory}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> tuple[Ledger, Rates]:
    return ENGINES[request.param]()


@pytest.fixture
def ledger(engine: tuple[Ledger, Rates]) -> Ledger:
    return engine[0]


@pytest.fixture
def rates(engine: tuple[Ledger, Rates]) -> Rates:
    return engine[1]

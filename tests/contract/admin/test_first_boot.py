"""The first start makes credentials that work, once; the command line makes the same things by the same rules."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from tests.contract.admin.surroundings import SetClock

from onevault.admin.first_boot import ensure_first_boot
from onevault.admin.inputs import CreateKey, CreateOrganization, CreateUser, read
from onevault.admin.key_commands import create_key
from onevault.admin.office import Actor, Office, office_of
from onevault.admin.organization_commands import create_organization
from onevault.admin.user_commands import create_user
from onevault.core.faults import Fault, FaultKind
from onevault.core.money import Nanos
from onevault.policy.access import Access
from onevault.stores.sql.directory import VaultDirectory
from onevault.stores.sql.engine import Vault, open_vault

ACTOR = Actor("command line")


def office_over(vault: Vault, *, first_id: int = 0) -> Office:
    clock = SetClock()
    ids = iter(f"{number:032x}" for number in range(first_id, first_id + 1000))
    return office_of(VaultDirectory(vault, clock), clock=clock, ids=lambda: next(ids), random_bytes=os.urandom)


async def test_an_empty_vault_gets_a_key_that_calls_and_no_second_one(tmp_path: Path) -> None:
    async with open_vault(tmp_path) as vault:
        made = await ensure_first_boot(office_over(vault), time_zone="Europe/Berlin", daily_budget=Nanos(5))
        assert made is not None
        snapshot = await VaultDirectory(vault, SetClock()).snapshot()
        organization = snapshot.organizations[made.org_id]
        assert (organization.name, organization.time_zone, organization.daily_budget) == ("default", "Europe/Berlin", 5)
        assert Access(snapshot).authenticate(made.api_key, now_ms=0).user_id == made.user_id
        assert await ensure_first_boot(office_over(vault)) is None


@pytest.mark.parametrize("steps", [1, 2])
async def test_a_first_start_that_died_half_way_is_taken_up(
    tmp_path: Path, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_vault(tmp_path) as vault:
        office = office_over(vault)
        put, done = office.register.put, 0

        async def dying(*args: object, **kwargs: object) -> None:
            nonlocal done
            if done == steps:
                raise KeyboardInterrupt
            done += 1
            await put(*args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(office.register, "put", dying)
        with pytest.raises(KeyboardInterrupt):
            await ensure_first_boot(office)
        made = await ensure_first_boot(office_over(vault))
        assert made is not None
        snapshot = await VaultDirectory(vault, SetClock()).snapshot()
        assert (len(snapshot.organizations), len(snapshot.users), len(snapshot.keys)) == (1, 1, 1)


async def test_processes_that_start_at_the_same_moment_set_up_one_organization(tmp_path: Path) -> None:
    async with open_vault(tmp_path) as vault:
        offices = [office_over(vault, first_id=number * 1000) for number in range(4)]
        made = [found for found in await asyncio.gather(*map(ensure_first_boot, offices)) if found is not None]
        snapshot = await VaultDirectory(vault, SetClock()).snapshot()
        assert (len(snapshot.organizations), len(snapshot.users)) == (1, 1)
        assert made
        for each in made:
            assert Access(snapshot).authenticate(each.api_key, now_ms=0).key_id == each.key_id


async def test_a_vault_that_somebody_set_up_gets_nothing(tmp_path: Path) -> None:
    async with open_vault(tmp_path) as vault:
        asked = read(CreateOrganization, {"name": "Acme", "monthly_budget_usd": 1})
        await create_organization(office_over(vault), asked, actor=ACTOR)
        assert await ensure_first_boot(office_over(vault)) is None


async def test_the_command_line_keeps_to_the_same_rules(tmp_path: Path) -> None:
    async with open_vault(tmp_path) as vault:
        office = office_over(vault)
        with pytest.raises(Fault) as refusal:
            read(CreateOrganization, {"name": "Acme", "monthly_budget_usd": -1, "webhook_url": 7})
        assert refusal.value.kind is FaultKind.INVALID_REQUEST
        assert refusal.value.param == "webhook_url"
        assert "webhook_url: must be a string" in refusal.value.message
        assert "monthly_budget_usd: must not be negative" in refusal.value.message
        asked = read(CreateOrganization, {"name": "Acme", "monthly_budget_usd": 1})
        organization = await create_organization(office, asked, actor=ACTOR)
        other = office_over(vault)
        with pytest.raises(Fault, match="Another organization has this name"):
            await create_organization(other, asked, actor=ACTOR)
        user = await create_user(office, read(CreateUser, {"org_id": organization.org_id, "email": "a@b"}), actor=ACTOR)
        made = await create_key(office, user.user_id, read(CreateKey, {"test": True}), actor=ACTOR)
        assert made.text.startswith("gw_test_")
        with pytest.raises(Fault) as nobody:
            await create_key(office, "usr_nobody", read(CreateKey, {}), actor=ACTOR)
        assert nobody.value.kind is FaultKind.NOT_FOUND

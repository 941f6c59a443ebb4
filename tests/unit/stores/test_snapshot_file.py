"""The signed snapshot of the directory: what was written is read, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from onevault.core.directory import Changes, Snapshot
from onevault.core.identity import ApiKey, Organization, Status, User
from onevault.policy.purpose import MasterKey
from onevault.stores.snapshot.file import SnapshotFile, SnapshotUnusable

NOW_NS = 1_800_000_000_000_000_000
DAY_S = 86_400.0
DAY_NS = 86_400_000_000_000
FIRST, SECOND = MasterKey("mk_1", b"\x01" * 32), MasterKey("mk_2", b"\x02" * 32)
VAULT = "postgresql://localhost/onevault"
HELD = Snapshot(
    7,
    organizations={"org_1": Organization(org_id="org_1", tenant_id="acme", name="One")},
    users={"user_1": User(user_id="user_1", org_id="org_1", email="ann@x.test")},
    keys={"key_1": ApiKey(key_id="key_1", user_id="user_1", sha256=b"1" * 32, prefix="gw_live_abcd")},
)


def file_of(directory: Path, *masters: MasterKey, tenant_id: str = "acme", vault: str = VAULT) -> SnapshotFile:
    return SnapshotFile(directory, masters=lambda: masters or (FIRST,), tenant_id=tenant_id, vault=vault)


@pytest.fixture
def written(tmp_path: Path) -> SnapshotFile:
    file = file_of(tmp_path)
    assert file.write(HELD, confirmed_ns=NOW_NS)
    return file


def refusal(file: SnapshotFile, now_ns: int = NOW_NS) -> str:
    with pytest.raises(SnapshotUnusable) as refused:
        file.read(now_ns=now_ns, age_max_s=DAY_S)
    return str(refused.value)


def test_what_was_written_is_read_and_is_its_owners_alone(written: SnapshotFile, tmp_path: Path) -> None:
    assert written.read(now_ns=NOW_NS, age_max_s=DAY_S).snapshot == HELD
    assert written.path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [written.path.name]


def test_every_single_byte_is_under_the_signature(written: SnapshotFile) -> None:
    whole = written.path.read_bytes()
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 0x40
        written.path.write_bytes(changed)
        assert "was changed" in (said := refusal(written)) or "no snapshot of a version" in said


def test_a_file_that_is_cut_off_or_longer_is_refused(written: SnapshotFile) -> None:
    whole = written.path.read_bytes()
    for length in range(len(whole)):
        written.path.write_bytes(whole[:length])
        refusal(written)
    written.path.write_bytes(whole + b"\x00")
    assert "was changed" in refusal(written)


def test_another_key_tenant_or_vault_is_refused(written: SnapshotFile, tmp_path: Path) -> None:
    assert "signed with a master key that is not known" in refusal(file_of(tmp_path, SECOND))
    assert "tenant 'acme'" in refusal(file_of(tmp_path, tenant_id="other"))
    assert "of the vault" in refusal(file_of(tmp_path, vault="postgresql://localhost/another"))


def test_a_master_key_from_before_a_rotation_still_counts(written: SnapshotFile, tmp_path: Path) -> None:
    assert file_of(tmp_path, SECOND, FIRST).read(now_ns=NOW_NS, age_max_s=DAY_S).snapshot == HELD


def test_it_ages_to_the_nanosecond_and_does_not_come_from_the_future(written: SnapshotFile) -> None:
    assert written.read(now_ns=NOW_NS + DAY_NS, age_max_s=DAY_S).snapshot == HELD
    assert "security.snapshot_max_age" in refusal(written, NOW_NS + DAY_NS + 1)
    assert "future" in refusal(written, NOW_NS - DAY_NS)


def test_a_file_that_others_may_read_or_that_is_not_there_is_refused(written: SnapshotFile) -> None:
    written.path.chmod(0o640)
    assert "chmod 600" in refusal(written)
    written.path.unlink()
    assert "there is no snapshot" in refusal(written)


def test_without_a_master_key_nothing_is_written(tmp_path: Path) -> None:
    file = SnapshotFile(tmp_path, masters=tuple, tenant_id="acme", vault=VAULT)
    assert not file.write(HELD, confirmed_ns=NOW_NS)
    assert not list(tmp_path.iterdir())


CHANGED = Changes(
    9,
    (
        Organization(org_id="org_2", tenant_id="acme", name="Two"),
        User(user_id="user_1", org_id="org_1", email="ann@y.test", version=2),
        User(user_id="user_10", org_id="org_2", email="bob@x.test"),
        ApiKey(key_id="key_1", user_id="user_1", sha256=b"1" * 32, prefix="gw_live_abcd", status=Status.REVOKED),
        ApiKey(key_id="key_2", user_id="user_10", sha256=b"2" * 32, prefix="gw_live_efgh"),
    ),
)


def test_changes_are_worked_into_what_was_written(written: SnapshotFile) -> None:
    assert written.change(CHANGED, since=7, confirmed_ns=NOW_NS + 1)
    kept = written.read(now_ns=NOW_NS + 1, age_max_s=0.0)
    organization, *users, revoked, key = CHANGED.entities
    assert kept.snapshot == Snapshot(
        9,
        organizations=HELD.organizations | {"org_2": organization},
        users={user.user_id: user for user in users},
        keys={"key_1": revoked, "key_2": key},
    )


def test_changes_of_another_version_or_into_a_changed_file_are_refused(written: SnapshotFile) -> None:
    whole = written.path.read_bytes()
    for damaged, since in ((whole, 6), (whole[:-1], 7)):
        written.path.write_bytes(damaged)
        with pytest.raises(SnapshotUnusable):
            written.change(CHANGED, since=since, confirmed_ns=NOW_NS)
        assert written.path.read_bytes() == damaged

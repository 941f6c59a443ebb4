"""Secrets that a configuration names: in files, in the vault, and the credentials of customers applied to an entry."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from onevault.config.credential import read_credential
from onevault.config.load import settings_from
from onevault.config.problems import ConfigurationError
from onevault.config.schema import ProviderSettings, Settings
from onevault.core.transport import Origin
from onevault.upstream.endpoints import endpoints

MASTERS = [base64.b64encode(bytes([n, *range(31)])).decode() for n in (200, 201, 202)]


def settings(entry: dict[str, Any], **environment: str) -> Settings:
    return settings_from({"providers": {"openai": entry}}, environment)


def problems(entry: dict[str, Any], **environment: str) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        settings(entry, **environment)
    return [str(problem) for problem in refused.value.problems]


def test_a_secret_is_read_from_its_file_without_the_space_around_it(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("  sk-in-a-file-123456\n")
    read = settings({"api_key": f"file:{file}"})
    assert read.providers[0].api_key is not None
    assert read.providers[0].api_key.reveal() == "sk-in-a-file-123456"
    assert read.secret_files == (file,)
    assert "sk-in-a-file" not in repr(read)


def test_variables_of_the_environment_may_name_files_too(tmp_path: Path) -> None:
    key, master = tmp_path / "key", tmp_path / "master"
    key.write_text("sk-in-a-file-123456")
    master.write_text(MASTERS[0])
    read = settings_from({}, {"OPENAI_API_KEY": f"file:{key}", "ONEVAULT_MASTER_KEY": f"file:{master}"})
    assert [entry.name for entry in read.providers] == ["openai"]
    assert read.security.master_key is not None
    assert read.security.master_key.reveal() == MASTERS[0]
    assert set(read.secret_files) == {key, master}


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), (b" \n", "is empty"), (b"\xff\xfe", "not a text"), (b"changeme", "a placeholder")],
)
def test_a_file_that_holds_no_secret_is_refused_where_it_is_named(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    (problem,) = problems({"api_key": f"file:{file}"})
    assert problem.startswith("providers.openai.api_key")
    assert said in problem


def test_a_key_of_the_vault_is_named_and_none_is_sent_before_it_is_there() -> None:
    (entry,) = settings({"api_key": "vault:main"}).providers
    assert (entry.api_key, entry.stored_key) == (None, "main")
    endpoint = endpoints(settings({"api_key": "vault:main"}), simulator_url=None)["openai"]
    assert endpoint.stored_key == "main"
    assert not [name for name, _ in endpoint.headers if name == "authorization"]


@pytest.mark.parametrize(
    "written", [",".join(MASTERS[1:]), f" {MASTERS[1]} , {MASTERS[2]},"], ids=["plain", "with space"]
)
def test_several_master_keys_are_known_from_before(written: str) -> None:
    read = settings_from({}, {"ONEVAULT_MASTER_KEY": MASTERS[0], "ONEVAULT_MASTER_KEY_PREVIOUS": written})
    assert [key.reveal() for key in read.security.master_key_previous] == MASTERS[1:]


def test_a_master_key_from_before_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings_from({"security": {"master_key_previous": [MASTERS[0], "c2hvcnQ="]}}, {})
    (problem,) = refused.value.problems
    assert problem.path == "security.master_key_previous[1]"
    assert "c2hvcnQ" not in str(problem)


def test_a_customer_s_credential_replaces_all_that_the_operator_uses_for_the_provider() -> None:
    operators = ProviderSettings(
        name="azure", kind="azure", base_url="https://operator.openai.azure.com", stored_key="x"
    )
    given = {"api_key": "customers-azure-key-1234", "base_url": "https://customer.openai.azure.com"}
    entry = read_credential(given, operators).applied(operators)
    assert entry.stored_key is None
    endpoint = endpoints(Settings(providers=(entry,)), simulator_url=None)["azure"]
    assert endpoint.origin == Origin("https", "customer.openai.azure.com", 443)
    assert ("api-key", "customers-azure-key-1234") in endpoint.headers
    bedrock = ProviderSettings(name="bedrock", kind="bedrock", region="eu-central-1")
    keys = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "wJalrXUtnFEMI", "region": "us-east-1"}
    entry = read_credential(keys, bedrock).applied(bedrock)
    assert entry.aws is not None
    assert (entry.api_key, entry.region, entry.aws.access_key_id.reveal()) == (None, "us-east-1", keys["access_key_id"])
    assert "us-east-1" in endpoints(Settings(providers=(entry,)), simulator_url=None)["bedrock"].origin.host

"""What the admin API takes in: one closed model per creation and per change; a field that is not named here is refused.

Attributes are called as in the entities they become, aliases as callers write them. In a change, an absent field stays as
it was and null takes a limit away. Status, owner, version, hash and prefix are in none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from onevault.admin.errors import fault_of_validation
from onevault.admin.fields import (
    ByokPolicy,
    ComplianceLevel,
    Count,
    CredentialFields,
    Email,
    FailureMode,
    Flag,
    Kinds,
    Label,
    Models,
    Moment,
    Money,
    Name,
    Networks,
    OrgId,
    Overlap,
    PriorityTier,
    Providers,
    RoleName,
    TeamId,
    Thresholds,
    WebhookAddress,
    WebhookUrl,
    Zone,
)
from onevault.admin.target_limits import TargetLimitsField

OVERLAP_DEFAULT_S = 24 * 3600
I = TypeVar("I", bound="Input")  # noqa: E741 - the customary letter of a type of input


class Input(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def changes(self) -> dict[str, object]:
        """What was said, by the entity's attribute."""
        return {field: getattr(self, field) for field in self.model_fields_set}

    def fingerprint(self) -> str:
        """The same for the same input, however it was spelled."""
        return repr(sorted(self.changes().items()))


class _FurtherLimits(Input):
    max_cost_per_request: Money = Field(
        None, alias="max_cost_per_request_usd", description="US dollars that one call may cost; null: no limit."
    )
    daily_token_limit: Count = Field(None, description="Tokens a calendar day.")
    monthly_token_limit: Count = Field(None, description="Tokens a calendar month.")
    provider_limits: TargetLimitsField = Field(
        None, description="Limits for one provider entry alone, by its name: the same fields as here."
    )
    model_limits: TargetLimitsField = Field(
        None, description="Limits for one model alone, by `model` or `provider/model`: the same fields as here."
    )


class _WholeLimits(_FurtherLimits):
    total_budget: Money = Field(
        None, alias="total_budget_usd", description="US dollars in all, for good; null: no limit."
    )
    daily_request_limit: Count = Field(None, description="Calls a calendar day.")
    monthly_request_limit: Count = Field(None, description="Calls a calendar month.")
    tokens_per_minute: Count = None


class _OrganizationFields(_WholeLimits):
    daily_budget: Money = Field(
        None, alias="daily_budget_usd", description="US dollars a calendar day; null: no limit."
    )
    requests_per_minute: Count = Field(None, description="Over all its keys; null: no limit.")
    concurrent_requests: Count = Field(None, description="Calls in flight over all its keys; null: no limit.")
    time_zone: Zone = Field("UTC", description="IANA name; its days and months are the windows of budgets.")
    failure_mode: FailureMode = Field(
        "fail_closed", description="Whether calls are refused while the ledger cannot be reached."
    )
    fallback_daily_limit: Money = Field(
        None,
        description="US dollars that may be spent on a day while the ledger cannot be reached; `fail_open` needs it.",
    )
    compliance_level: ComplianceLevel = Field("NONE", description="Compliance mode; only NONE is available yet.")
    priority_tier: PriorityTier = Field("STANDARD", description="Who is served first under overload.")
    webhook_url: WebhookUrl = Field(
        None, description="Where notices of the organization are sent, signed; https to a public host. null: nowhere."
    )
    thresholds: Thresholds = Field(
        None,
        description="At which per cent of its limits, and of those below it, events are told; null: as configured.",
    )
    byok: ByokPolicy = Field(
        "preferred",
        description="Its own provider keys: used where it has one (`preferred`), nothing else is used (`required`), or none is (`off`).",
    )


class CreateOrganization(_OrganizationFields):
    name: Name = Field(description="Unique among organizations, whatever the case.")
    monthly_budget: Money = Field(
        alias="monthly_budget_usd", description="US dollars a calendar month; null: no limit."
    )


class UpdateOrganization(_OrganizationFields):
    name: Name = Field("", description="Unique among organizations, whatever the case.")
    monthly_budget: Money = Field(
        None, alias="monthly_budget_usd", description="US dollars a calendar month; null: no limit."
    )
    suspended: Flag = Field(False, description="True refuses every call of its keys until false is set.")


class _Limits(_FurtherLimits):
    total_limit: Money = Field(None, alias="total_limit_usd", description="US dollars in all, for good.")
    monthly_limit: Money = Field(None, alias="monthly_limit_usd", description="US dollars a calendar month.")
    daily_limit: Money = Field(None, alias="daily_limit_usd", description="US dollars a calendar day.")
    daily_request_limit: Count = Field(None, description="Calls a calendar day.")
    monthly_request_limit: Count = Field(None, description="Calls a calendar month.")
    requests_per_minute: Count = None
    tokens_per_minute: Count = None
    concurrent_requests: Count = Field(None, description="Calls in flight.")


class UpdateTenant(_WholeLimits):
    monthly_budget: Money = Field(None, alias="monthly_budget_usd", description="US dollars a month; null: no limit.")
    daily_budget: Money = Field(None, alias="daily_budget_usd", description="US dollars a day; null: no limit.")
    requests_per_minute: Count = Field(None, description="Over all organizations; null: no limit.")
    concurrent_requests: Count = Field(None, description="Calls in flight over all organizations; null: no limit.")


class CreateTeam(_Limits):
    org_id: Name
    name: Name = Field(description="Unique in the organization, whatever the case.")


class UpdateTeam(_Limits):
    name: Name = Field("", description="Unique in the organization, whatever the case.")
    suspended: Flag = Field(False, description="True refuses every call of its users until false is set.")


class CreateUser(_Limits):
    org_id: Name
    team_id: TeamId = Field(None, description="A team of the organization; null: none.")
    email: Email = Field(description="Unique in the organization, whatever the case.")


class UpdateUser(_Limits):
    team_id: TeamId = Field(None, description="Another team of the organization; null: none.")
    email: Email = Field("", description="Unique in the organization, whatever the case.")
    suspended: Flag = Field(False, description="True refuses every call of its keys until false is set.")


class UpdateKey(_Limits):
    name: Label = Field("", description="For people.")
    expires_at_ms: Moment = Field(None, alias="expires_at", description="RFC 3339, in the future; null: never.")
    allowed_models: Models = Field(None, description="The only models it may use; null: all.")
    allowed_providers: Providers = Field(None, description="The only provider entries it may use; null: all.")
    allowed_addresses: Networks = Field(
        None, description="The only networks it may be used from (`192.0.2.0/24`, `2001:db8::/32`); null: everywhere."
    )


class CreateKey(UpdateKey):
    test: Flag = Field(False, description="A `gw_test_` key, which reaches only the simulator.")


class UpdateProviderKey(Input):
    name: Label = Field("", description="For people; a key of the whole tenant is named so in the configuration.")
    credential: CredentialFields = Field({}, description="Put in place of the one before; never shown.")
    daily_limit: Money = Field(
        None, alias="daily_spending_limit_usd", description="US dollars a calendar day, of all calls made with it."
    )
    monthly_limit: Money = Field(None, alias="monthly_spending_limit_usd", description="US dollars a calendar month.")
    allowed_models: Models = Field(None, description="The only models it is for (`prefix*` matches); null: all.")
    expires_at_ms: Moment = Field(None, alias="expires_at", description="RFC 3339, in the future; null: never.")


class CreateProviderKey(UpdateProviderKey):
    org_id: OrgId = Field(
        None, description="Whose it is; null: the whole tenant's, used where the configuration names it."
    )
    provider: Name = Field(description="The name of a provider entry of the configuration.")
    credential: CredentialFields = Field(
        description="`api_key` (with `base_url` for an Azure resource), or `access_key_id`, `secret_access_key`, `session_token`, "
        "`region`, or `service_account`, `region`. Sealed at once and never shown."
    )


class RotateKey(Input):
    overlap: Overlap = Field(
        OVERLAP_DEFAULT_S, description="For how many seconds the old key goes on working; 0: not at all."
    )


class UpdateWebhook(Input):
    url: WebhookAddress = Field("", description="Where it leads; https to a public host.")
    name: Label = Field("", description="For people.")
    kinds: Kinds = Field(None, description="The only kinds of events it is sent; null: all.")
    active: Flag = Field(True, description="False sends nothing until true is set; what was due meanwhile is given up.")


class CreateWebhook(UpdateWebhook):
    org_id: OrgId = Field(None, description="Whose events it is sent; null: those of the whole tenant.")
    url: WebhookAddress = Field(description="Where it leads; https to a public host.")


class RotateSecret(Input):
    overlap: Overlap = Field(
        OVERLAP_DEFAULT_S,
        description="For how many seconds deliveries are signed with the old secret too; 0: not at all.",
    )


class CreateAdminKey(Input):
    role: RoleName = Field(description="What it may do; not more than the key that makes it.")
    name: Name = Field(description="For people.")
    scope: Name = Field(description="`tenant`, or the id of the one organization that exists for it.")
    expires_at_ms: Moment = Field(None, alias="expires_at", description="RFC 3339, in the future; null: never.")


def read(model: type[I], values: Mapping[str, object]) -> I:
    """Values as the admin API takes them, checked by the same rules. Raises Fault with the field at fault."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as problems:
        raise fault_of_validation(problems) from None

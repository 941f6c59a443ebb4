"""Keeps the credentials file as it should be, and says what a start prints."""

from __future__ import annotations

from onevault import __version__
from onevault.admin.first_boot import ensure_first_boot
from onevault.admin.office import Office
from onevault.bootstrap import credentials
from onevault.config.schema import Settings


async def known_credentials(
    settings: Settings, office: Office, *, base_url: str, has_vault: bool
) -> tuple[credentials.Credentials, str]:
    """The credentials file as it should be now, and what to tell the one who starts the gateway."""
    data_dir = settings.gateway.data_dir
    kept = credentials.read(data_dir)
    made = None
    if has_vault:
        made = await ensure_first_boot(
            office, time_zone=settings.tenant.time_zone, daily_budget=settings.limits.organization_daily_budget
        )
    configured = settings.security.admin_key
    admin_key = configured.reveal() if configured else (kept.admin_key if kept else credentials.new_admin_key())
    api_key = made.api_key if made else (kept.api_key if kept else "")
    now = credentials.Credentials(base_url, admin_key, api_key)
    if now != kept:
        credentials.write(data_dir, now)
    return now, _greeting(settings, now, first=kept is None)


def _greeting(settings: Settings, known: credentials.Credentials, *, first: bool) -> str:
    where = settings.gateway.data_dir / credentials.FILE_NAME
    lines = [f"OneVault Gateway {__version__} on {known.base_url}  (API reference: {known.base_url}/docs)"]
    if not first:
        return "\n".join([*lines, f"Keys: {where}"])
    # One that was given is a secret of whoever gave it, and this output is often a log.
    given = settings.security.admin_key is not None
    lines.append(f"Admin key: {'the configured one' if given else known.admin_key}")
    if not known.api_key:
        return "\n".join(
            [
                *lines,
                f"It is kept in {where}.",
                "There is an organization already: make a key with `onevault keys create`.",
            ]
        )
    body = '{"model":"auto","messages":[{"role":"user","content":"Hello"}]}'
    return "\n".join(
        [
            *lines,
            f"API key:   {known.api_key}",
            f"Both are kept in {where}. Try:",
            f"curl {known.base_url}/v1/chat/completions -H 'Authorization: Bearer {known.api_key}' "
            f"-H 'Content-Type: application/json' -d '{body}'",
        ]
    )

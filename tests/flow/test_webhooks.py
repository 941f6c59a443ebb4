"""Webhooks from their creation to their end, with real receivers: signatures, filters, retries, dead letters, redeliveries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.processes import GatewayProcess, SimulatorProcess, http
from tests.support.receiver import Receiver, is_signed, receiving, wait_for

CONFIG = """
monitoring:
  webhook_networks: [127.0.0.0/8]
  webhook_retry_first: 50ms
  webhook_tries: 3
  webhook_timeout: 1s
"""


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    started = GatewayProcess(tmp_path_factory.mktemp("webhooks"), environment=simulator.as_provider, config=CONFIG)
    started.start()
    yield started
    assert started.stop() == 0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def deliveries(sender: GatewayProcess, webhook: Any, state: str = "") -> list[Any]:
    query = f"?state={state}" if state else ""
    found: list[Any] = sender.admin(f"/webhooks/{webhook['webhook_id']}/deliveries{query}")["data"]
    return found


def test_a_secret_is_shown_once_signs_every_delivery_and_is_rotated_with_an_overlap(
    sender: GatewayProcess, receiver: Receiver
) -> None:
    webhook = sender.admin("/webhooks", {"url": receiver.url, "kinds": ["webhook.test"]})
    path = f"/webhooks/{webhook['webhook_id']}"
    first = webhook["secret"]
    assert first.startswith("whsec_")
    assert "secret" not in sender.admin(path)

    def sent() -> Any:
        before = len(receiver.got)
        sender.admin(f"{path}/test", method="POST", body={})
        return wait_for(lambda: receiver.got[before:])[0]

    tried = sent()
    assert is_signed(first, tried)
    assert tried.event["type"] == "webhook.test"
    assert tried.event["data"]["webhook_id"] == webhook["webhook_id"]
    second = sender.admin(f"{path}/rotate-secret", {"overlap": 3600})["secret"]
    tried = sent()
    assert is_signed(first, tried)
    assert is_signed(second, tried)
    third = sender.admin(f"{path}/rotate-secret", {"overlap": 0})["secret"]
    tried = sent()
    assert [is_signed(each, tried) for each in (first, second, third)] == [False, False, True]
    told = wait_for(lambda: len(deliveries(sender, webhook, "delivered")) == 3 and deliveries(sender, webhook))
    assert [(each["attempts"], each["last_status"], each["last_error"]) for each in told] == [(1, 204, "")] * 3
    audit = sender.admin(f"/audit?entity_id={webhook['webhook_id']}")["data"]
    assert [each["action"] for each in audit] == [*["changed"] * 5, "created"]  # tried three times, two new secrets
    assert not any(word in str(audit) for word in ("/hook", "sealed", first, second, third))


def test_an_organization_is_told_of_its_own_and_the_tenant_of_all_each_of_the_kinds_it_wants(
    sender: GatewayProcess,
) -> None:
    body = {"model": "gpt-4o-mini", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
    key, other = (sender.new_key(organization={"monthly_budget_usd": 0.0002}) for _ in range(2))
    with ExitStack() as stack:
        own, tenants, refusals, others = (stack.enter_context(receiving()) for _ in range(4))
        sender.admin("/webhooks", {"org_id": key.org_id, "url": own.url})
        sender.admin("/webhooks", {"url": tenants.url})
        sender.admin("/webhooks", {"org_id": key.org_id, "url": refusals.url, "kinds": ["budget.refused"]})
        ended = sender.admin("/webhooks", {"org_id": key.org_id, "url": others.url})
        sender.admin(f"/webhooks/{ended['webhook_id']}", method="DELETE")
        off = sender.admin("/webhooks", {"org_id": key.org_id, "url": others.url, "active": False})
        of_other = sender.admin("/webhooks", {"org_id": other.org_id, "url": others.url, "kinds": ["budget.threshold"]})
        url = f"{sender.base_url}/v1/chat/completions"
        answers = [200]
        while answers[-1] == 200 and len(answers) < 200:
            answers.append(http(url, key=key.api_key, body=body)[0])
        assert answers[-1] == 402
        wait_for(lambda: refusals.of("budget.refused"))
        wait_for(lambda: own.of("budget.threshold") and own.of("budget.refused"))
        wait_for(lambda: {each.event["id"] for each in own.got} <= {each.event["id"] for each in tenants.got})
        assert {each.event["type"] for each in refusals.got} == {"budget.refused"}
        assert {each.event["data"]["org_id"] for each in own.got} == {key.org_id}
        assert others.got == []
        assert deliveries(sender, of_other) == deliveries(sender, off) == []
        trial = http(
            f"{sender.base_url}/admin/webhooks/{off['webhook_id']}/test",
            key=sender.credentials["admin_key"], body={}, method="POST",
        )  # fmt: skip
        assert (trial[0], trial[2]["error"]["code"]) == (409, "CONFLICT")
        for each in sender.admin("/webhooks")["data"]:
            sender.admin(f"/webhooks/{each['webhook_id']}", method="DELETE")


def test_what_no_receiver_takes_is_tried_again_given_up_and_delivered_anew_when_asked(
    sender: GatewayProcess, receiver: Receiver
) -> None:
    receiver.statuses = [500, 302, 410]
    webhook = sender.admin("/webhooks", {"url": receiver.url, "kinds": ["webhook.test"]})
    path = f"/webhooks/{webhook['webhook_id']}"
    begun = sender.admin(f"{path}/test", method="POST", body={})
    (dead,) = wait_for(lambda: deliveries(sender, webhook, "dead"))
    assert dead["delivery_id"] == begun["delivery_id"]
    assert (dead["attempts"], dead["last_status"], dead["next_attempt_at"]) == (3, 410, None)
    assert dead["ended_at"] is not None
    assert len(receiver.got) == 3
    assert {each.headers["webhook-id"] for each in receiver.got} == {dead["event_id"]}
    assert all(is_signed(webhook["secret"], each) for each in receiver.got)
    again = sender.admin(f"{path}/deliveries/{dead['delivery_id']}/redeliver", method="POST", body={})
    assert (again["state"], again["attempts"]) == ("pending", 0)
    (delivered,) = wait_for(lambda: deliveries(sender, webhook, "delivered"))
    assert (delivered["attempts"], delivered["last_status"]) == (1, 204)
    assert receiver.got[3].headers["webhook-id"] == dead["event_id"]
    for number, status in ((delivered["delivery_id"], 409), ("999999999", 404), ("x", 404), ("9" * 30, 404)):
        answer = http(
            f"{sender.base_url}/admin{path}/deliveries/{number}/redeliver",
            key=sender.credentials["admin_key"], body={}, method="POST",
        )  # fmt: skip
        assert (answer[0], answer[2]["error"]["param"]) == (status, "delivery_id")


def test_a_redirect_to_an_internal_address_is_not_followed(sender: GatewayProcess, receiver: Receiver) -> None:
    with receiving() as inside:
        receiver.statuses, receiver.redirect_to = [307] * 3, inside.url
        webhook = sender.admin("/webhooks", {"url": receiver.url, "kinds": ["webhook.test"]})
        sender.admin(f"/webhooks/{webhook['webhook_id']}/test", method="POST", body={})
        (dead,) = wait_for(lambda: deliveries(sender, webhook, "dead"))
        assert dead["last_status"] == 307
        assert inside.got == []


def test_a_receiver_that_hangs_holds_up_no_other(sender: GatewayProcess, receiver: Receiver) -> None:
    receiver.hangs.set()
    hanging = sender.admin("/webhooks", {"url": receiver.url, "kinds": ["webhook.test"]})
    with receiving() as quick:
        prompt = sender.admin("/webhooks", {"url": quick.url, "kinds": ["webhook.test"]})
        for _ in range(20):
            sender.admin(f"/webhooks/{hanging['webhook_id']}/test", method="POST", body={})
        wait_for(lambda: len(receiver.got) >= 4)
        sender.admin(f"/webhooks/{prompt['webhook_id']}/test", method="POST", body={})
        wait_for(lambda: quick.got)
        still = deliveries(sender, hanging, "pending")
        assert len(still) + len(deliveries(sender, hanging, "dead")) == 20
        failed = wait_for(lambda: [each for each in deliveries(sender, hanging) if each["attempts"]])
        assert failed[0]["last_error"] == "no answer within 1 s"
    sender.admin(f"/webhooks/{hanging['webhook_id']}", method="DELETE")


def test_what_was_still_to_be_delivered_when_the_process_was_killed_is_delivered_by_the_next(
    own_gateway: GatewayProcess, receiver: Receiver
) -> None:
    own_gateway.stop()
    own_gateway = GatewayProcess(own_gateway.directory, config=CONFIG.replace("50ms", "1s"))
    own_gateway.start()
    try:
        receiver.statuses = [500]
        webhook = own_gateway.admin("/webhooks", {"url": receiver.url, "kinds": ["webhook.test"]})
        own_gateway.admin(f"/webhooks/{webhook['webhook_id']}/test", method="POST", body={})
        wait_for(lambda: [each for each in deliveries(own_gateway, webhook) if each["attempts"] == 1])
        own_gateway.kill()
        own_gateway.start()
        wait_for(lambda: len(receiver.got) == 2)
        (delivered,) = wait_for(lambda: deliveries(own_gateway, webhook, "delivered"))
        assert delivered["attempts"] == 2
        assert all(is_signed(webhook["secret"], each) for each in receiver.got)
    finally:
        own_gateway.kill()


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/", "https://[::1]/", "http://example.com/", "https://10.0.0.8/x", "ftp://x.org/"]
)
def test_a_webhook_to_no_public_address_is_refused_with_its_field(url: str, gateway: GatewayProcess) -> None:
    admin = gateway.credentials["admin_key"]
    status, _, answer = http(f"{gateway.base_url}/admin/webhooks", key=admin, body={"url": url})
    assert (status, answer["error"]["param"]) == (400, "url")
    assert answer["error"]["message"].startswith("url: must ")

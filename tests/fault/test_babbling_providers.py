"""Providers that send arbitrary bytes: a clean answer or a clean fault comes of it, never a failure of the gateway itself."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import msgspec
import pytest
import pytest_asyncio

from onevault.simulator.server import EmbeddedSimulator
from tests.fault.conftest import LONG
from tests.support.babbling_server import babbling_server
from tests.support.processes import GatewayProcess, NewKey, http
from tests.support.raw_client import CHAT, MESSAGES, Answer, call, question

pytestmark = pytest.mark.asyncio(loop_scope="module")

CASES = 20_000 if LONG else 400
AT_ONCE = 20
CONFIG = """
providers:
  oa:
    type: openai
    api_key: sk-babbling
    base_url: http://127.0.0.1:{oa}/v1
    models: [{{name: oa-model, prices: {{input: 1, output: 2}}}}]
    retries: 0
    timeout: {{first_event: 1s, stall: 1s, total: 3s}}
  an:
    type: anthropic
    api_key: sk-babbling
    base_url: http://127.0.0.1:{an}
    models: [{{name: an-model, prices: {{input: 1, output: 2}}}}]
    retries: 0
    timeout: {{first_event: 1s, stall: 1s, total: 3s}}
"""
_LINE_END = re.compile(rb"\r\n|\r|\n")
JUNK = (
    None,
    True,
    -1,
    1e308,
    10**30,
    "",
    "\x00",
    "é" * 9,
    [],
    {},
    [[]],
    [None],
    {"type": None},
    {"": ""},
    "message_stop",
    "NaN",
)


def noise(dice: random.Random, sound: bytes) -> bytes:
    """Bytes without any sense."""
    return dice.randbytes(dice.randrange(2000))


def http_noise(dice: random.Random, sound: bytes) -> bytes:
    """Noise where a body should be."""
    return b"HTTP/1.1 200 OK\r\n\r\n" + dice.randbytes(dice.randrange(2000))


def damaged(dice: random.Random, sound: bytes) -> bytes:
    """A sound answer in which bytes are changed, lost or doubled anywhere, its head included."""
    answer = bytearray(sound)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(answer))
        match dice.randrange(4):
            case 0:
                answer[at] = dice.randrange(256)
            case 1:
                del answer[at : at + dice.randrange(40)]
            case 2:
                answer[at:at] = answer[at : at + dice.randrange(60)]
            case _:
                answer[at:at] = dice.randbytes(dice.randrange(4))
    return bytes(answer)


def damaged_body(dice: random.Random, sound: bytes) -> bytes:
    """The same with the head left as it was and a body that ends with the connection."""
    return b"HTTP/1.1 200 OK\r\n\r\n" + damaged(dice, _body(sound))


def odd_json(dice: random.Random, sound: bytes) -> bytes:
    """A sound answer in which values of the JSON are of other types, missing, or of another place."""
    lines = [_odd_line(dice, line) for line in _body(sound).split(b"\n")]
    return b"HTTP/1.1 200 OK\r\n\r\n" + b"\n".join(lines)


def odd_error(dice: random.Random, sound: bytes) -> bytes:
    """A refusal of any status whose body is the same."""
    status = dice.randrange(300, 600)
    body = msgspec.json.encode({"error": dice.choice(JUNK), "message": dice.choice(JUNK), "type": dice.choice(JUNK)})
    return b"HTTP/1.1 %d Odd\r\nretry-after: %b\r\ncontent-length: %d\r\n\r\n%b" % (
        status,
        dice.choice((b"-5", b"1e999", b"soon", b"0", b"")),
        len(body),
        body,
    )


KINDS: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "noise": noise,
    "noise as a body": http_noise,
    "damaged": damaged,
    "damaged in its body": damaged_body,
    "odd JSON": odd_json,
    "odd refusals": odd_error,
}


def _body(sound: bytes) -> bytes:
    """Without its head, and without chunks: those of the simulator are one event each."""
    head, _, body = sound.partition(b"\r\n\r\n")
    if b"chunked" not in head:
        return body
    return b"".join(body.split(b"\r\n")[1::2])


def _odd_line(dice: random.Random, line: bytes) -> bytes:
    start = 6 if line.startswith(b"data: ") else 0
    try:
        document = msgspec.json.decode(line[start:])
    except msgspec.DecodeError:
        return line
    if dice.random() < 0.4:
        _spoil(dice, document)
    return line[:start] + msgspec.json.encode(document)


def _spoil(dice: random.Random, node: object) -> None:
    """Changes one value somewhere below."""
    if isinstance(node, dict) and node:
        name = dice.choice(list(node))
        if isinstance(node[name], dict | list) and node[name] and dice.random() < 0.7:
            _spoil(dice, node[name])
        elif dice.random() < 0.3:
            del node[name]
        else:
            node[name] = dice.choice(JUNK)
    elif isinstance(node, list) and node:
        at = dice.randrange(len(node))
        if isinstance(node[at], dict | list) and dice.random() < 0.7:
            _spoil(dice, node[at])
        else:
            node[at] = dice.choice(JUNK)


@dataclass
class Stage:
    """`say` is what both providers answer; `sound` are true answers by provider and whether they stream."""

    gateway: GatewayProcess
    key: NewKey
    sound: dict[tuple[str, bool], bytes]
    say: Callable[[bytes], bytes]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(babbling_server(lambda body: made.say(body))) for _ in range(2)]
        gateway = GatewayProcess(tmp_path_factory.mktemp("gateway"), config=CONFIG.format(oa=ports[0], an=ports[1]))
        await asyncio.to_thread(gateway.start)
        key = await asyncio.to_thread(gateway.new_key, organization={"monthly_budget_usd": 1000})
        made = Stage(gateway, key, await sound_answers(), lambda body: b"")
        yield made
        assert await asyncio.to_thread(gateway.stop) == 0


async def sound_answers() -> dict[tuple[str, bool], bytes]:
    """The raw bytes of what a simulator says, thinking, text and usage in one."""
    found = {}
    async with EmbeddedSimulator() as simulator:
        for provider, path in (("oa", CHAT), ("an", MESSAGES)):
            for stream in (False, True):
                asked = question(stream=stream, simulate="thinking=3; output_tokens=6; tools=0")
                if stream and provider == "oa":
                    asked["stream_options"] = {"include_usage": True}
                body = msgspec.json.encode(asked)
                reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
                writer.write(
                    b"POST %b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
                    % (path.encode(), len(body), body)
                )
                found[provider, stream] = await reader.read()
                writer.close()
    return found


@pytest.mark.parametrize("kind", KINDS)
async def test_whatever_a_provider_sends_the_gateway_answers_properly(stage: Stage, kind: str) -> None:
    dice = random.Random(kind)
    said: dict[str, bytes] = {}

    def say(request: bytes) -> bytes:
        return said[msgspec.json.decode(request)["messages"][0]["content"]]

    stage.say = say

    async def one(number: int) -> None:
        provider, stream = dice.choice(("oa", "an")), dice.random() < 0.6
        text = f"{kind} {number}"
        said[text] = KINDS[kind](dice, stage.sound[provider, stream])
        path = dice.choice((CHAT, MESSAGES))
        body = question(text, model=f"{provider}-model", stream=stream, max_tokens=50)
        answer = await call(stage.gateway.port, path, body, key=stage.key.api_key)
        check(answer, said.pop(text))

    for start in range(0, CASES, AT_ONCE):
        await asyncio.gather(*map(one, range(start, start + AT_ONCE)))
    output = stage.gateway.process.output
    assert "Traceback" not in output
    assert '"internal fault"' not in output
    usage = await asyncio.to_thread(stage.gateway.admin, f"/users/{stage.key.user_id}/usage")
    assert usage["held_nanos"] == 0
    assert usage["total_usage_nanos"] >= 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("provider", ["oa", "an"])
@pytest.mark.parametrize("count", [10**30, 2**63, 2**40])
async def test_a_usage_that_no_call_can_have_is_no_bill(stage: Stage, provider: str, stream: bool, count: int) -> None:
    """It is estimated instead, at no more than was held; the books stay sound, here and in the vault."""
    sound = _body(stage.sound[provider, stream])
    name = b"completion_tokens" if provider == "oa" else b"output_tokens"
    reported, times = re.subn(rb'"%b":\d+' % name, b'"%b":%d' % (name, count), sound)
    assert times
    stage.say = lambda request: b"HTTP/1.1 200 OK\r\n\r\n" + reported
    key = await asyncio.to_thread(stage.gateway.new_key, organization={"monthly_budget_usd": 1})
    for path in (CHAT, MESSAGES):
        body = question(model=f"{provider}-model", stream=stream, max_tokens=50)
        answer = await call(stage.gateway.port, path, body, key=key.api_key)
        assert answer.finished, bytes(answer.body)
        url = f"{stage.gateway.base_url}/v1/requests/{answer.call_id}"
        seen = (await asyncio.to_thread(http, url, key=key.api_key))[2]
        assert seen["usage"]["source"] == "estimated"
        assert 0 < seen["cost_nanos"] == answer.cost_nanos
        assert seen["cost_usd"] <= seen["held_usd"]


def check(answer: Answer, said: bytes) -> None:
    """All of an answer, or a fault in the dialect's own shape; a stream that is not whole ends with an error.

    Where the bytes of a dialect pass, nonsense inside of them passes, too: an answer counts as whole when its cost is told.
    """
    assert answer.complete, said
    assert answer.status not in (0, 500), said
    if answer.status != 200:
        assert answer.document["error"]["message"], said
    elif not answer.is_stream or b": x-gateway-cost-usd" in answer.body:
        assert answer.cost_nanos >= 0, said
    else:
        lines = [line for line in _LINE_END.split(bytes(answer.body)) if line.startswith(b"data: ")]
        assert lines, (bytes(answer.body[-200:]), said[-200:])
        last = lines[-1]
        assert msgspec.json.decode(last[6:])["error"]["message"], said
        assert b"[DONE]" not in last

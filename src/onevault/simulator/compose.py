"""Composes the answer to a request: its text, tool calls, thinking and length, all decided by seed and behaviour."""

from __future__ import annotations

from typing import Final

import msgspec

from onevault.simulator.ask import Answer, Ask, Choice, Tool, ToolCall
from onevault.simulator.behaviour import Behaviour
from onevault.simulator.schema import instance
from onevault.simulator.tokens import OUTPUT_TOKENS_MAX, Ring, cut_to, tokens_of

REFUSAL: Final = "I'm sorry, but I can't help with that."
_DEFAULT_THINKING_TOKENS: Final = 8


def compose(ask: Ask, behaviour: Behaviour, ring: Ring) -> Answer:
    """The same request under the same seed and behaviour gives the same answer.

    Thinking is spent first, then text or tool calls, all within the request's own limit, so that what a usage reports never
    exceeds it. Only text that nobody prescribed is limited by `output_tokens`.
    """
    digest = ring.digest(ask.content)
    limit = None if behaviour.ignore_limit else ask.max_tokens
    thinking = behaviour.reasoning_tokens or (_DEFAULT_THINKING_TOKENS if ask.thinks else 0)
    if limit is not None:
        thinking = min(thinking, limit)
        limit -= thinking
    choices = []
    for index in range(ask.choices):
        choice = _choice(ask, behaviour, ring, (int(digest[:8], 16) + 97 * index, limit))
        choice.thinking = ring.text(int(digest[8:16], 16) + 97 * index, thinking)
        choices.append(choice)
    visible = sum(choice.tokens for choice in choices)
    return Answer(digest, choices, visible + thinking * len(choices), thinking * len(choices))


def _choice(ask: Ask, behaviour: Behaviour, ring: Ring, place: tuple[int, int | None]) -> Choice:
    start, limit = place
    if behaviour.refusal:
        choice = Choice(refusal=REFUSAL if limit is None else cut_to(REFUSAL, limit), finish="refusal")
    elif names := _tools_to_call(ask, behaviour):
        choice = _calls(names, start, limit)
    else:
        choice = _text(ask, behaviour, ring, place)
    if behaviour.finish:
        choice.finish = behaviour.finish
    choice.tokens = tokens_of(choice.text) + tokens_of(choice.refusal)
    for call in choice.calls:
        choice.tokens += tokens_of(call.name) + tokens_of(call.arguments)
    return choice


def _text(ask: Ask, behaviour: Behaviour, ring: Ring, place: tuple[int, int | None]) -> Choice:
    start, limit = place
    if behaviour.text is not None:
        text = behaviour.text
    elif behaviour.echo:
        text = ask.user_text
    elif ask.schema is not None:
        text = msgspec.json.encode(instance(ask.schema, start)).decode()
    elif ask.json_object:
        text = msgspec.json.encode({"answer": ring.text(start, behaviour.output_tokens)}).decode()
    else:
        wanted = min(behaviour.output_tokens, OUTPUT_TOKENS_MAX // ask.choices)
        text = ring.text(start, wanted if limit is None else min(wanted, limit))
        return _stopped(Choice(text, finish="length" if limit is not None and limit < wanted else "stop"), ask.stop)
    cut = text if limit is None else cut_to(text, limit)
    return _stopped(Choice(cut, finish="stop" if len(cut) == len(text) else "length"), ask.stop)


def _stopped(choice: Choice, stop: list[str]) -> Choice:
    """Ends the text before the first of the stop sequences that occurs in it."""
    found = [(at, sequence) for sequence in stop if sequence and (at := choice.text.find(sequence)) >= 0]
    if found:
        at, choice.stop_sequence = min(found)
        choice.text = choice.text[:at]
        choice.finish = "stop_sequence"
    return choice


def _tools_to_call(ask: Ask, behaviour: Behaviour) -> list[Tool]:
    """One call of the first tool, unless the request or a directive says otherwise, or a tool has just answered."""
    count = behaviour.tools
    if count == 0 or ask.must_call is False:
        return []
    offered = {tool.name: tool for tool in ask.tools}
    named = behaviour.tool or (ask.must_call if isinstance(ask.must_call, str) else "")
    chosen = [offered.get(named, Tool(named, None))] if named else ask.tools
    if not chosen and count:
        chosen = [Tool("simulated_tool", None)]
    if not chosen or (ask.answers_tool and not ask.must_call and not named and count is None):
        return []
    wanted = 1 if count is None or not ask.parallel else count
    return [chosen[i % len(chosen)] for i in range(wanted)]


def _calls(tools: list[Tool], start: int, limit: int | None) -> Choice:
    """Where the limit falls into a call, its arguments end there, and the calls after it are not made."""
    choice = Choice(finish="tools")
    for index, tool in enumerate(tools):
        arguments = "{}"
        if isinstance(tool.schema, dict):
            arguments = msgspec.json.encode(instance({"type": "object", **tool.schema}, start + index)).decode()
        if limit is not None:
            limit -= tokens_of(tool.name)
            if limit < 0:
                choice.finish = "length"
                break
            if tokens_of(arguments) > limit:
                choice.calls.append(ToolCall(tool.name, cut_to(arguments, limit)))
                choice.finish = "length"
                break
            limit -= tokens_of(arguments)
        choice.calls.append(ToolCall(tool.name, arguments))
    return choice

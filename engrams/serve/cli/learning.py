"""Commands about what a model learnt: the methods, and sessions written into weights, checked and forgotten."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from engrams.errors import BadSetting, UnknownFormat
from engrams.serve.cli.call import Call, command
from engrams.serve.cli.commands import Group
from engrams.serve.cli.output import counted, size

_model = click.option("--model", required=True, metavar="FOLDER", help="The model, as transformers saves it.")
_method = click.option(
    "--method", default="session-lora", metavar="NAME", help="See: engrams weights methods"
)
_reserve = click.option(
    "--reserve", metavar="FILE", help="Lessons and texts that must not change, a JSON object a line."
)


@command
def methods(call: Call, /) -> None:
    """The ways to write memories into weights: name, how it forgets, what it does, paper."""
    from engrams.memory import Memory

    found = Memory.methods()
    if call.out.as_json:
        call.out.json(found)
        return
    rows = [(one["name"], one["forgets"], one["summary"], one["paper"]) for one in found]
    call.out.table(("name", "forgets", "what it does", "paper"), rows)


@command
@click.argument("name")
@click.argument("file")
@_model
@_method
@_reserve
@click.option("--reliability", type=float, metavar="SHARE", help="Least share of prompts to be right, 0.95.")
@click.option("--generality", type=float, metavar="SHARE", help="Least share of prompts never trained on.")
@click.option("--locality", type=float, metavar="SHARE", help="Least share of other answers unchanged, 0.98.")
@click.option("--drift", type=float, metavar="NATS", help="Most drift on unrelated texts a token, 0.05.")
def write(
    call: Call,
    /,
    name: str,
    file: str,
    model: str,
    method: str,
    reserve: str | None,
    **limits: float | None,
) -> None:
    """Write the lessons of FILE into weights as session NAME; what does not reach the limits is taken back.

    FILE has a JSON object a line: {"asked": ["tell anna city is"], "answer": "oslo"}, and where wanted "otherwise", prompts to judge
    by, and "source", the id of an event or engram. Exit code 1 when it was taken back.
    """
    told = _lines(file)
    given = {key: value for key, value in limits.items() if value is not None}
    with call.memory(make=True) as memory:
        held = memory.weights(
            model, method=method, reserve=_lines(reserve), limits=given, namespace=call.scopes()["namespace"]
        )
        verdict = held.write(name, told)
    _verdicts(call, [verdict])
    if not verdict["kept"]:
        call.out.note("Taken back; nothing has changed.")
        raise click.exceptions.Exit(1)


@command
@_model
@_method
def list_(call: Call, /, model: str, method: str) -> None:
    """The sessions a model has learnt: name, lessons, bytes, how many sources."""
    with call.memory() as memory:
        found = memory.weights(model, method=method, namespace=call.scopes()["namespace"]).sessions()
    if call.out.as_json:
        call.out.json(found)
        return
    rows = [(one["name"], one["lessons"], size(int(one["bytes"])), len(one["sources"])) for one in found]
    call.out.table(("name", "lessons", "bytes", "sources"), rows, right=("lessons", "bytes", "sources"))


@command
@click.argument("name", required=False)
@_model
@_method
@_reserve
def check(call: Call, /, name: str | None, model: str, method: str, reserve: str | None) -> None:
    """Judge again how sessions are held, all or one: reliability, generality, locality, earlier sessions, drift."""
    with call.memory() as memory:
        held = memory.weights(
            model, method=method, reserve=_lines(reserve), namespace=call.scopes()["namespace"]
        )
        found = held.check(name)
    _verdicts(call, found)


@command
@click.argument("name")
@_model
@_method
def forget(call: Call, /, name: str, model: str, method: str) -> None:
    """Take a session out of the weights: the model then answers as if it had never been told."""
    with call.memory() as memory:
        memory.weights(model, method=method, namespace=call.scopes()["namespace"]).forget(name)
    if call.out.as_json:
        call.out.json({"forgotten": name})
        return
    call.out.receipt(name)
    call.out.note("Forgotten; what was said stays in the journal.")


def _verdicts(call: Call, found: Sequence[Mapping[str, Any]]) -> None:
    if call.out.as_json:
        call.out.json(found)
        return
    names = ("reliability", "generality", "locality", "earlier", "drift")
    rows = [
        (
            one["session"],
            *("" if one[name] is None else f"{one[name]:.3f}" for name in names),
            "yes" if one["kept"] else "no",
            "; ".join(one["why"]),
        )
        for one in found
    ]
    call.out.table(("session", *names, "kept", "why"), rows, right=names)
    call.out.note(f"{counted(len(found), 'session')} judged.")


def _lines(file: str | None) -> list[Mapping[str, Any]]:
    """The objects of a file, one a line; none without a file."""
    if file is None:
        return []
    found: list[Mapping[str, Any]] = []
    for number, line in enumerate(Path(file).read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            try:
                one = json.loads(line)
            except json.JSONDecodeError as cause:
                raise UnknownFormat(
                    f"{file}, line {number}: no JSON ({cause.msg}); expected an object a line"
                ) from cause
            if not isinstance(one, dict):
                raise BadSetting(f"{file}, line {number}", one, "a JSON object", "file")
            found.append(one)
    return found


weights = Group(
    name="weights",
    commands=[methods, write, list_, check, forget],
    help="What a model learnt: sessions as adapters beside it, judged, listed, forgotten exactly.",
)

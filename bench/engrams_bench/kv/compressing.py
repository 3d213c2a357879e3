"""Every policy on the same contexts and questions: compressed before any question is known, for the question, for another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from engrams.kv.attention import read
from engrams.kv.block import Block
from engrams.kv.drafting import ahead, read_ahead, shortened
from engrams.kv.measure import answers, block_of, size_of
from engrams.kv.policies.delta import Delta
from engrams.kv.policies.reference import Random
from engrams.kv.policies.spec_pc import SpecPC
from engrams.kv.policy import Kept, Policy, Seen, SeenLayer
from engrams_bench.kv import rows
from engrams_bench.kv.asking import Asked
from engrams_bench.kv.calibrate import Calibrated
from engrams_bench.kv.names import BUDGETS, THIN_BUDGETS

#: Whoever wants to know how far it is.
Tell = Callable[[str], None]
FULL = "full"
#: Bytes are measured of each so-manieth context.
SIZED = 12


@dataclass
class Row:
    """A policy at one budget: which questions it got right, in the order they were put, and what it kept on average."""

    policy: str
    budget: float
    right: list[bool] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)  # numbers of those of the whole cache
    memory: list[int] = field(default_factory=list)
    disk: list[int] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """As it stands in a result file."""
        return {
            "policy": self.policy,
            "budget": self.budget,
            "kept": _mean(self.kept),
            "memory": _mean(self.memory),
            "disk": _mean(self.disk),
            "right": "".join("1" if one else "0" for one in self.right),
        }


def _mean(held: Sequence[float]) -> float | None:
    return round(sum(held) / len(held), 4) if held else None


class Rows:
    """Rows by policy and budget, in the order they came up."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, float], Row] = {}

    def at(self, policy: str, budget: float) -> Row:
        """The row, made if it is the first time."""
        return self.held.setdefault((policy, budget), Row(policy, budget))

    def told(self) -> list[dict[str, Any]]:
        """All of them."""
        return [row.told() for row in self.held.values()]


def agnostic(model: Any, asked: Sequence[Asked], known: Calibrated, tell: Tell) -> dict[str, Any]:
    """Several questions to each cache, none known when it was compressed: SCBench's multi-request mode."""
    held = Rows()
    policies = rows.agnostic(known)
    for number, one in enumerate(asked):
        tokens = one.sample.tokens()
        _, seen = read(model, tokens, len(tokens))
        block = block_of(seen, tokens)
        _ask(model, held.at(FULL, 1.0), one, block, None)
        for name, held_policy in policies.items():
            policy = _drawn_anew(held_policy, number)
            for budget in BUDGETS:
                _ask(model, held.at(name, budget), one, block, policy(_shown(seen, policy), budget))
        if one.sample.task == "facts":
            thin = rows.thin()
            for budget in THIN_BUDGETS:
                _ask(model, held.at(thin.name, budget), one, block, thin(_shown(seen, thin), budget))
        for share in BUDGETS:
            run = Delta(full=2, choosing=(2, 5), share=share, sinks=rows.SINKS, recent=3).pass_()
            row = held.at(Delta.name, share)
            found = answers(model, block, [q.tokens() for q in one.questions], choose=run)
            row.right += [f == q.value for f, q in zip(found, one.questions, strict=True)]
            row.kept.append(run.share)
        if number % 12 == 0:
            tell(f"before the question: context {number + 1} of {len(asked)}")
    return {"rows": held.told()}


def aware(model: Any, asked: Sequence[Asked], known: Calibrated, tell: Tell) -> dict[str, Any]:
    """The cache is compressed for each question; it is then asked that one, and the first one's cache all the others (multi-turn)."""
    own, other = Rows(), Rows()
    policies = rows.aware(known)
    for number, one in enumerate(asked):
        tokens = one.sample.tokens()
        for turn, question in enumerate(one.questions):
            _, seen = read_ahead(model, tokens, question.tokens(), window=len(tokens))
            block = block_of(seen, tokens)
            if turn == 0:
                for_all = [q.tokens() for q in one.questions]
            for name, held_policy in policies.items():
                policy = _drawn_anew(held_policy, number)
                for budget in BUDGETS:
                    shown = (
                        _with_draft(model, seen, tokens, question.tokens())
                        if name == "spec-kv"
                        else _behind(seen, policy)
                    )
                    kept = policy(shown, budget)
                    if turn:
                        found = answers(model, block, [question.tokens()], kept)
                        own.at(name, budget).right.append(found[0] == question.value)
                        continue
                    right = [
                        f == q.value
                        for f, q in zip(answers(model, block, for_all, kept), one.questions, strict=True)
                    ]
                    own.at(name, budget).right.append(right[0])
                    other.at(name, budget).right += right[1:]
            for budget in BUDGETS:
                own.at(SpecPC.name, budget).right.append(_shorter(model, tokens, question, budget))
        if number % 12 == 0:
            tell(f"for the question: context {number + 1} of {len(asked)}")
    return {"rows": own.told(), "later": other.told()}


def _drawn_anew(policy: Policy, number: int) -> Policy:
    """A draw of its own for every context, or all would share one luck."""
    return replace(policy, seed=number) if isinstance(policy, Random) else policy


def _ask(model: Any, row: Row, one: Asked, block: Block, kept: Kept | None) -> None:
    found = answers(model, block, [q.tokens() for q in one.questions], kept)
    row.right += [f == q.value for f, q in zip(found, one.questions, strict=True)]
    if one.number % SIZED == 0:  # sizes follow from numbers kept: a few contexts tell them
        size = size_of(block if kept is None else block.keep(kept, {}), "float16")
        row.memory.append(size.memory)
        row.disk.append(size.disk)
    width = int(block.layers[0].keys.shape[1])
    row.kept.append(1.0 if kept is None else kept.numbers(width) / (2 * width * block.entries))


def _shown(seen: Seen, policy: Policy) -> Seen:
    """With as many of the last queries as the policy asks for."""
    return _last(seen, policy.queries(seen.tokens))


def _behind(seen: Seen, policy: Policy) -> Seen:
    """With the question's queries only; with all, for a policy that wants all."""
    wanted = policy.queries(seen.tokens)
    question = len(seen.asked) - seen.tokens
    return _last(seen, len(seen.asked) if wanted == seen.tokens else question if wanted else 0)


def _last(seen: Seen, count: int) -> Seen:
    begin = len(seen.asked) - count
    layers = tuple(SeenLayer(held.keys, held.values, held.queries[:, begin:]) for held in seen.layers)
    return Seen(layers, seen.positions, seen.asked[begin:], seen.frequencies)


def _with_draft(model: Any, seen: Seen, tokens: Sequence[int], question: Sequence[int]) -> Seen:
    """With the question's queries and that of the word which the draft writes; the model is its own draft."""
    written = (*question, *ahead(model, [*tokens, *question], 1))
    return read_ahead(model, tokens, written, window=0)[1]


def _shorter(model: Any, tokens: Sequence[int], question: Any, budget: float) -> bool:
    """Whether the model, its own draft, answers from a prompt with the context cut down to the budget."""
    _, seen = read_ahead(model, tokens, question.tokens(), window=0)
    short = shortened(tokens, SpecPC(window=0, kernel=3)(seen, budget))
    with torch.no_grad():
        out = model(input_ids=torch.tensor([[*short, *question.tokens()]]), logits_to_keep=1)
    return bool(out.logits[0, -1].argmax() == question.value)

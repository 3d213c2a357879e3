"""TIMRUN: a text of tasks within tasks; when a list of subtasks is done, its keys and values leave the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from engrams.errors import BadSetting
from engrams.kv.reuse.joining import Layer
from engrams.kv.rotary import Rotary

#: What becomes of the tokens behind a pruned branch: read anew behind what is left, turned to close the gap, or left alone.
After = Literal["read", "turn", "leave"]


@dataclass(frozen=True)
class Pruned:
    """What pruning freed and cost: tokens that left, bytes that they took, and tokens that were read anew."""

    tokens: int
    bytes: int
    read: int


class TaskTree:
    """One text in which a task has thoughts, a list of subtasks and a conclusion; lists that are done are pruned.

    A list that ends goes on a stack; when that holds more than `buffer` lists, the earliest leaves the cache, with the lists
    inside it. What is left is the text without them.

    Source: Beyond Context Limits: Subconscious Threads for Long-Horizon Reasoning (TIM, TIMRUN), 2025, arXiv 2507.16784,
    sections 2.1 and 3.1. `after`: "read" is the paper's (the tokens behind are read again, so nothing of the pruned list is left
    in them, and positions are used again); "turn" moves their keys and keeps what they drew from the list; "leave" keeps them,
    bit for bit, where they are.
    """

    name: ClassVar[str] = "tim-run"
    paper: ClassVar[str] = (
        "Beyond Context Limits: Subconscious Threads for Long-Horizon Reasoning, 2025, arXiv 2507.16784"
    )
    differs: ClassVar[tuple[str, ...]] = (
        "who calls says where a list begins and ends; the paper's runtime reads it off the JSON that its model writes",
        "approximation of the size of the stack (2), the best of those the paper tries (0 to 2) in a summary of it",
        "`turn` and `leave` are ours",
    )

    def __init__(self, model: Any, prompt: Sequence[int], buffer: int = 2, after: After = "read") -> None:
        """Reads the prompt.

        Raises:
            BadSetting: no prompt, a negative buffer, an unknown `after`, or positions that cannot be turned.
        """
        if not prompt or buffer < 0:
            raise BadSetting(
                "prompt, buffer", (len(prompt), buffer), "a prompt, and 0 or more lists", self.name
            )
        if after not in ("read", "turn", "leave"):
            raise BadSetting("after", after, "read, turn or leave", self.name)
        self.model, self.buffer, self.after = model, buffer, after
        self.tokens: list[int] = []
        self.positions: list[int] = []
        self.layers: tuple[Layer, ...] = ()
        self._rotary = Rotary.of(model)
        self._open: list[int] = []
        self._done: list[tuple[int, int]] = []
        self.write(prompt)

    @property
    def bytes(self) -> int:
        """What keys and values take in memory."""
        return sum(t.untyped_storage().nbytes() for layer in self.layers for t in layer)

    @property
    def next_position(self) -> int:
        """Where the next token will stand."""
        return self.positions[-1] + 1 if self.positions else 0

    def write(self, tokens: Sequence[int]) -> Tensor:
        """Appends tokens and reads them; what the model says behind each, float[n, vocabulary].

        Raises:
            BadSetting: no tokens.
        """
        if not tokens:
            raise BadSetting("tokens", 0, "at least one token", self.name)
        begin = self.next_position
        return self._read(list(tokens), list(range(begin, begin + len(tokens))))

    def begin(self) -> None:
        """A list of subtasks begins here."""
        self._open.append(len(self.tokens))

    def end(self) -> Pruned:
        """The list begun last is done; gives what left the cache for it.

        Raises:
            BadSetting: no list has begun.
        """
        if not self._open:
            raise BadSetting("end", 0, "a list of subtasks that has begun", self.name)
        begin = self._open.pop()
        self._done.append((begin, len(self.tokens)))
        gone = Pruned(0, 0, 0)
        while len(self._done) > self.buffer:
            one = self._prune(*self._done.pop(0))
            gone = Pruned(gone.tokens + one.tokens, gone.bytes + one.bytes, gone.read + one.read)
        return gone

    def _prune(self, begin: int, end: int) -> Pruned:
        """Takes the tokens from `begin` to `end` out."""
        length, before = end - begin, self.bytes
        behind = self.tokens[end:], self.positions[end:]
        inside = [s for s in self._done if begin <= s[0] and s[1] <= end]
        self._done = [_shifted(s, end, length) for s in self._done if s not in inside]
        self._open = [start - length if start >= end else start for start in self._open]
        match self.after:
            case "read":
                self._cut(begin)
                if behind[0]:
                    self._read(
                        behind[0], list(range(self.next_position, self.next_position + len(behind[0])))
                    )
            case "turn":
                self._close(begin, end, [p - length for p in behind[1]])
            case "leave":
                self._close(begin, end, behind[1])
        return Pruned(length, before - self.bytes, len(behind[0]) if self.after == "read" else 0)

    def _cut(self, end: int) -> None:
        del self.tokens[end:], self.positions[end:]
        # A copy, since a slice would keep the whole in memory.
        self.layers = tuple((k[:, :end].clone(), v[:, :end].clone()) for k, v in self.layers)

    def _close(self, begin: int, end: int, positions: list[int]) -> None:
        old, new = torch.tensor(self.positions[end:]), torch.tensor(positions)
        layers = []
        for k, v in self.layers:
            rest = (
                k[:, end:] if self.positions[end:] == positions else self._rotary.move(k[:, end:], old, new)
            )
            layers.append((torch.cat([k[:, :begin], rest], 1), torch.cat([v[:, :begin], v[:, end:]], 1)))
        self.layers = tuple(layers)
        del self.tokens[begin:end]
        self.positions[begin:] = positions

    def _read(self, tokens: list[int], positions: list[int]) -> Tensor:
        cache = DynamicCache()
        for number, (k, v) in enumerate(self.layers):
            cache.update(k[None], v[None], number)
        held = len(self.tokens)
        ahead = torch.arange(held + len(tokens))[None] > held + torch.arange(len(tokens))[:, None]
        dtype, device = self.model.dtype, self.model.device
        mask = torch.zeros(ahead.shape, dtype=dtype).masked_fill(ahead, torch.finfo(dtype).min)
        with torch.no_grad():
            said: Tensor = self.model(
                input_ids=torch.tensor([tokens], device=device),
                position_ids=torch.tensor([positions], device=device),
                attention_mask=mask[None, None].to(device),
                past_key_values=cache,
                use_cache=True,
            ).logits[0]
        self.layers = tuple((layer.keys[0], layer.values[0]) for layer in cache.layers)
        self.tokens += tokens
        self.positions += positions
        return said


def _shifted(span: tuple[int, int], end: int, length: int) -> tuple[int, int]:
    """Where a span lies after `length` tokens before `end` left; one that holds them becomes shorter."""
    begin, behind = span
    return (begin - length if begin >= end else begin), (behind - length if behind >= end else behind)

"""Group Think: thinkers of one model write into one cache, each in a range of positions of its own, and see all that came before."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from engrams.errors import BadSetting, OverBudget

#: Who owns the tokens of the prompt.
PROMPT = -1


class GroupThink:
    """One text in which thinkers take turns; a token sees what came in earlier turns, its own included, and not its neighbours'.

    Thinker n's token t stands at position P + n · `room` + t behind a prompt of P tokens, so nothing is ever turned.

    Source: Group Think, 2025, arXiv 2505.11107, the form in which the tokens of all thinkers are interleaved in one text.
    """

    name: ClassVar[str] = "group-think"
    paper: ClassVar[str] = (
        "Group Think: Multiple Concurrent Reasoning Agents Collaborating at Token Level Granularity, 2025, arXiv 2505.11107"
    )
    differs: ClassVar[tuple[str, ...]] = (
        "approximation of the positions and of who sees whom, which were read in summaries of the paper",
        "prompts that make a model divide work are the caller's",
    )

    def __init__(self, model: Any, prompt: Sequence[int], thinkers: int, room: int) -> None:
        """Reads the prompt.

        Args:
            model: a causal language model with positions.
            prompt: at least one token.
            thinkers: 1 or more.
            room: positions of each thinker, 1 or more.

        Raises:
            BadSetting: a number out of range.
        """
        if not prompt or thinkers < 1 or room < 1:
            raise BadSetting(
                "prompt, thinkers, room", (len(prompt), thinkers, room), "1 or more of each", self.name
            )
        self.model, self.thinkers, self.room = model, thinkers, room
        self.cache = DynamicCache()
        self.tokens: list[int] = []
        self.positions: list[int] = []
        self._owner: list[int] = []
        self._turn: list[int] = []
        self._written = [0] * thinkers
        self._start = len(prompt)
        self._lock = threading.Lock()
        self._feed(
            list(prompt), list(range(len(prompt))), [PROMPT] * len(prompt), list(range(-len(prompt), 0))
        )

    def of(self, thinker: int) -> list[int]:
        """What a thinker has written."""
        with self._lock:
            return [t for t, owner in zip(self.tokens, self._owner, strict=True) if owner == thinker]

    def step(self, texts: Sequence[Sequence[int]]) -> tuple[Tensor | None, ...]:
        """Every thinker writes its tokens, the first of each in one turn, the second in the next; all in one forward pass.

        What the model says behind each thinker's last token, float[vocabulary]; None for one that writes nothing.

        Raises:
            BadSetting: texts for more or fewer thinkers than there are, or none at all.
            OverBudget: a thinker's positions are used up; nothing is written then.
        """
        with self._lock:
            if len(texts) != self.thinkers or not any(texts):
                raise BadSetting(
                    "texts", [len(t) for t in texts], f"texts for {self.thinkers} thinkers", self.name
                )
            for written, text in zip(self._written, texts, strict=True):
                if written + len(text) > self.room:
                    raise OverBudget("positions of a thinker", self.room, written + len(text))
            began = max(self._turn) + 1
            order = [
                (turn, thinker)
                for turn in range(max(map(len, texts)))
                for thinker in range(self.thinkers)
                if turn < len(texts[thinker])
            ]
            said = self._feed(
                [texts[thinker][turn] for turn, thinker in order],
                [self._start + n * self.room + self._written[n] + turn for turn, n in order],
                [thinker for _, thinker in order],
                [began + turn for turn, _ in order],
            )
            self._written = [w + len(text) for w, text in zip(self._written, texts, strict=True)]
            last = {thinker: i for i, (_, thinker) in enumerate(order)}
            return tuple(said[last[n]] if n in last else None for n in range(self.thinkers))

    def mask(self, first: int, dtype: torch.dtype) -> Tensor:
        """float[1, 1, n, T]: what each token from place `first` on sees: itself and all of earlier turns."""
        turn = torch.tensor(self._turn)
        place = torch.arange(len(turn))
        seen = (turn[None] < turn[first:, None]) | (place[None] == place[first:, None])
        return torch.zeros(seen.shape, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)[None, None]

    def _feed(self, tokens: list[int], positions: list[int], owners: list[int], turns: list[int]) -> Tensor:
        first, device = len(self.tokens), self.model.device
        self.tokens += tokens
        self.positions += positions
        self._owner += owners
        self._turn += turns
        with torch.no_grad():
            said: Tensor = self.model(
                input_ids=torch.tensor([tokens], device=device),
                position_ids=torch.tensor([positions], device=device),
                attention_mask=self.mask(first, self.model.dtype).to(device),
                past_key_values=self.cache,
                use_cache=True,
            ).logits[0]
        return said

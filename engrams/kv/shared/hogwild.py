"""Hogwild!: workers of one model think at once, each seeing what the others have written so far of their unfinished step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from torch import Tensor

from engrams.errors import BadSetting
from engrams.kv.shared.live import Ask, SharedCache

#: Takes what the model says behind a worker's last token, float[vocabulary], and the worker's number; gives a token.
Choose = Callable[[Tensor, int], int]


class Hogwild:
    """Each worker's view: what is common, a heading, the others' unfinished steps, a heading, its own unfinished step.

    A step that is finished goes to the end of what is common, where everybody has it before their own.

    Source: Hogwild! Inference: Parallel LLM Generation via Concurrent Attention, 2025, arXiv 2504.06261, the "combined" layout,
    and the authors' code (`generate_reasoning_2agents`).
    """

    name: ClassVar[str] = "hogwild"
    paper: ClassVar[str] = (
        "Hogwild! Inference: Parallel LLM Generation via Concurrent Attention, 2025, arXiv 2504.06261"
    )
    differs: ClassVar[tuple[str, ...]] = (
        "headings are read behind the prompt; the authors' code reads them alone",
        "prompts, headings and the rule that ends a step are the caller's; the authors' code asks about redundant work now and then",
    )

    def __init__(
        self,
        model: Any,
        prompt: Sequence[int],
        openings: Sequence[Sequence[int]],
        others: Sequence[int] = (),
        own: Sequence[int] = (),
    ) -> None:
        """Reads the prompt and the headings, and puts each worker's opening before everybody.

        Args:
            model: a causal language model with rotary positions.
            prompt: what all have in common, at least one token.
            openings: for each worker the tokens it begins with, at least one.
            others: heading before the others' unfinished steps.
            own: heading before one's own.

        Raises:
            BadSetting: no prompt, no worker, or an opening without a token.
        """
        if not prompt or not openings or not all(openings):
            raise BadSetting(
                "openings", [len(o) for o in openings], "a prompt and a token for each worker", self.name
            )
        self.cache = SharedCache(model)
        self.workers = tuple(f"worker {i}" for i in range(len(openings)))
        for name in ("common", "others", "own", *self.workers):
            self.cache.add(name)
        self._read(("common",), prompt)
        self._read(("common", "others"), others)
        self._read(("common", "others", "own"), own)
        self._next: list[tuple[int, ...]] = [tuple(opening) for opening in openings]

    def view(self, worker: int) -> tuple[str, ...]:
        """The blocks a worker sees, in order; the last is its own."""
        rest = [name for i, name in enumerate(self.workers) if i != worker]
        return ("common", "others", *rest, "own", self.workers[worker])

    def step(self, choose: Choose) -> tuple[int, ...]:
        """Every worker reads its last tokens and chooses the next one; those chosen, which nobody has read yet."""
        said = self.cache.step([Ask(self.view(i), self._next[i]) for i in range(len(self.workers))])
        chosen = tuple(choose(logits[-1], i) for i, logits in enumerate(said))
        self._next = [(token,) for token in chosen]
        return chosen

    def finish(self, worker: int, opening: Sequence[int]) -> None:
        """Ends a worker's step: what it wrote becomes common, and it begins anew with the token it chose last and `opening`.

        As in the authors' code the last token of a finished step is read at the beginning of the next one.
        """
        self.cache.fold(self.workers[worker], "common")
        self._next[worker] = (*self._next[worker], *opening)

    def _read(self, view: tuple[str, ...], tokens: Sequence[int]) -> None:
        if tokens:
            self.cache.step([Ask(view, tuple(tokens))])

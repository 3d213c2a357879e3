"""What compression and reuse do to a model and a text of one's own: how much is left, how alike it goes on, how long it takes.

No task and no right answers: a text is cut in two, and the model reads its second part behind a full cache of the first and behind
a smaller or composed one. What a benchmark with questions says is in docs/kv.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engrams.errors import BadSetting, EngramsError, NotFound
from engrams.kv.attention import ragged, read
from engrams.kv.block import Block
from engrams.kv.composing import compose
from engrams.kv.measure import block_of, cpu_seconds, size_of
from engrams.kv.policies.catalogue import BY_NAME, find
from engrams.kv.ragged import RaggedCache
from engrams.kv.reuse.catalogue import METHODS
from engrams.kv.reuse.joining import Piece
from engrams.kv.reuse.method import Reused
from engrams.kv.rotary import Rotary

#: The share of a text that is read first and compressed or composed; the rest is what the model goes on with.
FIRST = 0.75
#: The longest text that is tried, in tokens, and the shortest.
MOST, LEAST = 4096, 64
#: Into how many pieces the first part is cut for reuse, each read by itself.
PIECES = 4
#: The way that computes what a caller names, and without names nothing.
GIVEN = "given-chunks"
#: How often a time is taken; the median counts.
REPEATS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One policy at one budget, or one way of reuse.

    `bytes`: of the block in memory; `same`: the share of tokens of the second part for which the likeliest next token is that
    behind the full cache; `loss`: nats per token of the second part (the lower the better); `recomputed`: token-layers computed
    anew, of a full prefill's; `seconds`: processor seconds to get the cache from what is stored; `refused`: why there are no
    figures.
    """

    kind: str
    name: str
    budget: float | None = None
    bytes: int | None = None
    same: float | None = None
    loss: float | None = None
    recomputed: float | None = None
    seconds: float | None = None
    refused: str = ""


def load(folder: str | Path, text: str | Path) -> tuple[Any, list[int]]:
    """A model of a local folder and the token ids of a text file. Nothing is fetched.

    Where the folder has no tokenizer, the file holds token ids, apart by blanks.

    Raises:
        NotFound: no such folder or file.
        BadSetting: a folder without a causal language model, or a file without token ids where those are needed.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    place, words = Path(folder), Path(text)
    for each, is_there in ((place, place.is_dir()), (words, words.is_file())):
        if not is_there:
            raise NotFound(f"there is no {each}")
    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(place, local_files_only=True).eval()
    except (OSError, ValueError) as cause:
        raise BadSetting(
            "model", str(place), "a folder of a causal language model (config.json, weights)"
        ) from cause
    written = words.read_text("utf-8")
    if any((place / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
        return model, list(tokenizer(written)["input_ids"])
    if not all(word.isdecimal() for word in written.split()):
        raise BadSetting("text", str(words), "token ids, apart by blanks: the model has no tokenizer")
    return model, [int(word) for word in written.split()]


def trial(
    model: Any,
    tokens: Sequence[int],
    *,
    budgets: Sequence[float] = (0.5, 0.25),
    only: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Tries every policy that a name brings at every budget, and every way of reuse with its defaults.

    Args:
        model: a decoder with rotary positions.
        tokens: 64 token ids or more; those beyond 4,096 are left out.
        budgets: shares of the entries that may stay, in (0, 1].
        only: names of policies and ways; none given: all.
        progress: told how many of how many are done.

    Raises:
        BadSetting: too few tokens, a budget out of range, a name that is none.
    """
    ids = [int(token) for token in tokens][:MOST]
    if len(ids) < LEAST:
        raise BadSetting("text", len(ids), f"{LEAST} tokens or more", "kv bench")
    if any(not 0 < budget <= 1 for budget in budgets):
        raise BadSetting("budget", budgets, "shares above 0 and at most 1", "kv bench")
    ways = {name: way for name, way in METHODS.items() if name != GIVEN}
    unknown = [name for name in only if name not in BY_NAME and name not in ways]
    if unknown:
        raise BadSetting("only", unknown, f"names of {', '.join(sorted({*BY_NAME, *ways}))}", "kv bench")
    cut = int(len(ids) * FIRST)
    begun = _Begun(model, ids[:cut], ids[cut:])
    work: list[Callable[[], Row]] = [begun.full]
    for name in sorted(n for n in BY_NAME if n != "full" and (not only or n in only)):
        work += [lambda name=name, budget=budget: begun.compressed(name, budget) for budget in budgets]  # type: ignore[misc]
    work += [lambda way=way: begun.reused(way) for name, way in ways.items() if not only or name in only]  # type: ignore[misc]
    rows = []
    for done, each in enumerate(work, 1):
        rows.append(each())
        if progress is not None:
            progress(done, len(work))
    return rows


class _Begun:
    """A text whose first part was read."""

    def __init__(self, model: Any, first: list[int], second: list[int]) -> None:
        self.model, self.first, self.second = model, first, second
        self.rotary = Rotary.of(model)
        self.seen = read(model, first, len(first))[1]
        self.block = block_of(self.seen, first)
        self.truth = self._after(RaggedCache(self.block.layers, len(first)))

    def full(self) -> Row:
        """The full cache: what others are compared with, and the seconds of a prefill."""
        ids = torch.tensor([self.first], device=self.model.device)

        def prefill() -> None:
            with torch.no_grad():
                self.model.base_model(input_ids=ids, use_cache=True)

        return self._row(
            "full", "full", self.truth, size_of(self.block).memory, cpu_seconds(prefill, REPEATS)
        )

    def compressed(self, name: str, budget: float) -> Row:
        """One policy at one budget, as it answers behind what it keeps."""
        policy = find(name)
        asked = policy.queries(len(self.first))
        seen = self.seen if asked == len(self.first) else read(self.model, self.first, asked)[1]
        try:
            smaller = self.block.keep(policy(seen, budget), {})
        except EngramsError as refusal:
            return Row("compression", name, budget, refused=str(refusal))
        found = self._after(RaggedCache(smaller.layers, len(self.first)))
        return self._row("compression", name, found, size_of(smaller).memory, None, budget)

    def reused(self, way: Any) -> Row:
        """One way of reuse over pieces that were read apart."""
        pieces, length = [], -(-len(self.first) // PIECES)
        for begin in range(0, len(self.first), length):
            part = self.first[begin : begin + length]
            block: Block = block_of(read(self.model, part, 0)[1], part)
            pieces.append(block.piece(self.model.device))
        made = self._composed(way, pieces)
        blocks = [Block.of(made.layers, self.first, "")]
        whole = compose(self.model, blocks, self.rotary, None, (0, 0.0))
        found = self._after(whole.past())
        seconds = cpu_seconds(lambda: self._composed(way, pieces), REPEATS)
        size = size_of(blocks[0]).memory
        return self._row("reuse", way.name, found, size, seconds, None, made.report.share)

    def _composed(self, way: Any, pieces: Sequence[Piece]) -> Reused:
        with torch.no_grad():
            made: Reused = way(self.model, pieces)
        return made

    def _after(self, past: Any) -> Tensor:
        """Log-probabilities float[n, V] of what follows each token of the second part."""
        begin = len(self.first)
        ids = torch.tensor([self.second], device=self.model.device)
        places = torch.arange(begin, begin + len(self.second), device=self.model.device)[None]
        with torch.no_grad(), ragged(self.model):
            out = self.model(input_ids=ids, past_key_values=past, position_ids=places)
        return out.logits[0].float().log_softmax(-1)

    def _row(
        self,
        kind: str,
        name: str,
        found: Tensor,
        size: int,
        seconds: float | None,
        budget: float | None = None,
        recomputed: float | None = None,
    ) -> Row:
        same = (found.argmax(-1) == self.truth.argmax(-1)).float().mean().item()
        said = torch.tensor(self.second[1:], device=found.device)
        loss = -found[:-1].gather(1, said[:, None]).mean().item()
        return Row(kind, name, budget, size, round(same, 4), round(loss, 4), recomputed, seconds)

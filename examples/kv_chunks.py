"""A small local model answers from stored chunks: it reads each chunk once, and every question behind their blocks.

    pip install 'engrams[torch]' and the benchmark (bench/), which brings the model
    python examples/kv_chunks.py

The model is the benchmark's own, of 376,080 weights, trained on made-up facts: it shows the mechanism, not what large models gain.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from random import Random
from typing import ClassVar

import torch
from engrams_bench.kv import tasks
from engrams_bench.kv.fixture import load

from engrams import Memory
from engrams.kv import ActivationMemory, Composed

WORDS = (
    *("<pad>", "<begin>", "ask", "anything"),
    *"Anna Boris Chen Dana Emil Fatima Goran Hilde Ines Jonas Kofi Lena".split(),
    *"city boat job pet color tool fruit song day tree drink coat".split(),
    *"red blue green oak elm fir tea milk juice Monday Friday Sunday Rome Oslo Lima".split(),
    *"cat dog owl nurse baker pilot saw drill hammer".split(),
    *(f"#{number}" for number in range(tasks.TAGS)),
    *(f"see#{number}" for number in range(tasks.TAGS)),
    *"well so then also indeed here now thus".split(),
)


class Words:
    """A tokenizer with a word for each token."""

    ids: ClassVar = {word: number for number, word in enumerate(WORDS)}

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [self.ids[word] for word in text.split()]}

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(WORDS[id] for id in ids)

    def get_vocab(self) -> dict[str, int]:
        return self.ids


def main() -> None:
    torch.set_num_threads(1)
    model, words, rng = load(), Words(), Random(7)
    sample = tasks.facts(rng)
    chunks = [words.decode(chunk) for chunk in sample.chunks]
    print(f"One of {len(chunks)} chunks: {chunks[0]}")

    with Memory.open(":memory:") as memory, ActivationMemory(model, tokenizer=words, memory=memory) as kept:
        handles = [kept.store("<begin>")]
        for chunk in chunks:
            event = memory.add(chunk).event_ids[0]
            handles.append(kept.store(chunk, behind="<begin>", sources=[event]))
        print(f"Stored: {sum(h.tokens for h in handles)} tokens, {sum(h.bytes for h in handles):,} bytes\n")

        def told(name: str, right: int, tokens: int, began: float) -> None:
            took = 1e3 * (time.process_time() - began)
            print(f"{name:44}{right:3} of {len(sample.questions)} right{tokens:7} tokens read{took:7.1f} ms")

        began = time.process_time()
        whole = list(sample.tokens())
        right = sum(answer(model, [*whole, *q.tokens()]) == q.value for q in sample.questions)
        told("Everything is read for each question", right, 100 * len(sample.questions), began)

        for name, reuse in (
            ("From stored chunks", None),
            ("From stored chunks, the two stalest anew", "stalest-chunks"),
        ):
            began = time.process_time()
            composed = kept.compose(handles, reuse=reuse)
            right = sum(answer(model, q.tokens(), composed) == q.value for q in sample.questions)
            anew = round(composed.report.share * composed.next_position)
            told(name, right, anew + 3 * len(sample.questions), began)


def answer(model: object, tokens: Sequence[int], composed: Composed | None = None) -> int:
    """The likeliest next token."""
    begin = composed.next_position if composed else 0
    places = torch.arange(begin, begin + len(tokens))[None]
    past = composed.past() if composed else None
    with torch.no_grad():
        out = model(input_ids=torch.tensor([list(tokens)]), past_key_values=past, position_ids=places)  # type: ignore[operator]
    return int(out.logits[0, -1].argmax())


if __name__ == "__main__":
    main()

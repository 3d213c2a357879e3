"""One conversation in three forms: as text, as a block of a model's cache, as an adapter; asked the same, compared in one table.

pip install 'engrams[torch]' -e bench
python examples/three_forms.py

The model is the small one of the activation benchmark: it reads facts in its context and answers questions about them. It runs
on one core in seconds, so the words are those it knows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import torch
from engrams_bench.kv.tasks import ASK, ATTRIBUTE, BEGIN, ENTITY, VALUE
from transformers import LlamaForCausalLM
from transformers.utils import logging

from engrams import Memory
from engrams.kv.activation import ActivationMemory
from engrams.weights.lessons import Lesson
from engrams.weights.parametric import ParametricMemory
from engrams.weights.rows import rows
from engrams.weights.shelf import keep

NAMES = "nadia oskar petra quentin rosa samir tessa umar vera wim xenia yasin".split()
ABOUT = "city job pet sport drink colour tree song month tool soup game".split()
SAID = (
    "porto turin baker pilot otter robin chess rowing cocoa water amber coral oak elm fado waltz may june saw file leek corn go tag"
).split()
CONVERSATION = """
nadia city porto
oskar pet otter
nadia job pilot
petra drink cocoa
quentin sport chess
rosa tree oak
oskar city turin
samir colour amber
tessa month june
petra song fado
umar tool saw
vera soup leek
wim game go
nadia pet robin
xenia job baker
yasin drink water
""".strip().splitlines()
REPEATS = 5

Question = tuple[tuple[int, ...], int]


def tokens(line: str) -> tuple[int, int, int]:
    """A line of the conversation as the model reads it."""
    name, about, said = line.split()
    return (ENTITY + NAMES.index(name), ATTRIBUTE + ABOUT.index(about), VALUE + SAID.index(said))


def timed(ask: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, float]:
    """The answers to all questions, and processor milliseconds for one of them, the median of some rounds."""
    took = []
    for _ in range(REPEATS):
        began = time.process_time()
        with torch.no_grad():
            said = ask()
        took.append((time.process_time() - began) * 1e3 / len(said))
    return said, sorted(took)[REPEATS // 2]


def main() -> None:
    """Tells the conversation once and asks about every line of it in all three forms."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    logging.disable_progress_bar()
    model = LlamaForCausalLM.from_pretrained(Path(str(files("engrams_bench.kv.fixture")))).eval()
    context = (BEGIN, *(token for line in CONVERSATION for token in tokens(line)))
    questions: list[Question] = [((ASK, *tokens(line)[:2]), tokens(line)[2]) for line in CONVERSATION]
    asked = torch.tensor([question for question, _ in questions])
    wanted = torch.tensor([value for _, value in questions])

    with Memory.open(":memory:") as memory:
        event = memory.add("\n".join(CONVERSATION), session="conversation").event_ids[0]
        table = []

        def told(form: str, read: int, kept: int, ask: Callable[[], torch.Tensor]) -> None:
            said, milliseconds = timed(ask)
            right = (said.argmax(-1) == wanted).float().mean()
            table.append((form, f"{right:.0%}", str(read), f"{milliseconds:.2f}", f"{kept:,}"))

        bare = torch.cat([torch.full((len(asked), 1), BEGIN), asked], 1)
        told("nothing", 4, 0, lambda: model(bare).logits[:, -1])

        whole = torch.cat([torch.tensor([context] * len(asked)), asked], 1)
        bytes_of_text = len("\n".join(CONVERSATION).encode())
        told("text", whole.shape[1], bytes_of_text, lambda: model(whole).logits[:, -1])

        blocks = ActivationMemory(model, memory=memory)
        block = blocks.store(context, sources=[event])
        composed = blocks.compose([block])
        told(
            "block",
            asked.shape[1],
            block.bytes,
            lambda: model(asked, past_key_values=composed.past(len(asked))).logits[:, -1],
        )

        weights = ParametricMemory(model, fingerprint=blocks.fingerprint)
        lessons = [Lesson(((BEGIN, *question),), (value,), source=event) for question, value in questions]
        verdict = weights.write("conversation", lessons)
        (adapter,) = keep(memory, weights)
        prompts = rows([((BEGIN, *question), ()) for question, _ in questions])
        told("adapter", 4, adapter.bytes, lambda: weights.logits(prompts)[:, -1])

        print(f"{'form':9} {'right':>5} {'tokens read':>12} {'ms a question':>14} {'bytes kept':>11}")
        for form, right, read, milliseconds, kept in table:
            print(f"{form:9} {right:>5} {read:>12} {milliseconds:>14} {kept:>11}")
        found = memory.context("Which city does nadia live in?")
        print(
            f"\nA context that cites the conversation names {len(found.kv)} block and {len(found.weights)} adapter."
        )
        print(f"The adapter was judged: reliability {verdict.reliability:.2f}, kept: {verdict.kept}.")

        with torch.no_grad():
            before = model(bare).logits
            weights.forget("conversation")
            print(
                "Forgotten, the model answers bit for bit as before:",
                torch.equal(weights.logits(prompts), before),
            )
        memory.delete(event)
        print("The event erased, what rested on it is gone:", memory.payloads() == [])


if __name__ == "__main__":
    main()

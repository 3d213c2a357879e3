"""A month of use: what moving memories between text, block and adapter saves, at what was measured of each."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engrams.organise.forms import FORMS, ChooseForm, Costs, Form, Use
from engrams.records import EngramId
from engrams_bench.machine import machine, origin
from engrams_bench.parametric.table import MONTH

DAYS, MEMORIES, A_DAY = 30, 60, 600
SHORTEST, LONGEST = 100, 400  # tokens of a memory
#: Of Zipf's law: the use of the r-th memory is 1 / r^STEEP.
STEEP = 1.1
#: Memories in use at a time; the others rest.
ACTIVE = 30
#: What a megabyte kept for a day counts, in milliseconds: a choice of ours, it weighs room against time.
RENT = 20.0
CORRECTED = 10  # memories that are corrected on some day
#: The model that costs are measured on: speed needs no training, so its weights are drawn.
SIZE: dict[str, Any] = {
    "vocab_size": 512,
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
}
READ, ASKED, REPEATS, TRAINED = 1024, 16, 15, 30  # tokens, tokens of a question, repeats, steps of an adapter


@dataclass
class Memory:
    """One memory as the simulation goes: its form, and what was measured of it."""

    id: EngramId
    tokens: int
    form: Form = "text"
    uses: int = 0
    last: int | None = None
    changed: int = 0


@dataclass
class Spent:
    """What a way to keep the memories took."""

    name: str
    tokens: float = 0.0
    use: float = 0.0
    make: float = 0.0
    megabytes: float = 0.0
    moves: int = 0
    forms: list[dict[str, int]] = field(default_factory=list)


def plan(seed: int) -> tuple[list[int], list[list[int]], dict[int, list[int]]]:
    """Tokens of each memory, the memories used on each day, and the memories corrected on some."""
    draw = random.Random(seed)
    tokens = [draw.randint(SHORTEST, LONGEST) for _ in range(MEMORIES)]
    ranks = list(range(MEMORIES))
    days = []
    for day in range(DAYS):
        if day == DAYS // 2:
            draw.shuffle(ranks)  # what was in use rests, what rested is used
        weights = [(ranks[at] < ACTIVE) / (ranks[at] + 1) ** STEEP for at in range(MEMORIES)]
        days.append(draw.choices(range(MEMORIES), weights, k=A_DAY))
    corrected: dict[int, list[int]] = {}
    for at in draw.sample(range(MEMORIES), CORRECTED):
        corrected.setdefault(draw.randrange(1, DAYS), []).append(at)
    return tokens, days, corrected


def live(name: str, costs: Costs, seed: int, choose: Callable[[Use, Costs], Form]) -> Spent:
    """A month with one way to choose; what changes form, or is corrected while it has one, is made anew."""
    tokens, days, corrected = plan(seed)
    held = [Memory(EngramId(str(at)), count) for at, count in enumerate(tokens)]
    spent = Spent(name)
    for day, used in enumerate(days):
        for at in used:
            memory = held[at]
            spent.use += costs.use(memory.form, memory.tokens)
            spent.tokens += memory.tokens if memory.form == "text" else 0
            memory.uses, memory.last = memory.uses + 1, day
        for at in corrected.get(day, ()):
            held[at].changed, held[at].form = day, "text"
        for memory in held:
            age = day + 1
            rested = None if memory.last is None else float(day - memory.last)
            use = Use(
                memory.id, memory.tokens, memory.uses / age, rested, float(day - memory.changed), memory.form
            )
            form = choose(use, costs)
            if form != memory.form:
                spent.make += costs.make(form, memory.tokens)
                spent.moves += 1
                memory.form = form
        spent.forms.append({form: sum(one.form == form for one in held) for form in FORMS})
    spent.megabytes = sum(costs.keep(one.form, one.tokens) for one in held) / (costs.rent or 1.0)
    return spent


def ways(costs: Costs, rule: ChooseForm, seed: int) -> list[Spent]:
    """Text alone, one form for everything that is ever used, and the rule."""

    def always(form: Form) -> Callable[[Use, Costs], Form]:
        return lambda use, _: "text" if use.rested is None else form

    return [
        live("text alone", costs, seed, lambda use, _: "text"),
        live("a block for everything used", costs, seed, always("block")),
        live("an adapter for everything used", costs, seed, always("adapter")),
        live("the rule", costs, seed, lambda use, at: rule.choose(use, at).form),
    ]


def measured_costs() -> Costs:
    """What the forms cost here: medians of processor milliseconds, one thread."""
    import torch
    from safetensors.torch import load, save
    from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

    from engrams.weights.rows import loss, rows
    from engrams.weights.running import Learner, new_low_rank
    from engrams.weights.training import fit

    torch.set_num_threads(1)
    torch.manual_seed(0)
    learner = Learner(LlamaForCausalLM(LlamaConfig(**SIZE)), "month")
    model = learner.model
    text, question = torch.randint(3, 512, (1, READ)), torch.randint(3, 512, (1, ASKED))

    with torch.no_grad():
        cache = model(text, use_cache=True).past_key_values
        kept = save(
            {
                f"{n}.{part}": getattr(one, name)
                for n, one in enumerate(cache.layers)
                for part, name in (("k", "keys"), ("v", "values"))
            }
        )

        def loaded() -> None:
            raw = load(kept)
            whole = DynamicCache(config=model.config)
            for n in range(len(cache.layers)):
                whole.update(raw[f"{n}.k"], raw[f"{n}.v"], n)
            model(question, past_key_values=whole, use_cache=True)

        alone = _median(lambda: model(question, use_cache=False))
        read = _median(lambda: model(torch.cat([text, question], 1), use_cache=False)) - alone
        load_ms = _median(loaded) - alone
        adapter = new_low_rank(learner, 8, "month")
        asked = rows([(tuple(question[0].tolist()), ())])
        wear = _median(lambda: learner.run(asked, low_rank=adapter)) - _median(lambda: learner.run(asked))
    told = rows(
        [
            (tuple(text[0, i : i + 8].tolist()), tuple(text[0, i + 8 : i + 10].tolist()))
            for i in range(0, 160, 10)
        ]
    )
    began = time.process_time()
    fit(
        list(adapter.values()),
        lambda _: loss(learner.run(told, low_rank=adapter).logits, told),
        steps=TRAINED,
        rate=5e-3,
    )
    return Costs(
        read=max(0.0, read / READ),
        load=max(0.0, load_ms / READ),
        wear=max(0.0, wear),
        train=(time.process_time() - began) * 1e3,
        block_bytes=len(kept) / READ,
        adapter_bytes=float(sum(one.numel() * one.element_size() for one in adapter.values())),
        rent=RENT,
    )


def _median(act: Callable[[], object]) -> float:
    took: Sequence[float] = []
    act()
    for _ in range(REPEATS):
        began = time.process_time()
        act()
        took = [*took, (time.process_time() - began) * 1e3]
    return sorted(took)[REPEATS // 2]


def write(folder: Path, seed: int = 0) -> dict[str, Any]:
    """Measures, lives the month in each way, and writes the result."""
    costs, rule = measured_costs(), ChooseForm()
    rows = ways(costs, rule, seed)
    tokens, days, _ = plan(seed)
    whole = {
        "model": f"a Llama of {SIZE['num_hidden_layers']} layers and {SIZE['hidden_size']} wide with drawn weights",
        "costs": asdict(costs),
        "rule": asdict(rule),
        "seed": seed,
        "memories": MEMORIES,
        "tokens": [min(tokens), max(tokens)],
        "uses": sum(map(len, days)),
        "corrected": CORRECTED,
        "rows": [asdict(row) for row in rows],
        "machine": machine(),
        "origin": origin(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MONTH).write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return whole

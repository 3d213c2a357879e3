"""What can be done with blocks, by name, as the library and the command line tell it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engrams import Memory
from engrams.errors import NeedsExtra, UnknownName
from engrams.kv import ActivationMemory
from tests.kv.tiny import llama, some_tokens

#: Those whose paper the project names.
WANTED = {
    "compression": """
        streaming h2o snapkv expected-attention think razor-attention compress-kv cake task-kv la-cache lazy-eviction rlkv
        attention-gate spec-kv spec-pc delta retrieval-heads
    """,
    "reuse": "cacheblend cache-craft",
    "sharing": "hogwild group-think tim-run",
}


def test_every_policy_has_a_card() -> None:
    cards = Memory.policies()
    for kind, names in WANTED.items():
        of_kind = {card["name"]: card for card in cards if card["kind"] == kind}
        assert set(names.split()) <= set(of_kind)
        assert all(of_kind[name]["paper"] for name in names.split())
    assert len({(card["kind"], card["name"]) for card in cards}) == len(cards)
    assert json.loads(json.dumps(cards)) == cards


def test_a_policy_is_found_by_its_name(tmp_path: Path) -> None:
    with ActivationMemory(llama(), root=tmp_path) as kept:
        handle = kept.store(some_tokens(20), policy="snapkv", budget=0.5)
        assert kept.block(handle).entries <= 3 * 2 * 10
        assert kept.block(handle).made == {"policy": "snapkv", "budget": 0.5}
        with pytest.raises(UnknownName, match="snapkv"):
            kept.store(some_tokens(21), policy="snapvk", budget=0.5)


@pytest.mark.parametrize(
    ("name", "budget"),
    [
        ("streaming", 0.5),
        ("h2o", 0.5),
        ("snapkv", 0.5),
        ("expected-attention", 0.5),
        ("think", 0.9),
        ("cake", 0.5),
    ],
)
def test_what_a_policy_keeps_is_stored_and_attended_to(name: str, budget: float, tmp_path: Path) -> None:
    """The stored block is attended to as the same block was before it was written."""
    model = llama()
    tokens, question = some_tokens(48), some_tokens(4, 5)
    with ActivationMemory(model, root=tmp_path / "kv") as kept:
        whole = kept.store(tokens)
        smaller = kept.compress(whole, name, budget)
        made = kept.compose([smaller])
    assert smaller.bytes < whole.bytes
    with ActivationMemory(model, root=tmp_path / "kv") as again:
        loaded = again.compose([smaller])
    places = torch.arange(48, 52)[None]
    found = []
    for composed in (made, loaded):
        with composed.reading(model), torch.no_grad():
            found.append(
                model(
                    input_ids=torch.tensor([question]), past_key_values=composed.past(), position_ids=places
                )
            )
    assert torch.equal(found[0].logits, found[1].logits)


def test_the_command_line_lists_policies_and_blocks(tmp_path: Path) -> None:
    def engrams(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "engrams", *arguments],
            cwd=tmp_path,
            env=dict(os.environ),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert json.loads(engrams("kv", "policies", "--json")) == Memory.policies()
    assert "\tsnapkv\t" in engrams("kv", "policies")
    with Memory.open(tmp_path / "m.db") as memory, ActivationMemory(llama(), memory=memory) as kept:
        event = memory.add("The spare key is under the flower pot.").event_ids[0]
        handle = kept.store(some_tokens(8), sources=[event])
        other = kept.store(some_tokens(9), sources=[event])
        kept.drop(other)
    rows = [line.split("\t") for line in engrams("kv", "list", "--db", "m.db").splitlines()]
    assert [(row[0], row[1], row[2]) for row in rows] == [(handle.id, "8", "3"), (other.id, "9", "3")]
    assert rows[1][3] == "dropped"
    (found, _) = json.loads(engrams("kv", "list", "--db", "m.db", "--json"))
    assert (found["id"], found["sources"], found["metadata"]["tokens"]) == (handle.id, [event], 8)


def test_without_torch_the_extra_is_named() -> None:
    program = """
import sys
for name in ("torch", "transformers", "safetensors"):
    sys.modules[name] = None
from engrams import Memory
from engrams.errors import NeedsExtra
for call in (Memory.policies, lambda: __import__("engrams.kv", fromlist=["x"]).ActivationMemory):
    try:
        call()
    except NeedsExtra as needed:
        print(needed)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.count("pip install 'engrams[torch]'") == 2
    assert issubclass(NeedsExtra, Exception)

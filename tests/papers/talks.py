"""A language model whose answers a test writes down, over its real protocol, and an embedder whose vectors it draws."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from engrams import Memory
from engrams.models.scripted import ScriptedServer
from engrams.models.scripted_wire import Heard, Said
from engrams.prompts import Prompt
from engrams.recipe import Recipe

BLOCK = re.compile(r"<<<(\w+) (\w+)\n(.*?)\n\2 \1>>>", re.DOTALL)
START = datetime(2024, 3, 1, 12, tzinfo=UTC)

#: What a test has the model say to a prompt: an object, calls of tools, or what makes one of the blocks it was shown.
Reply = Mapping[str, Any] | Callable[[dict[str, str]], Mapping[str, Any] | Said]


@dataclass
class Talk:
    """Answers by prompt, and what was asked: (name of the prompt, blocks)."""

    replies: Mapping[Prompt, Reply]
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __call__(self, heard: Heard) -> Said:
        for prompt, reply in self.replies.items():
            head = prompt.text.split("{{")[0]
            if heard.system.startswith(head):
                blocks = {name.lower(): text for name, _, text in BLOCK.findall(heard.last)}
                self.asked.append((prompt.name, blocks))
                made = reply(blocks) if callable(reply) else reply
                return made if isinstance(made, Said) else Said(json.dumps(made))
        return Said(f"no reply is written for: {heard.system[:60]}", status=400)

    def shown(self, name: str) -> list[dict[str, str]]:
        """The blocks of every question with one prompt."""
        return [blocks for prompt, blocks in self.asked if prompt == name]


@dataclass
class Drawn:
    """An embedder by words: a text's vector is the sum of the directions of the words drawn, of length 1."""

    words: Mapping[str, Sequence[float]]
    fingerprint: str = "drawn"
    dimensions: int = 3

    def embed(self, texts: Sequence[str], *, progress: object = None) -> Any:
        rows = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word, direction in self.words.items():
                if word in text.lower():
                    row += np.array(direction, np.float32)
            if not row.any():
                row[-1] = 1
            row /= np.linalg.norm(row)
        return rows


class Standing:
    """A clock that stands."""

    def __init__(self, at: datetime = START + timedelta(days=30)) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


@contextmanager
def opened(
    recipe: Recipe, replies: Mapping[Prompt, Reply], words: Mapping[str, Sequence[float]], **more: Any
) -> Iterator[tuple[Memory, Talk]]:
    """A memory in memory, open with a scripted model over HTTP (`protocol`: "openai" or "anthropic") and a drawn embedder."""
    talk, protocol = Talk(replies), more.pop("protocol", "openai")
    dimensions = len(next(iter(words.values()), (0, 0, 0)))
    with (
        ScriptedServer(talk) as server,
        Memory.open(
            ":memory:",
            recipe,
            model=f"{protocol}:scripted@{server.root if protocol == 'anthropic' else server.url}",
            embedder=Drawn(words, dimensions=dimensions),
            clock=more.pop("clock", Standing()),
            **more,
        ) as memory,
    ):
        yield memory, talk


def tell(memory: Memory, *said: str, session: str = "one", day: int = 0) -> list[str]:
    """Adds messages of the speakers before their colons, a minute apart, and works through the jobs; their event ids."""
    ids: list[str] = []
    for minute, line in enumerate(said):
        who, _, text = line.partition(": ")
        role = who if who in ("user", "assistant") else "user"
        message = {"role": role, "content": text} | ({} if role == who else {"name": who})
        at = START + timedelta(days=day, minutes=minute)
        ids += memory.add([message], session=session, occurred_at=at).event_ids
    worked = memory.work()
    assert worked.again == worked.dead == 0, [job.error for job in memory.jobs()]
    return ids


def texts(memory: Memory, kind: str) -> list[str]:
    """What engrams of a kind say, in the order they were derived."""
    return [e.content for e in memory.get_all() if e.kind == kind]

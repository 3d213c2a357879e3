"""Begins a search at what the question names: its names, and the phrases of a graph that are most like them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from engrams.errors import NeedsExtra
from engrams.joints import NothingFound
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.recall.derived import once
from engrams.recall.fact_graph import Seeded, Synonyms, phrase_graph, phrase_vectors
from engrams.recall.graph import named_in, places_among
from engrams.records import Query
from engrams.step import Run, Step

NAMES = {
    "type": "object",
    "properties": {"entities": {"type": "array", "items": {"type": "string"}}},
    "required": ["entities"],
}


@dataclass(frozen=True, slots=True)
class Names:
    """A question, and what it speaks of by name, each once."""

    query: Query
    names: tuple[str, ...]


@dataclass(frozen=True)
class AskNames(Step[Query, Names]):
    """Asks a model what the question names; one call.

    Source: HippoRAG (Gutiérrez et al. 2024), section 2.3: query named entities.
    Without a model: names that the memory knows and the question holds (`NamesHeld`).
    """

    asks: ClassVar[tuple[str, ...]] = ("entities",)

    prompt: Prompt = Prompt("names_of_question", "engrams.recall")

    def __call__(self, value: Query, run: Run) -> Names:
        """Asks.

        Raises:
            ModelError: the model failed, or twice gave what is no list of names.
        """
        answer = run.chat.ask(Ask("entities", self.prompt, {"question": value.text}, NAMES))
        said = (" ".join(name.split()) for name in (answer.value or {})["entities"])
        return Names(value, tuple(dict.fromkeys(name for name in said if name)))

    def without_model(self) -> Step[Query, Names]:
        """The counterpart that asks no model."""
        return NamesHeld()


@dataclass(frozen=True)
class NamesHeld(Step[Query, Names]):
    """Takes the names that something in the memory is called by and that the question holds, the longest at each place.

    In place of a model that reads the question: a name that is written another way is missed.
    """

    def __call__(self, value: Query, run: Run) -> Names:
        """Looks."""
        view = run.index.view(value)
        known = once(view, ("all names",), lambda: np.unique(view.names()[1]))
        found = named_in(lambda hashes: places_among(known, hashes), value.text)
        return Names(value, tuple(dict.fromkeys(name for _, name in found)))


@dataclass(frozen=True)
class LinkNames(Step[Names, Seeded]):
    """Where the walk begins: at the phrase of the graph most like each name, by the cosine of their vectors.

    With `specificity` a phrase weighs 1 divided by the number of passages that hold it, else 1. How sure the walk is of its
    beginning is the cosine of the name that was likened worst.

    No option of `SeedGraph`: that begins at facts a question is near to and at all passages, this at names and nowhere else.

    Source: HippoRAG (Gutiérrez et al. 2024), section 2.3, node specificity; `link_node_by_dpr` of the authors' code.
    """

    synonyms: Synonyms | None
    specificity: bool = True

    def __call__(self, value: Names, run: Run) -> Seeded:
        """Likens and weighs.

        Raises:
            NothingFound: the question names nothing, or no phrase of the graph has a vector.
            NeedsExtra: there is no embedder.
            ModelError: the embedder failed.
        """
        if run.embedder is None:
            raise NeedsExtra(f"{run.recipe!r} finds by vectors, and so", "embed")
        if not value.names:
            raise NothingFound("the question names nothing to begin at")
        view = run.index.view(value.query)
        graph = phrase_graph(view, self.synonyms, run.embedder.fingerprint)
        found = phrase_vectors(view, graph.hashes, run.embedder.fingerprint)
        if found is None or not len(found[0]):
            raise NothingFound("no phrase of the graph has a vector to be likened by")
        phrases, vectors = found
        close = run.embedder.embed(list(value.names)) @ vectors.T
        chosen = phrases[close.argmax(axis=1)]
        start = np.zeros(len(graph.passages) + len(graph.hashes))
        weights = 1.0 / np.maximum(graph.held[chosen], 1) if self.specificity else np.ones(len(chosen))
        start[len(graph.passages) + chosen] = weights
        return Seeded(value.query, view, graph, start, float(close.max(axis=1).min()))

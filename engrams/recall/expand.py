"""Goes on from what was found: a question in other words, and engrams that are linked to hits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from engrams.errors import BadSetting
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.recall.seen import may_see
from engrams.records import Engram, EngramId, Query, Ranked, Scored
from engrams.step import Run, Step

KEYWORDS = {
    "type": "object",
    "properties": {"keywords": {"type": "array", "items": {"type": "string"}}},
    "required": ["keywords"],
}


@dataclass(frozen=True)
class AskKeywords(Step[Query, Query]):
    """Asks a model for the words to look a question up by, and looks these up instead; one call.

    No option of `AskNames`: it gives the question in other words to whatever step searches; names begin a walk and are no
    question.

    Source: A-Mem (Xu et al. 2025), the authors' code, where a question is looked up by keywords.
    Without a model: the question itself (`AsAsked`).
    """

    asks: ClassVar[tuple[str, ...]] = ("keywords",)

    prompt: Prompt = Prompt("keywords", "engrams.recall")

    def __call__(self, value: Query, run: Run) -> Query:
        """Asks.

        Raises:
            ModelError: the model failed, or twice gave what are no keywords.
        """
        answer = run.chat.ask(Ask("keywords", self.prompt, {"question": value.text}, KEYWORDS))
        said = ", ".join(w for w in (answer.value or {})["keywords"] if w.strip())
        return replace(value, text=said) if said else value

    def without_model(self) -> Step[Query, Query]:
        """The counterpart that asks no model."""
        return AsAsked()


@dataclass(frozen=True)
class AsAsked(Step[Query, Query]):
    """Looks a question up as it is, in place of a model that would reword it."""

    def __call__(self, value: Query, run: Run) -> Query:
        """The same."""
        return value


@dataclass(frozen=True)
class ExpandLinks(Step[Ranked[Engram], Ranked[Engram]]):
    """Puts behind each hit the engrams it is linked to by `relation`, until `most` (>= 1) were added in all.

    What was found by itself is not added again. A neighbour has the score of the hit it came with, and signal `link`; so
    it stands right behind it, the one with the strongest link first, among equals the one that was written first. With a query's
    own limit, that many are added.

    No option of `WalkGraph`: one link far, in the order of the hits, and no score passes on.

    Source: A-Mem (Xu et al. 2025), the authors' code: as many linked notes as hits.
    """

    relation: str = "related"
    most: int = 10

    def __post_init__(self) -> None:
        if self.most < 1:
            raise BadSetting("ExpandLinks.most", self.most, "a whole number of at least 1")

    def __call__(self, value: Ranked[Engram], run: Run) -> Ranked[Engram]:
        """Looks the links up and fetches."""
        ids, writer = [s.item.id for s in value.items], value.query.writer or run.recipe
        beside: dict[EngramId, list[EngramId]] = {}
        # Among equal weights the store's order stays: neighbours as they were derived. Ids are drawn, and say nothing.
        for link in sorted(run.store.links(ids), key=lambda link: -link.weight):
            if link.relation == self.relation and link.recipe == writer:
                beside.setdefault(link.source, []).append(link.target)
                beside.setdefault(link.target, []).append(link.source)
        left, items, taken = value.query.limit or self.most, [], set(ids)
        others = dict.fromkeys(other for linked in beside.values() for other in linked if other not in taken)
        seen = run.store.engrams(list(others))
        for scored in value.items:
            items.append(scored)
            for other in beside.get(scored.item.id, ()):
                engram = seen.get(other)
                if left and other not in taken and engram is not None and may_see(value.query, engram):
                    taken.add(other)
                    left -= 1
                    items.append(Scored(engram, scored.score, {"link": scored.score}))
        return replace(value, items=tuple(items))

"""The composing steps: what fits a budget, the order for reading, and the text with its citations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from engrams.compose.condense import condense
from engrams.compose.lines import NOTHING_FOUND, line, render
from engrams.records import Citation, Context, Engram, Hit, Price, Query, Ranked, Scored
from engrams.step import Run, Step


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was chosen for a context: hits in order, the text each contributes (whole or condensed), the budget."""

    query: Query
    items: tuple[Scored[Engram], ...]
    texts: tuple[str, ...]
    budget: int
    confidence: float | None = None


def hit(scored: Scored[Engram], *, explain: bool = False, confidence: float | None = None) -> Hit:
    """The public form of a ranked engram."""
    e = scored.item
    return Hit(
        id=e.id,
        text=e.content,
        score=scored.score,
        occurred_at=e.occurred_at,
        recorded_at=e.recorded_at,
        namespace=e.namespace,
        kind=e.kind,
        role=e.role,
        speaker=e.speaker,
        session=e.session,
        metadata=e.metadata,
        event_ids=e.event_ids,
        version=e.version,
        pinned=e.pinned,
        signals=scored.parts if explain else {},
        confidence=confidence,
    )


@dataclass(frozen=True)
class FitBudget(Step[Ranked[Engram], Chosen]):
    """Takes hits from the best down while they fit the token budget; a hit too long is condensed to what speaks to it.

    Where the query limits the number of hits, no more than these.

    Parameters: `tokens` is the budget where the query brings none (> 0); `shortest` is the least room, in tokens,
    into which a condensed passage is still put, so that no context ends in a torn scrap; `share` is the largest part
    of the budget (0..1] one passage may take, so that one long document does not crowd out everything else.
    More hits beat neighbours of hits under a budget (measured on LoCoMo), so none are added.
    """

    tokens: int = 2000
    shortest: int = 24
    share: float = 0.5

    composes: ClassVar[bool] = True

    def __call__(self, value: Ranked[Engram], run: Run) -> Chosen:
        """Chooses greedily by rank."""
        budget = value.query.budget if value.query.budget is not None else self.tokens
        count = run.tokenizer.count
        shortest = min(self.shortest, budget // 4)  # a tiny budget still gets something
        largest = int(budget * self.share)
        left = budget
        items: list[Scored[Engram]] = []
        texts: list[str] = []
        for scored in value.items[: value.query.limit]:
            room = min(left, largest)
            overhead = count(line(scored.item, 100, "")) + _HEADING
            text = scored.item.content
            size = count(text)
            if size + overhead > room:
                if room - overhead < max(1, shortest):
                    continue
                text = condense(text, value.query.text, room - overhead, count)
                if not text:
                    continue
                size = count(text)
            left -= size + overhead
            items.append(scored)
            texts.append(text)
            if left < shortest:
                break
        return Chosen(value.query, tuple(items), tuple(texts), budget, value.confidence)


#: Tokens set aside per hit for the day's heading, which hits of one conversation share; what is left over is not used.
_HEADING = 4


@dataclass(frozen=True)
class OrderForReading(Step[Chosen, Chosen]):
    """Puts what was chosen in the order it happened, as a reader expects a history: by time, then journal order."""

    composes: ClassVar[bool] = True

    def __call__(self, value: Chosen, run: Run) -> Chosen:
        """Sorts by occurred_at, then by session, then by event id (which grows in journal order)."""
        order = sorted(
            range(len(value.items)),
            key=lambda i: (
                value.items[i].item.occurred_at,
                value.items[i].item.session or "",
                value.items[i].item.sources[:1],
                i,
            ),
        )
        return Chosen(
            value.query,
            tuple(value.items[i] for i in order),
            tuple(value.texts[i] for i in order),
            value.budget,
            value.confidence,
        )


@dataclass(frozen=True)
class Render(Step[Chosen, Context]):
    """Writes the context: headings by day and session, a mark before each line, a citation for each mark, the price.

    If the whole text passes the budget after all (headings cost too), the lowest ranked hits are left out until it
    fits. With nothing chosen, `found` is False and the text says so.
    """

    composes: ClassVar[bool] = True

    def __call__(self, value: Chosen, run: Run) -> Context:
        """Renders and counts."""
        items, texts = list(value.items), list(value.texts)
        text = render([s.item for s in items], texts)
        tokens = run.tokenizer.count(text)
        while items and tokens > value.budget:
            worst = min(range(len(items)), key=lambda i: items[i].score)
            del items[worst], texts[worst]
            text = render([s.item for s in items], texts)
            tokens = run.tokenizer.count(text)
        if not items:
            text, tokens = NOTHING_FOUND, run.tokenizer.count(NOTHING_FOUND)
        spent = run.trace.price
        return Context(
            query=value.query.text,
            text=text,
            citations=tuple(
                Citation(
                    f"[{n}]", s.item.id, s.item.event_ids, s.item.occurred_at, s.item.speaker, s.item.session
                )
                for n, s in enumerate(items, start=1)
            ),
            hits=tuple(hit(s, explain=value.query.explain, confidence=value.confidence) for s in items),
            price=Price(
                tokens=tokens,
                model_calls=spent.model_calls,
                milliseconds=spent.milliseconds,
                bytes=len(text.encode("utf-8", "surrogatepass")),
                money=spent.money,
                tokens_estimated=run.tokenizer.estimated,
            ),
            found=bool(items),
            confidence=value.confidence,
        )

"""Weighs hits anew by how they were used: when they were last recalled, how often, and what people made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from engrams.errors import BadSetting
from engrams.records import Engram, EngramId, Ranked, Scored
from engrams.step import Run, Step

GOOD = ("cited", "chosen")
HOUR = 3600.0


@dataclass(frozen=True)
class WeighUse(Step[Ranked[Engram], Ranked[Engram]]):
    """Scores hits by a sum of their score, of recency, of recalls and of feedback, and keeps the `keep` (>= 1) best.

    `similarity`, `recency`, `recalls`, `feedback` (each >= 0) are the weights. Recency is `decay` (0..1] to the hours between the
    last recall, or when it was said, and the newest of the hits; recalls are n / (n + 1) for n recalls; feedback is
    (good - bad) / (good + bad + 1) over the verdicts on an engram. Shares `recency`, `recalls`, `feedback` stand beside those of
    the score. The query's own limit goes before `keep`. What has weight 0 is not looked up.

    Source: SCM (Wang et al. 2023), section 2.3, recency and relevance; MARK (Ganguli et al. 2025), memory relevance score, of
    similarity, recency, recall count and feedback. Neither gives formulas that could be read: 0.995 an hour is that of Generative
    Agents (Park et al. 2023), the fractions of counts are ours.
    """

    similarity: float = 1.0
    recency: float = 0.0
    recalls: float = 0.0
    feedback: float = 0.0
    decay: float = 0.995
    keep: int = 10

    def __post_init__(self) -> None:
        for name in ("similarity", "recency", "recalls", "feedback"):
            if getattr(self, name) < 0:
                raise BadSetting(f"WeighUse.{name}", getattr(self, name), "a weight of at least 0")
        if not 0 < self.decay <= 1:
            raise BadSetting("WeighUse.decay", self.decay, "a factor above 0, at most 1")
        if self.keep < 1:
            raise BadSetting("WeighUse.keep", self.keep, "a number of hits, at least 1")

    def __call__(self, value: Ranked[Engram], run: Run) -> Ranked[Engram]:
        """Weighs and keeps."""
        now = max((used(s.item) for s in value.items), default=datetime.min.replace(tzinfo=UTC))
        marks = verdicts([s.item.id for s in value.items], run) if self.feedback else {}
        weighed = []
        for scored in value.items:
            parts = {name: self.similarity * share for name, share in scored.parts.items()}
            if self.recency:
                hours = (now - used(scored.item)).total_seconds() / HOUR
                parts["recency"] = self.recency * self.decay**hours
            if self.recalls:
                count = scored.item.recall_count
                parts["recalls"] = self.recalls * count / (count + 1)
            if self.feedback:
                good, bad = marks.get(scored.item.id, (0, 0))
                parts["feedback"] = self.feedback * (good - bad) / (good + bad + 1)
            more = sum(parts.get(name, 0.0) for name in ("recency", "recalls", "feedback"))
            weighed.append(
                Scored(
                    scored.item,
                    self.similarity * scored.score + more,
                    parts,
                )
            )
        best = sorted(weighed, key=lambda s: -s.score)[: value.query.limit or self.keep]
        return replace(value, items=tuple(best))


def used(engram: Engram) -> datetime:
    """When an engram was last of use: its last recall, and never before it was said."""
    return max(engram.occurred_at, engram.last_recalled_at or engram.occurred_at)


def verdicts(ids: Sequence[EngramId], run: Run) -> dict[EngramId, tuple[int, int]]:
    """(good, bad) verdicts that were journalled on each engram; those without any are absent."""
    counted: dict[EngramId, tuple[int, int]] = {}
    for target, events in run.store.about(ids).items():
        said = [e.metadata.get("verdict") for e in events if e.kind == "feedback"]
        if said:
            good = sum(v in GOOD for v in said)
            counted[EngramId(target)] = (good, len(said) - good)
    return counted

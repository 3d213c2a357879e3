"""Ranks sessions by four grains at once: whole, turns, summary, keywords; weighted by how sure each is, joined in a graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from engrams.arithmetic import Doubles, entropy, softmax, top_k, two_gaussians, walk_graph
from engrams.errors import BadSetting, NeedsExtra
from engrams.ports import Float32, Int64, View
from engrams.recall.derived import once
from engrams.recall.nearest import allowed, rows_of
from engrams.recall.select import fetch
from engrams.records import Engram, Query, Ranked, Scored
from engrams.step import Run, Step

Router = Literal["intended", "released"]
#: The grains of a session, in the order of its nodes.
GRAINS = ("session", "turns", "summary", "keywords")
#: Nodes are joined to earlier ones from this session on (counted from 0), as in the authors' code.
FIRST_JOINED = 5


@dataclass(frozen=True, slots=True)
class Sessions:
    """The sessions of a view, oldest first: `rows` int64[s] of their engrams, `vectors` float32[s, 4, d] of their grains, 0
    where a session lacks one; edge i joins node `ends[i]` and `others[i]`, node 4 s + g being grain g of session s.
    """

    rows: Int64
    vectors: Float32
    ends: Int64
    others: Int64


def sessions_of(view: View, fingerprint: str, candidates: int) -> Sessions | None:
    """The sessions of a view and what joins them, worked out once for each of its states; None where there are none.

    Each node of a session, from the sixth on, is held against all nodes of earlier sessions: of the `candidates` most alike,
    those in the higher of two normal distributions over their cosines are joined to it.
    """
    return once(view, ("grains", fingerprint, candidates), lambda: _made(view, fingerprint, candidates))


def _made(view: View, fingerprint: str, candidates: int) -> Sessions | None:
    vectors = view.vectors(fingerprint)
    rows = rows_of(view, ("session",))
    if vectors is None or not len(rows):
        return None
    rows = rows[np.argsort(view.occurred_at[rows], kind="stable")]
    # A session made anew stands in a later row; the index holds it once, under its session's code.
    grains = np.zeros((len(rows), len(GRAINS), vectors.shape[1]), dtype=np.float32)
    place = {int(code): at for at, code in enumerate(view.session[rows])}
    grains[:, 0] = vectors[rows]
    turns = rows_of(view, ("passage",))
    turns = turns[vectors[turns].any(axis=1)]
    at = np.array([place.get(int(code), -1) for code in view.session[turns]], dtype=np.int64)
    sums, counts = np.zeros_like(grains[:, 0]), np.zeros(len(rows), dtype=np.float32)
    np.add.at(sums, at[at >= 0], vectors[turns[at >= 0]])
    np.add.at(counts, at[at >= 0], 1)
    grains[:, 1] = sums / np.maximum(counts, 1)[:, np.newaxis]
    for grain, kind in ((2, "summary"), (3, "keywords")):
        for row in rows_of(view, (kind,)):
            session = place.get(int(view.session[row]), -1)
            if session >= 0:
                grains[session, grain] = vectors[row]
    ends, others = _joined(grains.reshape(-1, grains.shape[2]), candidates)
    return Sessions(rows, grains, ends, others)


def _joined(nodes: Float32, candidates: int) -> tuple[Int64, Int64]:
    """(later node, earlier node) of the edges between float32[4 s, d] nodes."""
    ends: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)]
    others: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)]
    for node in range(FIRST_JOINED * len(GRAINS), len(nodes)):
        earlier = nodes[: node // len(GRAINS) * len(GRAINS)] @ nodes[node]
        best = top_k(earlier, candidates)
        accepted = best[two_gaussians(earlier[best].astype(np.float64))[1]]
        ends.append(np.full(len(accepted), node, dtype=np.int64))
        others.append(accepted)
    return np.concatenate(ends), np.concatenate(others)


@dataclass(frozen=True)
class RouteGrains(Step[Query, Ranked[Engram]]):
    """Ranks sessions: each grain's cosines count by how sure it is, the best nodes are walked from, nodes of a session are summed.

    A grain's chances are the softmax of its cosines over sessions at `temperature` (> 0), H their entropy. It counts
    (1 - H) / sum of (1 - H); with `router="intended"` H is in parts of the largest, so that the surer counts more; with
    "released" it is as it is, mostly above 1, and the surer counts less, as the authors' code computes it. The `seeds` (>= 1)
    best nodes start a walk with `damping` (0..1) over the edges of `sessions_of`. `k` (>= 1) sessions; the query's own limit goes
    first. Signal `grains`.

    No option of `FuseByRank` or `SumStandardised`: the weights are worked out for each question from how sure each grain is,
    and what is ranked are sessions, of which each grain holds another part.

    Source: MemGAS (2025), the authors' code (`run_retrieval.py`): temperature 0.2 in its README, 15 seeds, damping 0.1, 30
    candidates.
    """

    temperature: float = 0.2
    router: Router = "intended"
    seeds: int = 15
    damping: float = 0.1
    candidates: int = 30
    k: int = 3

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise BadSetting("RouteGrains.temperature", self.temperature, "a number above 0")
        if self.router not in ("intended", "released"):
            raise BadSetting("RouteGrains.router", self.router, "'intended' or 'released'")
        if not 0 <= self.damping < 1:
            raise BadSetting("RouteGrains.damping", self.damping, "a chance from 0 to below 1")
        for name in ("seeds", "candidates", "k"):
            if getattr(self, name) < 1:
                raise BadSetting(f"RouteGrains.{name}", getattr(self, name), "a whole number of at least 1")

    def __call__(self, value: Query, run: Run) -> Ranked[Engram]:
        """Ranks.

        Raises:
            NeedsExtra: there is no embedder.
            ModelError: the embedder failed.
        """
        if run.embedder is None:
            raise NeedsExtra(f"{run.recipe!r} finds by vectors, and so", "embed")
        view = run.index.view(value)
        held = sessions_of(view, run.embedder.fingerprint, self.candidates)
        if held is None:
            return Ranked(value)
        close = (held.vectors @ run.embedder.embed([value.text])[0]).astype(np.float64)
        nodes = (close * self.weights(close)).ravel()
        seen = np.isfinite(allowed(view, np.zeros(view.size, dtype=np.float32))[held.rows])
        nodes[~np.repeat(seen, len(GRAINS))] = 0
        start = np.zeros(len(nodes))
        best = top_k(nodes.astype(np.float32), self.seeds)
        start[best] = np.maximum(nodes[best], 0)
        if not start.any():
            return Ranked(value)
        rank = walk_graph(held.ends, held.others, np.ones(len(held.ends)), start, self.damping)
        scores = rank.reshape(-1, len(GRAINS)).sum(axis=1)
        scores[~seen] = -np.inf
        order = top_k(scores.astype(np.float32), value.limit or self.k)
        rows = held.rows[order]
        return Ranked(
            value,
            tuple(
                Scored(engram, float(scores[at]), {"grains": float(scores[at])})
                for at, engram in zip(order, fetch(run, view, rows), strict=True)
                if engram is not None
            ),
        )

    def weights(self, close: Doubles) -> Doubles:
        """How much each grain counts, float64[4] summing to 1, of float64[s, 4] cosines."""
        unsure = np.array([entropy(softmax(column, self.temperature)) for column in close.T])
        if self.router == "intended":
            unsure /= max(np.log(len(close)), np.finfo(np.float64).tiny) if len(close) > 1 else 1
        sure: Doubles = 1 - unsure
        total = float(sure.sum())
        return np.full(len(sure), 1 / len(sure)) if abs(total) < LEAST_TOTAL else sure / total


#: Below this the weights of all grains together say nothing, and all count alike.
LEAST_TOTAL = 1e-9

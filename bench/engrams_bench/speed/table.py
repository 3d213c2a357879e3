"""The tables of speed and growth, made from the committed results, with what is not ahead said in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Result = Mapping[str, Any]

#: The system that does what the peers do, vectors of turns alone: rows are judged by it.
JUDGED = "engrams-vectors"
OURS = ("engrams", "engrams-vectors", "engrams-house")
TITLES = {
    "engrams": "Engrams, no vectors",
    "engrams-vectors": "Engrams, vectors alone",
    "engrams-house": "Engrams, house recipe with vectors",
    "mem0": "mem0ai",
    "chroma": "chromadb",
    "langgraph": "LangGraph SqliteStore",
    "txtai": "txtai",
}
#: A difference below this is none: two runs of one system differ as much on a shared machine.
ALIKE = 1.15
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Measure:
    """A table: its title, the figure of a row of results (None: not measured), and why a peer may be ahead in it."""

    name: str
    title: str
    of: Callable[[Mapping[str, Any]], float | None]
    tail: Callable[[Mapping[str, Any]], float | None] | None
    why: str


def _part(name: str, part: str) -> Callable[[Mapping[str, Any]], float | None]:
    def found(row: Mapping[str, Any]) -> float | None:
        held = row.get(name)
        value = None if held is None else held.get(part)
        return None if value is None else float(value)

    return found


MEASURES = (
    Measure(
        "search-user",
        "Search in one user's memories (at most 1,000 of all), CPU ms, p50 / p95",
        _part("search user", "p50"),
        _part("search user", "p95"),
        "its hits carry times, speaker, sources and version, and it asks the store first whether anything changed",
    ),
    Measure(
        "search-all",
        "Search in all memories, CPU ms, p50 / p95",
        _part("search all", "p50"),
        _part("search all", "p95"),
        "an approximate graph touches fewer vectors than a scan that misses none",
    ),
    Measure(
        "add",
        "Add one, CPU ms, p50 / p95",
        _part("add", "p50"),
        _part("add", "p95"),
        "one add journals the message, derives an engram, indexes its words and pieces, writes the audit, and is on disk "
        "when it returns; the peer keeps a text and a vector, and txtai keeps them in memory only",
    ),
    Measure(
        "bulk",
        "Bulk load, CPU ms per memory",
        _part("bulk", "per memory"),
        None,
        "words are stemmed, cut into pieces and indexed at writing, and every message is journalled beside its engram",
    ),
    Measure(
        "open",
        "Cold start: import and open in a fresh process, CPU ms",
        _part("cold start", "open"),
        None,
        "numpy and the tokenizer's vocabulary are loaded",
    ),
    Measure(
        "first",
        "First search of one user after that, CPU ms",
        _part("cold start", "first search"),
        None,
        "the user's entries are read and laid out as arrays once; searches after it are the rows above",
    ),
    Measure(
        "first-all",
        "First search in all memories after that, CPU ms",
        _part("cold start", "first search all"),
        None,
        "the vectors of all memories are read into memory; what is looked up by words is kept on disk ready for use",
    ),
    Measure(
        "rss",
        "Memory of the process after all searches, MB",
        lambda row: float(row["rss"]) / MEGABYTE,
        None,
        "after a search over all memories their vectors and words are held in memory, within the bound of the index",
    ),
    Measure(
        "disk",
        "On disk, MB",
        lambda row: float(row["disk"]) / MEGABYTE,
        None,
        "the journal, the engrams derived from it, their words and pieces, and the audit are kept beside text and vector",
    ),
)


def sizes(results: Sequence[Result]) -> list[int]:
    """Every size that any system reached, ascending."""
    return sorted({row["memories"] for result in results for row in result["sizes"]})


def at(result: Result, size: int) -> Mapping[str, Any] | None:
    """A system's figures at a size; None where it did not get there."""
    return next((row for row in result["sizes"] if row["memories"] == size), None)


def figure(value: float | None) -> str:
    """Two significant digits, or whole numbers from 100 on; a dash for none."""
    if value is None:
        return "–"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2g}"


def verdict(results: Sequence[Result], measure: Measure, size: int) -> str:
    """How Engrams stands against the best peer in one row."""
    held = {
        result["system"]: value
        for result in results
        if (row := at(result, size)) is not None and (value := measure.of(row)) is not None
    }
    ours = held.get(JUDGED)
    peers = {system: value for system, value in held.items() if system not in OURS}
    if ours is None:
        return "not measured"
    if not peers:
        return "no peer got here"
    best = min(peers, key=lambda system: peers[system])
    if ours <= peers[best] / ALIKE:
        return f"ahead, {peers[best] / ours:.1f} times"
    if ours < peers[best] * ALIKE:
        return f"like {best}"
    return f"behind {best}, {ours / peers[best]:.1f} times"


def table(results: Sequence[Result], measure: Measure) -> str:
    """One measure: a row for each size, a column for each system; and why, where a peer is ahead."""
    head = [
        "memories",
        *(TITLES[result["system"]] for result in results),
        f"{TITLES[JUDGED]}: against the best peer",
    ]
    lines = [head, ["--:", *("--:" for _ in results), ":--"]]
    behind = False
    for size in sizes(results):
        cells = []
        for result in results:
            row = at(result, size)
            value = None if row is None else measure.of(row)
            tail = None if row is None or measure.tail is None else measure.tail(row)
            cells.append(figure(value) + (f" / {figure(tail)}" if tail is not None else ""))
        said = verdict(results, measure, size)
        behind = behind or said.startswith("behind")
        lines.append([f"{size:,}", *cells, said])
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    why = f"\n\nWhere it is behind: {measure.why}." if behind else ""
    return f"**{measure.title}**\n\n{text}{why}"


def markdown(results: Sequence[Result]) -> str:
    """All tables, where each system stopped, and what all of it was made on."""
    if not results:
        return "No results yet: `engrams-bench speed` makes them."
    parts = [table(results, measure) for measure in MEASURES]
    notes = []
    for result in results:
        about = result["about"]
        said = [*about.get("notes", ()), *([f"stopped {result['stopped']}"] if result["stopped"] else ())]
        errors = {
            row["search all"]["error"] for row in result["sizes"] if "error" in (row["search all"] or {})
        }
        told = "; ".join([*said, *sorted(errors)]) or "all sizes"
        notes.append(f"- {TITLES[result['system']]} {about.get('version', '')}: {told}.")
    machines = dict.fromkeys(
        f"{r['machine']['processor']}, {r['machine']['cores']} cores, Python {r['machine']['python']}"
        for r in results
    )
    commits = dict.fromkeys(
        (r["origin"]["commit"] or r["origin"]["version"])[:9] + ("+" if r["origin"].get("changed") else "")
        for r in results
    )
    plans = dict.fromkeys(
        f"{r['plan']['searches']} searches and {r['plan']['adds']} adds a size, "
        f"at most {r['plan']['seconds']:,.0f} s a system"
        for r in results
    )
    parts.append("\n".join(notes))
    parts.append(
        f"Made on {'; '.join(machines)}, from {', '.join(commits)}; {'; '.join(plans)}; seed {results[0]['plan']['seed']}."
    )
    return "\n\n".join(parts)

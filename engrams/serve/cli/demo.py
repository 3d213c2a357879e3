"""`engrams demo`: the main job, shown on a conversation of ours or on the user's own. Every number is measured here."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engrams.errors import NotFound, UsageError
from engrams.serve.cli.call import Call, command
from engrams.serve.cli.demo_acts import BUDGET, answer, bring_in
from engrams.serve.cli.output import clean, counted, shown_path
from engrams.serve.cli.stage import Stage, program
from engrams.serve.cli.writing import there
from engrams.serve.plain import plain

if TYPE_CHECKING:
    from engrams.memory import Memory
    from engrams.records import Hit

#: Of the sixty questions of our history, one of each kind; all sixty are counted below them.
SHOWN = ("q09", "q23", "q35", "q46", "q49", "q55")
KINDS = {
    "single": "Said once",
    "multi": "Scattered over several messages",
    "temporal": "About a time",
    "update": "About something that changed",
    "preference": "About a taste",
    "unanswerable": "never said",
}
DEPTH = 10  # hits among which the evidence is looked for, as a search gives by default
FACT, CORRECTION = (
    "s23:9",
    "Pebble has lowered it for everybody: I pay twelve pounds a month for the phone now.",
)
FACT_QUESTION = "What does Nadia pay for her phone each month?"
SECRET, SECRET_QUESTION = "s20:13", "How much rent does Nadia pay for the flat in Totterdown?"


@command
@click.argument("own", required=False, metavar="[FILE]")
@click.option(
    "--file", "file", metavar="FILE", help="Your own export or transcript, in place of our history."
)
@click.option("--keep", metavar="PATH", help="Where to keep the memory; else it goes when the demo ends.")
@click.option("--ask", multiple=True, metavar="QUESTION", help="A question of yours. Repeat for more.")
def demo(call: Call, /, own: str | None, file: str | None, keep: str | None, ask: tuple[str, ...]) -> None:
    """Show what this does, on a conversation of ours or on your own export (FILE).

    Imports it into a temporary memory, asks, shows contexts with citations, price and time, corrects a fact and shows
    its history, deletes one. No key, no network, no model; nothing of yours is touched.
    """
    from engrams.memory import Memory

    if any(not question.strip() for question in ask):
        raise UsageError('--ask needs a question, as in: --ask "When is the wedding?"')
    own = file or own
    if own is not None:
        there(own)
    stage = Stage(call.out)
    with _place(keep) as place, Memory.open(place, actor="demo") as memory:
        kept = place if keep else None
        stage.say(
            "Engrams: long-term memory in one file. No key, no network, no language model in this demo.",
            "bold",
        )
        if own is not None:
            from engrams.serve.cli.demo_own import play

            play(call, stage, memory, own, ask, kept)
        else:
            _play(call, stage, memory, ask, kept)
    stage.close()


@contextmanager
def _place(keep: str | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="engrams-demo-") as folder:
            yield Path(folder) / "demo.db"
        return
    path = Path(keep)
    if path.exists():
        raise UsageError(f"{clean(keep)} is there already; the demo makes a new memory, give another path")
    yield path


def _play(call: Call, stage: Stage, memory: Memory, ask: tuple[str, ...], kept: Path | None) -> None:
    samples = files("engrams") / "samples"
    known: dict[str, Any] = json.loads((samples / "demo_questions.json").read_text("utf-8"))
    stage.title("1. A history comes in")
    stage.say(known["about"])
    with as_file(samples / known["history"]) as path:
        bring_in(call, stage, memory, path)
    stage.title("2. Questions, months later")
    stage.say(f"Each context may take {BUDGET} tokens; [1] marks what stands on which message.")
    for question in ask:
        answer(stage, memory, question)
    for question in known["questions"]:
        if question["id"] in SHOWN and not ask:
            _answer_known(stage, memory, question)
    _count(stage, memory, known["questions"])
    stage.title("3. A fact changes")
    fact = _correct(stage, memory)
    stage.title("4. Forgetting")
    _forget(stage, memory)
    stage.title("5. Your turn")
    _next(stage, kept, fact)


def _answer_known(stage: Stage, memory: Memory, question: dict[str, Any]) -> None:
    hits = answer(stage, memory, question["question"])
    evidence = set(question["gold"])
    here = evidence & {_source(hit) for hit in hits}
    kind = KINDS[question["category"]]
    if not evidence:
        stage.say(
            f"  Asked on purpose, since it was {kind}. No language model, no refusal: you see what lies nearest."
        )
        return
    which = (
        "the message that holds it" if len(evidence) == 1 else f"the {len(evidence)} messages that hold it"
    )
    known = f"{kind}: “{question['answer']}”"
    if here == evidence:
        stage.good(f"{known}; {which} {'is' if len(evidence) == 1 else 'are all'} cited above.")
    elif here:
        stage.bad(f"{known}; of {which}, {len(here)} cited above.")
    else:
        stage.bad(f"{known}; {which} {'is' if len(evidence) == 1 else 'are'} not cited above.")


def _source(hit: Hit) -> str:
    return str(hit.metadata.get("source_id", ""))


def _count(stage: Stage, memory: Memory, questions: list[dict[str, Any]]) -> None:
    """All questions with an answer: whether the messages that hold it are among the first hits."""
    asked = some = complete = 0
    began = time.perf_counter()
    for question in questions:
        evidence = set(question["gold"])
        if evidence:
            asked += 1
            found = evidence & {_source(hit) for hit in memory.search(question["question"], k=DEPTH)}
            some += bool(found)
            complete += found == evidence
    each = (time.perf_counter() - began) * 1e3 / max(asked, 1)
    stage.say("")
    stage.good(
        f"Counted just now over all {asked} questions that this history answers: a message "
        f"that holds the answer is among the first {DEPTH} hits for {some}, every such message for {complete}; "
        f"{each:.1f} ms a search."
    )
    counts = {"asked": asked, "some": some, "complete": complete, "depth": DEPTH, "milliseconds_each": each}
    stage.keep("count", counts)


def _find(memory: Memory, question: str, source: str) -> Hit:
    for hit in memory.search(question, k=DEPTH, filters={"source_id": source}):
        if _source(hit) == source:
            return hit
    raise NotFound(f"the message {source} of the demo's history was not found by: {question}")


def _correct(stage: Stage, memory: Memory) -> str:
    event = _find(memory, FACT_QUESTION, FACT).event_ids[0]
    memory.update(event, CORRECTION, reason="a new bill")
    stage.say("In March the phone went up. Suppose the bill changes again, and the memory is corrected:")
    revisions = memory.history(event)
    stage.revisions(revisions)
    stage.keep("history", revisions)
    stage.question(FACT_QUESTION)
    top = memory.search(FACT_QUESTION, k=DEPTH)
    now = next((hit for hit in top if event in hit.event_ids), None)
    if now is not None and now.text == CORRECTION:
        stage.good(f"Now at rank {top.index(now) + 1}: “{now.text}” The old version stays in the history.")
    else:
        stage.bad(f"The correction is not among the first {DEPTH} hits.")
    return event


def _forget(stage: Stage, memory: Memory) -> None:
    hit = _find(memory, SECRET_QUESTION, SECRET)
    stage.say(f"Erase “{hit.text}”")
    gone = memory.delete(hit.event_ids[0], reason="shown in the demo")
    receipt = ", ".join(
        (
            counted(len(gone.events), "event"),
            counted(len(gone.engrams), "engram"),
            counted(gone.links, "link"),
        )
    )
    stage.say(f"Receipt: {receipt} removed.")
    left = [h for h in memory.search(SECRET_QUESTION, k=DEPTH) if _source(h) == SECRET]
    still = bool(left)
    try:
        memory.get(hit.event_ids[0])
        still = True
    except NotFound:
        pass
    (stage.bad if still else stage.good)(
        "It still comes up." if still else "Asked again, it does not come up, and its id is unknown."
    )
    stage.keep("deletion", {**plain(gone), "still_found": still})


def _next(stage: Stage, kept: Path | None, fact: str) -> None:
    name = program()
    lines: list[tuple[str, str]] = []
    place = shown_path(kept) if kept else "demo.db"
    if kept is None:
        lines.append((f"{name} demo --keep {place}", "keep this memory, for the next three"))
    lines += [
        (f'{name} search "what did Oskar promise?" --db {place}', "find"),
        (f'{name} context "plans for the boat" --budget 300 --db {place}', "what a model would get"),
        (f"{name} log --newest-first --db {place}", "the journal"),
    ]
    if kept is not None:
        lines.append((f"{name} history {fact} --db {place}", "how that fact changed"))
    lines += [
        (
            f"{name} demo conversations.json",
            "all this on your own export (ChatGPT, Claude, JSON lines, text)",
        ),
        (f'{name} add "The spare key is under the flower pot."', "start a memory of your own"),
        (f"{name} --help", "everything else"),
    ]
    stage.commands(lines)
    stage.keep("next", [line for line, _ in lines])

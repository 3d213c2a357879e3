"""The demo on somebody's own file: what was found, questions made from it or given, contexts with citations."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from engrams.serve.cli.call import Call
from engrams.serve.cli.demo_acts import answer, bring_in
from engrams.serve.cli.output import clean, counted, shown_path
from engrams.serve.cli.stage import Stage, program
from engrams.serve.cli.writing import incoming

if TYPE_CHECKING:
    from engrams.memory import Memory
    from engrams.records import Event

READ = 20_000  # messages looked at for the table and the questions; a whole life of chats would take too long
PAGE = 1000
NAMES, SESSIONS = 3, 2  # questions of each sort
LISTED = 6  # rows of the tables
LONGEST_LABEL = 60  # characters of a session's name that stand in a question
OFTEN = 3  # times a word must stand capitalised inside a sentence to be taken for a name
#: A capitalised word that does not open a sentence: after a lower-case word or comma.
NAME = re.compile(r"(?<=[a-zà-öø-ÿ,] )[A-ZÀ-ÖØ-Þ][\w’'-]{2,}")
#: An id is no name to ask about: hexadecimal groups, or no letter at all.
ID = re.compile(r"[0-9a-fA-F-]{16,}|\W*\d[\d\W]*|\w{0,4}\d+")


def play(
    call: Call, stage: Stage, memory: Memory, name: str, ask: tuple[str, ...], kept: Path | None
) -> None:
    """Imports the file, shows what is in it, asks."""
    stage.title("1. What is in your file")
    with incoming(name, folders=True) as path:
        done = bring_in(call, stage, memory, path)
    events = list(islice(_messages(memory), READ))
    if not events:
        stage.bad("There is no message in it, so there is nothing to ask.")
        return
    _overview(stage, events)
    stage.title("2. Questions")
    questions = list(ask) or derived(events)
    if not ask:
        stage.say("Made from the names and conversations that occur most; ask your own with --ask “…”.")
    began = time.perf_counter()
    for question in questions:
        answer(stage, memory, question)
    each = (time.perf_counter() - began) * 1e3 / len(questions)
    stage.say("")
    stage.good(
        f"{counted(len(questions), 'question')} over {counted(done.messages, 'message')}: {each:.1f} ms each."
    )
    stage.title("3. Your turn")
    _next(stage, name, kept)


def _messages(memory: Memory) -> Iterable[Event]:
    cursor: str | None = None
    while True:
        page = memory.log(limit=PAGE, cursor=cursor)
        yield from page.items
        cursor = page.next
        if cursor is None:
            return


def _overview(stage: Stage, events: list[Event]) -> None:
    months = Counter(f"{event.occurred_at:%Y-%m}" for event in events)
    who = Counter(event.speaker or event.role for event in events)
    shown = ", ".join(f"{clean(name)} ({count:,})" for name, count in who.most_common(LISTED))
    stage.say(f"Who: {shown}{' and others' if len(who) > LISTED else ''}.")
    busiest = ", ".join(f"{month} ({count:,})" for month, count in months.most_common(LISTED))
    stage.say(f"Busiest months: {busiest}.")
    names = [name for name, _ in names_in(events).most_common(LISTED)]
    if names:
        stage.say(f"Often named: {', '.join(map(clean, names))}.")
    stage.keep("speakers", dict(who.most_common(LISTED)))


def names_in(events: Iterable[Event]) -> Counter[str]:
    """Words that are capitalised inside sentences at least a few times, with how often: likely names."""
    found: Counter[str] = Counter()
    plain: Counter[str] = Counter()
    for event in events:
        found.update({word.strip("'’-") for word in NAME.findall(event.content)})
        plain.update(set(re.findall(r"\b[a-zà-öø-ÿ]{3,}\b", event.content)))
    return Counter({w: n for w, n in found.items() if n >= OFTEN and n > plain[w.lower()]})


def derived(events: list[Event]) -> list[str]:
    """Questions made from the names and sessions that occur most, and about the last month: one at least."""
    speakers = {(event.speaker or "").casefold() for event in events}
    names = [name for name, _ in names_in(events).most_common() if name.casefold() not in speakers]
    questions = [f"What do you know about {name}?" for name in names[:NAMES]]
    sessions = Counter(event.session for event in events if event.session and not ID.fullmatch(event.session))
    questions += [f"What was said in {label}?" for label, _ in _labels(events, sessions)]
    last = max(event.occurred_at for event in events)
    return [*questions, f"What happened in {last:%B %Y}?"]


def _labels(events: list[Event], sessions: Counter[str]) -> list[tuple[str, int]]:
    titles = {event.session: event.metadata.get("title") for event in events if event.session}
    found = [
        (str(titles.get(session) or session), count) for session, count in sessions.most_common(SESSIONS)
    ]
    return [(f"“{' '.join(label.split())[:LONGEST_LABEL]}”", count) for label, count in found]


def _next(stage: Stage, name: str, kept: Path | None) -> None:
    command, place = program(), shown_path(kept) if kept else "my.db"
    lines = (
        []
        if kept
        else [(f"{command} import {shown_path(name)} --db {place}", "keep it in a memory of yours")]
    )
    lines += [
        (f'{command} search "…" --db {place}', "find"),
        (f'{command} context "…" --budget 500 --db {place}', "what a model would get"),
        (f"{command} stats --db {place}", "how much lies there"),
        (f'{command} demo {shown_path(name)} --ask "…"', "your own question, right here"),
    ]
    stage.commands(lines)
    stage.keep("next", [line for line, _ in lines])

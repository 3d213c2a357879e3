"""Markdown: transcripts (`**Anna:** …`, `### User`), and notes in paragraphs under headings that may be dates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time

from engrams.ingest.messages import LONGEST_NAME
from engrams.ingest.source import Source
from engrams.ingest.stamps import STAMP, TIME, is_day_first, stamp_of, written_day
from engrams.ingest.turns import Turn, as_messages, role_of
from engrams.records import Message

_HEADING = re.compile(r"(?P<depth>#{1,6})\s+(?P<title>.*?)\s*#*\s*")
#: `**Anna:** text`, `**Anna**: text`, `- **Anna** (10:22): text`, `__Anna:__ text`; the name alone on its line too.
_BOLD_NAME = re.compile(
    r"(?:[-*>]\s+)?(?:\*\*|__)(?P<name>[^*_:：\n]{1,60}?)\s*"
    r"(?P<inside>[:：]\s*)?(?:\*\*|__)\s*(?:[(\[](?P<when>[^)\]\n]{3,40})[)\]])?\s*(?P<outside>[:：])?\s*(?P<text>.*)"
)
_FENCE = re.compile(r"\s*(```|~~~)")
_FRONT_DATE = re.compile(r"(?:date|created|created_at)\s*:\s*(?P<when>.+)", re.IGNORECASE)


def is_markdown(source: Source) -> bool:
    """Whether names in bold, or headings that name a speaker, begin at least two turns."""
    if source.layout != "text":
        return False
    return sum(_speaker(line) is not None for line in source.sample) >= 2


def read_markdown(source: Source) -> Iterator[Message]:
    """The turns of a Markdown transcript. Headings that name no speaker begin a session; a date in them dates it."""
    return as_messages(_turns(source), source.stem)


def _turns(source: Source) -> Iterator[Turn]:
    session, day, fenced, dated = source.stem, None, False, None
    current: Turn | None = None
    for line in _body(source):
        fenced ^= _FENCE.match(line) is not None
        begun = None if fenced else _speaker(line)
        heading = None if fenced or begun else _HEADING.fullmatch(line)
        if heading is not None and (current is None or not _under_speaker(current, heading)):
            if current is not None:
                yield current
            current, session = None, heading["title"] or session
            dated = written_day(session) or dated
            day = _midnight(dated)
        elif begun is not None:
            if current is not None:
                yield current
            name, text, when = begun
            day = _at(when, dated) or day  # a turn without a time follows the one before
            current = Turn(name, [text], day, session=session)
        elif current is not None:
            current.lines.append(line)
        elif line.strip() and not line.strip("-*_ "):
            continue  # a rule
        elif line.strip():
            day = day or _midnight(dated := _front_date(line))
    if current is not None:
        yield current


def _under_speaker(turn: Turn, heading: re.Match[str]) -> bool:
    """Whether a heading belongs to an answer (`## Steps` in what the assistant wrote) and not to the transcript."""
    return role_of(turn.name or "") == "assistant" and written_day(heading["title"]) is None


def _speaker(line: str) -> tuple[str, str, str | None] | None:
    """Name, text and time of the turn that a line begins, None if it begins none."""
    heading = _HEADING.fullmatch(line)
    if heading is not None:
        name = heading["title"].strip("*_: ")
        return (name, "", None) if role_of(name) else None
    bold = _BOLD_NAME.fullmatch(line)
    if bold is None or not (bold["inside"] or bold["outside"]):
        return None
    return bold["name"].strip(), bold["text"], bold["when"]


def _at(when: str | None, day: date | None) -> datetime | None:
    """The moment in `**Anna** (10:22):`, with the date of the heading above where it has none itself."""
    found = (STAMP.fullmatch(when) or TIME.fullmatch(when)) if when else None
    if found is None:
        return _midnight(written_day(when)) if when else None
    stamp = stamp_of(found)
    if stamp.a is None and day is not None:
        stamp = stamp.on(day)
    return stamp.read(is_day_first([stamp]))


def is_notes(source: Source) -> bool:
    """Whether it is text of any other kind."""
    first = source.sample[:1] if source.layout == "text" else []
    return any(not line.lstrip().lower().startswith(("<!doctype", "<html", "<?xml")) for line in first)


def read_notes(source: Source) -> Iterator[Message]:
    """Each paragraph as a note of the user; headings above it are in the metadata, a date in them or before is its time.

    Code between fences stays in one piece. Notes under one heading are one session.
    """
    headings: list[tuple[int, str]] = []
    day: date | None = None
    for block in _blocks(_body(source)):
        heading = _HEADING.fullmatch(block[0]) if len(block) == 1 else None
        if heading is not None:
            depth = len(heading["depth"])
            headings = [*(h for h in headings if h[0] < depth), (depth, heading["title"])]
            day = written_day(heading["title"]) or day
            continue
        text = "\n".join(block)
        if _front(block) is not None:
            day = _front(block)
        elif text.strip(" -*_\n"):
            titles = [title for _, title in headings if title]
            session = " / ".join([source.stem, *titles])[:LONGEST_NAME]
            told = {"heading": " / ".join(titles)} if titles else {}
            yield Message("user", text, None, _midnight(day), session, told)


def _blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    """Paragraphs: lines between blank ones; a heading is one by itself, fenced code is not parted."""
    block: list[str] = []
    fenced = False
    for line in lines:
        if _FENCE.match(line):
            fenced = not fenced
        alone = not fenced and _HEADING.fullmatch(line) is not None
        if block and (alone or (not fenced and not line.strip())):
            yield block
            block = []
        if alone:
            yield [line]
        elif line.strip() or fenced:
            block.append(line)
    if block:
        yield block


def _body(source: Source) -> Iterator[str]:
    """The lines, front matter reduced to its date."""
    opened = False
    for number, line in source.lines():
        if number == 1 and line.strip() == "---":
            opened = True
        elif opened:
            opened = line.strip() != "---"
            if _FRONT_DATE.fullmatch(line.strip()):
                yield from (line, "")
        else:
            yield line


def _front(block: list[str]) -> date | None:
    return _front_date(block[0]) if len(block) == 1 else None


def _front_date(line: str) -> date | None:
    found = _FRONT_DATE.fullmatch(line.strip())
    return written_day(found["when"]) if found else None


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), UTC)

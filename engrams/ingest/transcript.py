"""Plain-text transcripts: `[2024-05-01 10:22] Anna: …`, WhatsApp exports, IRC, lines pasted from chats, `Anna: …`."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time

from engrams.ingest.source import Source
from engrams.ingest.stamps import DATE, STAMP, TIME, Stamp, is_day_first, stamp_of, written_day
from engrams.ingest.turns import Turn, as_messages, role_of
from engrams.records import Message

#: Marks of writing direction that chat programs put around stamps and names; they say nothing here.
_INVISIBLE = dict.fromkeys([*range(0x200E, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF])
_SPACES = {0xA0: " ", 0x202F: " ", 0x2009: " ", 0x3000: " "}

_DASH = re.compile(r"\s*[-–—|]\s+|\s+")
_ANGLED = re.compile(r"<[@+%& ]?(?P<name>[^<>\n]{1,60})>\s+(?P<text>.*)", re.DOTALL)
_STAMPED_NAME = re.compile(r"(?P<name>[^:：\n]{1,60})[:：](?:\s|(?<=：)|$)\s*(?P<text>.*)", re.DOTALL)
#: Without a stamp a name has to look like one: at most four words, no marks, no digits first.
_BARE_NAME = re.compile(
    r"(?P<name>[^\W\d_][\w.'’-]*(?:[ ][\w.'’()-]+){0,3})\s?(?:[(\[](?P<when>[^)\]]{3,40})[)\]])?"
    r"\s?(?::(?=\s|$)|：)\s*(?P<text>.*)",
    re.DOTALL,
)
#: `Anna  10:22 AM`, `Anna — 05/01/2024 10:22`, `Anna [10:22]`: a line of its own above what was said.
_HEADER = re.compile(
    rf"(?P<name>[^\W\d_][^:\[\]<>\n]{{0,40}}?)\s{{0,4}}(?:[—–-]|\s|\[)\s{{0,4}}(?P<when>(?:{DATE.pattern},?\s+(?:at\s+)?)?{TIME.pattern})\]?"
)
_DAY_LINE = re.compile(r"[\W_]*(?:[^\W\d]+,?\s+)?(?P<day>.{6,24}?)[\W_]*")

#: Share of lines that must begin a turn for a text to be called a transcript: turns may run over several lines.
STAMPED_SHARE, NAMED_SHARE = 0.2, 0.5
#: Up to so many lines, all of the form `Anna: …`, a name need not come twice: nobody has had a second turn yet.
FEW_LINES = 4
#: A name of forty characters, a date, a time, and room for the marks between.
LONGEST_HEADER = 100


@dataclass
class _Reading:
    """What is known while a transcript is read: who may speak, what was seen, the day last named on a line of its own."""

    speakers: frozenset[str]
    headers: bool
    days: bool = True  # whether a line that is only a date tells the day of what follows
    day: date | None = None
    stamps: list[Stamp] = field(default_factory=list)
    names: bool = False

    def note(self, stamp: Stamp | None) -> Stamp | None:
        """Keeps a stamp for judging the order of day and month; a time alone is put on the day last named."""
        if stamp is None or stamp.a is not None:
            self.stamps += [stamp] if stamp else []
            return stamp
        return stamp if self.day is None else stamp.on(self.day)


def is_whatsapp(source: Source) -> bool:
    """Whether most lines begin as WhatsApp writes them: `01/05/2024, 10:22 - Anna:` or `[01/05/2024, 10:22:03] Anna:`."""
    if source.layout != "text":
        return False
    found = [m for line in source.sample if (m := STAMP.match(_plain(line).lstrip("["))) is not None]
    as_it_writes = [m for m in found if len(m["a"]) < 4 or "," in m[0]]
    after = [_after(line) for line in source.sample]
    return bool(as_it_writes) and as_it_writes[0] is found[0] and _share(after, source) and not _iso(found[0])


def is_transcript(source: Source) -> bool:
    """Whether the lines carry stamps, speakers' names, or both."""
    if source.layout != "text":
        return False
    stamped = [_after(line) for line in source.sample]
    return _share(stamped, source) or _headed(source.sample) or bool(_speakers(source.sample))


def read_transcript(source: Source) -> Iterator[Message]:
    """The turns of a transcript; lines that begin no turn belong to the one before.

    Dates such as 01/05/2024 are read day first or month first as the whole file shows. Times without a zone are UTC.
    """
    speakers, headers = _speakers(line for _, line in source.lines()), _headed(source.sample)
    first = _Reading(speakers, headers)
    for _, line in source.lines():
        begun = _turn(line, first)
        first.names = first.names or (isinstance(begun, tuple) and begun[0] is not None)
    reading = _Reading(speakers, headers, days=not first.stamps)
    return as_messages(_turns(source, reading, is_day_first(first.stamps)), source.stem, someone=first.names)


def _turns(source: Source, reading: _Reading, day_first: bool) -> Iterator[Turn]:
    current: Turn | None = None
    for number, line in source.lines():
        begun = _turn(line, reading)
        if isinstance(begun, date):
            continue
        if begun is None:
            if current is not None:
                current.lines.append(line)
            elif line.strip():
                current = Turn(None, [line])
            continue
        if current is not None:
            yield current
        name, text, stamp = begun
        when = stamp.read(day_first) if stamp else None
        if stamp is not None and stamp.a is not None and when is None:
            source.wrong(f"line {number}", line, "a date and time that exist")
        elif stamp is None and reading.day is not None:
            when = datetime.combine(reading.day, time(), UTC)
        current = Turn(name, [text], when, stamped=stamp is not None)
    if current is not None:
        yield current


def _turn(line: str, reading: _Reading) -> tuple[str | None, str, Stamp | None] | date | None:
    """The turn a line begins as (name, text, stamp), the day it names if it does only that, or None."""
    plain = _plain(line)
    after = _after(plain)
    if after is not None:
        stamp, rest = reading.note(after[0]), after[1]
        found = _ANGLED.fullmatch(rest) or _STAMPED_NAME.fullmatch(rest)
        return (found["name"].strip(" ~*"), found["text"], stamp) if found else (None, rest, stamp)
    if reading.headers and (header := _header(plain)):
        return header["name"].strip(), "", reading.note(_stamp_in(header["when"]))
    day = _only_day(plain) if reading.days else None
    if day is not None:
        reading.day = day
        return day
    named = _BARE_NAME.fullmatch(plain) or _ANGLED.fullmatch(plain)
    if named and named["name"].strip() in reading.speakers:
        when = named.groupdict().get("when")
        return named["name"].strip(), named["text"], reading.note(_stamp_in(when)) if when else None
    return None


def _header(line: str) -> re.Match[str] | None:
    """A name and a time that are a whole line; a longer line is not looked at, it can be none."""
    return _HEADER.fullmatch(line.strip()) if len(line) <= LONGEST_HEADER else None


def _stamp_in(text: str) -> Stamp | None:
    """The stamp that a text is, date and time or time alone."""
    found = STAMP.fullmatch(text) or TIME.fullmatch(text)
    return stamp_of(found) if found else None


def _after(line: str) -> tuple[Stamp, str] | None:
    """The stamp a line begins with, bare or in brackets, and the rest; None without one."""
    plain = _plain(line)
    opening = plain[:1] if plain[:1] in ("[", "(") else ""
    body = plain[len(opening) :]
    found = STAMP.match(body) or (TIME.match(body) if opening else None)
    if found is None:
        return None
    rest = body[found.end() :]
    if opening:
        if rest[:1] != {"[": "]", "(": ")"}[opening]:
            return None
        rest = rest[1:]
    elif not (gap := _DASH.match(rest)) or not rest[gap.end() :]:
        return None
    gap = _DASH.match(rest)
    rest = (rest[gap.end() :] if gap else rest).lstrip()
    return (stamp_of(found), rest.removeprefix(": ")) if rest else None


def _speakers(lines: Iterable[str]) -> frozenset[str]:
    """The names in `Anna: …` lines, if such lines make up the text: half of it, by names that come again or roles."""
    counts: Counter[str] = Counter()
    written = 0
    for line in lines:
        plain = _plain(line)
        written += bool(plain.strip())
        if named := (_BARE_NAME.fullmatch(plain) or _ANGLED.fullmatch(plain)):
            counts[named["name"].strip()] += 1
    if counts.total() < 2 or counts.total() < NAMED_SHARE * written:
        return frozenset()
    if counts.total() == written and len(counts) > 1 and written <= FEW_LINES:
        return frozenset(counts)
    often = frozenset(name for name, count in counts.items() if count > 1 or role_of(name))
    return often if sum(counts[n] for n in often) >= NAMED_SHARE * written else frozenset()


def _headed(lines: list[str]) -> bool:
    """Whether names with times stand on lines of their own, at least twice, with something below each."""
    at = [i for i, line in enumerate(lines) if _header(_plain(line))]
    return len(at) >= 2 and at[0] <= 1 and all(b > a + 1 for a, b in itertools.pairwise(at))


def _share(after: list[tuple[Stamp, str] | None], source: Source) -> bool:
    stamped = sum(a is not None for a in after)
    return stamped > 0 and stamped >= STAMPED_SHARE * len(source.sample)


def _iso(found: re.Match[str]) -> bool:
    return len(found["a"]) == 4 and "," not in found[0]


def _only_day(line: str) -> date | None:
    """The day that a line names and nothing else: `--- 2024-05-01 ---`, `Wednesday, 1 May 2024`."""
    if len(line) > 40 or not any(c.isdigit() for c in line):
        return None
    found = _DAY_LINE.fullmatch(line)
    if found is None:
        return None
    day = written_day(found["day"])
    spoken = re.sub(r"[\d\W_]+", " ", found["day"]).split()
    return day if day is not None and len(spoken) <= 1 + ("年" in line) * 2 else None


def _plain(line: str) -> str:
    return line.translate(_INVISIBLE).translate(_SPACES) if not line.isascii() else line

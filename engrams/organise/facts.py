"""Reads the few kinds of English sentences whose meaning a rule can be sure of: who, what about them, and which value.

"I live in Bern" is (I, home, Bern); "I moved to Porto" is (I, home, Porto) and says that something changed; "I no longer
play the violin" says that an activity ended. Everything else (questions, wishes, plans, quotations, what is true for a
week only) is read as nothing: a fact that is missed costs less than a true one taken back.
"""

# ruff: noqa: E501 - a pattern is read as a whole
from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

from engrams.words import words

Mode = Literal["state", "change", "end"]

#: The longest sentence that is read, in characters; longer ones say more than one thing.
LONGEST = 160
#: Sentences whose reading is remembered: what a group or a page of neighbours holds, many times over, in about 2 MB.
READ = 8_192


class _Late:
    """A pattern that is compiled when it is first asked: compiling all of them at every start costs tens of milliseconds."""

    def __init__(self, text: str, flags: int = 0) -> None:
        self._text, self._flags = text, flags

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self._text, self._flags)

    def match(self, text: str) -> re.Match[str] | None:
        return self._compiled.match(text)

    def search(self, text: str) -> re.Match[str] | None:
        return self._compiled.search(text)


_I = r"(?:i|we)"
_RELATIVE = (
    "mother|mum|mom|father|dad|parents|sister|brother|wife|husband|partner|girlfriend|boyfriend|son|daughter|uncle|aunt|"
    "cousin|grandmother|grandma|grandfather|grandpa|friend|neighbour|neighbor|colleague|roommate|flatmate|boss|twin"
)
_WHO = rf"(?P<who>{_I}|(?:my|our) (?:\w+ )?(?:{_RELATIVE})|[A-Z]\w+)"
_S = r"(?: just| recently| finally| actually| have| has|'ve|'s)*"

#: What makes a sentence none: hedges, plans, wishes, quotations, denials, the past, what holds for a while only.
_NOTHING = _Late(
    r"\?|\b(?:if|whether|might|(?-i:may)|maybe|perhaps|probably|would|could|should|wish(?:es)?|hope(?:s|d)?|will|"
    r"going to|gonna|plan(?:s|ning)?|think(?:s|ing)? (?:of|about|that|i|we|he|she)|thinks|thought|dream(?:s|t|ed)?|"
    r"imagine|consider(?:s|ing)?|appl(?:y|ied)|almost|nearly|ask(?:s|ed)?|said|says|told|heard|novel|story|film|movie|"
    r"game|joke|pretend(?:s|ed)?|used to|as a (?:child|kid|student|teenager)|once|back then|formerly|previously|"
    r"for (?:the|a|an|one|two|three|four|five|six|\d+) (?:night|day|week|weekend|month|while|summer|winter)s?|"
    r"this (?:week|weekend|month|summer|winter)|today|tonight|temporar\w+|sometimes|meanwhile|until|"
    r"too|also|as well|part[- ]time|second|both|weekends|never|haven't|hasn't|didn't|did not|have not|has not)\b|"
    r"['’]ll\b|\b(?:next|in) (?:year|month|week|\d{4}\b)|\b\d+ years\b|\bfor \w+ years\b|\byears ago\b",
    re.IGNORECASE,
)
_END = r"(?: any ?more| any longer)"
_VALUE = r"(?P<value>[^.;:!?]+)"
_PLACE = r"(?P<value>[A-Z][\w'’.-]*(?: [A-Z][\w'’.-]*){0,3})"
_NOW = r"(?: now| these days| at the moment| currently| instead)?"
_WHEN = r"(?: (?:yesterday|last \w+|on \w+|in (?:spring|summer|autumn|fall|winter|\w+)|this morning|again|with [\w ]+))?"

#: Slots of which a person, or a thing, has one at a time: a new value ends the old one.
_SINGLE = (
    r"(?:home |new |current |mobile |work |private |office )*(?:(?:phone|mobile|cell|locker|licence|license|account|customer|"
    r"passport|room|flat|house|door|pin|wifi|wi-fi|alarm|garage|bike lock) ?(?:number|plate|password|code|address)?|"
    r"number|e-?mail(?: address)?|address|password|username|user name|nickname|handle|favou?rite [\w ]+?|boss|manager|"
    r"supervisor|team lead|dentist|doctor|gp|vet|hairdresser|therapist|landlord|landlady|tutor|gym|bank|insurer|"
    r"(?:shoe |dress |shirt )?size|weight|job title|position|team|department|provider|commute|rent|salary|job)"
)
_EVENT = (
    r"(?P<thing>(?:the|my|our) (?:[\w']+ ){0,2}?(?:meeting|appointment|flight|train|dinner|lunch|party|concert|exam|deadline|"
    r"interview|wedding|class|lesson|call|game|match|delivery|trip|rehearsal|move|review|visit|course|workshop|surgery))"
)
_DATE = (
    r"(?:is|takes place|starts)? ?(?:now )?(?:on|at|to|for)? ?(?P<value>(?:mon|tues|wednes|thurs|fri|satur|sun)day|"
    r"(?:\w+ )?\d[\w:., ]*)"
)


@dataclass(frozen=True, slots=True)
class Fact:
    """What one sentence says: `value` is what holds from now on, or with mode "end" what holds no longer."""

    who: str
    attribute: str
    value: str
    mode: Mode
    about: str = ""  # of what kind the value is, where one attribute has several: what was preferred to what


def _rule(attribute: str, mode: Mode, pattern: str) -> tuple[str, Mode, _Late]:
    # Who speaks and what for are written in any case, names of people and places only with a capital.
    spelt = pattern.replace("I_S", r"(?:[Ii]|[Ww]e)")
    return (
        attribute,
        mode,
        _Late(rf"(?:[Aa]ctually|[Ss]o|[Ww]ell|[Bb]y the way|[Nn]ews)?[,: ]*{spelt}{_WHEN}$"),
    )


_SUBJECT = rf"(?P<who>I_S|[Mm]y (?:older |younger |little |big )?(?:{_RELATIVE})|[A-Z][a-zé]+)"
_RULES = (
    _rule("home", "state", rf"{_SUBJECT}(?:'m|'re| am| are| is)? (?:live|lives|living|reside|resides|based|at home) (?:in|on|at) (?:a flat in )?{_PLACE}(?: with [\w ]+)?{_NOW}"),
    _rule("home", "change", rf"{_SUBJECT} now (?:live|lives) (?:in|on|at) {_PLACE}"),
    _rule("home", "change", rf"{_SUBJECT}{_S} (?:moved|relocated)(?: from [\w ]+?)?(?: house| home| flat)? to {_PLACE}"),
    _rule("work", "state", rf"{_SUBJECT}(?:'m|'re| am| are| is)? (?:work|works|working) (?:at|for) {_VALUE}"),
    _rule("work", "change", rf"{_SUBJECT} now (?:work|works) (?:at|for) {_VALUE}"),
    _rule("work", "change", rf"{_SUBJECT}{_S} (?:started|joined|got a (?:new )?job|found a (?:new )?job|started a new job)(?: working)?(?: at| for| with)? (?P<value>(?:(?:the|an?) [\w'’&]+|[A-Z][\w'’&]*)(?: [\w'’&]+){{0,2}}?)"),
    _rule("work", "end", rf"{_SUBJECT}{_S} (?:left|quit|resigned from) (?P<value>[A-Z][\w'’&]*(?: [A-Z][\w'’&]*)*)"),
    _rule("job", "state", rf"{_SUBJECT}(?:'m|'re| am| are| is)? (?:work|works|working) as an? {_VALUE}"),
    _rule("job", "change", rf"{_SUBJECT} now (?:work|works) as an? {_VALUE}"),
    _rule("job", "change", rf"{_SUBJECT}{_S} (?:got promoted|was promoted|been promoted) to {_VALUE}"),
    _rule("car", "state", rf"{_SUBJECT} drives? an? {_VALUE}"),
    _rule("car", "change", rf"{_SUBJECT} now drives? an? {_VALUE}"),
    _rule("car", "change", rf"{_SUBJECT}{_S} traded (?:my|his|her|their) [\w ]+ for an? {_VALUE}"),
    _rule("status", "state", rf"{_SUBJECT}(?:'m|'s| am| is| are) (?P<value>single|engaged|married|divorced|widowed)"),
    _rule("status", "change", rf"{_SUBJECT}{_S}(?:'m|'s| am| is| are| got| became) (?:now )?(?P<value>engaged|married|divorced|widowed|single){_NOW}"),
    _rule("prefer", "change", rf"(?:I_S changed (?:my|our) mind[,:;.]? )?{_SUBJECT}(?: now)? prefers? (?P<value>[\w ]+?) (?:to|over|instead of) (?P<about>[\w ]+?){_NOW}"),
    _rule("prefer", "state", rf"{_SUBJECT} prefers? {_VALUE}"),
)  # fmt: skip
_SLOT = _Late(
    rf"^(?:[Aa]ctually|[Ss]o|[Bb]y the way)?[, ]*(?P<who>[Mm]y|[Oo]ur|[Tt]he)(?P<new> new)? (?P<slot>{_SINGLE})"
    rf"(?: is| are|'s| changed to| was changed to| has changed to)(?P<now> now)? (?P<value>[^,;:!?]+?)(?P<then> now)?$"
)
_CHANGED = _Late(
    rf"^(?P<who>I|[Ww]e)(?: have|'ve)? changed (?:my|our|the) (?P<slot>{_SINGLE}) to (?P<value>[^,;:!?]+?)$"
)
_TIME = _Late(rf"^{_EVENT} {_DATE}$", re.IGNORECASE)
_MOVED = _Late(
    rf"^{_EVENT} (?:has been |have been |was |got |is )?(?:moved|postponed|rescheduled|rebooked|pushed back|brought forward|"
    rf"extended|changed|delayed) {_DATE}$",
    re.IGNORECASE,
)
_ENDED = (
    _Late(rf"^{_SUBJECT}(?:'m|'s| am| is| are)? no longer (?P<value>[\w' ]+)$".replace("I_S", "[Ii]|[Ww]e")),
    _Late(rf"^{_SUBJECT} (?:stopped|quit|gave up|have given up|has given up|have stopped|has stopped|cancelled|canceled) (?:being )?(?:my |his |her )?(?P<value>[\w' ]+)$".replace("I_S", "[Ii]|[Ww]e")),
    _Late(rf"^{_SUBJECT}(?:'m not| am not| is not| are not| isn't| do not| don't| does not| doesn't) (?P<value>[\w' ]+?){_END}$".replace("I_S", "[Ii]|[Ww]e")),
)  # fmt: skip
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|\n+")
_TWO = re.compile(r"[;,]| and (?!\w+$)| but ", re.IGNORECASE)
#: Words that say nothing of what an activity is.
_EMPTY = frozenset(
    "a an the my our his her their to at in on of for with every each i we am is are s m re it one old much very really".split()
)


def sentences(text: str) -> list[str]:
    """The sentences of a text without their last mark."""
    return [s.strip().rstrip(".!…").strip() for s in _SENTENCE.split(text.strip()) if s.strip()]


def read_fact(sentence: str) -> Fact | None:
    """What a sentence says, where a rule is sure of it; None otherwise."""
    return None if not sentence or len(sentence) > LONGEST else _read(sentence)


# What stands is held against every new statement: a sentence is read as often as something is written.
@lru_cache(maxsize=READ)
def _read(sentence: str) -> Fact | None:
    if _NOTHING.search(sentence):
        return None
    if re.search(r"\bnot\b|n['’]t\b", sentence) and not re.search(rf"{_END}$", sentence):
        return None
    return _slot(sentence) or _event(sentence) or _ended(sentence) or _ruled(sentence)


def activity(sentence: str) -> Fact | None:
    """A plain statement of what somebody does or is, as (who, "does", what): the kind that "no longer" ends."""
    if len(sentence) > LONGEST or _NOTHING.search(sentence) or _TWO.search(sentence):
        return None
    found = re.match(
        rf"^{_SUBJECT}(?:'m|'s| am| is| are)? (?P<value>[\w' ]+)$".replace("I_S", "[Ii]|[Ww]e"), sentence
    )
    return None if found is None else Fact(_who(found["who"]), "does", found["value"], "state")


def same(one: str, other: str) -> bool:
    """Whether two values are the same, or one only says more of the other."""
    a, b = words(one), words(other)
    return bool(a and b) and (set(a) <= set(b) or set(b) <= set(a))


def content(text: str) -> tuple[str, ...]:
    """The words of a value that say something, cut to a stem that is crude and the same for -s, -ing and none."""
    return tuple(_crude(w) for w in words(text) if w not in _EMPTY)


def _crude(word: str) -> str:
    for ending in ("ning", "ing", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _who(text: str) -> str:
    low = text.casefold()
    return "i" if low in ("i", "my", "we", "our") else low


def _slot(sentence: str) -> Fact | None:
    found = _SLOT.match(sentence)
    if found is not None and not re.search(r"\b(?:still|in [A-Z])", sentence):
        changed = bool(found["new"] or found["now"] or found["then"] or "changed" in sentence)
        changed = changed or sentence.lower().startswith("actually")
        slot = re.sub(r"^(?:new|current) ", "", found["slot"].lower())
        who = "the" if found["who"].lower() == "the" else "i"
        return Fact(who, f"slot {_plain(slot)}", found["value"], "change" if changed else "state")
    found = _CHANGED.match(sentence)
    return found and Fact("i", f"slot {_plain(found['slot'].lower())}", found["value"], "change")


def _plain(slot: str) -> str:
    slot = slot.replace("favorite", "favourite").replace("e-mail", "email").replace("email address", "email")
    return slot.strip()


def _event(sentence: str) -> Fact | None:
    for pattern, mode in ((_MOVED, "change"), (_TIME, "state")):
        found = pattern.match(sentence)
        if found is not None:
            moved: Mode = "change" if mode == "change" or " now " in sentence else "state"
            thing = re.sub(r"^(?:my|our|the) ", "", found["thing"].lower())
            unit = (
                "day" if re.search(r"day$|^\d+ [A-Za-z]|[A-Za-z]+ \d+$", found["value"].strip()) else "time"
            )
            return Fact("it", f"time {thing}", found["value"], moved, about=unit)
    return None


def _ended(sentence: str) -> Fact | None:
    for pattern in _ENDED:
        found = pattern.match(sentence)
        if found is not None and content(found["value"]):
            return Fact(_who(found["who"]), "does", found["value"], "end")
    return None


def _ruled(sentence: str) -> Fact | None:
    for attribute, mode, pattern in _RULES:
        found = pattern.match(sentence)
        if found is None:
            continue
        value = found["value"].strip()
        said: Mode = "change" if mode == "state" and re.search(r" now$", sentence) else mode
        value = re.sub(r" (?:now|these days|full time)$", "", value)
        about = found.groupdict().get("about") or ""
        return Fact(_who(found["who"]), attribute, value, said, about)
    return None

"""Words: how a text becomes the terms that are counted and looked up.

Everything here is a pure function of its text. English is stemmed, scripts written without
spaces become characters and pairs of characters, everything else is lower-cased and left alone.
"""

from __future__ import annotations

import re
import sys
import unicodedata
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

STEM_CACHE_WORDS = 65_536
"""How many distinct words keep their stem in memory: about 10 MB at worst."""

LONGEST_WORD = 64
"""Longer runs (base64, keys, laughter) are cut here, so that one line cannot fill the index."""

STOP_WORDS = frozenset(
    """
    a an the this that these those
    i me my mine we us our ours you your yours he him his she her hers it its they them their theirs
    am is are was were be been being do does did done doing has have had having
    will would can could should may might must shall
    of to in on at for from by with as about into over after before than then so
    and or if not no any some there
    what when where who whom whose which why how many much long often kind type
    s t d m ll re ve
    """.split()
)
"""English words that carry no content in a question about memories, question words included."""

_MARKS = "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
_INDIC = "\u0900-\u0963\u0966-\u0dff"
"""Python's ``\\w`` leaves out vowel signs; without these ranges a Hindi word falls apart."""

SPACELESS = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Myanmar, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # Japanese kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Han
    "\uac00-\ud7af"  # Hangul: spaced, but words carry their particles with them
    "\U00020000-\U0003134f"  # Han, rare
)
"""Scripts written without spaces between words (with Hangul, as Lucene's CJKBigramFilter has it)."""

_ASCII = re.compile(r"\d+(?:[.,]\d+)+|[a-z0-9]+(?:'[a-z]+)?")
_ANY = re.compile(
    rf"(?P<spaceless>[{SPACELESS}]+)"
    rf"|\d+(?:[.,]\d+)+"
    rf"|(?:(?![{SPACELESS}])(?:[^\W_]|[{_MARKS}{_INDIC}]))+(?:'[a-z]+)?"
)
_SPACELESS_RUN = re.compile(f"[{SPACELESS}]")
_WORD = re.compile(rf"(?:[^\W_]|[{_MARKS}{_INDIC}])+(?:['’][^\W\d_]+)?")
_ACCENTS = re.compile("[\u0300-\u036f]")
_APOSTROPHES = {0x2018: "'", 0x2019: "'", 0x02BC: "'", 0xFF07: "'"}


def fold(text: str) -> str:
    """Lower-case `text`, with one form for each letter and without accents: ``Café`` is ``cafe``."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.translate(_APOSTROPHES).casefold())
    return unicodedata.normalize("NFC", _ACCENTS.sub("", decomposed))


@lru_cache(maxsize=1)
def _english() -> object:
    # The package's own front door reads the stemmers of all its languages, which takes longer than a search.
    inside = find_spec("snowballstemmer")
    name = f"{__name__}._snowball"
    package = sys.modules.setdefault(name, ModuleType(name))
    package.__path__ = list((inside and inside.submodule_search_locations) or ())
    return import_module(f"{name}.english_stemmer").EnglishStemmer()


_CHANGING = tuple("s ed ing y nci ogi li iti al ism ion er ator ogist ful ic e ant ent ll".split())
"""How every word ends that Snowball English changes; it looks for nothing else, and takes a while to find nothing."""


@lru_cache(maxsize=STEM_CACHE_WORDS)
def stem(word: str) -> str:
    """The stem of a folded word: Snowball English (Porter 2) for ASCII letters, others unchanged."""
    if not word.endswith(_CHANGING) or not word.isascii() or not word.isalpha():
        return word
    stemmed: str = _english().stemWord(word)  # type: ignore[attr-defined]
    return stemmed


@lru_cache(maxsize=STEM_CACHE_WORDS)
def _term(word: str) -> str:
    """The term of one folded word, or the empty string when the word carries no content."""
    head, apostrophe, tail = word.partition("'")
    if apostrophe:
        if tail == "t":  # don't, isn't: a negated auxiliary, hence a stop word
            return ""
        word = head if tail in STOP_WORDS else head + tail  # Anna's, we're; o'clock
    if word in STOP_WORDS:
        return ""
    if word[0].isdigit() and not word.isalnum():
        word = word.replace(",", "")  # 1,000 and 1000 are one number
    return stem(word[:LONGEST_WORD])


def characters(run: str) -> list[str]:
    """Single characters and overlapping pairs of a run written without spaces, in reading order."""
    out: list[str] = []
    for i, letter in enumerate(run):
        out.append(letter)
        if i + 1 < len(run):
            out.append(run[i : i + 2])
    return out


def words(text: str) -> list[str]:
    """The folded words of `text` in order, nothing dropped, nothing stemmed."""
    folded = fold(text)
    if folded.isascii():
        return _ASCII.findall(folded)
    return list(_words_of_any_script(folded))


def _words_of_any_script(folded: str) -> Iterator[str]:
    for match in _ANY.finditer(folded):
        if match.lastgroup == "spaceless":
            yield from characters(match.group())
        else:
            yield match.group()


def terms(text: str) -> list[str]:
    """What is indexed and looked up: stems of the content words of `text`, in order, with repeats."""
    return [term for term in map(_term, words(text)) if term]


@lru_cache(maxsize=STEM_CACHE_WORDS)
def term_hash(term: str) -> int:
    """A term as the index keeps it: CRC-32 of its UTF-8 bytes, the same in every process and version.

    Among a million different terms about a hundred pairs share a hash: noise far below that of stemming.
    """
    return zlib.crc32(term.encode("utf-8", "surrogatepass"))


class _Hashes(dict[str, int]):
    """Folded words and the hashes of their terms, -1 where a word carries no content; when full it starts afresh."""

    def __missing__(self, word: str) -> int:
        if len(self) >= STEM_CACHE_WORDS:
            self.clear()
        term = _term(word)
        found = self[word] = term_hash(term) if term else -1
        return found


_hashes = _Hashes()


def term_hashes(text: str) -> list[int]:
    """The hashes of the terms of `text`, in order, with repeats: `term_hash` of `terms`, three times as fast."""
    return [found for found in map(_hashes.__getitem__, words(text)) if found >= 0]


NAME_MARK = "\x1f"
"""Stands before a name where it is hashed as a whole, so that it shares no hash with a word. No text has it."""


def name_words(text: str) -> list[str]:
    """The words of a text as names are hashed: folded, without possessive endings."""
    return [word.removesuffix("'s") for word in words(text)]


@lru_cache(maxsize=STEM_CACHE_WORDS)
def name_hash(name: str) -> int:
    """A name as the index keeps it: the hash of its words, however they are written, apart from those of words alone."""
    return zlib.crc32((NAME_MARK + " ".join(name_words(name))).encode("utf-8", "surrogatepass"))


NICKNAME_LETTERS = 3
"""Fewer letters of a name are not taken for a nickname: ``Mel`` may be Melanie, ``Me`` is not."""


@dataclass(frozen=True, slots=True)
class Named:
    """A name found in a text: which of the names, at what character it begins and ends, as it is written there."""

    name: int
    begin: int
    end: int
    written: str


def named(text: str, names: Sequence[str]) -> list[Named]:
    """Where `text` names somebody of `names`, in the order of the text; each name at its first place only.

    A name is found by all of it, by its first word (``Anna`` for Anna Berg), or, where the text capitalises it, by the
    beginning of its first word (``Mel`` for Melanie). One place names one, the longest. Names of scripts without
    spaces are found anywhere.
    """
    places: dict[str, list[re.Match[str]]] = {}
    for match in _WORD.finditer(text):
        places.setdefault(_bare(match.group()), []).append(match)
    whole: list[Named] = []
    short: list[Named] = []
    for number, name in enumerate(names):
        if _SPACELESS_RUN.search(name):
            begin = text.find(name)
            if begin >= 0:
                whole.append(Named(number, begin, begin + len(name), name))
            continue
        first = _WORD.search(name)
        if first is None:
            continue
        bare = _bare(first.group())
        at = places.get(bare)
        if at is not None:
            whole.append(Named(number, at[0].start(), at[0].end(), at[0].group()))
        elif (short_for := _nickname(bare, places)) is not None:
            short.append(Named(number, short_for.start(), short_for.end(), short_for.group()))
    best: dict[int, Named] = {}
    # Longer before shorter, whole names before nicknames: the first to take a place keeps it.
    for one in (*sorted(whole, key=lambda n: n.begin - n.end), *short):
        best.setdefault(one.begin, one)
    return [best[begin] for begin in sorted(best)]


def _nickname(bare: str, places: Mapping[str, list[re.Match[str]]]) -> re.Match[str] | None:
    """The first capitalised word that is the beginning of a first name."""
    for written, matches in places.items():
        if len(written) >= NICKNAME_LETTERS and bare.startswith(written) and written not in STOP_WORDS:
            for match in matches:
                if match.group()[0].isupper():
                    return match
    return None


def _bare(word: str) -> str:
    """A word folded and without a possessive ending."""
    return fold(word).removesuffix("'s")

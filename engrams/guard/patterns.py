"""Secrets and personal data by pattern: known key formats, card numbers and IBANs by checksum, addresses, numbers.

These are patterns and nothing more: a password in plain words, a name, an address in prose are not found, and a number
that happens to fit a checksum is. The formats are those that the issuers document (GitHub, AWS, OpenAI, Anthropic,
Slack, Google, Stripe), RFC 7519 for JSON web tokens, ISO/IEC 7812-1 (Luhn) for cards, ISO 13616 for IBANs, RFC 5322
(its common part) for mail, E.164 for telephone numbers, which need a leading + or a bracketed or spaced grouping.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

#: Digits of a payment card number (ISO/IEC 7812-1: up to 19; the shortest in use have 13).
CARD_DIGITS = (13, 19)
#: Digits of a telephone number: E.164 allows 15; fewer than 8 is no number in international form.
PHONE_DIGITS = (8, 15)
#: Characters of an IBAN: Norway's 15 to Malta's 31 in use (ISO 13616 allows 34).
IBAN_LENGTH = (15, 34)


@dataclass(frozen=True, slots=True)
class Finding:
    """Where a pattern was found: kind, and the characters from `start` to before `end`."""

    kind: str
    start: int
    end: int


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the ones before it (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def iban(text: str) -> bool:
    """Whether a text without blanks is an IBAN: country, two check digits, remainder 1 modulo 97 (ISO 7064)."""
    if not IBAN_LENGTH[0] <= len(text) <= IBAN_LENGTH[1] or not re.fullmatch(r"[A-Z]{2}\d\d[A-Z0-9]+", text):
        return False
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def _card(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return CARD_DIGITS[0] <= len(digits) <= CARD_DIGITS[1] and len(set(digits)) > 1 and luhn(digits)


def _phone(text: str) -> bool:
    return PHONE_DIGITS[0] <= len(re.sub(r"\D", "", text)) <= PHONE_DIGITS[1]


def _any(text: str) -> bool:
    return True


#: (kind, pattern, a check of what it found); the first that claims a place keeps it.
_PATTERNS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    (
        "private-key",
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
        ),
        _any,
    ),
    (
        "api-key",
        re.compile(
            r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{40,}|(?:AKIA|ASIA)[0-9A-Z]{16}"
            r"|sk-(?:ant-|proj-)?[\w-]{20,}|xox[abeoprs]-[\w-]{10,}|AIza[\w-]{35}"
            r"|[rsp]k_(?:live|test)_[A-Za-z0-9]{16,}|glpat-[\w-]{20,}|hf_[A-Za-z0-9]{30,})"
        ),
        _any,
    ),
    ("token", re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"), _any),
    (
        "secret",
        re.compile(
            r"(?i)(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?token|auth[_-]?token)[\"']?\s*[:=]\s*[\"']?"
            r"(?=\S*[\d!@#$%^&*_-])[^\s\"',;]{6,}"
        ),
        _any,
    ),
    (
        "iban",
        re.compile(r"\b[A-Z]{2}\d\d(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"),
        lambda t: iban(t.replace(" ", "")),
    ),
    ("card", re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.]*\d)"), _card),
    (
        "e-mail",
        re.compile(r"\b[\w.+%-]+@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}\b"),
        _any,
    ),
    (
        "phone",
        re.compile(r"(?<![\w+])(?:\+\d{1,3}[ .-]?(?:\(0\))?|\(\d{2,5}\)[ .-]?)\d(?:[ .-]?\d){4,12}(?!\w)"),
        _phone,
    ),
)

#: Every kind that is looked for.
KINDS: tuple[str, ...] = tuple(kind for kind, _, _ in _PATTERNS)


def findings(text: str) -> list[Finding]:
    """Everything that fits a pattern and its check, in the order of the text, without overlaps."""
    found: list[Finding] = []
    for kind, pattern, check in _PATTERNS:
        for hit in pattern.finditer(text):
            if check(hit.group()) and not any(f.start < hit.end() and hit.start() < f.end for f in found):
                found.append(Finding(kind, hit.start(), hit.end()))
    return sorted(found, key=lambda f: f.start)


def masked(text: str) -> tuple[str, tuple[str, ...]]:
    """The text with `[kind]` in place of each finding, and the kinds found."""
    found = findings(text)
    for each in reversed(found):
        text = f"{text[: each.start]}[{each.kind}]{text[each.end :]}"
    return text, tuple(each.kind for each in found)

"""Patterns of secrets and personal data: what they find, what they must leave alone, and checksums worked out by hand."""

from __future__ import annotations

import pytest

from engrams.guard.patterns import KINDS, findings, iban, luhn, masked

# Put together here so that no scanner takes them for somebody's.
GITHUB = "ghp_" + "a1B2" * 9
OPENAI = "sk-" + "proj-" + "Ab3d" * 8
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
TOKEN = "eyJ" + "hbGciOiJI" + ".eyJ" + "zdWIiOiIx" + ".sflKxwRJSMeKKF2"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"use {GITHUB} please", "api-key"),
        (f"key {OPENAI}", "api-key"),
        (f"aws {AWS}.", "api-key"),
        (f"Bearer {TOKEN}", "token"),
        ("password: hunter2!x", "secret"),
        ('api_key="9f8e7d6c5b"', "secret"),
        ("-----BEGIN " + "PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----", "private-key"),
        ("my card 4111 1111 1111 1111 expires", "card"),
        ("5500-0000-0000-0004", "card"),
        ("send it to DE89 3704 0044 0532 0130 00", "iban"),
        ("GB82WEST12345698765432", "iban"),
        ("write to ada.lovelace+news@example.co.uk", "e-mail"),
        ("call +44 20 7946 0958", "phone"),
        ("call (030) 1234567", "phone"),
    ],
)
def test_what_fits_is_found(text: str, kind: str) -> None:
    assert [f.kind for f in findings(text)] == [kind]
    hidden, kinds = masked(text)
    assert kinds == (kind,)
    assert f"[{kind}]" in hidden
    assert findings(hidden) == []


@pytest.mark.parametrize(
    "text",
    [
        "Anna moved to Porto in May 2023, flat 12.",
        "the order 4111 1111 1111 1112 is late",  # one digit off: Luhn fails
        "DE88 3704 0044 0532 0130 00",  # check digits off
        "between 1000 and 2000 people, version 1.2.3.4",
        "my password is secret",
        "0000 0000 0000 0000",
        "meet @ the station at 10:30",
        "a skeleton, a task-force, the ghp archive",
        "2024-05-31T14:00:00",
        "",
    ],
)
def test_what_does_not_fit_is_left_alone(text: str) -> None:
    assert findings(text) == []
    assert masked(text) == (text, ())


def test_several_are_masked_in_their_places() -> None:
    text, kinds = masked("a@b.org paid with 4111111111111111, then +49 30 123456")
    assert text == "[e-mail] paid with [card], then [phone]"
    assert kinds == ("e-mail", "card", "phone")


def test_luhn_by_hand() -> None:
    # 79927398713: doubled from the right 1,(7*2=14->5),8... sum 70, the example of the standard's own literature.
    assert luhn("79927398713")
    assert [luhn(f"7992739871{d}") for d in range(10)].count(True) == 1


def test_iban_by_hand() -> None:
    # GB82 WEST 1234 5698 7654 32 -> 3214282912345698765432161182 mod 97 = 1
    assert 3214282912345698765432161182 % 97 == 1
    assert iban("GB82WEST12345698765432")
    assert not iban("GB83WEST12345698765432")
    assert not iban("GB82")


def test_kinds_are_named_once() -> None:
    assert len(set(KINDS)) == len(KINDS) == 8

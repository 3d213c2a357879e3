"""audit, keys, retention, encrypt, containers on the command line."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.doors.conftest import Engrams


@pytest.fixture
def place(tmp_path: Path, engrams: Engrams) -> str:
    place = str(tmp_path / "m.db")
    for name in ("ann", "bob"):
        assert engrams("add", f"The kettle of {name} is red.", "--db", place, "--user", name).code == 0
    return place


def test_a_container_goes_out_and_comes_back(engrams: Engrams, place: str, tmp_path: Path) -> None:
    file, other, key = tmp_path / "m.engrams", str(tmp_path / "other.db"), tmp_path / "key"
    key.write_text("a shared secret\n")
    made = engrams("export", "--container", str(file), "--db", place, "--signing-key", str(key), "--json")
    assert made.code == 0, made.err
    assert json.loads(made.out)["signed"] is True
    assert "there already" in engrams("export", "--container", str(file), "--db", place).err
    back = engrams("restore", str(file), "--db", other, "--json")
    assert (back.code, json.loads(back.out)["events"]) == (0, 2)
    again = engrams("merge", str(file), "--db", other, "--signing-key", str(key), "--json")
    assert (again.code, json.loads(again.out)["repeated"]) == (0, 4)
    key.write_text("another")
    refused = engrams("merge", str(file), "--db", other, "--signing-key", str(key))
    assert (refused.code, "not of this key" in refused.err) == (77, True)
    parts = engrams("split", str(file), str(tmp_path / "parts"))
    assert parts.code == 0, parts.err
    assert sorted(p.name for p in (tmp_path / "parts").iterdir()) == ["ann.engrams", "bob.engrams"]
    assert "red" in engrams("search", "kettle", "--db", other, "--user", "bob").out
    one = engrams(
        "export", "--container", str(tmp_path / "ann.engrams"), "--db", place, "--user", "ann", "--json"
    )
    assert json.loads(one.out)["namespaces"] == ["ann"]
    assert engrams("export", "--container", "--db", place).code == 2


def test_the_audit_is_shown_and_verified(engrams: Engrams, place: str) -> None:
    assert [line.split("\t")[3] for line in engrams("audit", "show", "--db", place).out.splitlines()] == [
        "add",
        "add",
    ]
    whole = engrams("audit", "verify", "--db", place)
    assert (whole.code, "is whole" in whole.err) == (0, True)
    raw = sqlite3.connect(place)
    raw.execute("drop trigger audit_is_never_altered")
    raw.execute("update audit set actor = 'nobody' where seq = 1")
    raw.commit()
    raw.close()
    broken = engrams("audit", "verify", "--db", place)
    assert (broken.code, "audit row 1 was altered" in broken.out) == (4, True)


def test_keys_are_made_listed_and_revoked(engrams: Engrams, place: str) -> None:
    made = engrams(
        "keys", "create", "reader", "--right", "read:ann", "--right", "write:team/*", "--db", place
    )
    secret = made.out.strip()
    assert made.code == 0
    assert secret.startswith("engrams_")
    listed = engrams("keys", "list", "--db", place)
    assert "read:ann write:team/*" in listed.out
    assert secret not in listed.out
    id = listed.out.split("\t")[0]
    assert engrams("keys", "revoke", id, "--db", place).code == 0
    assert engrams("keys", "revoke", "nobody", "--db", place).code == 3
    assert engrams("keys", "create", "x", "--right", "ann", "--db", place).code == 2


def test_rules_are_set_and_kept(engrams: Engrams, place: str) -> None:
    assert (
        engrams("retention", "set", "ann", "--max-events", "0", "--quota-events", "5", "--db", place).code
        == 0
    )
    assert engrams("retention", "rules", "--db", place).out.split("\t")[0] == "ann"
    assert engrams("retention", "apply", "--db", place).out.split() == ["1", "1", "done"]
    for n in range(6):
        last = engrams("add", f"turn {n}", "--user", "ann", "--db", place)
    assert (last.code, "quota of messages in ann" in last.err) == (6, True)
    assert engrams("retention", "set", "ann", "--db", place).code == 0
    assert engrams("retention", "rules", "--db", place).out == ""


def test_an_erase_says_what_it_did(engrams: Engrams, place: str) -> None:
    id = engrams("add", "to be erased", "--user", "ann", "--db", place).out.strip()
    done = engrams("delete", id, "--yes", "--db", place, "--json")
    assert json.loads(done.out)["state"] == "done"
    assert len(json.loads(done.out)["receipts"][0]["digest"]) == 64


def test_an_encrypted_copy_opens_with_its_key_alone(
    engrams: Engrams, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cryptography")
    copy = str(tmp_path / "copy.db")
    assert "ENGRAMS_KEY_NEW" in engrams("encrypt", copy, "--db", place).err
    key = engrams("encrypt", "--new-key").out.strip()
    monkeypatch.setenv("ENGRAMS_KEY_NEW", key)
    made = engrams("encrypt", copy, "--db", place)
    assert made.code == 0, made.err
    assert engrams("search", "kettle", "--user", "ann", "--db", copy).code == 77
    monkeypatch.setenv("ENGRAMS_KEY", key)
    assert "kettle of ann" in engrams("search", "kettle", "--user", "ann", "--db", copy).out
    monkeypatch.setenv("OTHER_KEY", "a passphrase that is long")
    assert engrams("encrypt", "--rotate", "OTHER_KEY", "--db", copy).code == 0
    assert engrams("search", "kettle", "--user", "ann", "--db", copy).code == 77
    assert key.encode() not in Path(copy).read_bytes()

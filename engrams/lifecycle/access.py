"""Keys and what they may do: read, write or administer the namespaces they name.

A key is 256 random bits and is kept as its SHA-256: a digest of so much chance cannot be turned back by guessing, so a slow
hash (scrypt, for passwords that people choose) would add cost to every request and nothing else. Whoever can write the
database file needs no key: keys guard the doors, file permissions and encryption guard the file.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from engrams.errors import BadSetting, Denied, NotFound
from engrams.lifecycle.scopes import Scopes, resolve
from engrams.lifecycle.telling import tell
from engrams.ports import Store

PREFIX = "key:"
#: Bytes of chance in a key: as many as its digest has.
SECRET_BYTES = 32
#: Bytes of the id that stands in a key and in every list: enough to tell thousands apart.
ID_BYTES = 6
#: Each right holds those before it.
RIGHTS = ("read", "write", "admin")
#: The path that names every namespace, and what belongs to none: settings, keys, the audit, backups.
EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a key may do: a right for each path (`acme`, `acme/*`, or `*` for everything)."""

    id: str
    name: str
    rights: tuple[tuple[str, str], ...]

    def allows(self, right: str, namespace: str) -> bool:
        """Whether the right holds for all that a path names."""
        least = RIGHTS.index(right)
        return any(RIGHTS.index(given) >= least and _covers(path, namespace) for path, given in self.rights)

    def meets(self, path: str) -> bool:
        """Whether a path has to do with what the key may do: one names the other, or something of it."""
        return any(_covers(held, path) or _covers(path, held) for held, _ in self.rights)

    def require(self, right: str, namespace: str, call: str = "") -> None:
        """Nothing, where the right holds. `call` is what was asked for, where the right alone does not say it.

        Raises:
            Denied: it does not; says what the key may do.
        """
        if not self.allows(right, namespace):
            held = ", ".join(f"{given} {path}" for path, given in self.rights)
            what = "the whole memory" if namespace == EVERYTHING else namespace
            asked = f"{'administer' if right == 'admin' else right} {what}"
            why = f" ({call!r} needs that)" if call else ""
            tell("access.denied", "warning", key=self.id, right=right, namespace=namespace, call=call)
            raise Denied(
                f"key {self.id} ({self.name}) may not {asked}{why}; it may: {held}. Ask whoever keeps the keys"
            )


@dataclass(frozen=True, slots=True)
class Key:
    """A key as lists show it: never the secret. `secret` is there once, when it is made."""

    id: str
    name: str
    rights: tuple[tuple[str, str], ...]
    made_at: str
    revoked_at: str | None = None
    secret: str | None = None


def create_key(store: Store, name: str, rights: Mapping[str, str], at: datetime) -> Key:
    """Makes a key; its secret is in what is returned and nowhere else.

    Raises:
        BadSetting: no name, no rights, a path or right that is none.
    """
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > 100:
        raise BadSetting("name", name, "a name for the key, 1 to 100 characters on one line")
    if not isinstance(rights, Mapping) or not rights:
        raise BadSetting("rights", rights, "paths with rights, such as {'acme/*': 'write'}")
    checked = tuple(sorted((_path(path), _right(right)) for path, right in rights.items()))
    id = secrets.token_hex(ID_BYTES)
    secret = f"engrams_{id}_{secrets.token_urlsafe(SECRET_BYTES)}"
    made = at.astimezone(UTC).isoformat()
    row = {"name": name.strip(), "sha256": _digest(secret), "rights": dict(checked), "made_at": made}
    store.set_setting(PREFIX + id, json.dumps(row))
    return Key(id, name.strip(), checked, made, secret=secret)


def keys(store: Store) -> list[Key]:
    """Every key that was made, revoked ones too, in the order they were made."""
    found = [_key(name.removeprefix(PREFIX), value) for name, value in store.settings(PREFIX).items()]
    return sorted(found, key=lambda key: key.made_at)


def revoke_key(store: Store, id: str, at: datetime) -> Key:
    """Takes a key's rights away for good.

    Raises:
        NotFound: there is no key of that id.
    """
    value = store.setting(PREFIX + id) if isinstance(id, str) else None
    if value is None:
        raise NotFound(f"there is no key {id!r}; see: engrams keys list")
    row = json.loads(value)
    row.setdefault("revoked_at", at.astimezone(UTC).isoformat())
    store.set_setting(PREFIX + id, json.dumps(row))
    return _key(id, json.dumps(row))


def granted(store: Store, secret: object) -> Grant:
    """What the holder of a key may do.

    Raises:
        Denied: no key of this memory, or a revoked one. Both are said in the same words and take the same way.
    """
    parts = secret.split("_", 2) if isinstance(secret, str) else []
    value = store.setting(PREFIX + parts[1]) if len(parts) == 3 and parts[0] == "engrams" else None
    row: dict[str, Any] = json.loads(value) if value is not None else {"sha256": "0" * 64}
    same = hmac.compare_digest(_digest(str(secret)), row["sha256"])
    if not same or "revoked_at" in row:
        raise Denied("this key opens nothing here: it is no key of this memory, or was revoked")
    return Grant(parts[1], row["name"], tuple(sorted(row["rights"].items())))


def _key(id: str, value: str) -> Key:
    row = json.loads(value)
    return Key(id, row["name"], tuple(sorted(row["rights"].items())), row["made_at"], row.get("revoked_at"))


def _covers(path: str, namespace: str) -> bool:
    if path == EVERYTHING:
        return True
    return namespace == path or (path.endswith("/*") and namespace.startswith(path[:-1]))


def _path(path: object) -> str:
    if path == EVERYTHING:
        return EVERYTHING
    if not isinstance(path, str):
        raise BadSetting("rights", path, "a path such as 'acme', 'acme/*', or '*' for everything")
    return resolve(Scopes(path), writing=False).namespace


def _right(right: object) -> str:
    if right not in RIGHTS:
        raise BadSetting("rights", right, " or ".join(repr(r) for r in RIGHTS))
    return str(right)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()

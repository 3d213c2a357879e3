"""Which key opens an encrypted memory, and how a memory becomes one: at birth, or as an encrypted copy."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import cast

from engrams.errors import Denied, Mismatch, UsageError
from engrams.ports import Commit, Store
from engrams.records import Receipt
from engrams.store.cipher import SETTING, Cipher, make_seal, unwrap, version_of, wrap
from engrams.store.sealed import SealedStore

#: The environment variable with the key or passphrase.
VARIABLE = "ENGRAMS_KEY"
#: Where the key is looked for else, if the package `keyring` is installed: service and account.
KEYRING = ("engrams", "encryption-key")


def user_key() -> str | None:
    """The key in ENGRAMS_KEY, else the one in the system's keyring; None where there is neither."""
    found = os.environ.get(VARIABLE)
    if not found and find_spec("keyring") is not None:
        import keyring  # type: ignore[import-not-found, unused-ignore]

        found = keyring.get_password(*KEYRING)
    return found or None


def sealed(store: Store, key: str | None, actor: str) -> Store:
    """The store as it is read and written: behind a cipher where it is encrypted, or new and to be.

    Raises:
        Denied: it is encrypted, and there is no key or the wrong one.
        Mismatch: there is a key, and the memory already holds texts that are not encrypted.
    """
    seal = store.setting(SETTING)
    if seal is None and key is None:
        return store
    if seal is None and key is not None:
        if store.mark().row or store.namespaces():
            raise Mismatch(
                f"{store.location} is not encrypted, and ENGRAMS_KEY is set; make an encrypted copy with: "
                "engrams encrypt NEW.db"
            )
        seal = _begin(store, key, actor)
    if key is None:
        raise Denied(f"{store.location} is encrypted; put its key into the environment variable {VARIABLE}")
    assert seal is not None
    return cast(Store, SealedStore(store, Cipher(unwrap(seal, key), version_of(seal))))


def rotate(store: Store, old: str | None, new: str) -> None:
    """Encrypts the data key with another key of the user's; texts stay as they are, the old key opens nothing any more.

    Raises:
        UsageError: the memory is not encrypted.
        Denied: the old key is not its key.
    """
    seal = store.setting(SETTING)
    if seal is None:
        raise UsageError(
            f"{store.location} is not encrypted; make an encrypted copy with: engrams encrypt NEW.db"
        )
    if old is None:
        raise Denied(f"{store.location} is encrypted; put its key into the environment variable {VARIABLE}")
    store.set_setting(SETTING, wrap(unwrap(seal, old), new, version_of(seal)))


def _begin(store: Store, key: str, actor: str) -> str:
    """Sets the seal of a new memory; of two who do it at once, the second takes the first one's."""
    made, _ = make_seal(key)
    first = Commit(Receipt("default", ()), actor, "seal", datetime.now(UTC))
    try:
        store.commit(replace(first, settings={SETTING: made}))
    except Mismatch:
        made = store.setting(SETTING) or made
    return made

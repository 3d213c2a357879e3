"""The part of `Memory` that keeps it: erasing to the end, rules, containers, keys, the audit, encryption."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from engrams.errors import BadSetting, UsageError
from engrams.lifecycle import (
    access,
    access_sealing,
    auditing,
    container,
    merging,
    payloads,
    retention,
)
from engrams.lifecycle.access import Key
from engrams.lifecycle.container import Exported
from engrams.lifecycle.learning import Weights, cards
from engrams.lifecycle.merging import Merged
from engrams.lifecycle.opening import House
from engrams.lifecycle.retention import Rule
from engrams.lifecycle.scopes import Scopes, resolve
from engrams.records import Deletion, Engram, Handle, Json, Page, Problem
from engrams.store import open_store
from engrams.store.cipher import new_key
from engrams.store.moving import move


class Keeping:
    """What `Memory` does to keep what it holds."""

    _house: House

    # --- erasing and rules

    def finish_erasing(self) -> bool:
        """Removes what bytes of erased text may be left; True when none are, False while another process reads them."""
        return self._house.store.finish_erasing()

    def retain(
        self,
        namespace: str,
        *,
        max_age_days: float | None = None,
        max_events: int | None = None,
        quota_events: int | None = None,
        quota_bytes: int | None = None,
    ) -> Rule:
        """Sets how long and how much a path (`acme`, `acme/*`) keeps and may hold; without any limit, takes the rule away.

        `max_age_days` and `max_events` are kept whenever `apply_retention` runs; a quota refuses the write that would
        pass it, with `OverBudget`.
        """
        rule = Rule(namespace, max_age_days, max_events, quota_events, quota_bytes)
        return retention.set_rule(self._house, rule)

    def rules(self) -> list[Rule]:
        """Every rule, by path."""
        return retention.rules(self._house)

    def apply_retention(self) -> Deletion:
        """Erases what the rules no longer keep, oldest first; what is pinned stays."""
        return retention.apply(self._house)

    # --- containers

    def export_container(
        self,
        path: str | Path,
        *,
        namespace: str | None = None,
        vectors: bool = True,
        signing_key: bytes | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Exported:
        """Writes everything, or what lies under a path, as one file that `restore_container` brings back exactly.

        `signing_key`: a shared secret (HMAC-SHA256), or an Ed25519 private key in PEM.
        """
        scope = None if namespace is None else resolve(Scopes(namespace), writing=False)
        return container.export(
            self._house, Path(path), scope, vectors=vectors, signing_key=signing_key, progress=progress
        )

    def restore_container(
        self,
        path: str | Path,
        *,
        signing_key: bytes | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Merged:
        """Brings back exactly what a container holds; the whole file is checked before anything is written."""
        self._for_all("restore_container")
        return self._taken(
            merging.restore(self._house, Path(path), signing_key=signing_key, progress=progress)
        )

    def merge_container(
        self,
        path: str | Path,
        *,
        signing_key: bytes | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Merged:
        """Fuses a container into this memory: what both know counts once, what they disagree on is shown and stays ours."""
        self._for_all("merge_container")
        return self._taken(merging.merge(self._house, Path(path), signing_key=signing_key, progress=progress))

    def split_container(
        self, path: str | Path, folder: str | Path, *, signing_key: bytes | None = None
    ) -> list[Exported]:
        """Writes one container for each namespace of a container into a folder."""
        return merging.split(Path(path), Path(folder), signing_key=signing_key)

    def _for_all(self, call: str) -> None:
        """Nothing, unless this memory was opened with a key that may not administer all of it: `Denied`."""
        if self._house.grant is not None:
            self._house.grant.require("admin", access.EVERYTHING, call)

    def _taken(self, merged: Merged) -> Merged:
        self._house.index.forget()
        self._house.counted.clear()
        return merged

    # --- blocks and adapters

    def keep_payload(
        self,
        content: str,
        kind: str,
        chunks: bytes | Iterable[bytes],
        *,
        fingerprint: str,
        sources: Sequence[str],
        media_type: str = "application/octet-stream",
        metadata: Mapping[str, Json] | None = None,
        id: str | None = None,
        namespace: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        session: str | None = None,
    ) -> Handle:
        """Keeps what a model made of a text: a "kv-block" or an "adapter". Not found by words; a context that cites one of
        its sources names it.

        Args:
            content: the text it was made of, so that it can be made again.
            kind: "kv-block" or "adapter".
            chunks: the bytes, at once or in pieces.
            fingerprint: of the model that made it; who takes it to another model must refuse (`Mismatch`).
            sources: ids of the events or engrams it rests on, in this namespace; erased with them.
            media_type: what the bytes are.
            metadata: plain values; "tokens", "layers" and "milliseconds_saved" are what its `Handle` tells as its price.
            id: of one that stands, which then gets a new version; the bytes of the version before go.

        Raises:
            NotFound: no such source or id here.
            OverBudget: a quota of bytes of the namespace would be passed; nothing was kept.
        """
        given = Scopes(namespace, user_id, agent_id, run_id, session)
        return payloads.keep(
            self._house,
            resolve(given, writing=True, default=self._house.namespace),
            content,
            kind,
            chunks,
            fingerprint=fingerprint,
            media_type=media_type,
            sources=sources,
            metadata=metadata,
            id=id,
        )

    def payload(self, id: str) -> bytes:
        """The bytes of a block or adapter, as they were kept.

        Raises:
            NotFound: there is none of that id, or its bytes were dropped.
            Corrupt: they are not what was kept.
        """
        return payloads.read(self._house, id)

    def payloads(
        self,
        kind: str | None = None,
        *,
        fingerprint: str | None = None,
        namespace: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        session: str | None = None,
    ) -> list[Engram]:
        """Blocks and adapters of a scope, oldest first; those whose bytes were dropped have no `payload`."""
        given = Scopes(namespace, user_id, agent_id, run_id, session)
        scope = resolve(given, writing=False, default=self._house.namespace)
        return payloads.listed(self._house, scope, kind, fingerprint)

    def drop_payload(self, id: str) -> bool:
        """Removes the bytes of a block or adapter; its text and sources stay, so that it can be made again. False: none left.

        To have it forgotten altogether, erase its sources; to have it no longer offered, `delete` it.
        """
        return payloads.drop(self._house, id)

    # --- what a model learns

    def weights(
        self,
        model: object,
        *,
        tokenizer: object = None,
        method: object = "session-lora",
        reserve: Sequence[Mapping[str, Json]] = (),
        limits: Mapping[str, float | None] | None = None,
        seed: int = 0,
        namespace: str | None = None,
        user_id: str | None = None,
    ) -> Weights:
        """What a model learnt of a namespace, with the adapters that are kept here put on: `write`, `sessions`, `check`, `forget`,
        `ask`.

        Args:
            model: a folder with a causal language model as transformers saves it, or such a model; then with its `tokenizer`.
            method: how sessions become weights, by name (see `Memory.methods`) or as a value.
            reserve: lessons and texts (`{"text": …}`) that must not change, for replay and for judging.
            limits: what a write must reach: reliability, generality, locality, earlier (leasts, 0..1), drift (a most); None: any.
            seed: what is drawn while learning is drawn from it.

        Raises:
            NeedsExtra: the extra `torch` is not installed.
            UnknownName: no such method.
            Mismatch: what is kept here was learnt by the same model and method with other settings.
        """
        scope = resolve(Scopes(namespace, user_id), writing=True, default=self._house.namespace)
        return Weights(
            self,
            model,
            tokenizer=tokenizer,
            method=method,
            reserve=reserve,
            limits=limits,
            seed=seed,
            namespace=scope.namespace,
        )

    @staticmethod
    def methods() -> list[Mapping[str, Json]]:
        """The methods of parametric memory, a card each: name, paper, formula, how ours differs, parameters.

        Raises:
            NeedsExtra: the extra `torch` is not installed.
        """
        return cards()

    # --- the audit and keys

    def audit(self, *, limit: int = 100, cursor: str | None = None) -> Page[Mapping[str, Json]]:
        """One page of who did what when, oldest first: seq, at, actor, action, namespace, ids, note, digest; never any text."""
        return auditing.page(self._house, limit, cursor)

    def verify_audit(self, head: str | None = None) -> list[Problem]:
        """Where the audit was altered, the first place first; empty where it is as it was written.

        `head`, "SEQ:DIGEST" of any row that was kept elsewhere, shows also what the file alone cannot: that the whole audit
        was written anew, or cut off.
        """
        return auditing.broken(self._house, head)

    def create_key(self, name: str, rights: Mapping[str, str]) -> Key:
        """Makes a key with rights ("read", "write", "admin") on paths, such as `{"acme/*": "write"}`, or "*" for everything.

        Its `secret` is shown once; `Memory.open(key=secret)` then does what the rights allow, and raises `Denied` else.
        """
        return access.create_key(self._house.store, name, rights, self._house.clock.now())

    def list_keys(self) -> list[Key]:
        """Every key, without its secret; revoked ones too."""
        return access.keys(self._house.store)

    def revoke_key(self, id: str) -> Key:
        """Takes a key's rights away for good; memories that are open with it keep them until they are closed."""
        return access.revoke_key(self._house.store, id, self._house.clock.now())

    # --- encryption

    def encrypted_copy(
        self, path: str | Path, key: str, *, progress: Callable[[int, int], None] | None = None
    ) -> datetime:
        """Writes the whole memory into a new file whose texts are encrypted with a key or passphrase.

        Returns when it was made. Open it with the key in ENGRAMS_KEY, then remove the original and its backups.

        Raises:
            UsageError: something lies at the path.
        """
        self._for_all("encrypted_copy")
        target = Path(path)
        if target.exists():
            raise UsageError(f"{target} is there already; give the path of a new file")
        store = access_sealing.sealed(open_store(target), key, self._house.actor)
        try:
            move(cast(Any, self._house.store), cast(Any, store), progress)
            merging.looked_alike(self._house.store, store, [self._house.recipe.writer])
        finally:
            store.close()
        return self._house.clock.now()

    def change_key(self, new: str) -> None:
        """Makes another key the one that opens this encrypted memory; texts stay as they are."""
        if not isinstance(new, str) or not new:
            raise BadSetting("key", "(hidden)", "a new key or passphrase")
        access_sealing.rotate(self._house.store, access_sealing.user_key(), new)


def new_encryption_key() -> str:
    """A fresh key for an encrypted memory: 256 random bits, as text. Keep it safe: without it nothing can be read."""
    return new_key()

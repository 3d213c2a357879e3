"""Commands that keep a memory in order: audit, keys, retention, encrypt, merge, split."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engrams.errors import BadSetting, NotFound, StoreError, Unavailable, UsageError, outcome
from engrams.serve.cli.call import Call, command
from engrams.serve.cli.commands import Group
from engrams.serve.cli.output import counted, shown_path
from engrams.serve.cli.writing import incoming

if TYPE_CHECKING:
    from engrams.memory import Memory
    from engrams.records import Deletion

BROKEN = outcome(StoreError).exit_code  # what `audit verify` exits with when the chain is broken
PAGE = 1_000  # rows of the audit that are read at a time


# --- the audit


@command
def show(call: Call, /) -> None:
    """The audit, oldest first: number, time, actor, action, namespace, what it was about. Never any text."""
    with call.memory() as memory:
        cursor: str | None = None
        while True:
            page = memory.audit(limit=PAGE, cursor=cursor)
            for row in page:
                if call.out.as_json:
                    call.out.json_line(row)
                else:
                    call.out.columns(*(row[k] for k in ("seq", "at", "actor", "action", "namespace", "note")))
            cursor = page.next
            if cursor is None:
                return


@command
@click.option("--head", metavar="SEQ:DIGEST", help="Number and digest of a row that you kept elsewhere.")
def verify(call: Call, /, head: str | None) -> None:
    """Check that no row of the audit was altered, removed or added; exits with 4 and names the first one that was."""
    with call.memory() as memory:
        found = memory.verify_audit(head)
        where = memory.location
    if call.out.as_json:
        call.out.json({"location": where, "whole": not found, "problems": found})
    else:
        for problem in found:
            call.out.columns(problem.what, problem.mend)
        if not found:
            call.out.note(f"The audit of {shown_path(where)} is whole.")
    if found:
        raise click.exceptions.Exit(BROKEN)


# --- keys


@command
@click.argument("name")
@click.option(
    "--right",
    "rights",
    multiple=True,
    required=True,
    metavar="RIGHT:PATH",
    help="read, write or admin, and a namespace: read:acme/*, admin:*. Repeat for more.",
)
def create(call: Call, /, name: str, rights: tuple[str, ...]) -> None:
    """Make a key. It is printed once and kept as a digest only."""
    wanted: dict[str, str] = {}
    for each in rights:
        right, separator, path = each.partition(":")
        if not separator or not path:
            raise BadSetting("--right", each, "a right and a path, such as write:acme/*", "command line")
        wanted[path] = right
    with call.memory(make=True) as memory:
        key = memory.create_key(name, wanted)
    if call.out.as_json:
        call.out.json(key)
        return
    call.out.line(str(key.secret))
    call.out.note(f"Key {key.id} for {key.name}. Keep it now: it cannot be shown again.")


@command
def list_(call: Call, /) -> None:
    """Every key: id, name, rights, when it was made and revoked. Never the key itself."""
    with call.memory() as memory:
        found = memory.list_keys()
    if call.out.as_json:
        call.out.json(found)
        return
    rows = [
        (k.id, k.name, " ".join(f"{right}:{path}" for path, right in k.rights), k.made_at, k.revoked_at or "")
        for k in found
    ]
    call.out.table(("id", "name", "rights", "made", "revoked"), rows)


@command
@click.argument("id")
def revoke(call: Call, /, id: str) -> None:
    """Take a key's rights away for good."""
    with call.memory() as memory:
        key = memory.revoke_key(id)
    if call.out.as_json:
        call.out.json(key)
        return
    call.out.note(f"Key {key.id} ({key.name}) opens nothing any more.")


# --- retention


@command
@click.argument("path")
@click.option("--max-age-days", type=float, metavar="DAYS", help="Erase what was recorded longer ago.")
@click.option("--max-events", type=int, metavar="N", help="Keep this many messages; the oldest go.")
@click.option("--quota-events", type=int, metavar="N", help="Refuse writes beyond this many messages.")
@click.option("--quota-bytes", type=int, metavar="N", help="Refuse writes beyond this many bytes of text.")
def set_(
    call: Call,
    /,
    path: str,
    max_age_days: float | None,
    max_events: int | None,
    quota_events: int | None,
    quota_bytes: int | None,
) -> None:
    """Set the rule of a PATH such as acme or 'acme/*', in place of the one before; without options, take it away."""
    with call.memory() as memory:
        rule = memory.retain(
            path,
            max_age_days=max_age_days,
            max_events=max_events,
            quota_events=quota_events,
            quota_bytes=quota_bytes,
        )
    if call.out.as_json:
        call.out.json(rule)
        return
    call.out.note(
        f"No rule for {path} any more." if rule.is_empty else "Kept; apply it with: engrams retention apply"
    )


@command
def rules(call: Call, /) -> None:
    """Every rule, by path."""
    with call.memory() as memory:
        found = memory.rules()
    if call.out.as_json:
        call.out.json(found)
        return
    headings = ("path", "days", "messages", "quota", "quota bytes")
    rows = [(r.namespace, r.max_age_days, r.max_events, r.quota_events, r.quota_bytes) for r in found]
    call.out.table(headings, rows, right=headings[1:])


@command
def apply(call: Call, /) -> None:
    """Erase what the rules no longer keep. What is pinned stays. Run it as often as you like, from cron for one."""
    with call.memory() as memory:
        done = memory.apply_retention()
    _erased(call, done)


def _erased(call: Call, done: Deletion) -> None:
    if call.out.as_json:
        call.out.json(done)
        return
    call.out.receipt(len(done.events), len(done.engrams), done.state)
    call.out.note(f"Erased {counted(len(done.events), 'event')}, {counted(len(done.engrams), 'engram')}.")
    if done.state == "pending":
        call.out.note(PENDING)


#: What is said where bytes of an erase may be left.
PENDING = (
    "Nobody can read them any more, but bytes of them may still lie in the file: another program was reading, or the file "
    "is large. The next program that opens it finishes that, or: engrams vacuum"
)


# --- encryption


@command
@click.argument("path", required=False)
@click.option("--new-key", is_flag=True, help="Print a fresh key and do nothing else.")
@click.option(
    "--rotate",
    metavar="VARIABLE",
    help="Make the key in this environment variable the one that opens the memory (ENGRAMS_KEY has the old one).",
)
def encrypt(call: Call, /, path: str | None, new_key: bool, rotate: str | None) -> None:
    """Write an encrypted copy of the memory to PATH, with the key or passphrase in ENGRAMS_KEY_NEW.

    Open the copy with the key in ENGRAMS_KEY, then remove the original and its backups yourself.
    """
    if new_key:
        from engrams.memory import new_encryption_key

        call.out.line(new_encryption_key())
        return
    variable = rotate or "ENGRAMS_KEY_NEW"
    key = os.environ.get(variable)
    if not key:
        raise UsageError(
            f"put the new key or passphrase into the environment variable {variable}; engrams encrypt --new-key makes one"
        )
    if rotate is not None:
        with call.memory() as memory:
            memory.change_key(key)
        call.out.note(f"The key in {rotate} opens this memory now, the one before does not.")
        return
    if path is None:
        raise UsageError("say where the encrypted copy goes, as in: engrams encrypt encrypted.db")
    with call.memory() as memory, call.out.progress("Encrypting") as progress:
        memory.encrypted_copy(path, key, progress=progress)
    if call.out.as_json:
        call.out.json({"path": path})
        return
    call.out.receipt(path)
    call.out.note(
        f"Encrypted into {shown_path(path)}; open it with the key in ENGRAMS_KEY, then remove the original."
    )


# --- containers


@command
@click.argument("path")
@click.option(
    "--signing-key", metavar="FILE", help="Check the signature: the shared secret, or the public key."
)
def merge(call: Call, /, path: str, signing_key: str | None) -> None:
    """Fuse a container into this memory: what both know counts once, what they disagree on is shown and stays ours."""
    with incoming(path) as source, call.memory(make=True) as memory:
        take_in(call, memory, source, fuse=True, signing_key=signing_key)


@command
@click.argument("path")
@click.argument("folder")
@click.option(
    "--signing-key", metavar="FILE", help="Check the signature: the shared secret, or the public key."
)
def split(call: Call, /, path: str, folder: str, signing_key: str | None) -> None:
    """Write one container for each namespace of the container PATH into FOLDER."""
    from engrams.memory import Memory

    with incoming(path) as source, Memory.open(":memory:", actor="cli") as memory:
        parts = memory.split_container(source, folder, signing_key=key_in(signing_key))
    if call.out.as_json:
        call.out.json(parts)
        return
    rows = [(p.namespaces[0], p.events, p.versions, p.path) for p in parts]
    call.out.table(("namespace", "events", "versions", "file"), rows, right=("events", "versions"))


def take_in(call: Call, memory: Memory, source: Path, *, fuse: bool, signing_key: str | None) -> None:
    """Restores or merges a container and says what came of it."""
    with call.out.progress("Merging" if fuse else "Restoring") as progress:
        take = memory.merge_container if fuse else memory.restore_container
        merged = take(source, signing_key=key_in(signing_key), progress=progress)
    if call.out.as_json:
        call.out.json(merged)
        return
    call.out.receipt(merged.events, merged.versions, merged.links)
    for each in merged.conflicts:
        call.out.columns("conflict", each.kind, each.id, each.ours, each.theirs)
    call.out.note(
        f"{counted(merged.events, 'event')} and {counted(merged.versions, 'version')} taken in, "
        f"{merged.repeated} here before, {merged.alike} here under another id, {merged.erased} erased here, "
        f"{counted(len(merged.conflicts) + merged.more_conflicts, 'conflict')} (ours kept)."
    )


def key_in(file: str | None) -> bytes | None:
    """The key in a file: PEM as it is, a shared secret without the blanks around it.

    Raises:
        NotFound, Unavailable: no such file, or one that cannot be read.
        BadSetting: an empty file.
    """
    if file is None:
        return None
    try:
        found = Path(file).read_bytes().strip()
    except FileNotFoundError as cause:
        raise NotFound(f"there is no file {file}; give the file of the signing key") from cause
    except OSError as cause:
        raise Unavailable(f"{file} cannot be read: {cause.strerror or cause}") from cause
    if not found:
        raise BadSetting("--signing-key", file, "a file with a key in it", "command line")
    return found


audit = Group(
    name="audit",
    commands=[show, verify],
    help="Who did what when: every write, sealed by a chain of digests.",
)
keys = Group(
    name="keys",
    commands=[create, list_, revoke],
    help="Keys with rights on namespaces, for the doors that others come through.",
)
retention = Group(
    name="retention",
    commands=[set_, rules, apply],
    help="How long and how much a namespace keeps, and may hold.",
)

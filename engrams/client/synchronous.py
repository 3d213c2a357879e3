"""The client for threads: every call of `Memory`, asked of a server.

Made from memory.py by scripts/make_client.py; change that, not this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engrams.client.speaking import Speaking

if TYPE_CHECKING:
    from engrams.memory import (
        Compared,
        Consolidated,
        Day,
        Estimate,
        Imported,
        Key,
        Marks,
        Neighbourhood,
        Rebuilt,
        Recipe,
        Rule,
        Spending,
        Timeline,
    )
    from engrams.records import (
        Context,
        Deletion,
        Engram,
        Event,
        Hit,
        Job,
        JobState,
        Json,
        Page,
        Problem,
        Receipt,
        Revision,
        Stats,
    )

Moment = datetime | date | str | float


class Client(Speaking):
    """`Memory` behind a REST server: the same calls, arguments, records and errors. Open: `Client(url, key=…)`."""

    def add(
        self,
        messages: object,
        *,
        namespace: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        session: str | None = None,
        occurred_at: Moment | None = None,
        metadata: Mapping[str, Json] | None = None,
        idempotency_key: str | None = None,
    ) -> Receipt:
        """Journals what was said and derives from it; on disk when it returns.

        Args:
            messages: a text, one message, or a list of messages in the OpenAI form (`role`, `content` as text or
                parts, optional `name`, `timestamp`, `metadata`).
            occurred_at: when it happened, where a message does not say; None: now.
            metadata: kept with every message; a message's own keys win.
            idempotency_key: a repeated call with the same key writes nothing and returns the first receipt.

        Raises:
            UsageError: something in the arguments; says what and where. Nothing was written.
            StoreError: it could not be kept. Nothing was written.
        """
        found: Receipt = self._asked(
            "add",
            {
                "messages": messages,
                "namespace": namespace,
                "user_id": user_id,
                "agent_id": agent_id,
                "run_id": run_id,
                "session": session,
                "occurred_at": occurred_at,
                "metadata": metadata,
                "idempotency_key": idempotency_key,
            },
        )
        return found

    def add_many(
        self,
        messages: Iterable[object],
        *,
        namespace: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        session: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Bulk load of messages in any form `add` takes one by one; a thousand per transaction. Returns how many.

        What was acknowledged through `progress` is on disk, also when a later message is refused.
        """
        found: int = self._asked_in_batches(
            messages,
            {
                "namespace": namespace,
                "user_id": user_id,
                "agent_id": agent_id,
                "run_id": run_id,
                "session": session,
                "progress": progress,
            },
        )
        return found

    def import_file(
        self,
        path: str | Path,
        *,
        format: str | None = None,
        namespace: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        session: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Imported:
        """Imports a file of any known form, told apart by content; what was imported before is left out."""
        found: Imported = self._sent(
            "import_file",
            path,
            {
                "name": Path(path).name,
                "format": format,
                "namespace": namespace,
                "user_id": user_id,
                "agent_id": agent_id,
                "run_id": run_id,
                "session": session,
                "progress": progress,
            },
        )
        return found

    def search(
        self,
        query: str,
        *,
        k: int = 10,
        namespace: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        session: str | None = None,
        filters: Mapping[str, Json] | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        as_of: Moment | None = None,
        valid_at: Moment | None = None,
        asked_at: Moment | None = None,
        as_of_by: Literal["recorded", "occurred"] = "recorded",
        explain: bool = False,
    ) -> list[Hit]:
        """The `k` best answers (1 to 10,000), best first, one per event.

        Args:
            filters: `{"field": value}` or `{"field": {"eq|ne|gt|gte|lt|lte|in|contains": …}}`, joined by AND, OR, NOT,
                over metadata, role, speaker, session, kind and times.
            asked_at: when the question is asked, for "yesterday" and the like; None: now.
            as_of_by: whether `as_of` asks when we learnt it or, for replays of imports, when it happened.
            explain: each hit's `signals` hold every signal's share of its score.
        """
        found: list[Hit] = self._asked(
            "search",
            {
                "query": query,
                "k": k,
                "namespace": namespace,
                "user_id": user_id,
                "agent_id": agent_id,
                "run_id": run_id,
                "session": session,
                "filters": filters,
                "since": since,
                "until": until,
                "as_of": as_of,
                "valid_at": valid_at,
                "asked_at": asked_at,
                "as_of_by": as_of_by,
                "explain": explain,
            },
        )
        return found

    def context(
        self,
        query: str,
        *,
        budget: int | None = None,
        k: int | None = None,
        namespace: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        session: str | None = None,
        filters: Mapping[str, Json] | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        as_of: Moment | None = None,
        valid_at: Moment | None = None,
        asked_at: Moment | None = None,
        as_of_by: Literal["recorded", "occurred"] = "recorded",
        explain: bool = False,
    ) -> Context:
        """What an agent should be given for a question: text within `budget` tokens (default 2000), cited and priced.

        `k` bounds how many hits may go in; None: as many as the recipe looks at.
        """
        found: Context = self._asked(
            "context",
            {
                "query": query,
                "budget": budget,
                "k": k,
                "namespace": namespace,
                "user_id": user_id,
                "agent_id": agent_id,
                "run_id": run_id,
                "session": session,
                "filters": filters,
                "since": since,
                "until": until,
                "as_of": as_of,
                "valid_at": valid_at,
                "asked_at": asked_at,
                "as_of_by": as_of_by,
                "explain": explain,
            },
        )
        return found

    def explain(self, query: str, *, budget: int | None = None, **scopes_and_times: object) -> Context:
        """A context whose hits carry every signal's share and whose trace shows each step; takes what `context` takes."""
        found: Context = self._asked("explain", {"query": query, "budget": budget, **scopes_and_times})
        return found

    def feedback(
        self,
        query: str,
        *,
        cited: Marks = (),
        chosen: Marks = (),
        wrong: Marks = (),
        k: int = 10,
        namespace: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        session: str | None = None,
        asked_at: Moment | None = None,
    ) -> Receipt:
        """Tells what a question's hits were worth; the namespace's later searches weigh their signals by it.

        `cited`, `chosen` (good) and `wrong` take hits, or ids of hits, engrams or events; `k` hits were shown.
        """
        found: Receipt = self._asked(
            "feedback",
            {
                "query": query,
                "cited": cited,
                "chosen": chosen,
                "wrong": wrong,
                "k": k,
                "namespace": namespace,
                "user_id": user_id,
                "agent_id": agent_id,
                "run_id": run_id,
                "session": session,
                "asked_at": asked_at,
            },
        )
        return found

    def get(self, id: str) -> Event | Engram:
        """An event (with its corrections applied) or an engram (its current version).

        Raises:
            NotFound: nothing here has that id.
        """
        found: Event | Engram = self._asked("get", {"id": id})
        return found

    def get_all(
        self,
        *,
        namespace: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        session: str | None = None,
        filters: Mapping[str, Json] | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        as_of: Moment | None = None,
        valid_at: Moment | None = None,
        as_of_by: Literal["recorded", "occurred"] = "recorded",
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[Engram]:
        """One page (1 to 10,000) of what a scope remembers, in the order it was recorded; `page.next` is the next cursor."""
        found: Page[Engram] = self._asked(
            "get_all",
            {
                "namespace": namespace,
                "user_id": user_id,
                "agent_id": agent_id,
                "run_id": run_id,
                "session": session,
                "filters": filters,
                "since": since,
                "until": until,
                "as_of": as_of,
                "valid_at": valid_at,
                "as_of_by": as_of_by,
                "limit": limit,
                "cursor": cursor,
            },
        )
        return found

    def log(
        self,
        *,
        namespace: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        session: str | None = None,
        filters: Mapping[str, Json] | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        limit: int = 100,
        cursor: str | None = None,
        newest_first: bool = False,
    ) -> Page[Event]:
        """One page of the journal: everything that was written, corrections and pins included."""
        found: Page[Event] = self._asked(
            "log",
            {
                "namespace": namespace,
                "user_id": user_id,
                "agent_id": agent_id,
                "run_id": run_id,
                "session": session,
                "filters": filters,
                "since": since,
                "until": until,
                "limit": limit,
                "cursor": cursor,
                "newest_first": newest_first,
            },
        )
        return found

    def update(
        self,
        id: str,
        content: str | None = None,
        *,
        metadata: Mapping[str, Json] | None = None,
        reason: str = "",
    ) -> Receipt:
        """Corrects an event or engram: a new version, the old one in `history`. `metadata`, where given, replaces the old.

        Correcting an event corrects what was derived from it; every rebuild honours it.
        """
        found: Receipt = self._asked(
            "update", {"id": id, "content": content, "metadata": metadata, "reason": reason}
        )
        return found

    def delete(self, id: str, *, reason: str = "") -> Deletion:
        """Erases an event with all that rests on it; rejects an engram, which then is never recalled again."""
        found: Deletion = self._asked("delete", {"id": id, "reason": reason})
        return found

    def delete_all(
        self,
        *,
        namespace: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        session: str | None = None,
        reason: str = "",
    ) -> Deletion:
        """Erases every event of a scope and all that only these support."""
        found: Deletion = self._asked(
            "delete_all",
            {
                "namespace": namespace,
                "user_id": user_id,
                "agent_id": agent_id,
                "run_id": run_id,
                "session": session,
                "reason": reason,
            },
        )
        return found

    def history(self, id: str) -> list[Revision]:
        """Every version of an engram, or of all engrams of an event: what, who, why, when; oldest first."""
        found: list[Revision] = self._asked("history", {"id": id})
        return found

    def pin(self, id: str) -> Receipt:
        """Never forget this engram, or what was derived from this event."""
        found: Receipt = self._asked("pin", {"id": id})
        return found

    def unpin(self, id: str) -> Receipt:
        """Takes a pin back."""
        found: Receipt = self._asked("unpin", {"id": id})
        return found

    def undo(self, id: str, *, reason: str = "") -> Receipt:
        """Takes back the last change of an engram, or of what was derived from an event; undoing the undo brings it back."""
        found: Receipt = self._asked("undo", {"id": id, "reason": reason})
        return found

    def rebuild(
        self, recipe: str | Recipe | None = None, *, progress: Callable[[int, int], None] | None = None
    ) -> Rebuilt:
        """Derives anew from the journal with a recipe (None: the open one), which this memory then opens with.

        Readers see what stood before until all is derived. Cut off, it leaves the memory as it was, and goes on where it
        stopped when it is called again. What people corrected, rejected, pinned or undid holds as before.
        """
        found: Rebuilt = self._asked("rebuild", {"recipe": recipe, "progress": progress})
        return found

    def compare(
        self,
        query: str,
        recipes: Sequence[str | Recipe],
        *,
        budget: int | None = None,
        k: int | None = None,
        namespace: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        session: str | None = None,
    ) -> list[Compared]:
        """What each recipe makes of one question over this journal: context, tokens, milliseconds.

        A recipe that stands in this memory is read; another is derived for this question alone, in memory.
        """
        found: list[Compared] = self._asked(
            "compare",
            {
                "query": query,
                "recipes": recipes,
                "budget": budget,
                "k": k,
                "namespace": namespace,
                "user_id": user_id,
                "agent_id": agent_id,
                "run_id": run_id,
                "session": session,
            },
        )
        return found

    def consolidate(self, *, namespace: str | None = None, user_id: str | None = None) -> Consolidated:
        """Runs the recipe's consolidate chain over one namespace.

        Raises:
            UsageError: the recipe has none.
        """
        found: Consolidated = self._asked("consolidate", {"namespace": namespace, "user_id": user_id})
        return found

    def schedule(
        self,
        kind: str,
        *,
        recipe: str | Recipe | None = None,
        namespace: str | None = None,
        user_id: str | None = None,
    ) -> str | None:
        """Puts "consolidate" (of one namespace), "rebuild", "reembed" or "catch-up" among the jobs; its id.

        None where the same waits already.
        """
        found: str | None = self._asked(
            "schedule", {"kind": kind, "recipe": recipe, "namespace": namespace, "user_id": user_id}
        )
        return found

    def jobs(self, *states: JobState) -> list[Job]:
        """Jobs that wait, run or were given up ("waiting", "running", "dead"; without a state, all), oldest first."""
        found: list[Job] = self._asked("jobs", {"states": states})
        return found

    def retry_job(self, id: str) -> None:
        """Makes a job that was given up, or waits, due now."""
        self._asked("retry_job", {"id": id})

    def drop_job(self, id: str) -> None:
        """Removes a job; what it would have derived stays out until a rebuild."""
        self._asked("drop_job", {"id": id})

    def stats(
        self,
        *,
        namespace: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        session: str | None = None,
    ) -> Stats:
        """Counts inside a scope; of the whole store where no scope is given."""
        found: Stats = self._asked(
            "stats",
            {
                "namespace": namespace,
                "user_id": user_id,
                "agent_id": agent_id,
                "run_id": run_id,
                "session": session,
            },
        )
        return found

    def around(self, id: str, *, most: int = 60) -> Neighbourhood:
        """What lies around an engram or event: sources, links, names, what was said before and after; at most `most` nodes."""
        found: Neighbourhood = self._asked("around", {"id": id, "most": most})
        return found

    def timeline(
        self,
        *,
        namespace: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        session: str | None = None,
        filters: Mapping[str, Json] | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        as_of: Moment | None = None,
        valid_at: Moment | None = None,
        as_of_by: Literal["recorded", "occurred"] = "recorded",
        parts: int = 60,
    ) -> Timeline:
        """How many memories happened when, in at most `parts` (1 to 1,000) equal steps of time."""
        found: Timeline = self._asked(
            "timeline",
            {
                "namespace": namespace,
                "user_id": user_id,
                "agent_id": agent_id,
                "run_id": run_id,
                "session": session,
                "filters": filters,
                "since": since,
                "until": until,
                "as_of": as_of,
                "valid_at": valid_at,
                "as_of_by": as_of_by,
                "parts": parts,
            },
        )
        return found

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, as contexts count them."""
        found: list[int] = self._asked("count_tokens", {"texts": texts})
        return found

    def spent(self, *, days: int = 30) -> list[Day]:
        """What jobs cost on each of the last `days` (UTC), the latest first; days without any are left out."""
        found: list[Day] = self._asked("spent", {"days": days})
        return found

    def costs(self, *, days: int = 30) -> list[Spending]:
        """What language models took in the last `days` (UTC, 1 to 36,500): a line per day, namespace, operation and model.

        Money is None where no price is set for the model. A holder of a key sees the namespaces that it may read.
        """
        found: list[Spending] = self._asked("costs", {"days": days})
        return found

    def estimate(self, recipe: str | Recipe | None = None) -> Estimate:
        """What the waiting jobs would take of language models or, with a recipe, deriving anew with it; asks no model."""
        found: Estimate = self._asked("estimate", {"recipe": recipe})
        return found

    def namespaces(self) -> list[str]:
        """The namespaces in which something lies."""
        found: list[str] = self._asked("namespaces", {})
        return found

    def check(self) -> list[Problem]:
        """What is wrong with the store and what mends it; empty when all is well."""
        found: list[Problem] = self._asked("check", {})
        return found

    def export(
        self,
        path: str | Path,
        *,
        namespace: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        session: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Writes the journal (of a scope, else of the whole store) as versioned JSON lines; returns how many events."""
        found: int = self._taken(
            path,
            {
                "namespace": namespace,
                "user_id": user_id,
                "agent_id": agent_id,
                "run_id": run_id,
                "session": session,
                "progress": progress,
            },
        )
        return found

    def restore(self, path: str | Path, *, progress: Callable[[int, int], None] | None = None) -> int:
        """Brings back what `export` wrote; what is here already stays. Returns how many events came back."""
        found: int = self._sent("restore", path, {"progress": progress})
        return found

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
        found: Rule = self._asked(
            "retain",
            {
                "namespace": namespace,
                "max_age_days": max_age_days,
                "max_events": max_events,
                "quota_events": quota_events,
                "quota_bytes": quota_bytes,
            },
        )
        return found

    def rules(self) -> list[Rule]:
        """Every rule, by path."""
        found: list[Rule] = self._asked("rules", {})
        return found

    def apply_retention(self) -> Deletion:
        """Erases what the rules no longer keep, oldest first; what is pinned stays."""
        found: Deletion = self._asked("apply_retention", {})
        return found

    def audit(self, *, limit: int = 100, cursor: str | None = None) -> Page[Mapping[str, Json]]:
        """One page of who did what when, oldest first: seq, at, actor, action, namespace, ids, note, digest; never any text."""
        found: Page[Mapping[str, Json]] = self._asked("audit", {"limit": limit, "cursor": cursor})
        return found

    def verify_audit(self, head: str | None = None) -> list[Problem]:
        """Where the audit was altered, the first place first; empty where it is as it was written.

        `head`, "SEQ:DIGEST" of any row that was kept elsewhere, shows also what the file alone cannot: that the whole audit
        was written anew, or cut off.
        """
        found: list[Problem] = self._asked("verify_audit", {"head": head})
        return found

    def create_key(self, name: str, rights: Mapping[str, str]) -> Key:
        """Makes a key with rights ("read", "write", "admin") on paths, such as `{"acme/*": "write"}`, or "*" for everything.

        Its `secret` is shown once; `Memory.open(key=secret)` then does what the rights allow, and raises `Denied` else.
        """
        found: Key = self._asked("create_key", {"name": name, "rights": rights})
        return found

    def list_keys(self) -> list[Key]:
        """Every key, without its secret; revoked ones too."""
        found: list[Key] = self._asked("list_keys", {})
        return found

    def revoke_key(self, id: str) -> Key:
        """Takes a key's rights away for good; memories that are open with it keep them until they are closed."""
        found: Key = self._asked("revoke_key", {"id": id})
        return found

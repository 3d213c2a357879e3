"""The front door for asyncio: every call of `Memory`, run in a worker thread; can be awaited and cancelled.

A cancelled call returns at once; a write that had already begun still ends whole or not at all, as always.
Made from memory.py by scripts/make_async.py; change that, not this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal

from engrams.lifecycle.access import Key
from engrams.lifecycle.comparing import Compared
from engrams.lifecycle.consolidating import Consolidated
from engrams.lifecycle.container import Exported
from engrams.lifecycle.feedback import Marks
from engrams.lifecycle.importing import Imported
from engrams.lifecycle.jobs import Worked
from engrams.lifecycle.learning import Weights
from engrams.lifecycle.looking import Day, Neighbourhood, Timeline
from engrams.lifecycle.merging import Merged
from engrams.lifecycle.rebuilding import Rebuilt
from engrams.lifecycle.retention import Rule
from engrams.lifecycle.spending import Estimate
from engrams.memory import Memory
from engrams.ports import ChatModel, Clock, Spending, Tokenizer
from engrams.recipe import Recipe
from engrams.records import (
    Context,
    Deletion,
    Engram,
    Event,
    Handle,
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


class AsyncMemory:
    """`Memory` for asyncio: the same calls with the same arguments, awaited. Open it with `await AsyncMemory.open(path)`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    @classmethod
    async def open(
        cls,
        path_or_url: str | Path | None = None,
        recipe: str | Recipe | None = None,
        *,
        embedder: object = None,
        tokenizer: Tokenizer | Callable[[str], int] | None = None,
        clock: Clock | None = None,
        actor: str = "library",
        wait: float = 30.0,
        background: bool = False,
        key: str | None = None,
        model: object = None,
        models: str | Mapping[str, str] | None = None,
    ) -> AsyncMemory:
        """Opens a memory, made where it is not there.

        Args:
            path_or_url: a file; ":memory:" for one that dies with the process; None: what settings say, else
                `memory.db` in the user's data folder.
            recipe: the memory system to run, by name or as a value; None: the one it was rebuilt
                with last, else what settings say, else "engrams".
            embedder: turns texts into vectors: "auto" (all-MiniLM-L6-v2 where the extra `embed` is installed, else none),
                "none", "minilm", "openai:<model>@<url>" (key in ENGRAMS_EMBEDDER_KEY), an `Embedder`, a model of
                sentence-transformers, a function from texts to rows; None: what settings say, else "auto".
            tokenizer: counts tokens of contexts; None: the shipped word pieces, an estimate.
            clock: tells the time of recording.
            actor: who acts, as the audit log shows it.
            wait: seconds to wait for another process that writes, 0 or more.
            key: an API key (see `create_key`): this memory then does what the key's rights allow, and raises `Denied` else.
            background: work through jobs in a thread of this process, as long as the memory is open.
            model: the language model: "openai:<model>", "openai:<model>@<url>" (any server that speaks OpenAI's protocol),
                "anthropic:<model>", "record:<file>+<model>", "replay:<file>", "none", a `ChatModel`, or a function from a
                request to a text or an object; None: what settings say, else none. Keys come from the environment.
            models: others for single operations, `{"reflect": "anthropic:<model>"}`; or "none": no language model at all,
                and recipes in the form that does without (the card says what is replaced); None: what settings say.

        Raises:
            StoreError: it cannot be opened; says why and what to do.
            UnknownName: no recipe or embedder of that name.
            NeedsExtra: the recipe, embedder or model needs a part that is not installed.
            CannotJoin: the recipe needs a language model, and none is there; or with `models="none"` has no form without.
        """
        return cls(
            await asyncio.to_thread(
                Memory.open,
                path_or_url,
                recipe,
                embedder=embedder,
                tokenizer=tokenizer,
                clock=clock,
                actor=actor,
                wait=wait,
                background=background,
                key=key,
                model=model,
                models=models,
            )
        )

    async def held_by(self, key: str) -> AsyncMemory:
        """This memory as the holder of an API key may use it; both share store and index, and closing it closes nothing.

        A server opens the memory once and answers every request through the view of the key that came with it.

        Raises:
            Denied: no such key, or it was revoked.
            UsageError: this memory was itself opened with a key.
        """
        return AsyncMemory(await asyncio.to_thread(self._memory.held_by, key))

    async def add(
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
        return await asyncio.to_thread(
            self._memory.add,
            messages,
            namespace=namespace,
            user_id=user_id,
            agent_id=agent_id,
            run_id=run_id,
            session=session,
            occurred_at=occurred_at,
            metadata=metadata,
            idempotency_key=idempotency_key,
        )

    async def add_many(
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
        return await asyncio.to_thread(
            self._memory.add_many,
            messages,
            namespace=namespace,
            user_id=user_id,
            agent_id=agent_id,
            run_id=run_id,
            session=session,
            progress=progress,
        )

    async def import_file(
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
        return await asyncio.to_thread(
            self._memory.import_file,
            path,
            format=format,
            namespace=namespace,
            user_id=user_id,
            agent_id=agent_id,
            run_id=run_id,
            session=session,
            progress=progress,
        )

    async def search(
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
        return await asyncio.to_thread(
            self._memory.search,
            query,
            k=k,
            namespace=namespace,
            user_id=user_id,
            agent_id=agent_id,
            run_id=run_id,
            session=session,
            filters=filters,
            since=since,
            until=until,
            as_of=as_of,
            valid_at=valid_at,
            asked_at=asked_at,
            as_of_by=as_of_by,
            explain=explain,
        )

    async def context(
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
        return await asyncio.to_thread(
            self._memory.context,
            query,
            budget=budget,
            k=k,
            namespace=namespace,
            user_id=user_id,
            agent_id=agent_id,
            run_id=run_id,
            session=session,
            filters=filters,
            since=since,
            until=until,
            as_of=as_of,
            valid_at=valid_at,
            asked_at=asked_at,
            as_of_by=as_of_by,
            explain=explain,
        )

    async def explain(self, query: str, *, budget: int | None = None, **scopes_and_times: object) -> Context:
        """A context whose hits carry every signal's share and whose trace shows each step; takes what `context` takes."""
        return await asyncio.to_thread(self._memory.explain, query, budget=budget, **scopes_and_times)

    async def feedback(
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
        return await asyncio.to_thread(
            self._memory.feedback,
            query,
            cited=cited,
            chosen=chosen,
            wrong=wrong,
            k=k,
            namespace=namespace,
            user_id=user_id,
            agent_id=agent_id,
            run_id=run_id,
            session=session,
            asked_at=asked_at,
        )

    async def get(self, id: str) -> Event | Engram:
        """An event (with its corrections applied) or an engram (its current version).

        Raises:
            NotFound: nothing here has that id.
        """
        return await asyncio.to_thread(self._memory.get, id)

    async def get_all(
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
        return await asyncio.to_thread(
            self._memory.get_all,
            namespace=namespace,
            user_id=user_id,
            agent_id=agent_id,
            run_id=run_id,
            session=session,
            filters=filters,
            since=since,
            until=until,
            as_of=as_of,
            valid_at=valid_at,
            as_of_by=as_of_by,
            limit=limit,
            cursor=cursor,
        )

    async def log(
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
        return await asyncio.to_thread(
            self._memory.log,
            namespace=namespace,
            user_id=user_id,
            agent_id=agent_id,
            run_id=run_id,
            session=session,
            filters=filters,
            since=since,
            until=until,
            limit=limit,
            cursor=cursor,
            newest_first=newest_first,
        )

    async def update(
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
        return await asyncio.to_thread(self._memory.update, id, content, metadata=metadata, reason=reason)

    async def delete(self, id: str, *, reason: str = "") -> Deletion:
        """Erases an event with all that rests on it; rejects an engram, which then is never recalled again."""
        return await asyncio.to_thread(self._memory.delete, id, reason=reason)

    async def delete_all(
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
        return await asyncio.to_thread(
            self._memory.delete_all,
            namespace=namespace,
            user_id=user_id,
            agent_id=agent_id,
            run_id=run_id,
            session=session,
            reason=reason,
        )

    async def history(self, id: str) -> list[Revision]:
        """Every version of an engram, or of all engrams of an event: what, who, why, when; oldest first."""
        return await asyncio.to_thread(self._memory.history, id)

    async def pin(self, id: str) -> Receipt:
        """Never forget this engram, or what was derived from this event."""
        return await asyncio.to_thread(self._memory.pin, id)

    async def unpin(self, id: str) -> Receipt:
        """Takes a pin back."""
        return await asyncio.to_thread(self._memory.unpin, id)

    async def undo(self, id: str, *, reason: str = "") -> Receipt:
        """Takes back the last change of an engram, or of what was derived from an event; undoing the undo brings it back."""
        return await asyncio.to_thread(self._memory.undo, id, reason=reason)

    async def rebuild(
        self, recipe: str | Recipe | None = None, *, progress: Callable[[int, int], None] | None = None
    ) -> Rebuilt:
        """Derives anew from the journal with a recipe (None: the open one), which this memory then opens with.

        Readers see what stood before until all is derived. Cut off, it leaves the memory as it was, and goes on where it
        stopped when it is called again. What people corrected, rejected, pinned or undid holds as before.
        """
        return await asyncio.to_thread(self._memory.rebuild, recipe, progress=progress)

    async def compare(
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
        return await asyncio.to_thread(
            self._memory.compare,
            query,
            recipes,
            budget=budget,
            k=k,
            namespace=namespace,
            user_id=user_id,
            agent_id=agent_id,
            run_id=run_id,
            session=session,
        )

    async def consolidate(self, *, namespace: str | None = None, user_id: str | None = None) -> Consolidated:
        """Runs the recipe's consolidate chain over one namespace.

        Raises:
            UsageError: the recipe has none.
        """
        return await asyncio.to_thread(self._memory.consolidate, namespace=namespace, user_id=user_id)

    async def schedule(
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
        return await asyncio.to_thread(
            self._memory.schedule, kind, recipe=recipe, namespace=namespace, user_id=user_id
        )

    async def jobs(self, *states: JobState) -> list[Job]:
        """Jobs that wait, run or were given up ("waiting", "running", "dead"; without a state, all), oldest first."""
        return await asyncio.to_thread(self._memory.jobs)

    async def work(
        self, *, most: int | None = None, jobs_per_day: int | None = None, tokens_per_day: int | None = None
    ) -> Worked:
        """Does the jobs that are due, at most `most`; stops once a day's (UTC) allowance of jobs or tokens is used up."""
        return await asyncio.to_thread(
            self._memory.work, most=most, jobs_per_day=jobs_per_day, tokens_per_day=tokens_per_day
        )

    async def retry_job(self, id: str) -> None:
        """Makes a job that was given up, or waits, due now."""
        await asyncio.to_thread(self._memory.retry_job, id)

    async def drop_job(self, id: str) -> None:
        """Removes a job; what it would have derived stays out until a rebuild."""
        await asyncio.to_thread(self._memory.drop_job, id)

    async def stats(
        self,
        *,
        namespace: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        run_id: str | None = None,
        session: str | None = None,
    ) -> Stats:
        """Counts inside a scope; of the whole store where no scope is given."""
        return await asyncio.to_thread(
            self._memory.stats,
            namespace=namespace,
            user_id=user_id,
            agent_id=agent_id,
            run_id=run_id,
            session=session,
        )

    async def around(self, id: str, *, most: int = 60) -> Neighbourhood:
        """What lies around an engram or event: sources, links, names, what was said before and after; at most `most` nodes."""
        return await asyncio.to_thread(self._memory.around, id, most=most)

    async def timeline(
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
        return await asyncio.to_thread(
            self._memory.timeline,
            namespace=namespace,
            user_id=user_id,
            agent_id=agent_id,
            run_id=run_id,
            session=session,
            filters=filters,
            since=since,
            until=until,
            as_of=as_of,
            valid_at=valid_at,
            as_of_by=as_of_by,
            parts=parts,
        )

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, as contexts count them."""
        return await asyncio.to_thread(self._memory.count_tokens, texts)

    async def spent(self, *, days: int = 30) -> list[Day]:
        """What jobs cost on each of the last `days` (UTC), the latest first; days without any are left out."""
        return await asyncio.to_thread(self._memory.spent, days=days)

    async def costs(self, *, days: int = 30) -> list[Spending]:
        """What language models took in the last `days` (UTC, 1 to 36,500): a line per day, namespace, operation and model.

        Money is None where no price is set for the model. A holder of a key sees the namespaces that it may read.
        """
        return await asyncio.to_thread(self._memory.costs, days=days)

    async def estimate(self, recipe: str | Recipe | None = None) -> Estimate:
        """What the waiting jobs would take of language models or, with a recipe, deriving anew with it; asks no model."""
        return await asyncio.to_thread(self._memory.estimate, recipe)

    async def chat(self, namespace: str | None = None) -> ChatModel:
        """The language model of this memory, under its limits and in its ledger: for a program that answers from a context.

        Raises:
            CannotJoin: the memory is open without one.
            Denied: the key it was opened with may not write there.
        """
        return await asyncio.to_thread(self._memory.chat, namespace)

    async def namespaces(self) -> list[str]:
        """The namespaces in which something lies."""
        return await asyncio.to_thread(self._memory.namespaces)

    async def reset(self) -> None:
        """Erases everything in the store."""
        await asyncio.to_thread(self._memory.reset)

    async def check(self) -> list[Problem]:
        """What is wrong with the store and what mends it; empty when all is well."""
        return await asyncio.to_thread(self._memory.check)

    async def reembed(self, *, progress: Callable[[int, int], None] | None = None) -> int:
        """Makes the vectors of the whole store anew with this memory's embedder; returns how many were made.

        It goes on where a run before was cut off. Memories open with the embedder before are answered from its vectors
        until the last one is made. Also fills in what was written without an embedder.

        Raises:
            UsageError: the recipe embeds nothing, or there is no embedder.
        """
        return await asyncio.to_thread(self._memory.reembed, progress=progress)

    async def backup(self, path: str | Path, *, progress: Callable[[int, int], None] | None = None) -> None:
        """Writes a consistent copy of the store while others read and write."""
        await asyncio.to_thread(self._memory.backup, path, progress=progress)

    async def vacuum(self) -> None:
        """Gives room of what was erased back to the file system."""
        await asyncio.to_thread(self._memory.vacuum)

    async def export(
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
        return await asyncio.to_thread(
            self._memory.export,
            path,
            namespace=namespace,
            user_id=user_id,
            agent_id=agent_id,
            run_id=run_id,
            session=session,
            progress=progress,
        )

    async def restore(self, path: str | Path, *, progress: Callable[[int, int], None] | None = None) -> int:
        """Brings back what `export` wrote; what is here already stays. Returns how many events came back."""
        return await asyncio.to_thread(self._memory.restore, path, progress=progress)

    async def close(self) -> None:
        """Lets go of the store. What was acknowledged is on disk already."""
        await asyncio.to_thread(self._memory.close)

    async def finish_erasing(self) -> bool:
        """Removes what bytes of erased text may be left; True when none are, False while another process reads them."""
        return await asyncio.to_thread(self._memory.finish_erasing)

    async def retain(
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
        return await asyncio.to_thread(
            self._memory.retain,
            namespace,
            max_age_days=max_age_days,
            max_events=max_events,
            quota_events=quota_events,
            quota_bytes=quota_bytes,
        )

    async def rules(self) -> list[Rule]:
        """Every rule, by path."""
        return await asyncio.to_thread(self._memory.rules)

    async def apply_retention(self) -> Deletion:
        """Erases what the rules no longer keep, oldest first; what is pinned stays."""
        return await asyncio.to_thread(self._memory.apply_retention)

    async def export_container(
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
        return await asyncio.to_thread(
            self._memory.export_container,
            path,
            namespace=namespace,
            vectors=vectors,
            signing_key=signing_key,
            progress=progress,
        )

    async def restore_container(
        self,
        path: str | Path,
        *,
        signing_key: bytes | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Merged:
        """Brings back exactly what a container holds; the whole file is checked before anything is written."""
        return await asyncio.to_thread(
            self._memory.restore_container, path, signing_key=signing_key, progress=progress
        )

    async def merge_container(
        self,
        path: str | Path,
        *,
        signing_key: bytes | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Merged:
        """Fuses a container into this memory: what both know counts once, what they disagree on is shown and stays ours."""
        return await asyncio.to_thread(
            self._memory.merge_container, path, signing_key=signing_key, progress=progress
        )

    async def split_container(
        self, path: str | Path, folder: str | Path, *, signing_key: bytes | None = None
    ) -> list[Exported]:
        """Writes one container for each namespace of a container into a folder."""
        return await asyncio.to_thread(self._memory.split_container, path, folder, signing_key=signing_key)

    async def keep_payload(
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
        return await asyncio.to_thread(
            self._memory.keep_payload,
            content,
            kind,
            chunks,
            fingerprint=fingerprint,
            sources=sources,
            media_type=media_type,
            metadata=metadata,
            id=id,
            namespace=namespace,
            user_id=user_id,
            agent_id=agent_id,
            run_id=run_id,
            session=session,
        )

    async def payload(self, id: str) -> bytes:
        """The bytes of a block or adapter, as they were kept.

        Raises:
            NotFound: there is none of that id, or its bytes were dropped.
            Corrupt: they are not what was kept.
        """
        return await asyncio.to_thread(self._memory.payload, id)

    async def payloads(
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
        return await asyncio.to_thread(
            self._memory.payloads,
            kind,
            fingerprint=fingerprint,
            namespace=namespace,
            user_id=user_id,
            agent_id=agent_id,
            run_id=run_id,
            session=session,
        )

    async def drop_payload(self, id: str) -> bool:
        """Removes the bytes of a block or adapter; its text and sources stay, so that it can be made again. False: none left.

        To have it forgotten altogether, erase its sources; to have it no longer offered, `delete` it.
        """
        return await asyncio.to_thread(self._memory.drop_payload, id)

    async def weights(
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
        return await asyncio.to_thread(
            self._memory.weights,
            model,
            tokenizer=tokenizer,
            method=method,
            reserve=reserve,
            limits=limits,
            seed=seed,
            namespace=namespace,
            user_id=user_id,
        )

    async def audit(self, *, limit: int = 100, cursor: str | None = None) -> Page[Mapping[str, Json]]:
        """One page of who did what when, oldest first: seq, at, actor, action, namespace, ids, note, digest; never any text."""
        return await asyncio.to_thread(self._memory.audit, limit=limit, cursor=cursor)

    async def verify_audit(self, head: str | None = None) -> list[Problem]:
        """Where the audit was altered, the first place first; empty where it is as it was written.

        `head`, "SEQ:DIGEST" of any row that was kept elsewhere, shows also what the file alone cannot: that the whole audit
        was written anew, or cut off.
        """
        return await asyncio.to_thread(self._memory.verify_audit, head)

    async def create_key(self, name: str, rights: Mapping[str, str]) -> Key:
        """Makes a key with rights ("read", "write", "admin") on paths, such as `{"acme/*": "write"}`, or "*" for everything.

        Its `secret` is shown once; `Memory.open(key=secret)` then does what the rights allow, and raises `Denied` else.
        """
        return await asyncio.to_thread(self._memory.create_key, name, rights)

    async def list_keys(self) -> list[Key]:
        """Every key, without its secret; revoked ones too."""
        return await asyncio.to_thread(self._memory.list_keys)

    async def revoke_key(self, id: str) -> Key:
        """Takes a key's rights away for good; memories that are open with it keep them until they are closed."""
        return await asyncio.to_thread(self._memory.revoke_key, id)

    async def encrypted_copy(
        self, path: str | Path, key: str, *, progress: Callable[[int, int], None] | None = None
    ) -> datetime:
        """Writes the whole memory into a new file whose texts are encrypted with a key or passphrase.

        Returns when it was made. Open it with the key in ENGRAMS_KEY, then remove the original and its backups.

        Raises:
            UsageError: something lies at the path.
        """
        return await asyncio.to_thread(self._memory.encrypted_copy, path, key, progress=progress)

    async def change_key(self, new: str) -> None:
        """Makes another key the one that opens this encrypted memory; texts stay as they are."""
        await asyncio.to_thread(self._memory.change_key, new)

    methods = staticmethod(Memory.methods)

    @property
    def recipe(self) -> Recipe:
        """The memory system this memory runs."""
        return self._memory.recipe

    @property
    def location(self) -> str:
        """Where the store lies."""
        return self._memory.location

    @staticmethod
    def catalogue() -> Mapping[str, Recipe]:
        """Every recipe by name."""
        return Memory.catalogue()

    @staticmethod
    def find_recipe(name: str) -> Recipe:
        """The recipe that a name means; see `Memory.find_recipe`."""
        return Memory.find_recipe(name)

    @staticmethod
    def policies() -> list[Mapping[str, Json]]:
        """Compression policies and ways of reuse of activation memory; see `Memory.policies`."""
        return Memory.policies()

    async def __aenter__(self) -> AsyncMemory:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"Async{self._memory!r}"

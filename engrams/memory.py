"""The front door: a memory is opened, told things and asked questions. Short, since `lifecycle` does the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal

from engrams.errors import BadSetting, Denied, UnknownName, UsageError
from engrams.ingest.messages import normalise
from engrams.lifecycle import (
    activating,
    archive,
    comparing,
    consolidating,
    correcting,
    embedding,
    feedback,
    jobs,
    looking,
    reading,
    rebuilding,
    spending,
    undoing,
    writing,
)
from engrams.lifecycle.access import Key
from engrams.lifecycle.activating import bench_policies
from engrams.lifecycle.chatting import chat_of
from engrams.lifecycle.comparing import Compared
from engrams.lifecycle.consolidating import Consolidated
from engrams.lifecycle.feedback import Marks
from engrams.lifecycle.importing import Imported, import_file
from engrams.lifecycle.jobs import Allowance, Background, Worked
from engrams.lifecycle.keeping import Keeping, new_encryption_key
from engrams.lifecycle.later import job_for
from engrams.lifecycle.looking import Day, Neighbourhood, Timeline
from engrams.lifecycle.migrating import Moved, local_server, migrate
from engrams.lifecycle.opening import open_house
from engrams.lifecycle.rebuilding import Rebuilt
from engrams.lifecycle.retention import Rule
from engrams.lifecycle.scopes import Scopes, resolve
from engrams.lifecycle.spending import Estimate
from engrams.ports import ChatModel, Clock, Spending, Tokenizer
from engrams.recipe import Recipe
from engrams.recipes.catalogue import CATALOGUE
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
    Query,
    Receipt,
    Revision,
    Scope,
    Stats,
)
from engrams.settings import Settings

Moment = datetime | date | str | float


class Memory(Keeping):
    """Long-term memory over one store. Open it with `Memory.open`; safe from several threads and processes.

    Scope arguments mean the same everywhere: `namespace` is a path such as `acme/alice`; without it `user_id` is the
    path, with it its last segment; `agent_id`, `run_id` and `session` are kept on writing and filter on reading. With
    no path at all it is `default`. Reading `acme/*` reads below `acme`. Nothing outside the named path is touched.

    Times are datetimes, dates, ISO 8601 text or seconds since 1970; naive ones are UTC. `since` and `until` (both
    inclusive) ask when it happened, `as_of` what was known then, `valid_at` what was true then.
    """

    def __init__(self, house: object) -> None:
        from engrams.lifecycle.opening import House

        if not isinstance(house, House):
            raise UsageError("open a memory with Memory.open(path)")
        self._house = house
        self._background: Background | None = None
        self._owner: Memory | None = None  # whose view this is; it closes the store

    @classmethod
    def open(
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
    ) -> Memory:
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
        if isinstance(wait, bool) or not isinstance(wait, int | float) or not 0 <= wait <= 86_400:
            raise BadSetting("wait", wait, "seconds from 0 to 86,400")
        settings = Settings.load()
        house = open_house(
            settings.db if path_or_url is None else path_or_url,
            recipe,
            fallback=settings.recipe,
            tokenizer=tokenizer,
            clock=clock,
            actor=actor,
            wait=float(wait),
            namespace=settings.namespace,
            budget=settings.budget,
            embedder=settings.embedder if embedder is None else embedder,
            guard=settings.guard,
            key=key,
            model=settings.model if model is None else model,
            models=models,
            settings=settings,
        )
        memory = cls(house)
        if background:
            try:
                memory._for_all("background")  # jobs work on the whole store
            except Denied:
                memory.close()
                raise
            memory._background = Background(
                lambda: memory._house, Allowance(), memory._follow, chosen=recipe is not None
            )
        return memory

    def held_by(self, key: str) -> Memory:
        """This memory as the holder of an API key may use it; both share store and index, and closing it closes nothing.

        A server opens the memory once and answers every request through the view of the key that came with it.

        Raises:
            Denied: no such key, or it was revoked.
            UsageError: this memory was itself opened with a key.
        """
        from engrams.lifecycle.opening import guarded

        held = type(self)(guarded(self._house, key))
        held._owner = self
        return held

    # --- telling

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
        scope = self._scope(Scopes(namespace, user_id, agent_id, run_id, session), writing=True)
        return writing.add(
            self._house,
            messages,
            scope,
            occurred_at=occurred_at,
            metadata=metadata,
            idempotency_key=idempotency_key,
        )

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
        scope = self._scope(Scopes(namespace, user_id, agent_id, run_id, session), writing=True)
        said = (message for given in messages for message in normalise(given, blank=True))
        return writing.add_many(self._house, said, scope, progress=progress)[0]

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
        scope = self._scope(Scopes(namespace, user_id, agent_id, run_id, session), writing=True)
        return import_file(self._house, Path(path), scope, format=format, progress=progress)

    # --- asking

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
        scope = self._scope(Scopes(namespace, user_id, agent_id, run_id, session), writing=False)
        bounds = reading.Bounds(filters, since, until, as_of, valid_at, as_of_by)
        if k is None:
            raise BadSetting("k", k, f"a whole number from 1 to {reading.MOST_HITS:,}")
        asked = reading.query(
            self._house, query, scope, bounds, asked_at=asked_at, k=k, budget=None, explain=explain
        )
        return reading.search(self._house, asked)

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
        scope = self._scope(Scopes(namespace, user_id, agent_id, run_id, session), writing=False)
        bounds = reading.Bounds(filters, since, until, as_of, valid_at, as_of_by)
        budget = self._house.budget if budget is None else budget
        asked = reading.query(
            self._house, query, scope, bounds, asked_at=asked_at, k=k, budget=budget, explain=explain
        )
        return reading.context(self._house, asked)

    def explain(self, query: str, *, budget: int | None = None, **scopes_and_times: object) -> Context:
        """A context whose hits carry every signal's share and whose trace shows each step; takes what `context` takes."""
        return self.context(query, budget=budget, **{**scopes_and_times, "explain": True})  # type: ignore[arg-type]

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
        scope = self._scope(Scopes(namespace, user_id, agent_id, run_id, session), writing=True)
        asked = reading.query(
            self._house, query, scope, reading.Bounds(), asked_at=asked_at, k=k, budget=None, explain=True
        )
        return feedback.feedback(self._house, asked, cited, chosen, wrong)

    # --- single memories

    def get(self, id: str) -> Event | Engram:
        """An event (with its corrections applied) or an engram (its current version).

        Raises:
            NotFound: nothing here has that id.
        """
        return correcting.find(self._house, id)

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
        scope = self._scope(Scopes(namespace, user_id, agent_id, run_id, session), writing=False)
        bounds = reading.Bounds(filters, since, until, as_of, valid_at, as_of_by)
        return reading.get_all(self._house, scope, bounds, limit, cursor)

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
        scope = self._scope(Scopes(namespace, user_id, agent_id, run_id, session), writing=False)
        bounds = reading.Bounds(filters, since, until)
        return reading.log(self._house, scope, bounds, limit, cursor, newest_first=newest_first)

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
        return correcting.update(self._house, id, content, metadata, reason)

    def delete(self, id: str, *, reason: str = "") -> Deletion:
        """Erases an event with all that rests on it; rejects an engram, which then is never recalled again."""
        return correcting.delete(self._house, id, reason)

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
        scope = self._scope(Scopes(namespace, user_id, agent_id, run_id, session), writing=False)
        return correcting.delete_all(self._house, scope, reason)

    def history(self, id: str) -> list[Revision]:
        """Every version of an engram, or of all engrams of an event: what, who, why, when; oldest first."""
        return correcting.history(self._house, id)

    def pin(self, id: str) -> Receipt:
        """Never forget this engram, or what was derived from this event."""
        return correcting.pin(self._house, id, pinned=True)

    def unpin(self, id: str) -> Receipt:
        """Takes a pin back."""
        return correcting.pin(self._house, id, pinned=False)

    def undo(self, id: str, *, reason: str = "") -> Receipt:
        """Takes back the last change of an engram, or of what was derived from an event; undoing the undo brings it back."""
        return undoing.undo(self._house, id, reason)

    # --- recipes

    def rebuild(
        self, recipe: str | Recipe | None = None, *, progress: Callable[[int, int], None] | None = None
    ) -> Rebuilt:
        """Derives anew from the journal with a recipe (None: the open one), which this memory then opens with.

        Readers see what stood before until all is derived. Cut off, it leaves the memory as it was, and goes on where it
        stopped when it is called again. What people corrected, rejected, pinned or undid holds as before.
        """
        chosen = self._recipe(recipe)
        done = rebuilding.rebuild(self._house, chosen, progress)
        self._follow(chosen)
        return done

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
        if isinstance(recipes, str | Recipe):
            raise BadSetting("recipes", recipes, "a list of recipes, such as ['engrams', 'bm25']")
        scope = self._scope(Scopes(namespace, user_id, agent_id, run_id, session), writing=False)
        budget = self._house.budget if budget is None else budget
        asked = reading.query(
            self._house, query, scope, reading.Bounds(), asked_at=None, k=k, budget=budget, explain=False
        )
        return comparing.compare(self._house, asked, [self._recipe(r) for r in recipes])

    def consolidate(
        self,
        *,
        namespace: str | None = None,
        user_id: str | None = None,
    ) -> Consolidated:
        """Runs the recipe's consolidate chain over one namespace.

        Raises:
            UsageError: the recipe has none.
        """
        scope = self._scope(Scopes(namespace, user_id), writing=True)
        return consolidating.consolidate(self._house, scope.namespace)

    # --- jobs

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
        if kind not in jobs.KINDS or kind == "derive":
            raise UnknownName("kind of job", kind, [k for k in jobs.KINDS if k != "derive"])
        house = self._house.running(self._recipe(recipe))
        place = (
            "" if kind != "consolidate" else self._scope(Scopes(namespace, user_id), writing=True).namespace
        )
        return next(iter(house.store.jobs.put([job_for(house, kind, place)])), None)

    def jobs(self, *states: JobState) -> list[Job]:
        """Jobs that wait, run or were given up ("waiting", "running", "dead"; without a state, all), oldest first."""
        return self._house.store.jobs.all(states or ("waiting", "running", "dead"))

    def work(
        self,
        *,
        most: int | None = None,
        jobs_per_day: int | None = None,
        tokens_per_day: int | None = None,
    ) -> Worked:
        """Does the jobs that are due, at most `most`; stops once a day's (UTC) allowance of jobs or tokens is used up."""
        return jobs.work(self._house, most=most, allowance=Allowance(jobs_per_day, tokens_per_day))

    def retry_job(self, id: str) -> None:
        """Makes a job that was given up, or waits, due now."""
        jobs.retry(self._house, id)

    def drop_job(self, id: str) -> None:
        """Removes a job; what it would have derived stays out until a rebuild."""
        jobs.drop(self._house, id)

    # --- the whole

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
        given = Scopes(namespace, user_id, agent_id, run_id, session)
        return reading.stats(self._house, None if given == Scopes() else self._scope(given, writing=False))

    # --- looking inside

    def around(self, id: str, *, most: int = 60) -> Neighbourhood:
        """What lies around an engram or event: sources, links, names, what was said before and after; at most `most` nodes."""
        return looking.around(self._house, id, most)

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
        scope = self._scope(Scopes(namespace, user_id, agent_id, run_id, session), writing=False)
        bounds = reading.Bounds(filters, since, until, as_of, valid_at, as_of_by)
        asked = reading.query(
            self._house, "timeline", scope, bounds, asked_at=None, k=None, budget=None, explain=False
        )
        return looking.timeline(self._house, asked, parts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, as contexts count them."""
        return looking.count_tokens(self._house, texts)

    def spent(self, *, days: int = 30) -> list[Day]:
        """What jobs cost on each of the last `days` (UTC), the latest first; days without any are left out."""
        return looking.spent(self._house, days)

    def costs(self, *, days: int = 30) -> list[Spending]:
        """What language models took in the last `days` (UTC, 1 to 36,500): a line per day, namespace, operation and model.

        Money is None where no price is set for the model. A holder of a key sees the namespaces that it may read.
        """
        return spending.costs(self._house, days)

    def estimate(self, recipe: str | Recipe | None = None) -> Estimate:
        """What the waiting jobs would take of language models or, with a recipe, deriving anew with it; asks no model."""
        return spending.estimate(self._house, None if recipe is None else self._recipe(recipe))

    def chat(self, namespace: str | None = None) -> ChatModel:
        """The language model of this memory, under its limits and in its ledger: for a program that answers from a context.

        Raises:
            CannotJoin: the memory is open without one.
            Denied: the key it was opened with may not write there.
        """
        return chat_of(self._house, self._scope(Scopes(namespace), writing=True).namespace)

    # --- the store

    def namespaces(self) -> list[str]:
        """The namespaces in which something lies."""
        return self._house.store.namespaces()

    def reset(self) -> None:
        """Erases everything in the store."""
        self._house.store.reset()
        self._house.index.forget()

    def check(self) -> list[Problem]:
        """What is wrong with the store and what mends it; empty when all is well."""
        return [*self._house.store.check(), *embedding.problems(self._house), *reading.problems(self._house)]

    def reembed(self, *, progress: Callable[[int, int], None] | None = None) -> int:
        """Makes the vectors of the whole store anew with this memory's embedder; returns how many were made.

        It goes on where a run before was cut off. Memories open with the embedder before are answered from its vectors
        until the last one is made. Also fills in what was written without an embedder.

        Raises:
            UsageError: the recipe embeds nothing, or there is no embedder.
        """
        return embedding.reembed(self._house, progress)

    def backup(self, path: str | Path, *, progress: Callable[[int, int], None] | None = None) -> None:
        """Writes a consistent copy of the store while others read and write."""
        self._house.store.backup(Path(path), progress=progress)

    def vacuum(self) -> None:
        """Gives room of what was erased back to the file system."""
        self._house.store.vacuum()

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
        given = Scopes(namespace, user_id, agent_id, run_id, session)
        scope = None if given == Scopes() else self._scope(given, writing=False)
        return archive.export_to(self._house, Path(path), scope, progress)

    def restore(self, path: str | Path, *, progress: Callable[[int, int], None] | None = None) -> int:
        """Brings back what `export` wrote; what is here already stays. Returns how many events came back."""
        return archive.restore(self._house, Path(path), progress)

    @property
    def recipe(self) -> Recipe:
        """The memory system this memory runs."""
        return self._house.recipe

    @property
    def location(self) -> str:
        """Where the store lies."""
        return self._house.store.location

    @property
    def embedder(self) -> str | None:
        """The fingerprint of the embedder that makes this memory's vectors; None where it has none."""
        found = self._house.embedder
        return None if found is None else found.fingerprint

    @staticmethod
    def catalogue() -> Mapping[str, Recipe]:
        """Every recipe by name."""
        return CATALOGUE

    @staticmethod
    def find_recipe(name: str) -> Recipe:
        """The recipe that a name means: one of the catalogue, one that an installed package offers (entry points of the group
        `engrams.recipes`), or `FILE.py:NAME`.

        Raises:
            UnknownName: there is none of that name; names the nearest.
            BadSetting: the file or package holds no such recipe.
        """
        from engrams.lifecycle.finding import found_recipe

        return found_recipe(name)

    @staticmethod
    def policies() -> list[Mapping[str, Json]]:
        """Compression policies, ways of reuse and of sharing of activation memory, a card each: kind ("compression", "reuse",
        "sharing"), name, paper, differs, needs, and what was measured of it.

        Raises:
            NeedsExtra: the extra `torch` is not installed.
        """
        return activating.policies()

    def close(self) -> None:
        """Lets go of the store. What was acknowledged is on disk already."""
        if self._background is not None:
            self._background.stop()
        if self._owner is None:
            self._house.let_go()

    def __enter__(self) -> Memory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Memory({self.location!r}, recipe={self.recipe.name!r})"

    def _follow(self, recipe: Recipe) -> None:
        self._house = self._house.running(recipe)
        if self._owner is not None:
            self._owner._follow(recipe)

    def _recipe(self, given: str | Recipe | None) -> Recipe:
        if given is None:
            return self._house.recipe
        return given if isinstance(given, Recipe) else self.find_recipe(given)

    def _scope(self, given: Scopes, *, writing: bool) -> Scope:
        return resolve(given, writing=writing, default=self._house.namespace)


#: What doors take from here beside `Memory`: what its calls are given and give.
__all__ = [
    "Compared",
    "Consolidated",
    "Day",
    "Estimate",
    "Imported",
    "Key",
    "Marks",
    "Memory",
    "Moved",
    "Neighbourhood",
    "Query",
    "Rebuilt",
    "Recipe",
    "Rule",
    "Spending",
    "Timeline",
    "bench_policies",
    "local_server",
    "migrate",
    "new_encryption_key",
]

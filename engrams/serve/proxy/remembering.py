"""What the proxy asks of the memory: a context before, the turn after. It never holds a request up for long, nor fails it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from engrams.errors import BadSetting, Denied, EngramsError
from engrams.memory import Memory
from engrams.serve.fence import fenced
from engrams.serve.proxy.talks import Ear, Talk

LOG = logging.getLogger("engrams.proxy")

#: Tokens of a context where nobody says otherwise: little beside a conversation, enough for some dozen turns.
BUDGET = 1_000
#: How long a recall may take, in seconds; a request goes on without it then.
PATIENCE = 2.0
#: Recalls at once.
THREADS = 8
#: Characters of a question that are looked up: the beginning of a pasted document tells what is asked as well as all of it.
LONGEST_QUESTION = 10_000
#: Answers whose conversation is known by their id, for those who name the answer before instead of repeating it.
KNOWN_ANSWERS = 10_000


@dataclass(frozen=True, slots=True)
class Person:
    """Whose memory it is: the memory as the caller may use it, and the scope.

    `asked`: a header of ours named it, so that a wrong name is the caller's to mend; else it is the request's own `user`, which
    means what the upstream makes of it, and no request fails for it.
    """

    memory: Memory
    user_id: str | None = None
    namespace: str | None = None
    session: str | None = None
    asked: bool = False

    @property
    def scope(self) -> dict[str, str | None]:
        """The scope arguments of a call."""
        return {"user_id": self.user_id, "namespace": self.namespace}


@dataclass(frozen=True, slots=True)
class Recalled:
    """What was added to a request, and what that cost; `why` it was nothing."""

    text: str = ""
    memories: int = 0
    tokens: int = 0
    milliseconds: float = 0.0
    why: str = ""

    @property
    def header(self) -> str:
        """The value of the response's header."""
        told = f"memories={self.memories}; tokens={self.tokens}; ms={self.milliseconds:.0f}"
        return f"{told}; why={self.why}" if self.why else told


@dataclass
class Remembering:
    """The memory as the proxy uses it. What is to be remembered is done in the background; `finish` waits for it."""

    budget: int = BUDGET
    patience: float = PATIENCE
    _looking: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="engrams-recall")
    )
    # One thread: turns are journalled in the order in which they were answered.
    _writing: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="engrams-remember")
    )
    _sessions: OrderedDict[str, str] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def recall(self, person: Person, talk: Talk, budget: int | None) -> Recalled:
        """What is known that has to do with the question; nothing where the memory fails or takes too long, which is logged.

        Raises:
            Denied: the caller may not read there.
            BadSetting: a user or namespace that is none.
        """
        budget = self.budget if budget is None else min(budget, self.budget)
        if budget <= 0 or not talk.question:
            return Recalled(why="no question" if budget > 0 else "no budget")
        began = time.perf_counter()
        looking = asyncio.get_running_loop().run_in_executor(
            self._looking, partial(self._context, person, talk, budget)
        )
        try:
            found = await asyncio.wait_for(looking, self.patience)
        except Denied:
            raise
        except BadSetting as error:
            if person.asked:
                raise
            _log("no memory has that user; the request goes on without", error)
            return Recalled(why="user")
        except TimeoutError:
            LOG.warning("recall took longer than %g s; the request goes on without memory", self.patience)
            return Recalled(why="timeout")
        except Exception as error:
            _log("recall failed; the request goes on without memory", error)
            return Recalled(why=type(error).__name__)
        return Recalled(
            found.text, found.memories, found.tokens, (time.perf_counter() - began) * 1e3, found.why
        )

    def _context(self, person: Person, talk: Talk, budget: int) -> Recalled:
        session = self.session_of(person, talk, "")
        there = {"session": {"ne": session}} if session else None  # the client sends this conversation itself
        question = talk.question[:LONGEST_QUESTION]
        frame = person.memory.count_tokens([fenced("")])[0]
        if budget <= frame:
            return Recalled(why="no budget")
        found = person.memory.context(question, budget=budget - frame, filters=there, **person.scope)  # type: ignore[arg-type]
        if not found.found or not found.hits:
            return Recalled(why="nothing found")
        text = fenced(found.text)
        return Recalled(text, len(found.hits), person.memory.count_tokens([text])[0])

    def later(self, person: Person, talk: Talk, ear: Ear) -> None:
        """Remembers what was said, by and by."""
        self._writing.submit(self._remember, person, talk, ear)

    def _remember(self, person: Person, talk: Talk, ear: Ear) -> None:
        try:
            said = ear.said()
            messages = [{"role": "user", "content": text} for text in talk.new]
            if said:
                messages.append({"role": "assistant", "content": said})
            if not messages:
                return
            session = self.session_of(person, talk, said or ear.call)
            if ear.id and session:
                self._know(ear.id, session)
            person.memory.add(messages, session=session, metadata={"source": "proxy"}, **person.scope)
        except Exception as error:
            _log("a turn could not be remembered", error)

    def session_of(self, person: Person, talk: Talk, answer: str) -> str | None:
        """The conversation: as the caller names it, else of the answer it follows, else by how it began.

        None where it has just begun and there is no answer yet.
        """
        if person.session:
            return person.session
        before = talk.body.get("previous_response_id")
        if isinstance(before, str):
            with self._lock:
                if before in self._sessions:
                    return self._sessions[before]
        if len(talk.opening) < 2 and not answer:
            return None
        return talk.session(answer)

    def _know(self, id: str, session: str) -> None:
        with self._lock:
            self._sessions[id] = session
            while len(self._sessions) > KNOWN_ANSWERS:
                self._sessions.popitem(last=False)

    def warm(self, memory: Memory) -> None:
        """Looks something up by and by, so that what is loaded on first use does not count against somebody's patience."""
        self._looking.submit(self._warm, memory)

    def _warm(self, memory: Memory) -> None:
        try:
            memory.context("What was said before?", budget=self.budget or 1)
        except Exception as error:
            _log("the memory cannot be asked", error)

    def finish(self) -> None:
        """Waits until everything that was said is remembered."""
        self._writing.shutdown(wait=True)
        self._looking.shutdown(wait=True, cancel_futures=True)


def _log(what: str, error: Exception) -> None:
    """Says what failed; of an error that is not ours, where, too."""
    told: Mapping[str, object] = {} if isinstance(error, EngramsError) else {"exc_info": error}
    LOG.error("%s: %s: %s", what, type(error).__name__, error, **told)  # type: ignore[arg-type]

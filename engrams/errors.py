"""Everything that can go wrong, ordered by who can act on it.

EngramsError
├─ UsageError        fix the call
│  ├─ UnknownName      a recipe, step or field that does not exist; names the nearest
│  ├─ UnknownFormat    a file whose form nobody here reads
│  ├─ BadSetting       key, value found, what would work, where it came from
│  ├─ NeedsExtra       an optional part is not installed; carries the exact command
│  └─ CannotJoin       steps or recipes that do not fit together
├─ NotFound          no event or engram of that id in this memory
├─ StoreError        the place where memories lie
│  ├─ Busy             another process holds the lock: retry
│  ├─ NotAMemory       the file is something else
│  ├─ Corrupt          the file was a memory and is damaged
│  ├─ Full             no room left on the device
│  ├─ Unavailable      cannot be opened or reached, or is read-only
│  ├─ NewerSchema      written by a later version of engrams
│  └─ Mismatch         another embedder or model than the one that filled it
├─ ModelError        the language model or embedder
│  ├─ Unreachable
│  ├─ RateLimited      says after how many seconds to retry
│  ├─ Refused          the provider would not answer
│  └─ Unreadable       keeps the raw answer
├─ OverBudget        limit and spent
├─ Denied            the namespace or key lacks the right
└─ StepFailed        wraps the cause with recipe, chain, step and record ids
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType


class EngramsError(Exception):
    """The root: catch this to catch everything engrams raises on purpose."""


class UsageError(EngramsError, ValueError):
    """The call cannot be carried out as written; the message says how to write it."""


class UnknownName(UsageError):
    """A name that is not in its catalogue; `nearest` holds the closest known names."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        self.name = name
        self.nearest: tuple[str, ...] = tuple(get_close_matches(name, names, n=3, cutoff=0.5))
        hint = (
            f"did you mean {' or '.join(map(repr, self.nearest))}?"
            if self.nearest
            else f"known: {', '.join(names)}"
        )
        super().__init__(f"unknown {what} {name!r}; {hint}")


class UnknownFormat(UsageError):
    """A file or text whose form is not among the readable ones."""


class BadSetting(UsageError):
    """A value out of range or of the wrong type: key, value found, what would work, where it came from."""

    def __init__(self, key: str, value: object, expected: str, origin: str = "argument") -> None:
        self.key, self.value, self.expected, self.origin = key, value, expected, origin
        shown = ascii(value)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        super().__init__(
            f"{key} ({origin}): found {shown} of type {type(value).__name__}; expected {expected}"
        )


class NeedsExtra(UsageError):
    """An optional part is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{what} needs the extra {extra!r}: pip install 'engrams[{extra}]'")


class CannotJoin(UsageError):
    """Two steps, or a recipe and what it is given, that do not fit together."""


class NotFound(EngramsError, LookupError):
    """No event or engram of that id can be seen here."""


class StoreError(EngramsError):
    """The place where memories lie refused or failed."""


class Busy(StoreError):
    """Another process or thread held the lock for longer than the wait: retry."""


class NotAMemory(StoreError):
    """The file exists and is not an engrams memory."""


class Corrupt(StoreError):
    """The file is an engrams memory and is damaged; `engrams doctor` says where."""


class Full(StoreError):
    """No room left on the device; nothing of the failed write was kept."""


class Unavailable(StoreError):
    """The store cannot be opened, reached or written to."""


class NewerSchema(StoreError):
    """The store was written by a later version of engrams."""


class Mismatch(StoreError):
    """The embedder or model is not the one that filled this store."""


class ModelError(EngramsError):
    """A language model or embedder did not do its part."""


class Unreachable(ModelError):
    """No answer from the endpoint."""


class RateLimited(ModelError):
    """The provider asks to slow down; `retry_after` is in seconds, None where it did not say."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class Refused(ModelError):
    """The provider would not answer this request."""


class Unreadable(ModelError):
    """The answer does not fit the schema asked for; `raw` holds it as it came."""

    def __init__(self, message: str, raw: str) -> None:
        self.raw = raw
        super().__init__(message)


class OverBudget(EngramsError):
    """A limit set beforehand would be passed."""

    def __init__(self, what: str, limit: float, spent: float) -> None:
        self.limit, self.spent = limit, spent
        super().__init__(
            f"{what}: the limit is {limit:g}, {spent:g} would be spent; raise the limit or ask for less"
        )


class Denied(EngramsError, PermissionError):
    """The namespace or key lacks the right."""


class StepFailed(EngramsError):
    """A step of a recipe raised something of its own; the cause is chained."""

    def __init__(self, recipe: str, chain: str, step: str, ids: Sequence[str], cause: BaseException) -> None:
        self.recipe, self.chain, self.step, self.ids = recipe, chain, step, tuple(ids)
        at = f" at {', '.join(ids[:3])}" if ids else ""
        super().__init__(f"{recipe}.{chain}.{step} failed{at}: {type(cause).__name__}: {cause}")


@dataclass(frozen=True)
class Outcome:
    """How a door reports an error: process exit code, HTTP status, JSON-RPC code of the MCP server."""

    exit_code: int
    http_status: int
    mcp_code: int


#: The one table from errors to what the doors answer. The nearest class in the method resolution order counts.
OUTCOMES: Mapping[type[EngramsError], Outcome] = MappingProxyType(
    {
        EngramsError: Outcome(1, 500, -32603),
        UsageError: Outcome(2, 422, -32602),
        UnknownFormat: Outcome(2, 415, -32602),
        NeedsExtra: Outcome(2, 501, -32603),
        NotFound: Outcome(3, 404, -32002),
        StoreError: Outcome(4, 500, -32603),
        Busy: Outcome(75, 503, -32603),
        Full: Outcome(4, 507, -32603),
        Unavailable: Outcome(4, 503, -32603),
        NewerSchema: Outcome(4, 409, -32603),
        Mismatch: Outcome(4, 409, -32603),
        ModelError: Outcome(5, 502, -32603),
        RateLimited: Outcome(75, 429, -32603),
        OverBudget: Outcome(6, 402, -32603),
        Denied: Outcome(77, 403, -32603),
        StepFailed: Outcome(1, 500, -32603),
    }
)


def outcome(error: EngramsError | type[EngramsError]) -> Outcome:
    """The row of `OUTCOMES` for an error: its own class, else the nearest ancestor that has one."""
    kind = error if isinstance(error, type) else type(error)
    return next(OUTCOMES[c] for c in kind.__mro__ if c in OUTCOMES)

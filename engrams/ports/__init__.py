"""What we ask of the outside, as protocols: the store, the index, the clock, tokenizers, embedders, language models.

Whoever implements one passes its contract suite in `tests/contracts/`. Numpy types are allowed here; nothing else
from outside the standard library is.
"""

from __future__ import annotations

from engrams.ports.arrays import (
    HAS_ATTACHMENT,
    IS_QUESTION,
    OPEN_END,
    OPEN_START,
    Bool,
    Entry,
    EntryColumns,
    EntryRow,
    Float32,
    Int32,
    Int64,
    UInt16,
    UInt32,
)
from engrams.ports.chat import (
    Account,
    Answer,
    Ask,
    ChatModel,
    Endpoint,
    PromptText,
    Reply,
    Request,
    Spending,
    Tool,
    ToolCall,
    Turn,
    Usage,
)
from engrams.ports.indexing import Index, View
from engrams.ports.jobs import Jobs
from engrams.ports.models import Clock, Embedder, Tokenizer, TokenTable
from engrams.ports.payloads import CACHES, GRACE, Blob, Payloads
from engrams.ports.storing import Commit, Mark, Revised, Store, Where

__all__ = [
    "Account",
    "Answer",
    "Ask",
    "Blob",
    "Bool",
    "CACHES",
    "ChatModel",
    "Clock",
    "Commit",
    "Embedder",
    "Endpoint",
    "Entry",
    "EntryColumns",
    "EntryRow",
    "Float32",
    "GRACE",
    "HAS_ATTACHMENT",
    "IS_QUESTION",
    "Index",
    "Int32",
    "Int64",
    "Jobs",
    "Mark",
    "OPEN_END",
    "OPEN_START",
    "Payloads",
    "PromptText",
    "Reply",
    "Request",
    "Revised",
    "Spending",
    "Store",
    "TokenTable",
    "Tokenizer",
    "Tool",
    "ToolCall",
    "Turn",
    "UInt16",
    "UInt32",
    "Usage",
    "View",
    "Where",
]

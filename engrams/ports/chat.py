"""Language models: what is asked of one, what it answers, and what an endpoint must be able to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from engrams.records import NOTHING, Json


class PromptText(Protocol):
    """Our instruction to a model, with a digest that changes when a word of it does."""

    @property
    def digest(self) -> str: ...

    def filled(self, slots: Mapping[str, object]) -> str:
        """The text with our own numbers and names in its slots."""
        ...


@dataclass(frozen=True, slots=True)
class Tool:
    """Something a model may call: its name, what it does in one sentence, its arguments as a JSON schema of an object."""

    name: str
    says: str
    arguments: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool that a model asks for; `id` is the provider's, and goes back with the result."""

    id: str
    name: str
    arguments: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Turn:
    """What followed the first question of a conversation: the model's own words and calls, or a tool's result.

    `role`: "assistant", "tool" (with `call_id`; `text` is stored text, fenced before it is sent) or "user" (our own words).
    """

    role: str
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to a language model.

    `operation` names the kind of work ("extract", "answer"): the ledger counts by it, and settings may give it a model of its
    own. `prompt` is our instruction. `input` is stored text and questions by the name of the block they stand in: data, which
    is fenced and never an instruction. `slots` fill the prompt's `{{name}}`: our own numbers and names, never stored text.
    `schema` is a JSON schema of an object (see `engrams.schemas`); None: free text. `most_tokens` bounds the answer.
    `temperature` None: the model's own. `tools` are what it may call, `turns` what was said since. `sample` tells several
    answers to one question apart: each number is remembered by itself.
    """

    operation: str
    prompt: PromptText
    input: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    schema: Mapping[str, Json] | None = None
    slots: Mapping[str, str | int | float] = field(default_factory=lambda: NOTHING)
    most_tokens: int = 2048
    temperature: float | None = 0.0
    tools: tuple[Tool, ...] = ()
    turns: tuple[Turn, ...] = ()
    sample: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a model took: requests, tokens in (of them `cached_in` at the provider's lower price) and out, seconds, money.

    `money` None: no price is known for some of it. `estimated`: the provider counted no tokens, we did.
    """

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cached_in: int = 0
    seconds: float = 0.0
    money: float | None = 0.0
    estimated: bool = False

    def __add__(self, other: Usage) -> Usage:
        """Both together; unknown money stays unknown."""
        known = self.money is not None and other.money is not None
        return Usage(
            self.calls + other.calls,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.cached_in + other.cached_in,
            self.seconds + other.seconds,
            (self.money or 0.0) + (other.money or 0.0) if known else None,
            self.estimated or other.estimated,
        )

    @property
    def tokens(self) -> int:
        """In and out."""
        return self.tokens_in + self.tokens_out


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered. `value`: the checked object where a schema was given, else None.

    `usage` is what this answer took, repair included; nothing where it came from the cache (`remembered`).
    """

    text: str
    value: Mapping[str, Json] | None = None
    calls: tuple[ToolCall, ...] = ()
    model: str = ""
    usage: Usage = Usage()
    remembered: bool = False


class ChatModel(Protocol):
    """A language model as steps use it."""

    def ask(self, ask: Ask) -> Answer:
        """One answer.

        Raises:
            Unreadable: twice the answer did not fit the schema; keeps the raw answer.
            ModelError: no answer: unreachable, told to slow down, refused.
            OverBudget: a limit would be passed; nothing was spent.
        """
        ...

    def ask_many(self, asks: Sequence[Ask]) -> list[Answer]:
        """Answers in the order of the questions, several at a time. Raises as `ask`, what was answered is kept in the cache."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """What an endpoint is sent: our instruction, the turns of the conversation, the schema and tools in force.

    `ask` is what it was made from, for scripted models and recordings; nothing of it that does not stand in the other
    fields is sent.
    """

    ask: Ask
    system: str
    turns: tuple[Turn, ...]
    schema: Mapping[str, Json] | None = None
    tools: tuple[Tool, ...] = ()
    most_tokens: int = 2048
    temperature: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint sent back. `usage` without money; `stopped`: why it ended, "length" where the bound cut it off."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    stopped: str = ""


class Endpoint(Protocol):
    """One model at one address. Safe from several threads."""

    @property
    def name(self) -> str:
        """Names the model and where it is: cache and ledger count by it."""
        ...

    def complete(self, request: Request) -> Reply:
        """One request, one reply; no second try.

        Raises:
            Unreachable: no answer, or a failure that may pass.
            RateLimited: asked to slow down.
            Refused: it will not answer this.
            Unreadable: the answer is not of its protocol.
        """
        ...


class Account(Protocol):
    """Who counts what models take, and says no before too much is spent."""

    def reserve(self, model: str, operation: str, tokens_in: int, tokens_out: int) -> object:
        """Sets the most that a call may take aside.

        Raises:
            OverBudget: a limit would be passed.
        """
        ...

    def settle(self, reserved: object, model: str, operation: str, usage: Usage) -> Usage:
        """Counts what it did take, in place of what was set aside; the usage with its money."""
        ...

    def remembered(self, model: str, operation: str) -> None:
        """Counts an answer that came from the cache."""
        ...


@dataclass(frozen=True, slots=True)
class Spending:
    """One line of the ledger: what one operation took of one model in one namespace on one day (UTC)."""

    day: date
    namespace: str
    operation: str
    model: str
    usage: Usage
    remembered: int = 0

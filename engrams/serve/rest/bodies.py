"""What requests carry: the parameters of `Memory`, under the same names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1)]
Moment = Annotated[
    str | int | float,
    Field(
        description="ISO 8601, naive ones UTC, or seconds since 1970.", examples=["2024-05-31T14:00:00+02:00"]
    ),
]
Filters = Annotated[
    dict[str, Any],
    Field(
        description="`{field: value}` or `{field: {eq|ne|gt|gte|lt|lte|in|contains: …}}`, joined by AND, OR, NOT.",
        examples=[{"speaker": "Ada", "price": {"gte": 10}}],
    ),
]
Metadata = Annotated[dict[str, Any], Field(description="Any JSON object.", examples=[{"topic": "house"}])]
Said = Annotated[
    str | dict[str, Any] | list[str | dict[str, Any]],
    Field(
        description="A text, one message, or a list of messages in the OpenAI form: `role`, `content`, optional `name`, "
        "`timestamp`, `metadata`.",
        examples=[
            [{"role": "user", "name": "Ada", "content": "The spare key is under the blue flower pot."}]
        ],
    ),
]


class Body(BaseModel):
    """A body: what it does not name is refused, so that a misspelt parameter is no silent one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    def given(self) -> dict[str, Any]:
        """The arguments that were sent, for the call of `Memory`."""
        return {
            name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set
        }


class Place(Body):
    """Where a call writes: a namespace path, without it a user, without both `default`."""

    namespace: str | None = Field(None, description="A path such as acme/alice.", examples=["acme/alice"])
    user_id: str | None = Field(None, description="The path, or with `namespace` its last segment.")


class Scoped(Place):
    """Where a call reads or writes; `agent_id`, `run_id` and `session` are kept when writing and filter when reading."""

    agent_id: str | None = None
    run_id: str | None = None
    session: str | None = None


class Bounded(Scoped):
    """What bounds an answer."""

    filters: Filters | None = None
    since: Moment | None = None
    until: Moment | None = None
    as_of: Moment | None = None
    valid_at: Moment | None = None
    asked_at: Moment | None = None
    as_of_by: Literal["recorded", "occurred"] = "recorded"


class AddBody(Scoped):
    """What was said."""

    messages: Said
    occurred_at: Moment | None = None
    metadata: Metadata | None = None
    idempotency_key: str | None = Field(None, description="As the header Idempotency-Key, which wins.")


class BulkBody(Scoped):
    """Many messages, a thousand per transaction."""

    messages: list[str | dict[str, Any]] = Field(
        examples=[["We bought the boat.", {"role": "user", "content": "For 600 pounds."}]]
    )


class SearchBody(Bounded):
    """A question."""

    query: Text = Field(examples=["where is the spare key?"])
    k: int = Field(10, ge=1, le=10_000, description="How many hits at most.")
    explain: bool = Field(False, description="Each hit's `signals` hold every signal's share of its score.")


class ContextBody(Bounded):
    """A question, and how many tokens the answer may take."""

    query: Text = Field(examples=["where is the spare key?"])
    budget: int | None = Field(
        None, ge=1, le=10_000_000, description="Tokens; without it what the server is set to."
    )
    k: int | None = Field(None, ge=1, le=10_000)
    explain: bool = False


class ExplainBody(Bounded):
    """As of `/context`; the answer shows every signal and step."""

    query: Text = Field(examples=["where is the spare key?"])
    budget: int | None = Field(None, ge=1, le=10_000_000)
    k: int | None = Field(None, ge=1, le=10_000)


class FeedbackBody(Scoped):
    """What hits were worth: their ids, or ids of engrams or events."""

    query: Text = Field(examples=["where is the spare key?"])
    cited: list[str] = []
    chosen: list[str] = []
    wrong: list[str] = []
    k: int = Field(10, ge=1, le=10_000)
    asked_at: Moment | None = None


class UpdateBody(Body):
    """What it should say from now on."""

    content: str | None = Field(None, examples=["The spare key is with the neighbour."])
    metadata: Metadata | None = Field(None, description="Where given, it replaces the old.")
    reason: str = ""


class UndoBody(Body):
    """Why."""

    reason: str = ""


class CompareBody(Scoped):
    """One question to several recipes."""

    query: Text = Field(examples=["where is the spare key?"])
    recipes: list[str] = Field(min_length=1, examples=[["engrams", "bm25"]])
    budget: int | None = Field(None, ge=1, le=10_000_000)
    k: int | None = Field(None, ge=1, le=10_000)


class ConsolidateBody(Place):
    """Which namespace; `wait`: answer when it is done, else with the job that will do it."""

    wait: bool = False


class RebuildBody(Body):
    """With which recipe, None: the open one; `wait`: answer when it is done, else with the job that will do it."""

    recipe: str | None = Field(None, examples=["engrams"])
    wait: bool = False


class JobBody(Place):
    """What to do later."""

    kind: str = Field(
        json_schema_extra={"enum": ["consolidate", "rebuild", "reembed", "catch-up"]},
        examples=["consolidate"],
    )
    recipe: str | None = None


class KeyBody(Body):
    """A key's name, and its right on each path: read, write or admin."""

    name: Text = Field(max_length=100, examples=["the chat server"])
    rights: dict[str, Literal["read", "write", "admin"]] = Field(min_length=1, examples=[{"acme/*": "write"}])


class TextsBody(Body):
    """Texts to be counted."""

    texts: list[str] = Field(max_length=10_000, examples=[["We bought the boat."]])


class RuleBody(Body):
    """How long and how much a path keeps and may hold; without any limit the rule is taken away."""

    namespace: Text = Field(examples=["acme/*"])
    max_age_days: float | int | None = Field(None, description="Days; older events go.")
    max_events: int | None = Field(None, description="The oldest beyond these go.")
    quota_events: int | None = Field(None, description="A write that would pass it is refused.")
    quota_bytes: int | None = Field(None, description="The same in bytes of messages.")


class ScopeQuery(BaseModel):
    """The scope, in the query."""

    model_config = ConfigDict(extra="forbid")
    namespace: str | None = Field(
        None, description="A path such as acme/alice; acme/* reads everything below."
    )
    user_id: str | None = None
    agent_id: str | None = None
    run_id: str | None = None
    session: str | None = None

    def given(self) -> dict[str, Any]:
        """The arguments that were sent; `filters` read as JSON."""
        return {
            name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set
        }


class DeleteQuery(ScopeQuery):
    """What is erased, and why."""

    reason: str = Field("", description="Why, as the history and the audit show it.")


class LogQuery(ScopeQuery):
    """Which page of the journal."""

    filters: str | None = Field(
        None, description="The filter expression as JSON.", examples=['{"speaker": "Ada"}']
    )
    since: str | None = None
    until: str | None = None
    limit: int = Field(100, ge=1, le=10_000)
    cursor: str | None = Field(None, description="The `next` of the page before.")
    newest_first: bool = False


class BoundsQuery(ScopeQuery):
    """What bounds a list, in the query."""

    filters: str | None = Field(
        None, description="The filter expression as JSON.", examples=['{"speaker": "Ada"}']
    )
    since: str | None = None
    until: str | None = None
    as_of: str | None = None
    valid_at: str | None = None
    as_of_by: Literal["recorded", "occurred"] = "recorded"


class ListQuery(BoundsQuery):
    """Which page of what is remembered."""

    limit: int = Field(100, ge=1, le=10_000)
    cursor: str | None = Field(None, description="The `next` of the page before.")


def arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """Query parameters as the call takes them: `filters` parsed.

    Raises:
        BadSetting: `filters` is no JSON object.
    """
    import json

    from engrams.errors import BadSetting

    found = dict(given)
    if isinstance(found.get("filters"), str):
        try:
            found["filters"] = json.loads(found["filters"])
        except (ValueError, RecursionError) as cause:
            raise BadSetting(
                "filters", found["filters"], 'a JSON object such as {"speaker": "Ada"}', "query"
            ) from cause
    return found

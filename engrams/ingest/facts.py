"""Memories that other systems have made: mem0's lists, and the knowledge graph of MCP's reference memory server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from engrams.errors import BadSetting
from engrams.ingest.jsonvalues import as_list, json_mapping
from engrams.ingest.moments import read_moment
from engrams.ingest.source import Source
from engrams.records import Json, Message

_LISTS = ("results", "memories")
_TEXTS = ("memory", "text", "content", "data")
_TIMES = ("updated_at", "created_at", "createdAt", "timestamp")


def is_mem0(source: Source) -> bool:
    """Whether it holds `{"results": […]}` or `{"memories": […]}`, or a list of objects with `memory`."""
    example = source.example
    return any(isinstance(example.get(k), list) for k in _LISTS) or isinstance(example.get("memory"), str)


def read_mem0(source: Source) -> Iterator[Message]:
    """Each memory as a statement of the user, at the time it was last changed; its other fields are metadata."""
    for where, value in source.entries():
        held = (
            next((value[k] for k in _LISTS if isinstance(value.get(k), list)), None)
            if isinstance(value, Mapping)
            else None
        )
        for i, item in enumerate([value] if held is None else held):
            here = where if held is None else f"{where}[{i}]"
            text = (
                item if isinstance(item, str) else _first(item, _TEXTS) if isinstance(item, Mapping) else None
            )
            if not isinstance(text, str) or not text.strip():
                source.wrong(here, item, "a memory with its text under 'memory'")
                continue
            yield from _statement(text, item if isinstance(item, Mapping) else {}, here, source)


def _statement(text: str, item: Mapping[str, Json], where: str, source: Source) -> Iterator[Message]:
    run = item.get("run_id")
    given = item.get("metadata")
    rest = {
        k: v
        for k, v in item.items()
        if k not in (*_TEXTS, *_TIMES, "id", "hash", "metadata", "score") and v is not None
    }
    try:
        told = json_mapping(
            {**rest, **(given if isinstance(given, Mapping) else {})}, f"{source.name} {where}", "file"
        )
        if item.get("id"):
            told["source_id"] = item["id"]
        yield Message(
            "user",
            text,
            None,
            _time(item, where, source),
            run if isinstance(run, str) and run else None,
            told,
        )
    except BadSetting as error:
        source.fault(error)


def is_mcp_memory(source: Source) -> bool:
    """Whether it holds entities with observations and relations, on lines or as one graph."""
    example = source.example
    lined = example.get("type") in ("entity", "relation") and (
        "observations" in example or "relationType" in example
    )
    return lined or (isinstance(example.get("entities"), list) and isinstance(example.get("relations"), list))


def read_mcp_memory(source: Source) -> Iterator[Message]:
    """Each observation as `Anna (person): likes tea`, each relation as `Anna works at Acme`; names are in the metadata."""
    for where, value in source.entries():
        if not isinstance(value, Mapping):
            source.wrong(where, value, "an entity or a relation")
        elif isinstance(value.get("entities"), list):
            for i, entity in enumerate(value["entities"]):
                yield from _entity(entity, f"{where}.entities[{i}]", source)
            for i, relation in enumerate(as_list(value.get("relations"))):
                yield from _relation(relation, f"{where}.relations[{i}]", source)
        elif value.get("type") == "relation":
            yield from _relation(value, where, source)
        else:
            yield from _entity(value, where, source)


def _entity(value: Json, where: str, source: Source) -> Iterator[Message]:
    name = value.get("name") if isinstance(value, Mapping) else None
    seen = value.get("observations") if isinstance(value, Mapping) else None
    if not isinstance(name, str) or not isinstance(seen, list):
        source.wrong(where, value, "an entity with 'name' and 'observations'")
        return
    kind = value.get("entityType")
    label = f"{_spoken(name)} ({kind})" if isinstance(kind, str) and kind else _spoken(name)
    told = {"entity": name, "entity_type": kind}
    for observation in [o for o in seen if isinstance(o, str) and o.strip()] or ["known"]:
        yield Message("user", f"{label}: {observation}", None, _time(value, where, source), None, told)


def _relation(value: Json, where: str, source: Source) -> Iterator[Message]:
    ends = [value.get(k) for k in ("from", "relationType", "to")] if isinstance(value, Mapping) else []
    if not ends or not all(isinstance(e, str) for e in ends):
        source.wrong(where, value, "a relation with 'from', 'relationType' and 'to'")
        return
    told = {"from": ends[0], "relation": ends[1], "to": ends[2]}
    yield Message(
        "user", " ".join(_spoken(str(e)) for e in ends), None, _time(value, where, source), None, told
    )


def _spoken(name: str) -> str:
    """Names of graphs are written `works_at`, `John_Smith`; words are found without the line."""
    return name.replace("_", " ")


def _time(item: Mapping[str, Json], where: str, source: Source) -> datetime | None:
    value = _first(item, _TIMES)
    if value is None:
        return None
    try:
        return read_moment(value, f"{source.name} {where}", "file")
    except BadSetting as error:
        source.fault(error)
        return None


def _first(item: Mapping[str, Json], keys: tuple[str, ...]) -> Json:
    return next((item[k] for k in keys if item.get(k)), None)

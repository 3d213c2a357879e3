"""The nine tools of MCP's reference memory server, over the journal.

An entity, each of its observations and each relation is an event of its own, marked in its metadata, so that it is found,
corrected, exported and erased like anything else that is remembered. Deleting erases these events. `search_nodes` finds what
holds the query's text in name, type or observation, as the reference does; where nothing does, the best hits of the
memory's own search.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engrams.errors import NotFound
from engrams.records import Event, Json
from engrams.serve.fence import disarmed, fenced
from engrams.serve.mcp.reach import Reach
from engrams.serve.mcp.tool import TEXT, Given, Result, Schema, Tool

MARK = "graph"  # the metadata key that tells entities, observations and relations from other memories
_PAGE = 1_000  # events of the journal read at a time
_FOUND = 5  # hits of the memory's own search that count as found


@dataclass
class Graph:
    """The graph as the journal has it now, with the events that each part rests on."""

    entities: dict[str, Event] = field(default_factory=dict)
    observations: dict[str, dict[str, Event]] = field(default_factory=dict)
    relations: dict[tuple[str, str, str], Event] = field(default_factory=dict)

    def data(self, names: Iterable[str] | None = None) -> dict[str, Any]:
        """The whole, or the entities of some names with the relations between them."""
        wanted = [n for n in self.entities if names is None or n in set(names)]
        entities = [
            {
                "name": name,
                "entityType": _word(self.entities[name], "type"),
                "observations": list(self.observations.get(name, {})),
            }
            for name in wanted
        ]
        inside = set(wanted)
        relations = [
            dict(zip(("from", "to", "relationType"), key, strict=True))
            for key in self.relations
            if names is None or (key[0] in inside and key[1] in inside)
        ]
        return {"entities": entities, "relations": relations}


def read(reach: Reach) -> Graph:
    """The graph of the namespace."""
    graph = Graph()
    cursor: str | None = None
    while True:
        marked: Mapping[str, Json] = {MARK: {"in": ["entity", "observation", "relation"]}}
        page = reach.memory.log(namespace=reach.namespace, filters=marked, limit=_PAGE, cursor=cursor)
        for event in page:
            match event.metadata.get(MARK):
                case "entity":
                    graph.entities.setdefault(_word(event, "name"), event)
                case "observation":
                    about = graph.observations.setdefault(_word(event, "name"), {})
                    about.setdefault(_word(event, "said"), event)
                case "relation":
                    key = (_word(event, "from"), _word(event, "to"), _word(event, "type"))
                    graph.relations.setdefault(key, event)
        cursor = page.next
        if cursor is None:
            return graph


def create_entities(reach: Reach, given: Given) -> Result:
    """Entities that are not there yet, with their observations."""
    graph = read(reach)
    made: dict[str, Mapping[str, Any]] = {}
    for entity in given["entities"]:
        name = entity["name"]
        if name in graph.entities or name in made:
            continue
        made[name] = {**entity, "observations": list(dict.fromkeys(entity.get("observations", [])))}
        _add(reach, f"{name} ({entity['entityType']})", "entity", name=name, type=entity["entityType"])
        for said in made[name]["observations"]:
            _observe(reach, name, said)
    return _told({"entities": list(made.values())})


def create_relations(reach: Reach, given: Given) -> Result:
    """Relations that are not there yet."""
    known, made = set(read(reach).relations), []
    for relation in given["relations"]:
        key = (relation["from"], relation["to"], relation["relationType"])
        if key not in known:
            known.add(key)
            made.append(relation)
            source, target, kind = key
            _add(
                reach, f"{source} {kind.replace('_', ' ')} {target}", "relation",
                **{"from": source, "to": target, "type": kind},
            )  # fmt: skip
    return _told({"relations": made})


def add_observations(reach: Reach, given: Given) -> Result:
    """Observations that are not there yet.

    Raises:
        NotFound: an entity that is not there; nothing was written then.
    """
    graph = read(reach)
    for each in given["observations"]:
        if each["entityName"] not in graph.entities:
            raise NotFound(f"no entity is named {each['entityName']!r}; make it with create_entities first")
    results = []
    for each in given["observations"]:
        known = graph.observations.setdefault(each["entityName"], {})
        new = [said for said in dict.fromkeys(each["contents"]) if said not in known]
        for said in new:
            known[said] = graph.entities[each["entityName"]]
            _observe(reach, each["entityName"], said)
        results.append({"entityName": each["entityName"], "addedObservations": new})
    return _told({"results": results})


def delete_entities(reach: Reach, given: Given) -> Result:
    """Erases entities with their observations and relations."""
    graph = read(reach)
    names = set(given["entityNames"])
    events = [graph.entities[n] for n in names & graph.entities.keys()]
    events += [e for n in names for e in graph.observations.get(n, {}).values()]
    events += [e for key, e in graph.relations.items() if names & {key[0], key[1]}]
    return _erase(reach, events)


def delete_observations(reach: Reach, given: Given) -> Result:
    """Erases single observations."""
    graph = read(reach)
    wanted = [(d["entityName"], said) for d in given["deletions"] for said in d["observations"]]
    found = [graph.observations.get(name, {}).get(said) for name, said in wanted]
    return _erase(reach, [event for event in found if event is not None])


def delete_relations(reach: Reach, given: Given) -> Result:
    """Erases single relations."""
    graph = read(reach)
    keys = [(r["from"], r["to"], r["relationType"]) for r in given["relations"]]
    return _erase(reach, [graph.relations[key] for key in keys if key in graph.relations])


def read_graph(reach: Reach, given: Given) -> Result:
    """Everything."""
    return _told(read(reach).data())


def search_nodes(reach: Reach, given: Given) -> Result:
    """What holds the query's text, else what the memory's search finds."""
    graph, wanted = read(reach), given["query"].casefold()
    names = {
        name
        for name, event in graph.entities.items()
        for text in (name, _word(event, "type"), *graph.observations.get(name, {}))
        if wanted in text.casefold()
    }
    if not names:
        about: Mapping[str, Json] = {MARK: {"in": ["entity", "observation"]}}
        hits = reach.memory.search(given["query"], k=_FOUND, namespace=reach.namespace, filters=about)
        names = {str(hit.metadata.get("name")) for hit in hits}
    return _told(graph.data(names))


def open_nodes(reach: Reach, given: Given) -> Result:
    """Entities by name."""
    return _told(read(reach).data(given["names"]))


def _observe(reach: Reach, name: str, said: str) -> None:
    _add(reach, f"{name}: {said}", "observation", name=name, said=said)


def _add(reach: Reach, text: str, mark: str, **metadata: str) -> None:
    reach.memory.add(text, namespace=reach.namespace, metadata={MARK: mark, **metadata})


def _erase(reach: Reach, events: Iterable[Event]) -> Result:
    count = 0
    for event in events:
        reach.memory.delete(event.id, reason="deleted from the graph")
        count += 1
    return Result({"success": True, "deleted": count}, f"{count} deleted.")


def _word(event: Event, key: str) -> str:
    return str(event.metadata.get(key, ""))


def _told(data: Mapping[str, Any]) -> Result:
    import json

    safe = json.loads(disarmed(json.dumps(data, ensure_ascii=False)))
    return Result(safe, fenced(json.dumps(safe, ensure_ascii=False, indent=1)))


def _list(**properties: Schema) -> Schema:
    item = {
        "type": "object",
        "properties": properties,
        "required": [n for n in properties if n != "observations"],
    }
    return {"type": "array", "items": item}


_TEXTS: Schema = {"type": "array", "items": TEXT}
_ENTITIES = _list(name=TEXT, entityType=TEXT, observations=_TEXTS)
_RELATIONS = _list(**{"from": TEXT, "to": TEXT, "relationType": TEXT})
_GRAPH = {"entities": _ENTITIES, "relations": _RELATIONS}
_ADDED = {
    "type": "array",
    "items": {"type": "object", "properties": {"entityName": TEXT, "addedObservations": _TEXTS}},
}
_DONE: Mapping[str, Schema] = {"success": {"type": "boolean"}, "deleted": {"type": "integer"}}
_CONTENTS: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"entityName": TEXT, "contents": _TEXTS},
        "required": ["entityName", "contents"],
    },
}
_DELETIONS: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"entityName": TEXT, "observations": _TEXTS},
        "required": ["entityName", "observations"],
    },
}
_READS, _ERASES = {"read_only_hint": True}, {"destructive_hint": True}

REFERENCE = (
    Tool("create_entities", "Create entities in the knowledge graph; those that exist are left as they are.",
         {"entities": _ENTITIES}, {"entities": _ENTITIES}, create_entities, ("entities",), ("entities",)),
    Tool("create_relations", "Create relations between entities, in active voice.",
         {"relations": _RELATIONS}, {"relations": _RELATIONS}, create_relations, ("relations",), ("relations",)),
    Tool("add_observations", "Add observations to entities that exist.",
         {"observations": _CONTENTS}, {"results": _ADDED}, add_observations, ("observations",), ("results",)),
    Tool("delete_entities", "Erase entities with their observations and relations.",
         {"entityNames": _TEXTS}, _DONE, delete_entities, ("entityNames",), ("success",), _ERASES),
    Tool("delete_observations", "Erase observations of entities.",
         {"deletions": _DELETIONS}, _DONE, delete_observations, ("deletions",), ("success",), _ERASES),
    Tool("delete_relations", "Erase relations.",
         {"relations": _RELATIONS}, _DONE, delete_relations, ("relations",), ("success",), _ERASES),
    Tool("read_graph", "The whole knowledge graph.", {}, _GRAPH, read_graph, (), ("entities", "relations"), _READS),
    Tool("search_nodes", "Entities that match a query in name, type or observations, and relations between them.",
         {"query": TEXT}, _GRAPH, search_nodes, ("query",), ("entities", "relations"), _READS),
    Tool("open_nodes", "Entities by name, and relations between them.",
         {"names": _TEXTS}, _GRAPH, open_nodes, ("names",), ("entities", "relations"), _READS),
)  # fmt: skip

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ask, Failure, get, post } from "../api";
import type { ViewProps } from "../app";
import {
  announce,
  Confirm,
  Empty,
  Facts,
  Id,
  Origin,
  Page,
  ReceiptShown,
  Shown,
  useAsk,
  type Done,
} from "../parts";
import type { Deletion, Engram, Event, Neighbourhood, Receipt, Version } from "../records";
import { href } from "../route";
import { counted, short, when } from "../text";

type Asking = "delete" | "edit" | null;

interface All {
  memory: Event | Engram | null; // null: it is gone
  versions: Version[];
  around: Neighbourhood | null;
}

const isEngram = (of: Event | Engram): of is Engram => "recipe" in of;

async function load(id: string, signal: AbortSignal): Promise<All> {
  const path = encodeURIComponent(id);
  let memory: Event | Engram;
  try {
    memory = await get<Event | Engram>(`/memories/${path}`, {}, signal);
  } catch (error) {
    if (error instanceof Failure && error.status === 404) return { memory: null, versions: [], around: null };
    throw error;
  }
  const [{ versions }, around] = await Promise.all([
    get<{ versions: Version[] }>(`/ui/api/versions/${path}`, {}, signal),
    get<Neighbourhood>(`/memories/${path}/around`, { most: 60 }, signal),
  ]);
  return { memory, versions, around };
}

export function MemoryView({ route }: ViewProps) {
  const { id } = route;
  const path = encodeURIComponent(id);
  const [turn, next] = useState(0);
  const [asking, set] = useState<Asking>(null);
  const [done, finish] = useState<Done | null>(null);
  const [error, fail] = useState<string | null>(null);
  const found = useAsk(id ? `${id} ${turn}` : null, (signal) => load(id, signal));
  const memory = found.data?.memory ?? null;

  const finished = (what: Done) => {
    set(null);
    fail(null);
    finish(what);
    announce(`${what.title}.`);
    next(turn + 1);
  };
  const act = (title: string, doing: Promise<Receipt>) =>
    doing.then(
      (receipt) => finished({ title, receipt }),
      (cause: Error) => fail(cause.message),
    );
  const undo = (of: string) => void act("Change taken back", post<Receipt>(`/memories/${encodeURIComponent(of)}/undo`, {}));

  const remove = async (reason: string) => {
    const deletion = await ask<Deletion>("DELETE", `/memories/${path}?${new URLSearchParams({ reason })}`);
    const rejected = memory !== null && isEngram(memory);
    finished({
      title: rejected ? "Memory rejected" : "Entry erased",
      deletion,
      undo: rejected ? id : undefined,
    });
  };
  const correct = async (reason: string, content: string) => {
    const receipt = await ask<Receipt>("PUT", `/memories/${path}`, { content, reason });
    finished({ title: "Memory corrected", receipt, undo: id });
  };

  return (
    <Page title="Memory">
      {done && <ReceiptShown of={done} onUndo={undo} />}
      {error && (
        <p role="alert" class="error">
          {error}
        </p>
      )}
      <Shown of={found} what="the memory">
        {(all) =>
          all.memory ? (
            <>
              <Whole memory={all.memory}>
                <div class="buttons">
                  <button type="button" onClick={() => set("edit")}>
                    Correct
                  </button>
                  <button type="button" onClick={() => undo(id)} disabled={!all.versions.some((v) => v.revision.version > 1)}>
                    Undo last change
                  </button>
                  <Pin memory={all.memory} act={act} />
                  <a class="button" href={href("graph", id)}>
                    Graph
                  </a>
                  <button type="button" class="danger" onClick={() => set("delete")}>
                    {isEngram(all.memory) ? "Reject" : "Erase"}
                  </button>
                </div>
              </Whole>
              <Sources all={all} />
              <Versions versions={all.versions} />
              <Links all={all} />
            </>
          ) : (
            <Empty title="Nothing here has this id.">
              <p>
                <code class="break">{id}</code> was erased, or never was. <a href={href("timeline")}>To the timeline</a>
              </p>
            </Empty>
          )
        }
      </Shown>
      {asking === "delete" && memory && (
        <Confirm
          title={isEngram(memory) ? "Reject this memory?" : "Erase this entry?"}
          button={isEngram(memory) ? "Reject" : "Erase"}
          danger
          onClose={() => set(null)}
          onDone={remove}
        >
          <p>
            {isEngram(memory)
              ? "It is never recalled again, also after a rebuild. The journal keeps what was said, and undo brings it back."
              : "The entry and everything that only it supports are erased for good. This cannot be undone."}
          </p>
        </Confirm>
      )}
      {asking === "edit" && memory && (
        <Confirm title="Correct this memory" button="Correct" text={memory.content} onClose={() => set(null)} onDone={correct}>
          <p>A new version stands from now on; the old one stays in the history.</p>
        </Confirm>
      )}
    </Page>
  );
}

function Pin(props: { memory: Event | Engram; act: (title: string, doing: Promise<Receipt>) => void }) {
  const { memory } = props;
  const path = `/memories/${encodeURIComponent(memory.id)}`;
  const pinned = isEngram(memory) && memory.pinned;
  return pinned ? (
    <button type="button" onClick={() => props.act("Pin taken back", post<Receipt>(`${path}/unpin`, {}))}>
      Unpin
    </button>
  ) : (
    <button type="button" onClick={() => props.act("Pinned", post<Receipt>(`${path}/pin`, {}))}>
      Pin
    </button>
  );
}

function Whole(props: { memory: Event | Engram; children: ComponentChildren }) {
  const { memory } = props;
  const rows: [string, ComponentChildren][] = [
    ["Id", <code class="break">{memory.id}</code>],
    ["Kind", isEngram(memory) ? `${memory.kind}, derived by ${memory.recipe}` : `journal entry (${memory.kind})`],
    ["Namespace", memory.namespace],
    ["Happened", when(memory.occurred_at)],
    ["Recorded", when(memory.recorded_at)],
  ];
  if (isEngram(memory)) {
    rows.push(["State", `${memory.state}${memory.pinned ? ", pinned" : ""}, version ${memory.version}`]);
    if (memory.valid_from || memory.valid_to) {
      rows.push(["Was true", `${when(memory.valid_from)} to ${memory.valid_to ? when(memory.valid_to) : "now"}`]);
    }
    rows.push(["Recalled", counted(memory.recall_count, "time")]);
  }
  for (const [name, value] of Object.entries(memory.metadata)) {
    rows.push([name, typeof value === "string" ? value : JSON.stringify(value)]);
  }
  return (
    <article class="whole">
      <p class="said large">{memory.content || `(${memory.kind})`}</p>
      <Origin of={memory} />
      {props.children}
      <Facts rows={rows} />
    </article>
  );
}

function Sources({ all }: { all: All }) {
  const { memory, around } = all;
  if (!memory || !around) return null;
  const nodes = new Map(around.nodes.map((node) => [node.id, node]));
  const engram = isEngram(memory);
  const shown = engram
    ? memory.sources
    : around.ties.filter((tie) => tie.relation === "source" && tie.target === memory.id).map((tie) => tie.source);
  return (
    <section aria-labelledby="sources">
      <h2 id="sources">{engram ? "Sources" : "Derived from it"}</h2>
      {!shown.length && <p class="quiet">{engram ? "None is left." : "Nothing was derived from it."}</p>}
      <ul class="plain">
        {shown.map((id) => (
          <li key={id}>
            <a href={href("memory", id)}>{nodes.get(id)?.label ?? short(id)}</a>{" "}
            <span class="tag">{nodes.get(id)?.kind ?? "memory"}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

const MARKS = { "=": "", "-": "taken out: ", "+": "put in: " };

function Versions({ versions }: { versions: Version[] }) {
  return (
    <section aria-labelledby="versions">
      <h2 id="versions">Versions</h2>
      {!versions.length && <p class="quiet">Nothing was derived, so there are no versions.</p>}
      <ol class="versions">
        {[...versions].reverse().map(({ revision, parts, state_before }) => (
          <li key={`${revision.engram_id} ${revision.version}`}>
            <h3>
              Version {revision.version} <span class="tag">{revision.change}</span>
            </h3>
            <p class="origin">
              <time dateTime={revision.at}>{when(revision.at)}</time>
              <span>by {revision.actor}</span>
              {revision.reason && <span>{revision.reason}</span>}
              {revision.engram_id && <Id id={revision.engram_id} />}
            </p>
            <p class="diff">
              {parts.length
                ? parts.map(([mark, text], i) =>
                    mark === "=" ? (
                      <span key={i}>{text}</span>
                    ) : mark === "-" ? (
                      <del key={i}>
                        <span class="aloud">{MARKS[mark]}</span>
                        {text}
                      </del>
                    ) : (
                      <ins key={i}>
                        <span class="aloud">{MARKS[mark]}</span>
                        {text}
                      </ins>
                    ),
                  )
                : revision.content}
            </p>
            {state_before && state_before !== revision.state && (
              <p class="quiet">
                {state_before} → {revision.state}
              </p>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}

const RELATIONS: Record<string, string> = { next: "Said before and after", "said by": "Said by", "speaks of": "Speaks of" };

function Links({ all }: { all: All }) {
  const { memory, around } = all;
  if (!memory || !around) return null;
  const mine = new Set([memory.id, ...around.ties.filter((t) => t.relation === "source" && t.target === memory.id).map((t) => t.source)]);
  const groups = new Map<string, Set<string>>();
  for (const tie of around.ties) {
    if (tie.relation === "source" || mine.has(tie.source) === mine.has(tie.target)) continue;
    const other = mine.has(tie.source) ? tie.target : tie.source;
    groups.set(tie.relation, (groups.get(tie.relation) ?? new Set()).add(other));
  }
  const nodes = new Map(around.nodes.map((node) => [node.id, node]));
  return (
    <section aria-labelledby="links">
      <h2 id="links">Links</h2>
      {!groups.size && <p class="quiet">It stands alone: no name, no neighbour, no link.</p>}
      <Facts
        rows={[...groups].map(([relation, ids]) => [
          RELATIONS[relation] ?? relation,
          <ul class="plain">
            {[...ids].map((id) => {
              const node = nodes.get(id);
              if (node?.kind === "name") {
                return (
                  <li key={id}>
                    <a href={href("search", "", { q: node.label })}>{node.label}</a>{" "}
                    <span class="quiet">in {counted(node.held, "memory", "memories")}</span>
                  </li>
                );
              }
              return (
                <li key={id}>
                  <a href={href("memory", id)}>{node?.label ?? short(id)}</a>
                </li>
              );
            })}
          </ul>,
        ])}
      />
    </section>
  );
}

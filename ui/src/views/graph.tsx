import { useMemo } from "preact/hooks";
import { get } from "../api";
import type { ViewProps } from "../app";
import { Empty, Page, Shown, useAsk } from "../parts";
import { layout } from "../layout";
import type { Event, Neighbourhood, Node, Paged } from "../records";
import { href } from "../route";
import { counted } from "../text";

const MOST = 60;
const LETTERS = 26; // of a label in the picture; the list has them whole

export function Graph({ route, namespace }: ViewProps) {
  const found = useAsk(`${route.id} ${namespace}`, async (signal) => {
    let { id } = route;
    if (!id) {
      const latest = await get<Paged<Event>>("/log", { namespace, limit: 20, newest_first: true }, signal);
      id = latest.items.find((event) => event.kind === "message")?.id ?? "";
    }
    const path = `/memories/${encodeURIComponent(id)}/around`;
    return { graph: id ? await get<Neighbourhood>(path, { most: MOST }, signal) : null };
  });
  return (
    <Page
      title="Graph"
      lead={
        route.id
          ? "What lies around one memory: its sources, names, neighbours and links."
          : "What lies around the latest entry. Choose another on the timeline, or follow a node."
      }
    >
      <Shown of={found} what="the graph">
        {({ graph }) =>
          graph && graph.nodes.length > 1 ? (
            <>
              <Picture graph={graph} />
              <List graph={graph} />
            </>
          ) : (
            <Empty title={graph ? "It stands alone." : "Nothing was said here yet."}>
              {graph && <p>No name, no neighbour, no link leads from it.</p>}
            </Empty>
          )
        }
      </Shown>
    </Page>
  );
}

const cut = (text: string) => (text.length > LETTERS ? `${text.slice(0, LETTERS - 1)}…` : text);
const to = (node: Node) => (node.kind === "name" ? href("search", "", { q: node.label }) : href("graph", node.id));
const told = (node: Node) =>
  node.kind === "name" ? `Name ${node.label}, in ${counted(node.held, "memory", "memories")}` : `${node.kind}: ${node.label}`;

function Picture({ graph }: { graph: Neighbourhood }) {
  const spots = useMemo(() => layout(graph), [graph]);
  const all = [...spots.values()];
  const pad = 110;
  const left = Math.min(...all.map((s) => s.x)) - pad;
  const top = Math.min(...all.map((s) => s.y)) - 40;
  const width = Math.max(...all.map((s) => s.x)) + pad - left;
  const height = Math.max(...all.map((s) => s.y)) + 40 - top;
  return (
    <>
      <ul class="legend" aria-hidden="true">
        <li class="engram">memory</li>
        <li class="event">journal entry</li>
        <li class="name">name</li>
      </ul>
      <svg class="graph" viewBox={`${left} ${top} ${width} ${height}`} role="group" aria-label="Graph; the list below says the same">
        {graph.ties.map((tie, i) => {
          const [a, b] = [spots.get(tie.source), spots.get(tie.target)];
          return a && b ? (
            <line key={i} class={`tie ${tie.relation.replace(" ", "-")}`} x1={a.x} y1={a.y} x2={b.x} y2={b.y}>
              <title>{tie.relation}</title>
            </line>
          ) : null;
        })}
        {graph.nodes.map((node) => {
          const spot = spots.get(node.id);
          return spot ? <Dot key={node.id} node={node} x={spot.x} y={spot.y} focus={node.id === graph.id} /> : null;
        })}
      </svg>
      {graph.cut && <p class="quiet">There is more around it; this shows {counted(MOST, "node")}.</p>}
    </>
  );
}

function Dot({ node, x, y, focus }: { node: Node; x: number; y: number; focus: boolean }) {
  const kind = node.kind === "name" || node.kind === "event" ? node.kind : "engram";
  const wide = 7.9 * cut(node.label).length + 18;
  return (
    <g transform={`translate(${x} ${y})`}>
      <a class={`node ${kind} ${focus ? "focus" : ""}`} href={to(node)} aria-label={told(node)}>
        <title>{told(node)}</title>
        {kind === "name" && <rect x={-wide / 2} y={-13} width={wide} height={26} rx={13} />}
        {kind === "event" && <rect x={-8} y={-8} width={16} height={16} rx={3} />}
        {kind === "engram" && <circle r={focus ? 12 : 9} />}
        <text y={kind === "name" ? 5 : 27} text-anchor="middle">
          {cut(node.label)}
        </text>
      </a>
    </g>
  );
}

function List({ graph }: { graph: Neighbourhood }) {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  const ties = graph.ties.flatMap((tie) => {
    const [a, b] = [nodes.get(tie.source), nodes.get(tie.target)];
    return a && b ? [{ a, b, relation: tie.relation }] : [];
  });
  return (
    <details class="list" open={matchMedia("(max-width: 40rem)").matches}>
      <summary>The same as a list: {counted(graph.nodes.length, "node")}, {counted(ties.length, "tie")}</summary>
      <ul class="plain">
        {ties.map(({ a, b, relation }, i) => (
          <li key={i}>
            <a href={to(a)}>{a.label}</a> <span class="tag">{relation}</span> <a href={to(b)}>{b.label}</a>
          </li>
        ))}
      </ul>
    </details>
  );
}

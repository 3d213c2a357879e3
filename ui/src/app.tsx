// The frame: where one is, where one can go, whose memory it is, light or dark.

import { useEffect, useState } from "preact/hooks";
import { get, keep, type Failure } from "./api";
import { Announcer, announce, Failed, useAsk } from "./parts";
import type { Start } from "./records";
import { change, href, useRoute, type Route } from "./route";
import { bytes, counted } from "./text";
import { Compare } from "./views/compare";
import { ContextView } from "./views/context";
import { Costs } from "./views/costs";
import { Graph } from "./views/graph";
import { Jobs } from "./views/jobs";
import { MemoryView } from "./views/memory";
import { Namespaces } from "./views/namespaces";
import { Search } from "./views/search";
import { TimelineView } from "./views/timeline";

export interface ViewProps {
  route: Route;
  namespace: string;
  start: Start;
}

const VIEWS: Record<string, (props: ViewProps) => preact.JSX.Element> = {
  timeline: TimelineView,
  search: Search,
  context: ContextView,
  compare: Compare,
  graph: Graph,
  memory: MemoryView,
  namespaces: Namespaces,
  jobs: Jobs,
  costs: Costs,
};

const PLACES: [string, string][] = [
  ["timeline", "Timeline"],
  ["search", "Search"],
  ["context", "Context"],
  ["compare", "Compare"],
  ["graph", "Graph"],
  ["namespaces", "Namespaces"],
  ["jobs", "Jobs"],
  ["costs", "Costs"],
];

export function App() {
  const route = useRoute();
  const start = useAsk("start", (signal) => get<Start>("/ui/api/start", {}, signal));
  const [open, setOpen] = useState(false);
  const namespace = route.given.get("ns") ?? usual(start.data?.namespaces ?? []);
  const where = `${route.view}/${route.id}`;
  useEffect(cleanAddress, []);
  useEffect(() => setOpen(false), [where]);
  useFocusOnArrival(where);
  const View = VIEWS[route.view];
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <header class="side">
        <a class="brand" href={href("timeline")}>
          <img src="./icon.svg" width="28" height="28" alt="" />
          <span>Engrams</span>
        </a>
        <button
          type="button"
          class="menu"
          aria-expanded={open}
          aria-controls="places"
          onClick={() => setOpen(!open)}
        >
          Menu
        </button>
        <div id="places" class={open ? "places open" : "places"}>
          {start.data && <Whose namespace={namespace} start={start.data} />}
          <nav aria-label="Views">
            <ul>
              {PLACES.map(([view, name]) => (
                <li key={view}>
                  <a href={href(view)} aria-current={at(route.view) === view ? "page" : undefined}>
                    {name}
                  </a>
                </li>
              ))}
            </ul>
          </nav>
          <Theme />
          {start.data && <About start={start.data} />}
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {start.error && <Unable error={start.error} again={start.again} />}
        {start.data && View && <View key={where} route={route} namespace={namespace} start={start.data} />}
        {start.data && !View && (
          <p>
            There is no view “{route.view}”. <a href={href("timeline")}>To the timeline</a>
          </p>
        )}
        {start.busy && <p class="quiet loading">Opening the memory …</p>}
      </main>
      <Announcer />
    </div>
  );
}

const at = (view: string) => (view === "memory" ? "timeline" : view);

/** The namespace that calls use which name none, where it is there, else the first. */
const usual = (names: string[]) => (names.includes("default") ? "default" : (names[0] ?? "default"));

/** The token of the address was used; it need not stand in the history. */
function cleanAddress(): void {
  if (location.search) history.replaceState(null, "", location.pathname + location.hash);
}

function skip(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

/** Whoever goes to another view stands at its heading, and hears its name. */
function useFocusOnArrival(where: string): void {
  const [first, later] = useState(true);
  useEffect(() => {
    if (first) {
      later(false);
      return;
    }
    window.scrollTo(0, 0);
    const heading = document.querySelector<HTMLElement>("main h1");
    heading?.focus({ preventScroll: true });
    announce(heading?.textContent ?? "");
  }, [where]);
}

function Whose(props: { namespace: string; start: Start }) {
  const { namespace, start } = props;
  const known = start.namespaces.includes(namespace) ? start.namespaces : [namespace, ...start.namespaces];
  return (
    <label class="whose">
      <span>Namespace</span>
      <select
        value={namespace}
        onChange={(event) => change({ ns: event.currentTarget.value, as_of: null, by: null })}
      >
        {known.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
      {start.more_namespaces > 0 && (
        <a href={href("namespaces")}>{counted(start.more_namespaces, "more", "more")}</a>
      )}
    </label>
  );
}

const THEME = "engrams-theme";

const kept = () => localStorage.getItem(THEME) ?? "auto";

/** Before anything is drawn, so that nothing flashes. */
export function applyTheme(): void {
  document.documentElement.dataset.theme = kept();
}

function Theme() {
  const [theme, chosen] = useState(kept);
  const set = (name: string) => {
    localStorage.setItem(THEME, name);
    applyTheme();
    chosen(name);
  };
  return (
    <fieldset class="theme">
      <legend>Light or dark</legend>
      {["auto", "light", "dark"].map((name) => (
        <label key={name}>
          <input type="radio" name="theme" checked={theme === name} onChange={() => set(name)} />
          <span>{name}</span>
        </label>
      ))}
    </fieldset>
  );
}

function About(props: { start: Start }) {
  const { stats, location: file, recipe, version } = props.start;
  return (
    <footer class="about">
      {stats && (
        <p>
          {counted(stats.engrams, "memory", "memories")}
          {stats.bytes > 0 && `, ${bytes(stats.bytes)}`}
        </p>
      )}
      {file && (
        <p class="break" title={file}>
          {file.split("/").pop()}
        </p>
      )}
      <p>
        recipe {recipe} · version {version}
      </p>
    </footer>
  );
}

/** The memory cannot be seen: a key is asked for, or the server says why. */
function Unable(props: { error: Failure; again: () => void }) {
  if (props.error.status !== 401 || !props.error.message.includes("key")) {
    return <Failed error={props.error} what="the memory" again={props.again} />;
  }
  return (
    <form
      class="key"
      onSubmit={(event) => {
        event.preventDefault();
        keep(String(new FormData(event.currentTarget).get("key") ?? "").trim());
        props.again();
      }}
    >
      <h1>This server asks for a key</h1>
      <p>{props.error.message}</p>
      <label>
        <span>Key</span>
        <input type="password" name="key" autocomplete="off" required />
      </label>
      <button type="submit" class="main">
        Open
      </button>
    </form>
  );
}

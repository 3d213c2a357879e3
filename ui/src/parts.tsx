// What the views share: asking and showing what was answered, times past, signals, receipts.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Failure, get } from "./api";
import type { Deletion, Hit, Place, Receipt } from "./records";
import { change, href, type Route } from "./route";
import { counted, day, number, share, short, when } from "./text";

// --- what is said aloud

let speak: (text: string) => void = () => undefined;

/** Tells whoever hears the page what happened. */
export function announce(text: string): void {
  speak(text);
}

export function Announcer() {
  const [text, set] = useState("");
  speak = set;
  return (
    <div class="aloud" role="status" aria-live="polite">
      {text}
    </div>
  );
}

// --- asking

export interface Asked<T> {
  data: T | null;
  error: Failure | null;
  busy: boolean;
  again: () => void;
}

/** Asks whenever `key` changes (null: nothing to ask); what comes late for an older key is dropped. */
export function useAsk<T>(key: string | null, fetch: (signal: AbortSignal) => Promise<T>): Asked<T> {
  const [state, set] = useState<{ key: string | null; data: T | null; error: Failure | null }>({
    key: null,
    data: null,
    error: null,
  });
  const [turn, next] = useState(0);
  useEffect(() => {
    if (key === null) return;
    const stop = new AbortController();
    fetch(stop.signal).then(
      (data) => stop.signal.aborted || set({ key, data, error: null }),
      (error: unknown) => {
        if (stop.signal.aborted) return;
        const failed = error instanceof Failure ? error : new Failure(0, "Error", String(error));
        set({ key, data: null, error: failed });
      },
    );
    return () => stop.abort();
  }, [key, turn]);
  const fresh = state.key === key && key !== null;
  return {
    data: key === null ? null : state.data,
    error: fresh ? state.error : null,
    busy: key !== null && !fresh,
    again: () => {
      set({ key: null, data: null, error: null });
      next(turn + 1);
    },
  };
}

/** What was answered, or that it is on its way, or why it failed. Earlier data stays in sight while new comes. */
export function Shown<T>(props: { of: Asked<T>; what: string; children: (data: T) => ComponentChildren }) {
  const { of, what } = props;
  if (of.error) return <Failed error={of.error} what={what} again={of.again} />;
  return (
    <div aria-busy={of.busy} class={of.busy ? "busy" : ""}>
      {of.busy && !of.data && <p class="quiet loading">Loading {what} …</p>}
      {of.data && props.children(of.data)}
    </div>
  );
}

export function Failed(props: { error: Failure; what: string; again?: () => void }) {
  return (
    <div class="failed" role="alert">
      <p>
        <strong>Could not load {props.what}.</strong>
      </p>
      <p>{props.error.message}</p>
      {props.again && (
        <button type="button" onClick={props.again}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Empty(props: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p>
        <strong>{props.title}</strong>
      </p>
      {props.children}
    </div>
  );
}

// --- the page of a view

export function Page(props: { title: string; lead?: ComponentChildren; children: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${props.title} · Engrams`;
  }, [props.title]);
  return (
    <>
      <header class="page">
        <h1 tabIndex={-1} ref={heading}>
          {props.title}
        </h1>
        {props.lead && <p class="lead">{props.lead}</p>}
      </header>
      {props.children}
    </>
  );
}

/** A form whose fields go to the address: what is asked can be linked to. */
export function AskForm(props: { label: string; button?: string; children?: ComponentChildren; route: Route }) {
  const asked = props.route.given.get("q") ?? "";
  return (
    <form
      class="ask"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        const fields = new FormData(event.currentTarget);
        change(Object.fromEntries([...fields].map(([name, value]) => [name, String(value).trim()])));
      }}
    >
      <label class="grow">
        <span>{props.label}</span>
        <input type="search" name="q" key={asked} defaultValue={asked} autocomplete="off" required />
      </label>
      {props.children}
      <button type="submit" class="main">
        {props.button ?? "Ask"}
      </button>
    </form>
  );
}

// --- times past

const NOTCHES = 200;

export interface Past {
  as_of?: string;
  as_of_by?: string;
}

/** What the address says of the time asked about, as the server takes it. */
export function past(route: Route): Past {
  const at = route.given.get("as_of");
  return at ? { as_of: at, as_of_by: route.given.get("by") ?? "recorded" } : {};
}

/** The slider through time: what was known then, or what had happened by then. */
export function AsOf(props: { route: Route; namespace: string }) {
  const { route, namespace } = props;
  const place = useAsk(`place ${namespace}`, (signal) =>
    get<Place>("/ui/api/place", { namespace }, signal),
  );
  const wait = useRef<number | undefined>(undefined);
  const [moving, move] = useState<number | null>(null);
  const { recorded, occurred } = place.data ?? { recorded: null, occurred: null };
  if (!recorded || !occurred) return null;
  const spans = { recorded: span(recorded), occurred: span(occurred) };
  // A history that was loaded at once was learnt in a moment: there the other question is the useful one.
  const usual = spans.recorded.wide * 50 < spans.occurred.wide ? "occurred" : "recorded";
  const at = route.given.get("as_of");
  const by = (route.given.get("by") ?? usual) === "occurred" ? "occurred" : "recorded";
  const { from, wide } = spans[by];
  const notch = moving ?? (at ? Math.round(((Date.parse(at) - from) / (wide || 1)) * NOTCHES) : NOTCHES);
  const timeOf = (n: number) => new Date(from + (wide * n) / NOTCHES).toISOString();
  const said = notch >= NOTCHES ? "now" : when(timeOf(notch));
  const set = (n: number) => {
    move(n);
    clearTimeout(wait.current);
    wait.current = window.setTimeout(() => {
      move(null);
      change(n >= NOTCHES ? { as_of: null, by: null } : { as_of: timeOf(n), by }, true);
    }, 150);
  };
  return (
    <section class={`asof ${at ? "looking-back" : ""}`} aria-label="As of">
      <div class="slider">
        <p>
          <label for="as-of">As of</label> <strong aria-hidden="true">{said}</strong>
        </p>
        <input
          id="as-of"
          type="range"
          min={0}
          max={NOTCHES}
          value={Math.min(NOTCHES, Math.max(0, notch))}
          aria-valuetext={said}
          onInput={(event) => set(Number(event.currentTarget.value))}
        />
      </div>
      <label>
        <span>By</span>
        <select
          value={by}
          onChange={(event) => {
            const chosen = event.currentTarget.value;
            change({ by: chosen, as_of: at ? timeOf(notch) : null }, true);
          }}
        >
          <option value="recorded">when it was learnt</option>
          <option value="occurred">when it happened</option>
        </select>
      </label>
      {at && (
        <button type="button" onClick={() => change({ as_of: null, by: null }, true)}>
          Back to now
        </button>
      )}
    </section>
  );
}

function span(ends: string[]): { from: number; wide: number } {
  const from = Date.parse(ends[0] ?? "");
  return { from, wide: Date.parse(ends[1] ?? ends[0] ?? "") - from };
}

// --- signals

/** Signals of one family share a colour; see style.css. */
const FAMILIES: [RegExp, string][] = [
  [/^words$/, "words"],
  [/^words nearby$/, "words-near"],
  [/^session$/, "session"],
  [/^meaning$/, "meaning"],
  [/^meaning nearby$/, "meaning-near"],
  [/^dense/, "dense"],
  [/^(speaker|role|question|reply)$/, "who"],
  [/^(date|spoken|tells when)$/, "when"],
  [/^graph$/, "graph"],
];

const family = (signal: string) => FAMILIES.find(([form]) => form.test(signal))?.[1] ?? "other";

/** Every signal's share of one hit's score: a bar, and the numbers. `most`: the widest bar of the list. */
export function Signals(props: { hit: Hit; most: number }) {
  const shares = Object.entries(props.hit.signals)
    .filter(([, value]) => Math.abs(value) >= 0.005)
    .sort((a, b) => b[1] - a[1]);
  if (!shares.length) return <p class="quiet">No signal had a share in this.</p>;
  const wide = (value: number) => ({ width: `${(100 * Math.abs(value)) / props.most}%` });
  const plus = shares.filter(([, value]) => value > 0);
  const minus = shares.filter(([, value]) => value < 0);
  return (
    <div class="signals">
      <div class="bar" aria-hidden="true">
        {plus.map(([name, value]) => (
          <span key={name} class={`s-${family(name)}`} style={wide(value)} title={`${name} ${share(value)}`} />
        ))}
        {minus.map(([name, value]) => (
          <span key={name} class={`s-${family(name)} minus`} style={wide(value)} title={`${name} ${share(value)}`} />
        ))}
      </div>
      <ul class="shares" aria-label="Share of each signal">
        {shares.map(([name, value]) => (
          <li key={name}>
            <i class={`s-${family(name)}`} aria-hidden="true" />
            {name} <b>{share(value)}</b>
          </li>
        ))}
      </ul>
    </div>
  );
}

export function widest(hits: Hit[]): number {
  return Math.max(
    0.01,
    ...hits.map((hit) => Object.values(hit.signals).reduce((sum, value) => sum + Math.abs(value), 0)),
  );
}

// --- small things

/** Who said it where and when, in one line. */
export function Origin(props: {
  of: { occurred_at: string; speaker: string | null; role: string; session: string | null };
}) {
  const { of } = props;
  return (
    <p class="origin">
      <time dateTime={of.occurred_at}>{when(of.occurred_at)}</time>
      {(of.speaker ?? of.role) && <span>{of.speaker ?? of.role}</span>}
      {of.session && <span>session {of.session}</span>}
    </p>
  );
}

export function Id(props: { id: string; view?: string }) {
  return (
    <a class="id" href={href(props.view ?? "memory", props.id)} title={props.id}>
      {short(props.id)}
    </a>
  );
}

export function Facts(props: { rows: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {props.rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A wide table on a narrow screen scrolls by itself, also by keyboard. */
export function Wide(props: { label: string; children: ComponentChildren }) {
  return (
    <div class="wide" role="region" aria-label={props.label} tabIndex={0}>
      {props.children}
    </div>
  );
}

// --- receipts

export interface Done {
  title: string;
  deletion?: Deletion;
  receipt?: Receipt;
  undo?: string | undefined; // the id to give to undo
}

/** What a change did, as the server acknowledged it. */
export function ReceiptShown(props: { of: Done; onUndo?: (id: string) => void }) {
  const { deletion, receipt, title, undo } = props.of;
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => head.current?.focus(), [props.of]);
  const rows: [string, ComponentChildren][] = [];
  if (deletion) {
    rows.push(["Journal entries erased", ids(deletion.events)]);
    rows.push(["Memories removed", ids(deletion.engrams)]);
    rows.push(["Links removed", number(deletion.links)]);
    rows.push([
      "State",
      deletion.state === "done" ? "done: no byte is left" : "pending: bytes go when the last reader closes",
    ]);
    if (deletion.digest) rows.push(["Digest", <code class="break">{deletion.digest}</code>]);
  }
  if (receipt) {
    rows.push(["Journalled as", ids(receipt.event_ids)]);
    rows.push([
      "Versions that followed",
      receipt.derived.length
        ? receipt.derived.map((d) => `${d.change} ${d.kind} ${short(d.id)}`).join(", ")
        : "none",
    ]);
  }
  return (
    <section class="receipt" aria-labelledby="receipt">
      <h2 id="receipt" tabIndex={-1} ref={head}>
        Receipt: {title}
      </h2>
      <Facts rows={rows} />
      {undo && props.onUndo && (
        <button type="button" onClick={() => props.onUndo?.(undo)}>
          Undo this
        </button>
      )}
    </section>
  );
}

function ids(all: string[]): JSX.Element {
  return (
    <>
      {number(all.length)}
      {all.length > 0 && <code class="break"> {all.slice(0, 20).join(", ")}</code>}
      {all.length > 20 && ` and ${counted(all.length - 20, "more", "more")}`}
    </>
  );
}

// --- a question before something is done

/** The browser's own dialog: keeps the focus inside, closes with Escape, gives the focus back. */
export function Confirm(props: {
  title: string;
  children: ComponentChildren;
  button: string;
  danger?: boolean;
  text?: string; // where given, a text is asked for too
  onClose: () => void;
  onDone: (reason: string, text: string) => Promise<void>;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [error, fail] = useState<string | null>(null);
  const [busy, set] = useState(false);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby="asked" onClose={props.onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const fields = new FormData(event.currentTarget);
          set(true);
          props.onDone(String(fields.get("reason") ?? ""), String(fields.get("text") ?? "")).catch((cause: Error) => {
            set(false);
            fail(cause.message);
          });
        }}
      >
        <h2 id="asked">{props.title}</h2>
        {props.children}
        {props.text !== undefined && (
          <label>
            <span>What it should say</span>
            <textarea name="text" rows={5} defaultValue={props.text} required />
          </label>
        )}
        <label>
          <span>Reason, for the history</span>
          <input name="reason" autocomplete="off" />
        </label>
        {error && (
          <p role="alert" class="error">
            {error}
          </p>
        )}
        <div class="buttons">
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" class={props.danger ? "danger" : "main"} disabled={busy}>
            {props.button}
          </button>
        </div>
      </form>
    </dialog>
  );
}

/** The days of a list that is in the order of time. */
export function byDay<T extends { occurred_at: string }>(items: T[]): [string, T[]][] {
  const days: [string, T[]][] = [];
  for (const item of items) {
    const name = day(item.occurred_at);
    const last = days[days.length - 1];
    if (last && last[0] === name) last[1].push(item);
    else days.push([name, [item]]);
  }
  return days;
}

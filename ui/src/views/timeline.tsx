import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Failure, get } from "../api";
import type { ViewProps } from "../app";
import { AsOf, byDay, Empty, Failed, Page, past, Shown, useAsk } from "../parts";
import type { Event, Paged, Timeline } from "../records";
import { change, href, type Route } from "../route";
import { clock, counted, day, longDay, number } from "../text";

const PAGE = 100;
const PARTS = 60;
const PARTS_NARROW = 24;

export function TimelineView({ route, namespace }: ViewProps) {
  const parts = useMemo(() => (matchMedia("(max-width: 40rem)").matches ? PARTS_NARROW : PARTS), []);
  const given = { namespace, parts, ...past(route) };
  const line = useAsk(JSON.stringify(given), (signal) => get<Timeline>("/timeline", given, signal));
  const since = route.given.get("since");
  const until = route.given.get("until");
  return (
    <Page title="Timeline" lead="The journal: everything that was said, seen and corrected. All else is derived from it.">
      <AsOf route={route} namespace={namespace} />
      <Shown of={line} what="the timeline">
        {(found) => <Chart line={found} since={since} until={until} />}
      </Shown>
      <Journal route={route} namespace={namespace} />
    </Page>
  );
}

interface Part {
  count: number;
  from: string;
  to: string; // last instant of the part
}

function partsOf(line: Timeline): Part[] {
  if (!line.start) return [];
  const start = Date.parse(line.start);
  return line.counts.map((count, i) => ({
    count,
    from: new Date(start + i * line.step * 1000).toISOString(),
    to: new Date(start + (i + 1) * line.step * 1000 - 1).toISOString(),
  }));
}

const DAY = 86_400;

function named(part: Part, step: number): string {
  if (step < DAY) return `${day(part.from)}, ${clock(part.from)} to ${clock(part.to)}`;
  return step === DAY ? day(part.from) : `${day(part.from)} to ${day(part.to)}`;
}

/** Counts over time. One bar is in the tab order; arrow keys go to the others, Enter shows what lies in it. */
function Chart({ line, since, until }: { line: Timeline; since: string | null; until: string | null }) {
  const all = useMemo(() => partsOf(line), [line]);
  const [at, move] = useState(0);
  const bars = useRef<HTMLDivElement>(null);
  if (!all.length) return null;
  const most = Math.max(...all.map((part) => part.count));
  const keys: Record<string, number> = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: all.length - 1 };
  const onKeyDown = (event: KeyboardEvent) => {
    const to = keys[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = Math.min(all.length - 1, Math.max(0, to));
    move(next);
    bars.current?.querySelectorAll("button")[next]?.focus();
  };
  return (
    <section class="chart" aria-label="Memories over time">
      <p class="quiet">
        {counted(line.total, "memory", "memories")} by when they happened; the highest bar stands for {number(most)}
      </p>
      <div class="bars" ref={bars} role="group" aria-label="Memories over time, arrow keys move" onKeyDown={onKeyDown}>
        {all.map((part, i) => {
          const chosen = since === part.from && until === part.to;
          const label = `${named(part, line.step)}: ${counted(part.count, "memory", "memories")}`;
          return (
            <button
              type="button"
              key={part.from}
              tabIndex={i === Math.min(at, all.length - 1) ? 0 : -1}
              aria-label={label}
              aria-pressed={chosen}
              title={label}
              onFocus={() => move(i)}
              onClick={() => change(chosen ? { since: null, until: null } : { since: part.from, until: part.to })}
            >
              <span style={{ height: part.count ? `${Math.max(2, (100 * part.count) / most)}%` : "0" }} />
            </button>
          );
        })}
      </div>
      <p class="ends" aria-hidden="true">
        <span>{line.first && day(line.first)}</span>
        <span>{line.last && day(line.last)}</span>
      </p>
    </section>
  );
}

interface Pages {
  key: string;
  items: Event[];
  next: string | null;
  error: Failure | null;
  busy: boolean;
}

/** The journal page by page: the next one comes when its end is in sight, or at the press of a button. */
function Journal({ route, namespace }: { route: Route; namespace: string }) {
  const oldest = route.given.get("order") === "oldest";
  const { as_of, as_of_by } = past(route);
  const since = route.given.get("since");
  const until = earlier(route.given.get("until"), as_of_by === "occurred" ? as_of : undefined);
  const given = {
    namespace,
    limit: PAGE,
    newest_first: !oldest,
    since,
    until,
    filters: as_of && as_of_by !== "occurred" ? JSON.stringify({ recorded_at: { lte: as_of } }) : null,
  };
  const key = JSON.stringify(given);
  const [pages, set] = useState<Pages>({ key: "", items: [], next: null, error: null, busy: false });
  const end = useRef<HTMLDivElement>(null);
  const stop = useRef<AbortController | null>(null);
  const load = (cursor: string | null, before: Event[]) => {
    stop.current?.abort();
    const here = new AbortController();
    stop.current = here;
    set({ key, items: before, next: cursor, error: null, busy: true });
    get<Paged<Event>>("/log", { ...given, cursor }, here.signal).then(
      ({ items, next }) => set({ key, items: [...before, ...items], next, error: null, busy: false }),
      (error: unknown) => {
        if (!here.signal.aborted && error instanceof Failure) set({ key, items: before, next: cursor, error, busy: false });
      },
    );
  };
  useEffect(() => {
    load(null, []);
    return () => stop.current?.abort();
  }, [key]);
  const more = pages.next !== null && !pages.busy && !pages.error;
  useEffect(() => {
    if (!end.current || !more) return;
    const seen = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) load(pages.next, pages.items);
    }, { rootMargin: "600px" });
    seen.observe(end.current);
    return () => seen.disconnect();
  }, [more, pages.next]);
  return (
    <section aria-labelledby="journal">
      <div class="above">
        <h2 id="journal" tabIndex={-1}>
          Journal
        </h2>
        {since && (
          <button
            type="button"
            onClick={() => {
              change({ since: null, until: null });
              document.getElementById("journal")?.focus(); // the button goes; whoever pressed it stays
            }}
          >
            Show all times
          </button>
        )}
        <label>
          <span>Order</span>
          <select value={oldest ? "oldest" : "newest"} onChange={(event) => change({ order: event.currentTarget.value })}>
            <option value="newest">newest first</option>
            <option value="oldest">oldest first</option>
          </select>
        </label>
      </div>
      <div role="feed" aria-label="Journal" aria-busy={pages.busy}>
        {byDay(pages.items).map(([name, items]) => (
          <div class="day" key={`${name} ${items[0]?.id}`}>
            <h3>{items[0] && longDay(items[0].occurred_at)}</h3>
            {items.map((event) => (
              <Entry key={event.id} event={event} />
            ))}
          </div>
        ))}
      </div>
      {pages.error && <Failed error={pages.error} what="the journal" again={() => load(pages.next, pages.items)} />}
      {pages.busy && <p class="quiet loading">Loading the journal …</p>}
      {!pages.busy && !pages.error && !pages.items.length && (
        <Empty title={since || as_of ? "Nothing lies in this time." : "Nothing was said here yet."}>
          {!since && !as_of && (
            <p>
              Tell it something: <code>engrams add "The spare key is under the blue flower pot."</code>
            </p>
          )}
        </Empty>
      )}
      <div ref={end} class="end">
        {more && (
          <button type="button" onClick={() => load(pages.next, pages.items)}>
            Show more
          </button>
        )}
        {!more && !pages.busy && pages.items.length > 0 && !pages.error && (
          <p class="quiet">{counted(pages.items.length, "entry", "entries")}: that is all.</p>
        )}
      </div>
    </section>
  );
}

const earlier = (a: string | null, b: string | undefined) => (a && b ? (a < b ? a : b) : (b ?? a));

function Entry({ event }: { event: Event }) {
  const who = event.speaker ?? event.role;
  return (
    <article class="entry" aria-label={`${who}, ${clock(event.occurred_at)}`}>
      <p class="origin">
        <time dateTime={event.occurred_at}>{clock(event.occurred_at)}</time>
        {event.kind === "message" ? <span class="who">{who}</span> : <span class="tag">{event.kind}</span>}
        {event.session && <span>session {event.session}</span>}
      </p>
      <p class="said">
        <a href={href("memory", event.kind === "message" ? event.id : (event.target ?? event.id))}>
          {event.content || `${event.kind} of ${event.target ?? "a memory"}`}
        </a>
      </p>
    </article>
  );
}

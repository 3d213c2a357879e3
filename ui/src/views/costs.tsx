import { get } from "../api";
import type { ViewProps } from "../app";
import { Empty, Facts, Page, Shown, useAsk, Wide } from "../parts";
import type { Context, Price, Spending, Spent, Stats } from "../records";
import { bytes, counted, milliseconds, number } from "../text";

const NOTED = "engrams-contexts"; // the store keeps no price of a question: this tab remembers those it asked itself
const MOST_NOTED = 100;
const DAYS = 90;

interface Noted {
  query: string;
  price: Price;
}

function noted(): Noted[] {
  try {
    return JSON.parse(sessionStorage.getItem(NOTED) ?? "[]") as Noted[];
  } catch {
    return [];
  }
}

export function noteContext(context: Context): void {
  const all = [{ query: context.query, price: context.price }, ...noted()].slice(0, MOST_NOTED);
  sessionStorage.setItem(NOTED, JSON.stringify(all));
}

const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);

export function Costs({ start }: ViewProps) {
  // Three questions, since a key may be allowed one and not the other.
  const models = useAsk("models", (signal) => get<{ costs: Spending[] }>("/costs", { days: DAYS }, signal));
  const jobs = useAsk("jobs", (signal) => get<{ days: Spent[] }>("/spent", { days: DAYS }, signal));
  const stats = useAsk("stats", (signal) => get<Stats>("/stats", {}, signal));
  return (
    <Page title="Costs" lead="What this memory has cost, as far as it can tell: models, time, room.">
      <Shown of={models} what="the costs of models">
        {({ costs }) => <Models lines={costs} />}
      </Shown>
      <Contexts />
      <Shown of={jobs} what="the jobs of these days">
        {({ days }) => <JobsOfDays days={days} />}
      </Shown>
      <Shown of={stats} what="the room it takes">
        {(found) => <Room stats={found} embedder={start.embedder} />}
      </Shown>
    </Page>
  );
}

const money = (amount: number | null) => (amount === null ? "no price set" : amount.toFixed(4));

function Models({ lines }: { lines: Spending[] }) {
  const tokens = sum(lines.map(({ usage }) => usage.tokens_in + usage.tokens_out));
  const calls = sum(lines.map(({ usage }) => usage.calls));
  return (
    <section aria-labelledby="models">
      <h2 id="models">Language models, last {DAYS} days</h2>
      {!lines.length && (
        <Empty title="No language model has run.">
          <p>What was said was derived from and found without one: there was nothing to pay for.</p>
        </Empty>
      )}
      {lines.length > 0 && (
        <>
          <p>
            {counted(tokens, "token")} in {counted(calls, "call")}.
          </p>
          <Wide label="Costs of language models">
            <table>
              <thead>
                <tr>
                  <th scope="col">Operation</th>
                  <th scope="col">Day (UTC)</th>
                  <th scope="col">Namespace</th>
                  <th scope="col">Model</th>
                  <th scope="col">Calls</th>
                  <th scope="col">Tokens in</th>
                  <th scope="col">Tokens out</th>
                  <th scope="col">Seconds</th>
                  <th scope="col">Money</th>
                </tr>
              </thead>
              <tbody>
                {lines.map(({ day, namespace, operation, model, usage }) => (
                  <tr key={`${day} ${namespace} ${operation} ${model}`}>
                    <th scope="row">{operation}</th>
                    <td>{day}</td>
                    <td>{namespace}</td>
                    <td>{model}</td>
                    <td>{number(usage.calls)}</td>
                    <td>{number(usage.tokens_in)}</td>
                    <td>{number(usage.tokens_out)}</td>
                    <td>{usage.seconds.toFixed(1)}</td>
                    <td>{money(usage.money)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Wide>
        </>
      )}
    </section>
  );
}

function JobsOfDays({ days }: { days: Spent[] }) {
  return (
    <section aria-labelledby="jobs">
      <h2 id="jobs">Jobs, last {DAYS} days</h2>
      {!days.length && <p class="quiet">No job has run.</p>}
      {days.length > 0 && (
        <Wide label="Jobs by day">
          <table>
            <thead>
              <tr>
                <th scope="col">Day (UTC)</th>
                <th scope="col">Jobs begun</th>
                <th scope="col">Tokens of models</th>
              </tr>
            </thead>
            <tbody>
              {days.map((day) => (
                <tr key={day.day}>
                  <th scope="row">{day.day}</th>
                  <td>{number(day.jobs)}</td>
                  <td>{number(day.tokens)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Wide>
      )}
    </section>
  );
}

function Contexts() {
  const all = noted();
  const prices = all.map((one) => one.price);
  const calls = sum(prices.map((price) => price.model_calls));
  const unknown = prices.some((price) => price.money === null);
  const paid = sum(prices.map((price) => price.money ?? 0));
  return (
    <section aria-labelledby="contexts">
      <h2 id="contexts">Contexts composed in this tab</h2>
      <p class="quiet">The store keeps no price of a question; these are the ones asked here, newest first.</p>
      {!all.length && <Empty title="None yet." />}
      {all.length > 0 && (
        <>
          <p>
            {counted(sum(prices.map((price) => price.tokens)), "token")} in {counted(all.length, "context")};{" "}
            {calls
              ? `${counted(calls, "model call")}, ${unknown ? "at least " : ""}${paid.toFixed(4)} of money.`
              : "no model was called, so they cost time alone."}
          </p>
          <Wide label="Prices of contexts">
            <table>
              <thead>
                <tr>
                  <th scope="col">Question</th>
                  <th scope="col">Tokens</th>
                  <th scope="col">Model calls</th>
                  <th scope="col">Time</th>
                  <th scope="col">Size</th>
                </tr>
              </thead>
              <tbody>
                {all.map(({ query, price }, i) => (
                  <tr key={i}>
                    <th scope="row">{query}</th>
                    <td>{number(price.tokens)}</td>
                    <td>{number(price.model_calls)}</td>
                    <td>{milliseconds(price.milliseconds)}</td>
                    <td>{bytes(price.bytes)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Wide>
        </>
      )}
    </section>
  );
}

function Room({ stats, embedder }: { stats: Stats; embedder: string | null }) {
  return (
    <section aria-labelledby="room">
      <h2 id="room">Room</h2>
      <Facts
        rows={[
          ["On disk", stats.bytes ? bytes(stats.bytes) : "in memory only"],
          ["For each memory", stats.bytes && stats.engrams ? bytes(Math.round(stats.bytes / stats.engrams)) : "–"],
          ["Memories", number(stats.engrams)],
          ["Journal entries", number(stats.events)],
          ["Embedder", embedder ?? "none: words and a small table of meanings"],
        ]}
      />
    </section>
  );
}

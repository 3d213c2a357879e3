import { get } from "../api";
import type { ViewProps } from "../app";
import { Empty, Facts, Page, Shown, useAsk, Wide } from "../parts";
import type { Context, Costs as Kept, Price } from "../records";
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
  const kept = useAsk("costs", (signal) => Promise.all([
      get<Pick<Kept, "days">>("/spent", { days: DAYS }, signal),
      get<Kept["stats"]>("/stats", {}, signal),
    ]).then(([{ days }, stats]) => ({ days, stats })));
  return (
    <Page title="Costs" lead="What this memory has cost, as far as it can tell: models, time, room.">
      <Shown of={kept} what="the costs">
        {(found) => (
          <>
            <Models of={found} />
            <Contexts />
            <Room of={found} embedder={start.embedder} />
          </>
        )}
      </Shown>
    </Page>
  );
}

function Models({ of }: { of: Kept }) {
  const tokens = sum(of.days.map((day) => day.tokens));
  return (
    <section aria-labelledby="models">
      <h2 id="models">Jobs of the last {DAYS} days</h2>
      {!of.days.length && (
        <Empty title="No job has run, and none has cost anything.">
          <p>What was said was derived from at once, without a language model.</p>
        </Empty>
      )}
      {of.days.length > 0 && (
        <>
          <p>
            {counted(sum(of.days.map((day) => day.jobs)), "job")} begun;{" "}
            {tokens
              ? `language models took ${counted(tokens, "token")}.`
              : "no language model ran, so no token was paid for."}
          </p>
          <Wide label="Costs by day">
            <table>
              <thead>
                <tr>
                  <th scope="col">Day (UTC)</th>
                  <th scope="col">Jobs begun</th>
                  <th scope="col">Tokens of models</th>
                </tr>
              </thead>
              <tbody>
                {of.days.map((day) => (
                  <tr key={day.day}>
                    <th scope="row">{day.day}</th>
                    <td>{number(day.jobs)}</td>
                    <td>{number(day.tokens)}</td>
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

function Contexts() {
  const all = noted();
  const prices = all.map((one) => one.price);
  const calls = sum(prices.map((price) => price.model_calls));
  const unknown = prices.some((price) => price.money === null);
  const money = sum(prices.map((price) => price.money ?? 0));
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
              ? `${counted(calls, "model call")}, ${unknown ? "at least " : ""}${money.toFixed(4)} of money.`
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

function Room({ of, embedder }: { of: Kept; embedder: string | null }) {
  const { stats } = of;
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

import { post } from "../api";
import type { ViewProps } from "../app";
import { AskForm, AsOf, Empty, Page, past, Shown, useAsk, Wide } from "../parts";
import type { Context, CountedContext, Line } from "../records";
import { href } from "../route";
import { counted, milliseconds, number } from "../text";
import { noteContext } from "./costs";

const BUDGET = 2000; // as the server has it where nothing is set

export function ContextView({ route, namespace }: ViewProps) {
  const q = route.given.get("q") ?? "";
  const budget = Math.max(1, Number(route.given.get("budget") ?? BUDGET) || BUDGET);
  const body = { query: q, budget, namespace, ...past(route) };
  const made = useAsk(q ? JSON.stringify(body) : null, async (signal) => {
    const answer = await post<CountedContext>("/ui/api/context", body, signal);
    noteContext(answer.context);
    return answer;
  });
  return (
    <Page title="Context" lead="What an agent would be given for a question, token by token against its budget.">
      <AskForm label="Question" button="Compose" route={route}>
        <label>
          <span>Budget, tokens</span>
          <input type="number" name="budget" min={1} max={1000000} defaultValue={String(budget)} />
        </label>
      </AskForm>
      <AsOf route={route} namespace={namespace} />
      {!q && (
        <Empty title="Ask something.">
          <p>The context is composed of what was found, in the order it happened, and never passes the budget.</p>
        </Empty>
      )}
      <Shown of={made} what="the context">
        {(answer) => <Composed of={answer} budget={budget} />}
      </Shown>
    </Page>
  );
}

function Composed({ of, budget }: { of: CountedContext; budget: number }) {
  const { context, lines } = of;
  const { price } = context;
  const differs = of.counted !== price.tokens;
  return (
    <>
      <section aria-labelledby="spent">
        <h2 id="spent">Budget</h2>
        <Meter lines={lines} tokens={price.tokens} budget={budget} />
        <p>
          <b>{number(price.tokens)}</b> of {counted(budget, "token")}
          {price.tokens_estimated && " (an estimate: the shipped word pieces)"}, {counted(context.hits.length, "memory", "memories")},{" "}
          {milliseconds(price.milliseconds)}, {counted(price.model_calls, "model call")}
          {price.money ? `, ${price.money}` : ""}.
          {context.pending > 0 && ` ${counted(context.pending, "entry", "entries")} could not be looked at yet.`}
        </p>
        {differs && <p class="quiet">Line by line it is {number(of.counted)}: this counter joins across words.</p>}
      </section>
      <section aria-labelledby="text">
        <h2 id="text">Text</h2>
        {!context.found && <p>Nothing in the memory answers this; the agent is told so:</p>}
        <Lines lines={lines} />
      </section>
      <Steps context={context} />
    </>
  );
}

function Meter({ lines, tokens, budget }: { lines: Line[]; tokens: number; budget: number }) {
  const wide = (n: number) => ({ width: `${Math.min(100, (100 * n) / budget)}%` });
  return (
    <div
      class="meter"
      role="meter"
      aria-label="Tokens of the budget"
      aria-valuemin={0}
      aria-valuemax={budget}
      aria-valuenow={tokens}
      aria-valuetext={`${number(tokens)} of ${counted(budget, "token")}`}
    >
      {lines
        .filter((line) => line.tokens)
        .map((line, i) => (
          <span key={i} class={line.kind} style={wide(line.tokens)} />
        ))}
    </div>
  );
}

function Lines({ lines }: { lines: Line[] }) {
  let sum = 0;
  return (
    <ol class="lines">
      {lines.map((line, i) => {
        if (!line.words.length) return <li key={i} class="gap" aria-hidden="true" />;
        sum += line.tokens;
        return (
          <li key={i} class={line.kind}>
            <span class="count" title={`${counted(sum, "token")} so far`}>
              <b>{number(line.tokens)}</b>
              <span class="aloud"> tokens, {number(sum)} so far</span>
              <span aria-hidden="true"> {number(sum)}</span>
            </span>
            <p>
              {line.words.map(([word, n], w) => (
                <span key={w} class={`token ${w % 2 ? "odd" : "even"}`} title={counted(n, "token")} data-n={n > 1 ? n : undefined}>
                  {word}
                </span>
              ))}
              {line.engram_id && (
                <a class="to" href={href("memory", line.engram_id)} aria-label={`Memory ${line.mark}`}>
                  source
                </a>
              )}
            </p>
          </li>
        );
      })}
    </ol>
  );
}

export function Steps({ context }: { context: Context }) {
  return (
    <details class="steps">
      <summary>The {counted(context.trace.length, "step")} that made it</summary>
      <Wide label="Steps">
        <table>
          <thead>
            <tr>
              <th scope="col">Step</th>
              <th scope="col">In</th>
              <th scope="col">Out</th>
              <th scope="col">Time</th>
            </tr>
          </thead>
          <tbody>
            {context.trace.map((step, i) => (
              <tr key={i}>
                <th scope="row">{step.step}</th>
                <td>{number(step.items_in)}</td>
                <td>{number(step.items_out)}</td>
                <td>{milliseconds(step.milliseconds)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Wide>
    </details>
  );
}

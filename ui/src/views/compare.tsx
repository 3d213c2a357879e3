import { get, post } from "../api";
import type { ViewProps } from "../app";
import { AskForm, Empty, Page, Shown, useAsk } from "../parts";
import type { Compared, RecipeCard } from "../records";
import { href } from "../route";
import { counted, milliseconds, number } from "../text";

const BUDGET = 400;

export function Compare({ route, namespace, start }: ViewProps) {
  const q = route.given.get("q") ?? "";
  const a = route.given.get("a") ?? start.recipe;
  const b = route.given.get("b") ?? start.recipes.find((name) => name === "bm25" && name !== a) ?? a;
  const budget = Math.max(1, Number(route.given.get("budget") ?? BUDGET) || BUDGET);
  const body = { query: q, recipes: [a, b], namespace, budget };
  const cards = useAsk("recipes", (signal) => get<{ recipes: RecipeCard[] }>("/recipes", {}, signal));
  const made = useAsk(q ? JSON.stringify(body) : null, (signal) =>
    post<{ compared: Compared[] }>("/compare", body, signal),
  );
  return (
    <Page title="Compare" lead="One question to two memory systems over the same journal. Nothing is written.">
      <AskForm label="Question" button="Compare" route={route}>
        <Recipes name="a" label="First recipe" names={start.recipes} chosen={a} />
        <Recipes name="b" label="Second recipe" names={start.recipes} chosen={b} />
        <label>
          <span>Budget, tokens</span>
          <input type="number" name="budget" min={1} max={100000} defaultValue={String(budget)} />
        </label>
      </AskForm>
      {!q && (
        <Empty title="Ask something.">
          <p>A recipe that does not stand in this memory is derived for the one question; that can take a while.</p>
        </Empty>
      )}
      <Shown of={made} what="the comparison">
        {({ compared }) => <Two compared={compared} cards={cards.data?.recipes ?? []} />}
      </Shown>
    </Page>
  );
}

function Recipes(props: { name: string; label: string; names: string[]; chosen: string }) {
  return (
    <label>
      <span>{props.label}</span>
      <select name={props.name} key={props.chosen} defaultValue={props.chosen}>
        {props.names.map((name) => (
          <option key={name} value={name} selected={name === props.chosen}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

function Two({ compared, cards }: { compared: Compared[]; cards: RecipeCard[] }) {
  const found = compared.map((one) => new Set(one.context.hits.flatMap((hit) => hit.event_ids)));
  return (
    <div class="two">
      {compared.map((one, i) => {
        const other = found[1 - i] ?? new Set<string>();
        const both = one.context.hits.filter((hit) => hit.event_ids.some((id) => other.has(id))).length;
        return (
          <section key={i} aria-labelledby={`recipe-${i}`}>
            <h2 id={`recipe-${i}`}>{one.recipe}</h2>
            <p class="quiet">
              {counted(one.context.price.tokens, "token")}, {milliseconds(one.milliseconds)}
              {one.derived && ` (derived for this question in ${milliseconds(one.derived_ms)})`};{" "}
              {number(both)} of {counted(one.context.hits.length, "memory", "memories")} found by both
            </p>
            {!one.context.found && <p>It found nothing that answers this.</p>}
            <ol class="lines plain">
              {one.context.hits.map((hit) => {
                const shared = hit.event_ids.some((id) => other.has(id));
                return (
                  <li key={hit.id} class={shared ? "shared" : "alone"}>
                    <p>
                      <span class="tag">{shared ? "both" : "only here"}</span>{" "}
                      <a href={href("memory", hit.id)}>{hit.text}</a>
                    </p>
                  </li>
                );
              })}
            </ol>
            <details>
              <summary>Recipe card</summary>
              <pre tabIndex={0}>{cards.find((card) => card.name === one.recipe)?.card ?? "–"}</pre>
            </details>
          </section>
        );
      })}
    </div>
  );
}

import { post } from "../api";
import type { ViewProps } from "../app";
import { AskForm, AsOf, Empty, Origin, Page, past, Shown, Signals, useAsk, widest } from "../parts";
import type { Hit } from "../records";
import { href } from "../route";
import { counted } from "../text";

export function Search({ route, namespace }: ViewProps) {
  const q = route.given.get("q") ?? "";
  const k = Number(route.given.get("k") ?? 10);
  const body = { query: q, k, namespace, explain: true, ...past(route) };
  const found = useAsk(q ? JSON.stringify(body) : null, (signal) =>
    post<{ hits: Hit[] }>("/search", body, signal),
  );
  return (
    <Page title="Search" lead="What is found for a question, and how much each signal had in it.">
      <AskForm label="Question" button="Search" route={route}>
        <label>
          <span>Hits</span>
          <input type="number" name="k" min={1} max={200} defaultValue={String(k)} />
        </label>
      </AskForm>
      <AsOf route={route} namespace={namespace} />
      {!q && (
        <Empty title="Ask something.">
          <p>
            Words, meaning, neighbours, speakers, dates and names each have a share in every hit; the bars show how
            much.
          </p>
        </Empty>
      )}
      <Shown of={found} what="the hits">
        {({ hits }) => <Hits hits={hits} />}
      </Shown>
    </Page>
  );
}

function Hits({ hits }: { hits: Hit[] }) {
  if (!hits.length) {
    return <Empty title="Nothing was found.">Try other words, another namespace, or a later time.</Empty>;
  }
  const most = widest(hits);
  const sure = hits[0]?.confidence;
  return (
    <>
      <p class="quiet" role="status">
        {counted(hits.length, "hit")}, best first
        {sure !== null && sure !== undefined && `; an answer is among them with confidence ${sure.toFixed(2)}`}
      </p>
      <ol class="hits">
        {hits.map((hit) => (
          <li key={hit.id}>
            <article>
              <div class="score" title="Score: the sum of the shares">
                <span class="aloud">Score </span>
                {hit.score.toFixed(2)}
              </div>
              <div class="told">
                <p class="said">
                  <a href={href("memory", hit.id)}>{hit.text}</a>
                </p>
                <Origin of={hit} />
                <Signals hit={hit} most={most} />
              </div>
            </article>
          </li>
        ))}
      </ol>
    </>
  );
}

import { useState } from "preact/hooks";
import { get } from "../api";
import type { ViewProps } from "../app";
import { Empty, Page, Shown, useAsk, Wide } from "../parts";
import type { NamespacePage } from "../records";
import { href } from "../route";
import { counted, day, number } from "../text";

export function Namespaces({ namespace }: ViewProps) {
  const [contains, filter] = useState("");
  const [after, go] = useState<string[]>([]);
  const from = after[after.length - 1] ?? "";
  const page = useAsk(`${contains} ${from}`, (signal) =>
    get<NamespacePage>("/ui/api/namespaces", { contains, after: from }, signal),
  );
  return (
    <Page title="Namespaces" lead="Whose memories lie here. Nothing is read or written outside the path that is named.">
      <form class="ask" role="search" onSubmit={(event) => event.preventDefault()}>
        <label class="grow">
          <span>Path contains</span>
          <input
            type="search"
            value={contains}
            onInput={(event) => {
              go([]);
              filter(event.currentTarget.value);
            }}
          />
        </label>
      </form>
      <Shown of={page} what="the namespaces">
        {(found) =>
          found.items.length ? (
            <>
              <p class="quiet" role="status">
                {counted(found.total, "namespace")}
                {from && ` after ${from}`}
              </p>
              <Wide label="Namespaces">
                <table>
                  <thead>
                    <tr>
                      <th scope="col">Path</th>
                      <th scope="col">Memories</th>
                      <th scope="col">Entries</th>
                      <th scope="col">Sessions</th>
                      <th scope="col">From</th>
                      <th scope="col">To</th>
                    </tr>
                  </thead>
                  <tbody>
                    {found.items.map(({ namespace: name, stats }) => (
                      <tr key={name} aria-current={name === namespace ? "true" : undefined}>
                        <th scope="row">
                          <a href={href("timeline", "", { ns: name, as_of: null, by: null })}>{name}</a>
                        </th>
                        <td>{number(stats.engrams)}</td>
                        <td>{number(stats.events)}</td>
                        <td>{number(stats.sessions)}</td>
                        <td>{stats.first ? day(stats.first) : "–"}</td>
                        <td>{stats.last ? day(stats.last) : "–"}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </Wide>
              <div class="buttons">
                {after.length > 0 && (
                  <button type="button" onClick={() => go(after.slice(0, -1))}>
                    Before
                  </button>
                )}
                {found.next && (
                  <button type="button" onClick={() => go([...after, found.next ?? ""])}>
                    More
                  </button>
                )}
              </div>
            </>
          ) : (
            <Empty title={contains ? "No path contains that." : "Nothing lies here yet."}>
              {!contains && (
                <p>
                  Begin with <code>engrams add "some text" --user ada</code>.
                </p>
              )}
            </Empty>
          )
        }
      </Shown>
    </Page>
  );
}

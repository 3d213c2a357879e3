// Where we are stands in the address: #/view/id?ns=…&q=…, so that every view can be linked to and gone back to.

import { useEffect, useState } from "preact/hooks";

export interface Route {
  view: string;
  id: string;
  given: URLSearchParams;
}

/** What goes along from view to view. */
const KEPT = ["ns", "as_of", "by"];

export function read(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [view = "", id = ""] = path.split("/", 2);
  return { view: view || "timeline", id: decode(id), given: new URLSearchParams(search) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export type Changes = Record<string, string | number | null | undefined>;

/** The address of a view; namespace and time go along unless `changes` says else, null takes a parameter out. */
export function href(view: string, id = "", changes: Changes = {}, whole = false): string {
  const now = read(location.hash);
  const given = new URLSearchParams();
  for (const [name, value] of now.given) {
    if (whole || KEPT.includes(name)) given.set(name, value);
  }
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") given.delete(name);
    else given.set(name, String(value));
  }
  const search = given.toString();
  return `#/${view}${id ? `/${encodeURIComponent(id)}` : ""}${search ? `?${search}` : ""}`;
}

/** Goes to an address; `quietly` without a step in the history (a slider that moves). */
export function go(address: string, quietly = false): void {
  if (quietly) {
    history.replaceState(null, "", address);
    dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    location.hash = address;
  }
}

/** The same view with other parameters. */
export function change(changes: Changes, quietly = false): void {
  const now = read(location.hash);
  go(href(now.view, now.id, changes, true), quietly);
}

export function useRoute(): Route {
  const [hash, set] = useState(location.hash);
  useEffect(() => {
    const changed = () => set(location.hash);
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return read(hash);
}

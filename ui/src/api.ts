// The one way to the server: paths of the REST door, and /ui/api for what only this page asks.

export class Failure extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
    message: string,
  ) {
    super(message);
  }
}

const KEY = "engrams-key"; // of a server that asks for one; kept for this tab only
const ROOT = new URL("../", document.baseURI).pathname.replace(/\/$/, "");

export function keep(key: string): void {
  sessionStorage.setItem(KEY, key);
}

export type Given = Record<string, unknown>;

export function query(given: Given): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && value !== null && value !== "") pairs.set(name, String(value));
  }
  const text = pairs.toString();
  return text ? `?${text}` : "";
}

export async function ask<T>(
  method: "GET" | "POST" | "PUT" | "DELETE",
  path: string,
  body?: Given,
  signal?: AbortSignal,
): Promise<T> {
  const headers: Record<string, string> = { "X-Engrams-UI": "1", Accept: "application/json" };
  const key = sessionStorage.getItem(KEY);
  if (key) headers["X-API-Key"] = key;
  if (body) headers["Content-Type"] = "application/json";
  let answer: Response;
  try {
    answer = await fetch(ROOT + path, {
      method,
      headers,
      ...(body ? { body: JSON.stringify(body) } : {}),
      ...(signal ? { signal } : {}),
    });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new Failure(0, "Unreachable", "The server does not answer. Is engrams still running?");
  }
  const text = await answer.text();
  if (!answer.ok) throw failure(answer.status, text);
  return JSON.parse(text) as T;
}

function failure(status: number, text: string): Failure {
  try {
    const { error } = JSON.parse(text) as { error: { type: string; message: string } };
    return new Failure(status, error.type, error.message);
  } catch {
    return new Failure(status, "Error", `The server answered ${status}.`);
  }
}

export const get = <T>(path: string, given: Given = {}, signal?: AbortSignal) =>
  ask<T>("GET", path + query(given), undefined, signal);
export const post = <T>(path: string, body: Given, signal?: AbortSignal) =>
  ask<T>("POST", path, body, signal);

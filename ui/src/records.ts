// The records as the doors show them: fields of engrams.records, times as ISO 8601 text.

export interface Said {
  id: string;
  namespace: string;
  content: string;
  role: string;
  speaker: string | null;
  session: string | null;
  agent_id: string | null;
  run_id: string | null;
  occurred_at: string;
  recorded_at: string;
  kind: string;
  metadata: Record<string, unknown>;
}

export interface Event extends Said {
  target: string | null;
  source: string | null;
}

export interface Engram extends Said {
  recipe: string;
  sources: string[];
  state: string;
  version: number;
  strength: number;
  confidence: number;
  recall_count: number;
  last_recalled_at: string | null;
  valid_from: string | null;
  valid_to: string | null;
  pinned: boolean;
}

export interface Hit extends Omit<Said, "content" | "agent_id" | "run_id"> {
  text: string;
  score: number;
  version: number;
  pinned: boolean;
  event_ids: string[];
  signals: Record<string, number>;
  confidence: number | null;
}

export interface Price {
  tokens: number;
  model_calls: number;
  milliseconds: number;
  bytes: number;
  money: number | null;
  tokens_estimated: boolean;
}

export interface TraceStep {
  step: string;
  milliseconds: number;
  items_in: number;
  items_out: number;
}

export interface Context {
  query: string;
  text: string;
  hits: Hit[];
  price: Price;
  trace: TraceStep[];
  found: boolean;
  confidence: number | null;
  pending: number;
}

export interface Line {
  kind: "heading" | "memory" | "text";
  mark: string | null;
  engram_id: string | null;
  event_ids: string[];
  tokens: number;
  words: [string, number][];
}

export interface CountedContext {
  context: Context;
  lines: Line[];
  counted: number;
}

export interface Compared {
  recipe: string;
  context: Context;
  milliseconds: number;
  derived: boolean;
  derived_ms: number;
}

export interface Stats {
  events: number;
  engrams: number;
  links: number;
  namespaces: number;
  sessions: number;
  bytes: number;
  kinds: Record<string, number>;
  first: string | null;
  last: string | null;
  pending: number;
  dead: number;
}

export interface Revision {
  change: string;
  at: string;
  version: number;
  content: string;
  state: string;
  actor: string;
  reason: string;
  event_id: string | null;
  engram_id: string | null;
}

export interface Version {
  revision: Revision;
  parts: ["=" | "-" | "+", string][];
  state_before: string | null;
}

export interface Derived {
  id: string;
  kind: string;
  change: string;
}

export interface Receipt {
  namespace: string;
  event_ids: string[];
  derived: Derived[];
}

export interface Deletion {
  events: string[];
  engrams: string[];
  links: number;
  digest: string;
  state: "done" | "pending";
}

export interface Job {
  id: string;
  kind: string;
  namespace: string;
  recipe: string;
  created_at: string;
  due_at: string;
  state: "waiting" | "running" | "dead";
  attempts: number;
  error: string | null;
}

export interface Node {
  id: string;
  kind: string;
  label: string;
  occurred_at: string | null;
  held: number;
}

export interface Tie {
  source: string;
  target: string;
  relation: string;
  weight: number;
}

export interface Neighbourhood {
  id: string;
  nodes: Node[];
  ties: Tie[];
  cut: boolean;
}

export interface Timeline {
  total: number;
  start: string | null;
  step: number;
  counts: number[];
  first: string | null;
  last: string | null;
}

export interface Start {
  version: string;
  recipe: string;
  recipes: string[];
  embedder: string | null;
  namespaces: string[];
  more_namespaces: number;
  stats: Stats | null;
  location: string | null;
}

export interface Place {
  namespace: string;
  stats: Stats;
  recorded: string[] | null;
  occurred: string[] | null;
}

export interface NamespacePage {
  items: { namespace: string; stats: Stats }[];
  next: string | null;
  total: number;
}

export interface Spending {
  day: string;
  namespace: string;
  operation: string;
  model: string;
  usage: { calls: number; tokens_in: number; tokens_out: number; seconds: number; money: number | null };
}

export interface Spent {
  day: string;
  jobs: number;
  tokens: number;
}

export interface RecipeCard {
  name: string;
  current: boolean;
  card: string;
}

export interface Paged<T> {
  items: T[];
  next: string | null;
}

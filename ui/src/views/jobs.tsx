import { useState } from "preact/hooks";
import { ask, get, post } from "../api";
import type { ViewProps } from "../app";
import { announce, Empty, Page, Shown, useAsk } from "../parts";
import type { Job } from "../records";
import { counted, short, when } from "../text";

const STATES: Record<Job["state"], string> = { waiting: "waiting", running: "running", dead: "given up" };

export function Jobs(_: ViewProps) {
  const [turn, next] = useState(0);
  const [error, fail] = useState<string | null>(null);
  const found = useAsk(`jobs ${turn}`, (signal) => get<{ jobs: Job[] }>("/jobs", {}, signal));
  const act = (what: string, done: Promise<unknown>) =>
    done.then(
      () => {
        fail(null);
        announce(what);
        next(turn + 1);
      },
      (cause: Error) => fail(cause.message),
    );
  return (
    <Page title="Jobs" lead="What is done later: waiting, running, or given up. What is done is not kept.">
      {error && (
        <p role="alert" class="error">
          {error}
        </p>
      )}
      <Shown of={found} what="the jobs">
        {({ jobs }) =>
          jobs.length ? (
            <>
              <p class="quiet" role="status">
                {counted(jobs.length, "job")}, {counted(jobs.filter((job) => job.state === "dead").length, "given up", "given up")}
              </p>
              <ul class="cards">
                {jobs.map((job) => (
                  <li key={job.id} class={`card ${job.state}`}>
                    <h2>
                      {job.kind} <span class="tag">{STATES[job.state]}</span>
                    </h2>
                    <p class="origin">
                      {job.namespace && <span>{job.namespace}</span>}
                      <span>recipe {job.recipe}</span>
                      <span>due {when(job.due_at)}</span>
                      <span>begun {counted(job.attempts, "time")}</span>
                      <code title={job.id}>{short(job.id)}</code>
                    </p>
                    {job.error && <p class="error">{job.error}</p>}
                    <div class="buttons">
                      <button
                        type="button"
                        aria-label={`Make ${job.kind} ${short(job.id)} due now`}
                        onClick={() => act("The job is due now.", post(`/jobs/${encodeURIComponent(job.id)}/retry`, {}))}
                      >
                        Due now
                      </button>
                      <button
                        type="button"
                        aria-label={`Drop ${job.kind} ${short(job.id)}`}
                        onClick={() => act("The job was dropped.", ask("DELETE", `/jobs/${encodeURIComponent(job.id)}`))}
                      >
                        Drop
                      </button>
                    </div>
                  </li>
                ))}
              </ul>
              <p class="quiet">
                Jobs are done by <code>engrams work</code>, or by a program that opened the memory with{" "}
                <code>background=True</code>.
              </p>
            </>
          ) : (
            <Empty title="Nothing waits.">
              <p>All that was said is derived from already.</p>
            </Empty>
          )
        }
      </Shown>
    </Page>
  );
}

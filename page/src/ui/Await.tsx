/** What is fetched: itself, or how far it is, or why it is not to be had. */

import type { ComponentChildren } from "preact";
import type { Loaded } from "../data/load";
import type { Job } from "../data/types";

export interface AwaitProps<T> {
  of: Loaded<T>;
  what: string; // "labels": named while they are on their way
  children: (value: T) => ComponentChildren;
}

export function Await<T>({ of, what, children }: AwaitProps<T>) {
  if (of.state === "ready") return <>{children(of.value)}</>;
  if (of.state === "absent") return <p class="absent">{of.why}</p>;
  return <Waiting what={what} job={of.job} />;
}

export function Waiting({ what, job }: { what: string; job: Job | null }) {
  const far = job && job.total > 0;
  return (
    <p class="waiting" role="status">
      <span>
        {what}: {job ? job.step : "on the way"}
      </span>
      {far ? <progress value={job.done} max={job.total} aria-label={`${what}: ${job.step}`} /> : <progress aria-label={what} />}
    </p>
  );
}

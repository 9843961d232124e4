/** A few requests at a time, so that what the reader looks at now does not wait behind what scrolled past. */

const MOST = 4;
const waiting: (() => Promise<unknown>)[] = [];
let running = 0;

/** Runs it when its turn comes, the last asked for first; the function returned takes it off the queue. */
export function queued(run: () => Promise<unknown>): () => void {
  waiting.push(run);
  next();
  return () => {
    const at = waiting.indexOf(run);
    if (at >= 0) waiting.splice(at, 1);
  };
}

function next(): void {
  if (running >= MOST) return;
  const run = waiting.pop();
  if (!run) return;
  running++;
  void run().finally(() => {
    running--;
    next();
  });
}

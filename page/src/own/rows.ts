/** The rows of a layer. */
export function rowsOf({ start, stop }: { start: number; stop: number }): number[] {
  return Array.from({ length: stop - start }, (_, at) => start + at);
}

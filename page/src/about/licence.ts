/** What the licence of the foundation model's weights means for who uses what they said. */

const PERMISSIVE = /^(mit|apache[- ]?2(\.0)?|apache|bsd([- ][0-3]([- ]clause)?)?|isc|cc0([- ]1\.0)?|cc[- ]by[- ]?4\.0|unlicense|public domain|zlib)$/i;

export type Terms = "permissive" | "unknown" | "other";

export function termsOf(licence: string): Terms {
  const name = licence.trim();
  if (!name || /^unknown$/i.test(name)) return "unknown";
  return PERMISSIVE.test(name) ? "permissive" : "other";
}

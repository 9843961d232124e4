/** A spec while it is written: every field there, every concept a record. It may be unfinished. */

import type { Concept, Spec } from "../data/types";

export type Side = "valid" | "spurious";
export const SIDES: readonly Side[] = ["valid", "spurious"];

export interface Idea {
  name: string;
  phrases: string[];
  images: string[];
}
export interface Draft {
  output: string | number;
  valid: Idea[];
  spurious: Idea[];
  requirements: string[];
  title: string;
  notes: string;
  layers: string[];
  templates: string[];
  fdr: number;
}

const FDR = 0.05;
const PLAIN = ["{}"];

/** What a new spec asks for, as the shipped ones do: what separates networks with a shortcut from others. */
const USUAL = ["net_relevance(spurious) <= 0.15", "drivers(spurious) <= 0.25"];

export function emptyDraft(output: string | number): Draft {
  return { output, valid: [], spurious: [], requirements: [...USUAL], title: "", notes: "", layers: [], templates: [...PLAIN], fdr: FDR };
}

/** The draft of a spec. */
export function draftOf(spec: Spec): Draft {
  const ideas = (given: (string | Concept)[] | undefined) => (Array.isArray(given) ? given : []).map(ideaOf);
  return {
    output: spec.output ?? "",
    valid: ideas(spec.valid),
    spurious: ideas(spec.spurious),
    requirements: [...(spec.requirements ?? [])],
    title: spec.title ?? "",
    notes: spec.notes ?? "",
    layers: [...(spec.layers ?? [])],
    templates: spec.templates?.length ? [...spec.templates] : [...PLAIN],
    fdr: spec.fdr ?? FDR,
  };
}

function ideaOf(given: string | Concept): Idea {
  if (typeof given === "string") return { name: given, phrases: [], images: [] };
  return { name: given.name ?? "", phrases: [...(given.phrases ?? [])], images: [...(given.images ?? [])] };
}

/** The spec of a draft, without what is empty or as usual. */
export function specOf(draft: Draft): Spec {
  const concepts = (ideas: Idea[]) => ideas.map(conceptOf);
  const requirements = draft.requirements.map((one) => one.trim()).filter(Boolean);
  const templates = draft.templates.map((one) => one.trim()).filter(Boolean);
  return {
    ...(draft.title.trim() && { title: draft.title.trim() }),
    ...(draft.notes.trim() && { notes: draft.notes.trim() }),
    output: draft.output,
    valid: concepts(draft.valid),
    spurious: concepts(draft.spurious),
    ...(requirements.length && { requirements }),
    ...(draft.layers.length && { layers: draft.layers }),
    ...(templates.length && templates.join("\n") !== PLAIN.join() && { templates }),
    ...(draft.fdr !== FDR && { fdr: draft.fdr }),
  } as Spec;
}

function conceptOf({ name, phrases, images }: Idea): string | Concept {
  if (!phrases.length && !images.length) return name;
  return { name, ...(phrases.length && { phrases }), ...(images.length && { images }) };
}

/** What determines the result: the spec without what is only told. */
export function asked(draft: Draft): string {
  const { title: _title, notes: _notes, ...rest } = specOf(draft);
  return JSON.stringify(rest);
}

/** What is missing before there is anything to ask, as a sentence; empty if nothing is. */
export function missing(draft: Draft): string {
  if (draft.output === "") return "Choose the class that is audited.";
  const bare = SIDES.filter((side) => !draft[side].length);
  if (bare.length === 2) return "Add at least one valid and one spurious concept, and the result appears here.";
  return bare.length ? `Add at least one ${bare[0]} concept, and the result appears here.` : "";
}

/** The draft as a short text for the URL. */
export function encode(draft: Draft): string {
  const bytes = new TextEncoder().encode(JSON.stringify(specOf(draft)));
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** The draft that a text of the URL stands for, plain JSON or base64url of it; null if it is none. */
export function decode(text: string): Draft | null {
  try {
    const json = text.trimStart().startsWith("{")
      ? text
      : new TextDecoder().decode(Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0)));
    const found: unknown = JSON.parse(json);
    return found !== null && typeof found === "object" && !Array.isArray(found) ? draftOf(found as Spec) : null;
  } catch {
    return null;
  }
}

/** A concept as it is typed: a name, or "name: phrase; phrase". */
export function typed(text: string): Idea | null {
  const at = text.indexOf(":");
  const name = (at < 0 ? text : text.slice(0, at)).trim();
  const phrases = at < 0 ? [] : phrasesOf(text.slice(at + 1));
  return name ? { name, phrases, images: [] } : null;
}

/** The same the other way round. */
export function asTyped(idea: Idea): string {
  return idea.phrases.length ? `${idea.name}: ${idea.phrases.join("; ")}` : idea.name;
}

export function phrasesOf(text: string): string[] {
  return text.split(/[;\n]/).map((one) => one.trim()).filter(Boolean);
}

/** A name for a file. */
export function fileName(text: string): string {
  return text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 60) || "audit";
}

/** What the server (or a folder of files, or a notebook) answers. Python's side: semlens/app/answers. Rows are the
 *  index's component axis: row r is one component, the same r everywhere. */

export type Measure = "clarity" | "polysemanticity" | "redundancy";
export type Quadrant = "valid" | "spurious" | "both" | "neither";
export type Tag = "valid" | "spurious" | "unsure";

/** GET session */
export interface Session {
  version: string; // of semlens
  indexes: IndexInfo[]; // one or two
  can: {
    search: boolean; // new texts and images; false in a static site
    annotate: boolean; // tags and notes are kept
    audit: boolean;
    parquet: boolean;
  };
  comparable: boolean; // two indexes of one foundation model
}

export interface IndexInfo {
  name: string; // the folder's
  model: string;
  foundation: { name: string; licence: string; dimension: number; digest: string };
  layers: { layer: string; kind: string; start: number; stop: number; dead: number; outputs: boolean }[];
  components: number;
  images: { source: string; count: number; unreadable: number };
  k: number;
  crop: string;
  classes: { name: string; number: number; images: number }[]; // with relevance; empty if there is none
  relevance: { method: string; of: string; top: number } | null;
  whole: boolean; // whole images can be shown: GET {i}/whole/{image}.webp
  heat: boolean; // heat maps can be computed: GET {i}/heat/{row}
  outputs: { count: number; first: string[] }; // of the model, as far as they are known
  explained: number | null; // R2 of the component in the middle: what the foundation model explains of its activation
  own: boolean; // the model can look at the reader's picture: GET {i}/own
  digest: string; // of the manifest
  recipe: Record<string, unknown>; // all that determined the index
}

/** GET {i}/base — safetensors; c components */
export interface Base {
  layer: Int32Array; // c: number of the layer in IndexInfo.layers
  dead: Uint8Array; // c: 1 without any concept example
  crop: Int32Array; // c: number of the strongest example's crop, -1 for none
  examples: Int32Array; // c: concept examples
  fired: Float32Array; // c: share of images with activation above 0
  strongest: Float32Array; // c: activation
  // metadata.names: JSON of [row, the model's own name][]
}

/** GET {i}/labels — safetensors; 202 while it is computed, 404 where there is nothing to label with */
export interface Labels {
  label: Int32Array; // c: number in phrases, -1: none fits better than chance
  best: Int32Array; // c: the phrase that fits best, label or not; -1 for a dead component
  alignment: Float32Array; // c: of the best
  p_value: Float32Array; // c
  stability: Float32Array; // c
  // metadata.phrases: JSON string[]; metadata.fdr, metadata.method; metadata.by: "encoding" (then alignment holds z) | "examples"
}

/** GET {i}/scores — safetensors */
export interface Scores {
  clarity: Float32Array; // c, NaN where not defined
  polysemanticity: Float32Array;
  redundancy: Float32Array;
  // metadata.summary: JSON of LayerSummary[]
}
export interface LayerSummary {
  layer: string;
  measure: Measure;
  mean: number | null;
  low: number | null;
  high: number | null;
  baseline: number | null;
  baseline_low: number | null;
  baseline_high: number | null;
  untrained: number | null; // the mean in the same layer of an untrained network
}

/** GET {i}/atlas — safetensors. One map for both indexes where they are comparable: then each index gets its part of it */
export interface Atlas {
  x: Float32Array; // c, NaN for a dead component
  y: Float32Array;
  cluster: Int32Array; // c: 0 is the largest, -1 for a dead component
  // metadata.names: JSON string[] (empty string: no name), metadata.drawing: "umap" | "principal", metadata.by: "examples" | "encoding"
}

/** GET {i}/relevance/{class number} — safetensors */
export interface ClassRelevance {
  positive: Float32Array; // c: mean share in [0, 1] that speaks for the class
  negative: Float32Array; // c: ... against it, without its sign
}

/** GET {i}/search?text=... or ?image=ID — safetensors. POST {i}/image (the file's bytes) -> { id } */
export interface Found {
  similarity: Float32Array; // c: cosine in [-1, 1]; NaN for a dead component
  alignment: Float32Array; // c: similarity less that of the empty prompt: what is ranked by
  effect?: Float32Array; // c, where the index has encodings: what is ranked by then
  // metadata.baseline: similarity that 95 % of random components stay below, metadata.aligned: the same of alignment; metadata.probe: what was asked
  // metadata.by: "encoding" | "examples"; metadata.error: standard error of an effect; metadata.chance: effect that 95 %
  // of components with permuted activations stay below; metadata.remark: words that are not known
}

/** GET {i}/component/{row} */
export interface Component {
  row: number;
  component: string; // layer:unit
  layer: string;
  unit: number;
  kind: string;
  name: string | null; // the model's own
  dead: boolean;
  examples: Example[]; // the strongest first
  levels: Level[]; // images near quantiles of its activation, the highest first; none without encodings
  images: number; // that could be read
  fired: number; // of them with activation above 0
  nan: number;
  lowest: number | null; // activation
  histogram: { edges: number[]; counts: number[] } | null; // counts between neighbouring edges, of all images
  label: LabelDetail | null; // null: there are no labels
  relevance: { class: string; number: number; positive: number; negative: number; frequency: number }[];
  neighbours: { row: number; similarity: number }[]; // in this index, another layer's too; the nearest first
  elsewhere: { row: number; similarity: number }[]; // in the other index, where comparable
}
export interface Level {
  quantile: number; // in [0, 1]
  image: number; // GET {i}/kept/{image}.webp
  name: string;
  label: string | null; // of the image
}
export interface LabelDetail {
  label: string | null; // null: chance fits as well
  best: string;
  by: "encoding" | "examples";
  alignment: number | null; // by examples
  z: number | null; // by encoding
  r2: number | null;
  p_value: number;
  stability: number | null;
  remark: string; // words of the phrase that the foundation model does not know
  runners_up: { label: string; alignment: number | null; z: number | null }[];
  meanings: { label: string; score: number; examples: number[] }[]; // two, of a polysemantic component
  fdr: number;
}
export interface Example {
  crop: number; // GET {i}/crop/{crop}.webp
  image: number; // id
  name: string;
  label: string | null; // of the image
  activation: number;
  box: [number, number, number, number]; // left, top, right, bottom in pixels of the original image
  whole: boolean; // false: the crop is all of the image, as far as is known
}

/** GET {i}/whole/{image}.webp: the whole image, small. GET {i}/frame/{row}/{slot}.webp: the same with the crop's frame.
 *  GET {i}/heat/{row}: 202 while computed, then { slots: number[] }; GET {i}/heat/{row}/{slot}.webp: heat over the image */
export interface Heat {
  slots: number[];
}

/** GET {i}/removed/{row} — 202 while the model runs: what each output loses without the component, the largest first */
export interface Removed {
  output: number;
  name: string;
  fall: number; // in logits, on the images that excite it most
  low: number;
  high: number;
  elsewhere: number | null; // on other images
  images: number;
  others: number;
}

/** POST {i}/audit with { spec } */
export interface Spec {
  output: string | number;
  valid: (string | Concept)[];
  spurious: (string | Concept)[];
  requirements?: string[];
  title?: string;
  notes?: string;
  layers?: string[];
  templates?: string[];
  fdr?: number;
}
export interface Concept {
  name: string;
  phrases?: string[];
  images?: string[];
}
export interface Audit {
  output: string;
  verdict: "passed" | "failed" | "cannot tell";
  passed: boolean;
  by: "encoding" | "examples";
  images: number;
  doubts: string[];
  drivers: Driver[]; // the largest effect first; none without encodings of the output
  layers: string[];
  critical: { layer: string; valid: number | null; spurious: number | null }[]; // of components with all their examples
  rows: AuditRow[]; // the most relevant first
  masses: Mass[];
  verdicts: Verdict[];
  concepts: ConceptMass[];
}
export interface Driver {
  output: string;
  phrase: string;
  effect: number; // standard deviations of the output per standard deviation of the images' similarity
  z: number;
  low: number;
  high: number;
  alike: string[]; // hardly told apart from it on these images
}
export interface AuditRow {
  row: number;
  component: string;
  label: string | null;
  quadrant: Quadrant;
  relevance: number; // part in [0, 1] of all that speaks for the output in its layer
  against: number;
  valid: number; // alignment in standard deviations of chance
  spurious: number;
  valid_critical: number; // what it has to exceed to fit
  spurious_critical: number;
  valid_concept: string;
  spurious_concept: string;
  valid_p: number;
  spurious_p: number;
  spurious_share: number | null; // of spurious concepts in what it responds to; null by examples
  affected: string[];
}
export interface Mass {
  layer: string;
  quadrant: Quadrant;
  components: number;
  relevance: number;
  low: number;
  high: number;
}
export interface Verdict {
  requirement: string;
  verdict: "met" | "not met" | "cannot tell";
  met: boolean;
  sure: boolean;
  reason: string; // why it cannot be told or is not sure
  value: number | null;
  low: number | null;
  high: number | null;
  layer: string;
}
export interface ConceptMass {
  layer: string;
  side: "valid" | "spurious";
  concept: string;
  components: number;
  relevance: number;
  against: number;
}

/** POST {i}/verify with { spec } — 202 while the model runs: what the output loses without the components that fit a
 *  spurious concept */
export interface Verified {
  layer: string;
  concept: string;
  components: number;
  relevance: number;
  fall: number; // of the output on images that show the concept, less that on images that do not, in logits
  low: number;
  high: number;
  fall_with: number;
  fall_without: number;
  images_with: number;
  images_without: number;
  chosen_by: string;
}

/** GET {i}/specs: what the page can start from */
export interface Specs {
  shipped: { name: string; spec: Spec }[];
  last: { spec: Spec; output: string; verdict: Audit["verdict"] } | null; // the audit that was made last
  saved: { name: string; spec: Spec }[]; // POST {i}/specs with { name, spec } keeps one; spec null removes it
}
/** POST spec/read (YAML text) -> { spec }; POST spec/write with { spec, verdicts? } -> YAML text; POST {i}/report with { spec } -> HTML */

/** GET {i}/graph?class=NUMBER&layers=a,b&edges=0|1 — 202 while edges are computed */
export interface Graph {
  output: string;
  images: number;
  edge_images: number;
  edges_possible: boolean; // the server has the model and the images
  layers: string[];
  dropped: number | null;
  dropped_edges: number;
  nodes: GraphNode[];
  links: GraphLink[];
  layouts: Record<"right" | "up", GraphLayout>; // by where the output is, seen from the input
}
/** In pixels; nodes and links by their numbers. */
export interface GraphLayout {
  width: number;
  height: number;
  box: [number, number]; // width and height of each
  ranks: { node: number; x: number; y: number }[][]; // from the input to the output
  lines: { link: number; thick: number; strength: number; others: boolean; path: string }[]; // the weakest first
}
export interface GraphNode {
  id: string;
  layer: string; // empty: the output
  label: string;
  unlabelled: boolean;
  others: boolean;
  rows: number[]; // components, the most relevant first
  relevance: number;
  low: number | null;
  high: number | null;
  against: number;
  affected: { output: string; relevance: number }[];
}
export interface GraphLink {
  source: string;
  target: string;
  weight: number;
  part: number;
}

/** GET compare?a=LAYER&b=LAYER (layers optional) — 202 while it is computed. Sides: index number and layers */
export interface Comparison {
  sides: { index: number; name: string; layers: string[]; components: number }[];
  pairs: { source: string; target: string; similarity: number; low: number | null; high: number | null; baseline: number; baseline_low: number | null; baseline_high: number | null; corrected: number | null; untrained: number | null }[];
  matches: Match[];
  by: "encoding" | "examples";
  changes: LabelChange[]; // what is gone first, then what is new
  no_changes: string; // why none are told
}
export interface LabelChange {
  label: string;
  change: "gone" | "new" | "fewer" | "more" | "same";
  before: number; // components that have it
  after: number;
  untrained: number | null; // of the untrained network
  reach_before: number | null; // the furthest that any goes for it: z, by examples alignment
  reach_after: number | null;
  kept: number;
  became: string; // what most of their best matches are called
  side: number; // whose components these are
  rows: number[]; // some that have it
}
export interface Match {
  from: number; // side
  row: number;
  to: number; // side
  match: number; // row in the other side's index
  similarity: number;
  q_value: number | null;
  shared: boolean;
}

/** GET {i}/annotations; POST { row, tag } or { row, note } or { row, label }; POST {i}/annotations/undo -> the same */
export interface Annotations {
  where: string; // the file they are kept in
  rows: { row: number; tag: Tag | null; note: string; label: string }[];
  undo: string | null; // what undo would take back, in words; null: nothing
}

/** GET status: what is being computed */
export interface Job {
  index: number;
  what: string; // "labels", "atlas", "scores", "heat", "tower", "edges", "compare"
  step: string;
  done: number;
  total: number;
}

/** The body of every answer that is not 200 or 202: one sentence for a person. 202: the job */
export interface Refusal {
  error: string;
}

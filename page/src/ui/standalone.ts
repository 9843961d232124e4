/** A chart that needs nothing of the page around it: a copy of the SVG with its styles and pictures inside. */

export interface Standalone {
  element: SVGSVGElement;
  width: number;
  height: number;
}

/** Properties that every element hands to those inside it, and what they are without any style. */
const INHERITED: Record<string, string> = {
  color: "",
  fill: "rgb(0, 0, 0)",
  "fill-opacity": "1",
  "fill-rule": "nonzero",
  "font-family": "",
  "font-size": "",
  "font-style": "normal",
  "font-weight": "400",
  "letter-spacing": "normal",
  "paint-order": "normal",
  stroke: "none",
  "stroke-dasharray": "none",
  "stroke-dashoffset": "0px",
  "stroke-linecap": "butt",
  "stroke-linejoin": "miter",
  "stroke-opacity": "1",
  "stroke-width": "1px",
  "text-anchor": "start",
  visibility: "visible",
};
const OWN: Record<string, string> = { opacity: "1", "dominant-baseline": "auto", "stop-color": "rgb(0, 0, 0)", "stop-opacity": "1" };
const PAGE_ONLY = ["class", "style", "tabindex", "role", "aria-label", "aria-labelledby", "aria-describedby", "aria-hidden", "aria-pressed"];

/** The chart as large as its own viewBox, else as it is on the screen, on the ground that it has on the page. Styles
 *  become attributes, which no policy of a page and no viewer refuses. */
export async function standalone(svg: SVGSVGElement): Promise<Standalone> {
  const box = svg.viewBox.baseVal;
  const screen = svg.getBoundingClientRect();
  const [width, height] = box?.width ? [box.width, box.height] : [screen.width, screen.height];
  const element = svg.cloneNode(true) as SVGSVGElement;
  await copyStyles(svg, element);
  const corner = box?.width ? { x: box.x, y: box.y } : { x: 0, y: 0 };
  for (const [key, value] of Object.entries({ xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `${corner.x} ${corner.y} ${width} ${height}` })) {
    element.setAttribute(key, String(value));
  }
  element.prepend(ground(svg, { ...corner, width, height }));
  return { element, width, height };
}

/** Writes the style that each element has on the screen into its copy. */
async function copyStyles(from: SVGSVGElement, to: SVGSVGElement): Promise<void> {
  const seen = [from, ...from.querySelectorAll<SVGElement>("*")];
  const copies = [to, ...to.querySelectorAll<SVGElement>("*")];
  const styles = new Map(seen.map((one) => [one, getComputedStyle(one)]));
  const pictures: Promise<void>[] = [];
  seen.forEach((one, at) => {
    const style = styles.get(one)!;
    const above = one === from ? undefined : styles.get(one.parentElement as unknown as SVGElement);
    const copy = copies[at]!;
    for (const name of PAGE_ONLY) copy.removeAttribute(name);
    if (style.display === "none" && one.tagName !== "title") return copy.remove();
    if (one.tagName === "title" || one.tagName === "desc") return;
    for (const [name, initial] of Object.entries(INHERITED)) {
      const value = style.getPropertyValue(name);
      if (value !== (above ? above.getPropertyValue(name) : initial)) copy.setAttribute(name, colour(value));
      else copy.removeAttribute(name);
    }
    for (const [name, initial] of Object.entries(OWN)) {
      const value = style.getPropertyValue(name);
      if (value && value !== initial) copy.setAttribute(name, colour(value));
    }
    if (one.tagName === "image") pictures.push(embed(one as SVGImageElement, copy));
  });
  await Promise.all(pictures);
}

/** Colours in newer notations, which few programs but browsers read, as rgb. */
function colour(value: string): string {
  if (!/^(color|oklab|oklch|lab|lch|color-mix)\(/.test(value)) return value;
  const paint = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d")!;
  paint.fillStyle = value;
  paint.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = paint.getImageData(0, 0, 1, 1).data;
  return `rgba(${red}, ${green}, ${blue}, ${(alpha! / 255).toFixed(3)})`;
}

/** The picture itself in place of its address; without it if it cannot be had. */
async function embed(from: SVGImageElement, to: SVGElement): Promise<void> {
  const address = from.href.baseVal;
  to.removeAttribute("href");
  if (!address) return;
  try {
    const picture = new Image();
    picture.src = address;
    await picture.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: picture.naturalWidth, height: picture.naturalHeight });
    canvas.getContext("2d")!.drawImage(picture, 0, 0);
    to.setAttribute("href", canvas.toDataURL("image/png")); // what WebP is to programs that read SVG, PNG has long been
  } catch {
    to.remove();
  }
}

/** What the chart stands on: without it, letters made for a dark page are white on white. */
function ground(svg: SVGSVGElement, place: Record<string, number>): SVGElement {
  const found = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [key, value] of Object.entries(place)) found.setAttribute(key, String(value));
  found.setAttribute("fill", colour(getComputedStyle(svg).getPropertyValue("--ground").trim() || "white"));
  found.setAttribute("stroke", "none");
  return found;
}

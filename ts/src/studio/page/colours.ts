/** A look for each run: a colour of the style sheet, and beyond those another dash. */

const COLOURS = 6;
const DASHES = [[], [8, 5], [2, 5]] as const;

export interface Look {
  /** The custom property that holds the colour. */
  readonly variable: string;
  readonly dash: readonly number[];
}

/** The look of the run that came as the so-manieth; the first eighteen differ. */
export function lookOf(index: number): Look {
  const dash = DASHES[Math.floor(index / COLOURS) % DASHES.length] ?? [];
  return { variable: `--run-${index % COLOURS}`, dash };
}

/** The colour of now: the style sheet has others in the dark. */
export function colourOf(variable: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
}

/** A short piece of the run's line. For eyes only: the name stands beside it. */
export function swatch({ variable, dash }: Look): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS(svg.namespaceURI as "http://www.w3.org/2000/svg", "line");
  for (const [key, value] of Object.entries({ x1: 2, x2: 24, y1: 6, y2: 6, "stroke-dasharray": dash.join(" ") })) {
    line.setAttribute(key, String(value));
  }
  svg.setAttribute("class", "swatch");
  svg.setAttribute("viewBox", "0 0 26 12");
  svg.setAttribute("aria-hidden", "true");
  svg.style.setProperty("--swatch", `var(${variable})`);
  svg.append(line);
  return svg;
}

/** One plot: title, axes with ticks and labels, grid lines, lines, legend. */

import { type Scale, tickLabel } from "./scales.js";
import { type Point, thinned } from "./series.js";
import { coordinate, element, textElement } from "./svg.js";

export interface Line {
  readonly label: string;
  readonly points: readonly Point[];
  /** What the line is, and so how it looks: the colours stand in `PLOT_STYLE`. */
  readonly role: "faint" | "first" | "second";
}

export interface Panel {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly x: Scale;
  readonly y: Scale;
  readonly lines: readonly Line[];
}

export const PANEL_WIDTH = 480;
export const PANEL_HEIGHT = 360;

const AREA = { left: 62, right: PANEL_WIDTH - 16, top: 62, bottom: PANEL_HEIGHT - 50 };
const POINTS_PER_LINE = 1200;

/** Dark colours follow the reader's setting; class names are prefixed because the style of an inline SVG is global. */
const PLOT_STYLE = `
.ew-plot{font-family:system-ui,sans-serif;font-size:13px}
.ew-back{fill:#fff}.ew-text{fill:#57606a}.ew-title{fill:#1f2328;font-size:15px;font-weight:600}
.ew-grid{stroke:#e4e7eb}.ew-axis{stroke:#8c959f}
.ew-line{fill:none;stroke-linejoin:round;stroke-linecap:round}
.ew-faint{stroke:#f4a582;stroke-width:1}.ew-first{stroke:#c2410c;stroke-width:2.2}.ew-second{stroke:#1d6fb8;stroke-width:2.2}
@media (prefers-color-scheme:dark){.ew-back{fill:#16181d}.ew-text{fill:#a3abb5}.ew-title{fill:#e8eaed}
.ew-grid{stroke:#2b3038}.ew-axis{stroke:#6b7480}
.ew-faint{stroke:#7a3f22}.ew-first{stroke:#ff8a4c}.ew-second{stroke:#5fb0f5}}`;

/** Panels side by side as one SVG document. */
export function drawPanels(description: string, panels: readonly Panel[]): string {
  const width = PANEL_WIDTH * panels.length;
  return element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      class: "ew-plot",
      viewBox: `0 0 ${width} ${PANEL_HEIGHT}`,
      width,
      height: PANEL_HEIGHT,
      role: "img",
    },
    textElement("title", {}, description),
    element("style", {}, PLOT_STYLE),
    element("rect", { class: "ew-back", width, height: PANEL_HEIGHT }),
    ...panels.map((panel, index) =>
      element("g", { transform: `translate(${index * PANEL_WIDTH} 0)` }, drawPanel(panel)),
    ),
  );
}

function drawPanel(panel: Panel): string {
  const middle = (AREA.left + AREA.right) / 2;
  const turned = {
    class: "ew-text",
    "text-anchor": "middle",
    transform: `translate(16 ${(AREA.top + AREA.bottom) / 2}) rotate(-90)`,
  };
  return [
    textElement("text", { class: "ew-title", x: middle, y: 22, "text-anchor": "middle" }, panel.title),
    drawXAxis(panel.x),
    drawYAxis(panel.y),
    textElement("text", { class: "ew-text", x: middle, y: PANEL_HEIGHT - 12, "text-anchor": "middle" }, panel.xLabel),
    textElement("text", turned, panel.yLabel),
    ...panel.lines.map((line) => drawLine(line, panel)),
    drawLegend(panel.lines),
  ].join("");
}

const across = (scale: Scale, value: number): number => AREA.left + scale.position(value) * (AREA.right - AREA.left);
const up = (scale: Scale, value: number): number => AREA.bottom - scale.position(value) * (AREA.bottom - AREA.top);

function drawXAxis(scale: Scale): string {
  const ticks = scale.ticks.map((tick) => {
    const x = coordinate(across(scale, tick));
    const mark = element("line", { class: "ew-axis", x1: x, x2: x, y1: AREA.bottom, y2: AREA.bottom + 5 });
    const label = { class: "ew-text", x, y: AREA.bottom + 20, "text-anchor": "middle" };
    return mark + textElement("text", label, tickLabel(tick));
  });
  return (
    ticks.join("") +
    element("line", { class: "ew-axis", x1: AREA.left, x2: AREA.right, y1: AREA.bottom, y2: AREA.bottom })
  );
}

function drawYAxis(scale: Scale): string {
  const ticks = scale.ticks.map((tick) => {
    const y = coordinate(up(scale, tick));
    const grid = element("line", { class: "ew-grid", x1: AREA.left, x2: AREA.right, y1: y, y2: y });
    const label = { class: "ew-text", x: AREA.left - 7, y, "text-anchor": "end", "dominant-baseline": "central" };
    return grid + textElement("text", label, tickLabel(tick));
  });
  return (
    ticks.join("") + element("line", { class: "ew-axis", x1: AREA.left, x2: AREA.left, y1: AREA.top, y2: AREA.bottom })
  );
}

function drawLine(line: Line, panel: Panel): string {
  const points = thinned(line.points, POINTS_PER_LINE).map(
    (point) => `${coordinate(across(panel.x, point.x))},${coordinate(up(panel.y, point.y))}`,
  );
  return element("polyline", { class: `ew-line ew-${line.role}`, points: points.join(" ") });
}

/** In a row under the title, where no line can cross it. */
function drawLegend(lines: readonly Line[]): string {
  const width = 150;
  const left = (AREA.left + AREA.right - width * lines.length) / 2;
  const entries = lines.map((line, index) => {
    const x = left + index * width;
    const key = element("line", { class: `ew-line ew-${line.role}`, x1: x + 12, x2: x + 36, y1: 44, y2: 44 });
    return (
      key + textElement("text", { class: "ew-text", x: x + 43, y: 44, "dominant-baseline": "central" }, line.label)
    );
  });
  return entries.join("");
}

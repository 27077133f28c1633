import { describe, expect, test } from "vitest";
import { type RunReport, renderReport } from "./report.js";

const png = Uint8Array.of(137, 80, 78, 71);

const report: RunReport = {
  title: "a <b> & c",
  summary: "What it is.",
  facts: [["Steps", "360"]],
  samples: [{ caption: "Sample 1", png }],
  progress: [{ caption: "Samples after epoch 1", png }],
  losses: [1, 0.5],
  noiseSchedule: "<svg></svg>",
  settings: [["--seed", "0"]],
  command: "npx emberwing train --output-dir 'a b'",
  pipelineDir: 'C:\\runs\\"one"',
};

describe("renderReport", () => {
  const html = renderReport(report);

  test("is one page that loads nothing", () => {
    expect(html).toMatch(/^<!doctype html>\n<html lang="en">/);
    const sources = Array.from(html.matchAll(/(?:src|href)="([^"]*)"/g), ([, source]) => source);
    expect(sources).toEqual(["data:image/png;base64,iVBORw==", "data:image/png;base64,iVBORw=="]);
    expect(html).not.toMatch(/<script|<link|@import|url\(/);
  });

  test("follows the reader's light or dark setting and the width of the screen", () => {
    expect(html).toContain("prefers-color-scheme:dark");
    expect(html).toContain('<meta name="viewport" content="width=device-width,initial-scale=1">');
  });

  test("has a heading for each part and a text for each picture", () => {
    const headings = Array.from(html.matchAll(/<h2>([^<]*)<\/h2>/g), ([, text]) => text);
    expect(headings).toEqual(["Samples", "Loss", "While it learned", "Noise schedule", "Use it", "Settings"]);
    expect(Array.from(html.matchAll(/<img alt="([^"]*)"/g), ([, alt]) => alt)).toEqual([
      "Sample 1",
      "Samples after epoch 1",
    ]);
  });

  test("escapes what comes from outside", () => {
    expect(html).toContain("<h1>a &lt;b&gt; &amp; c</h1>");
    expect(html).not.toContain("<b>");
    expect(html).toContain("train --output-dir &#39;a b&#39;");
  });

  test("quotes the folder as TypeScript and Python do", () => {
    expect(html).toContain("fromPretrained(&quot;C:\\\\runs\\\\\\&quot;one\\&quot;&quot;)");
    expect(html).toContain("from_pretrained(&quot;C:\\\\runs\\\\\\&quot;one\\&quot;&quot;)");
  });

  test("loads itself again while the run goes on, and only then", () => {
    const live = renderReport({ ...report, live: { text: "Training, step 1 of 2", refreshSeconds: 5 } });
    expect(live).toContain('<meta http-equiv="refresh" content="5">');
    expect(live).toContain("Training, step 1 of 2");
    expect(live).not.toContain("from_pretrained");
    expect(html).not.toContain("http-equiv");
    expect(html).not.toContain('class="live"');
  });

  test("leaves out the parts that a stopped run does not have", () => {
    const html = renderReport({ ...report, samples: [], progress: [], losses: [] });
    const headings = Array.from(html.matchAll(/<h2>([^<]*)<\/h2>/g), ([, text]) => text);
    expect(headings).toEqual(["Noise schedule", "Use it", "Settings"]);
  });
});

/** Questions to the studio's server. Addresses are relative, so that each has the token of the page's own. */
import { type Failure, METRICS_HEADERS, type RunList } from "../protocol.js";

let known: { tag: string; list: RunList } | undefined;

/** The runs of now; the very same object where nothing changed. */
export async function fetchRuns(): Promise<RunList> {
  const response = await fetch("api/runs", known && { headers: { "If-None-Match": known.tag } });
  if (response.status === 304 && known) return known.list;
  const list = (await (await accepted(response)).json()) as RunList;
  known = { tag: response.headers.get("ETag") ?? "", list };
  return list;
}

export interface MetricsAnswer {
  from: number;
  next: number;
  size: number;
  log: string;
  lines: string;
}

export async function fetchMetrics(id: string, from: number, log: string): Promise<MetricsAnswer> {
  const query = new URLSearchParams({ from: String(from), log });
  const response = await accepted(await fetch(`api/runs/${id}/metrics?${query}`));
  const header = (name: string): string => response.headers.get(name) ?? "";
  return {
    from: Number(header(METRICS_HEADERS.from)),
    next: Number(header(METRICS_HEADERS.next)),
    size: Number(header(METRICS_HEADERS.size)),
    log: header(METRICS_HEADERS.log),
    lines: await response.text(),
  };
}

export async function fetchRecord(id: string): Promise<Record<string, unknown>> {
  const response = await accepted(await fetch(`api/runs/${id}/record`));
  return (await response.json()) as Record<string, unknown>;
}

async function accepted(response: Response): Promise<Response> {
  if (response.ok) return response;
  const { error } = (await response.json()) as Failure;
  throw new Error(error);
}

/** Whether a page has a graphics card that WebGPU reaches, before anything is downloaded for it. */

/** What a browser says of the card that it would hand out. */
export interface GraphicsCard {
  name: string;
  /** A program that stands in for a card: slower than the module for the CPU. */
  software: boolean;
}

/** The part of WebGPU that is asked here; TypeScript's libraries do not have it yet. */
interface Gpu {
  requestAdapter(options: { powerPreference: "high-performance" }): Promise<Adapter | null>;
}

interface Adapter {
  readonly features: ReadonlySet<string>;
  readonly limits: Readonly<Record<string, number>>;
  readonly info: { vendor: string; architecture: string; description: string; isFallbackAdapter?: boolean };
  readonly isFallbackAdapter?: boolean;
}

/** burn's WebGPU backend measures times with it or not at all: without, it stops. */
const FEATURE = "timestamp-query";

/** What the kernels need. Every adapter of WebGPU has it but those of its compatibility mode. */
const LIMITS = {
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupStorageSize: 16_384,
  maxStorageBuffersPerShaderStage: 8,
};

/** The card, or why there is none. */
export async function findGraphicsCard(softwareToo: boolean): Promise<GraphicsCard | string> {
  // Node 20 has no navigator.
  const gpu = (globalThis.navigator as { gpu?: Gpu } | undefined)?.gpu;
  if (!gpu) {
    return globalThis.isSecureContext === false
      ? "browsers keep WebGPU for secure pages: https, or localhost"
      : "there is no WebGPU here";
  }
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) return "the browser has WebGPU, but no adapter for it";
  if (!adapter.features.has(FEATURE)) return `the adapter has no ${FEATURE}`;
  const short = Object.entries(LIMITS).find(([limit, needed]) => (adapter.limits[limit] ?? 0) < needed);
  if (short) return `the adapter's ${short[0]} is ${adapter.limits[short[0]]}, and ${short[1]} is needed`;
  const { description, vendor, architecture, isFallbackAdapter } = adapter.info;
  const name = description || [vendor, architecture].filter((word) => word).join(" ") || "unnamed";
  const software = isFallbackAdapter ?? adapter.isFallbackAdapter ?? false;
  if (software && !softwareToo) return `${name} is a software adapter: init({ gpu: true }) takes it`;
  return { name, software };
}

/** How the hub is reached. Where that comes from is another matter in Node than in a page. */
import { EmberwingError } from "../../errors.js";

export const DEFAULT_ENDPOINT = "https://huggingface.co";
export const DEFAULT_TIMEOUT_SECONDS = 10;

export interface HubSettings {
  /** Without a slash at the end. */
  endpoint: string;
  /** How long a server may be silent. */
  timeoutMs: number;
  /** How often a request that fails for a moment is made. */
  attempts: number;
  token: string | undefined;
  /** What messages say to whoever needs a token. */
  tokenAdvice: string;
  /** `"follow"`: by the browser, which shows nothing of redirects and takes the token off where the host changes. */
  redirect: "manual" | "follow";
  /** Headers that every request has. */
  headers: Readonly<Record<string, string>>;
}

/** @param name What the caller knows the address by. */
export function checkEndpoint(name: string, wanted: string): string {
  if (/^https?:$/.test(URL.canParse(wanted) ? new URL(wanted).protocol : "")) return wanted.replace(/\/+$/, "");
  throw new EmberwingError("InvalidConfig", `${name}: expected an address with http or https, got ${wanted}`);
}

/** A header takes no other characters; its own error would print the token. */
export function checkToken(token: string | undefined): string | undefined {
  if (token === undefined || /^[\x21-\x7e]+$/.test(token)) return token;
  throw new EmberwingError("InvalidArgument", "token: expected the characters of an access token, got others");
}

/** The environment variables of huggingface_hub, with its names, defaults and order. */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { EmberwingError } from "../../errors.js";

const DEFAULT_ENDPOINT = "https://huggingface.co";
const DEFAULT_TIMEOUT_SECONDS = 10;

export interface HubSettings {
  /** Without a slash at the end. */
  endpoint: string;
  cacheDirectory: string;
  offline: boolean;
  /** How long a server may be silent. */
  timeoutMs: number;
  token: string | undefined;
}

/** @param token The caller's, which goes before that of the environment. */
export async function hubSettings(token?: string): Promise<HubSettings> {
  return {
    endpoint: endpoint(),
    cacheDirectory: cacheDirectory(),
    offline: isOn(variable("HF_HUB_OFFLINE")) || isOn(variable("TRANSFORMERS_OFFLINE")),
    timeoutMs: 1000 * (Number(variable("HF_HUB_DOWNLOAD_TIMEOUT")) || DEFAULT_TIMEOUT_SECONDS),
    token: checkToken(token ?? variable("HF_TOKEN") ?? variable("HUGGING_FACE_HUB_TOKEN") ?? (await storedToken())),
  };
}

/** An empty variable counts as one that is not set. */
function variable(name: string): string | undefined {
  return process.env[name]?.trim() || undefined;
}

const isOn = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value ?? "");

function endpoint(): string {
  const wanted = variable("HF_ENDPOINT") ?? DEFAULT_ENDPOINT;
  if (/^https?:$/.test(URL.canParse(wanted) ? new URL(wanted).protocol : "")) return wanted.replace(/\/+$/, "");
  throw new EmberwingError("InvalidConfig", `HF_ENDPOINT: expected an address with http or https, got ${wanted}`);
}

function home(): string {
  const cache = variable("XDG_CACHE_HOME") ?? join(homedir(), ".cache");
  return inHome(variable("HF_HOME") ?? join(cache, "huggingface"));
}

function cacheDirectory(): string {
  return inHome(variable("HF_HUB_CACHE") ?? variable("HUGGINGFACE_HUB_CACHE") ?? join(home(), "hub"));
}

const inHome = (path: string): string => path.replace(/^~(?=$|[/\\])/, homedir());

/** What `hf auth login` stored. */
async function storedToken(): Promise<string | undefined> {
  const path = inHome(variable("HF_TOKEN_PATH") ?? join(home(), "token"));
  return readFile(path, "utf8").then(
    (text) => text.trim() || undefined,
    () => undefined, // Nobody logged in: public repositories are read without a token.
  );
}

/** A header takes no other characters; its own error would print the token. */
function checkToken(token: string | undefined): string | undefined {
  if (token === undefined || /^[\x21-\x7e]+$/.test(token)) return token;
  throw new EmberwingError("InvalidArgument", "token: expected the characters of an access token, got others");
}

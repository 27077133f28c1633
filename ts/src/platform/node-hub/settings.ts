/** The environment variables of huggingface_hub, with its names, defaults and order. */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { ATTEMPTS } from "../hub/retries.js";
import {
  checkEndpoint,
  checkToken,
  DEFAULT_ENDPOINT,
  DEFAULT_TIMEOUT_SECONDS,
  type HubSettings,
} from "../hub/settings.js";

export interface NodeHubSettings extends HubSettings {
  cacheDirectory: string;
  offline: boolean;
}

/** @param token The caller's, which goes before that of the environment. */
export async function hubSettings(token?: string): Promise<NodeHubSettings> {
  return {
    endpoint: checkEndpoint("HF_ENDPOINT", variable("HF_ENDPOINT") ?? DEFAULT_ENDPOINT),
    cacheDirectory: cacheDirectory(),
    offline: isOn(variable("HF_HUB_OFFLINE")) || isOn(variable("TRANSFORMERS_OFFLINE")),
    timeoutMs: 1000 * (Number(variable("HF_HUB_DOWNLOAD_TIMEOUT")) || DEFAULT_TIMEOUT_SECONDS),
    attempts: ATTEMPTS,
    token: checkToken(token ?? variable("HF_TOKEN") ?? variable("HUGGING_FACE_HUB_TOKEN") ?? (await storedToken())),
    tokenAdvice: "set HF_TOKEN, or pass { token }",
    redirect: "manual",
    headers: { "User-Agent": "emberwing" },
  };
}

/** An empty variable counts as one that is not set. */
function variable(name: string): string | undefined {
  return process.env[name]?.trim() || undefined;
}

const isOn = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value ?? "");

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

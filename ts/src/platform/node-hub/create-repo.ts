/** Repositories that are to be written to. */
import { EmberwingError } from "../../errors.js";
import { type HubRepo, hubName } from "../../hub/hub-repo.js";
import { HubClient } from "../hub/client.js";
import { readRepoInfo, unreadable } from "../hub/repo-info.js";
import type { HubAccess } from "../hub.js";
import { hubSettings } from "./settings.js";

export async function createRepo(repo: HubRepo, options: HubAccess & { private: boolean }): Promise<HubRepo> {
  const client = await clientForWriting(repo, options);
  const named = repo.id.includes("/") ? repo : { ...repo, id: `${await userOf(client, repo)}/${repo.id}` };
  // Asked first, because a token for this one repository may not be allowed to make any.
  if (!(await exists(client, named))) await makeRepo(client, named, options.private);
  return named;
}

async function exists(client: HubClient, repo: HubRepo): Promise<boolean> {
  try {
    await readRepoInfo(client, repo, "main");
    return true;
  } catch (error) {
    if (error instanceof EmberwingError && error.code === "MissingFile") return false;
    throw error;
  }
}

/** @throws `AccessDenied` without a token, `Network` where the network is switched off. */
export async function clientForWriting(repo: HubRepo, { token, signal }: HubAccess): Promise<HubClient> {
  const settings = await hubSettings(token);
  const what = `pushing to ${hubName(repo)}`;
  if (settings.offline) throw new EmberwingError("Network", `${what}: HF_HUB_OFFLINE is set: unset it to push`);
  if (settings.token !== undefined) return new HubClient(settings, signal);
  throw new EmberwingError("AccessDenied", `${what}: it needs a token that may write: ${settings.tokenAdvice}`);
}

async function userOf(client: HubClient, repo: HubRepo): Promise<string> {
  const { content } = await client.json(client.url("/api/whoami-v2"), { what: hubName(repo) });
  const { name } = (content ?? {}) as { name?: unknown };
  if (typeof name === "string" && /^[\w.-]+$/.test(name)) return name;
  throw unreadable(client, repo, "the user's name");
}

/** 409: there is one of that name already, as when the answer of a first attempt was lost. */
async function makeRepo(client: HubClient, repo: HubRepo, isPrivate: boolean): Promise<void> {
  const [organization, name] = repo.id.split("/");
  const visibility = isPrivate ? "private" : "public";
  await client.json(client.url("/api/repos/create"), {
    what: `creating ${hubName(repo)}`,
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ type: repo.type, organization, name, visibility, private: isPrivate }),
    accept: [409],
  });
}

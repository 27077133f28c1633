/** `--push-to-hub`: the repository of a run, made before the training, filled after it. */
import { basename, resolve } from "node:path";
import { checkRepoId, type HubRepo, hubName } from "../hub/hub-repo.js";
import type { Image } from "../images.js";
import type { DDPMPipeline } from "../pipelines/ddpm-pipeline.js";
import { hub } from "../platform/hub.js";
import type { RunReport } from "../report/report.js";
import { usageError } from "./failure.js";
import type { HubFlags } from "./train-flags.js";
import { withTransfers } from "./transfers.js";

export interface PushTarget {
  /** Pushes what the run made; resolves to the page of the repository. */
  push(pipeline: DDPMPipeline, report: RunReport, samples: Image): Promise<string>;
}

/**
 * Makes the repository, so that a token that may not write is known of before hours of training.
 *
 * @returns `undefined` without `--push-to-hub`.
 */
export async function openPushTarget(flags: HubFlags, outputDir: string): Promise<PushTarget | undefined> {
  const { pushToHub, hubModelId, hubPrivateRepo = false, hubToken } = flags;
  if (!pushToHub) return undefined;
  const access = { private: hubPrivateRepo, ...(hubToken !== undefined && { token: hubToken }) };
  const repo = await hub("--push-to-hub").create(repoOf(hubModelId, outputDir), access);
  process.stderr.write(`${hubName(repo)}: gets the pipeline when the training is done\n`);
  return {
    async push(pipeline, { summary, facts, command }, samples) {
      const modelCard = { description: summary, facts, command, samples };
      const push = withTransfers("uploading", (onProgress) =>
        pipeline.pushToHub(repo.id, { ...access, modelCard, onProgress }),
      );
      return (await push).url;
    },
  };
}

/** Before anything is loaded. */
export function checkHubFlags({ pushToHub, hubModelId, hubPrivateRepo, hubToken }: HubFlags, outputDir: string): void {
  if (pushToHub) return void repoOf(hubModelId, outputDir);
  const given = { "--hub-model-id": hubModelId, "--hub-private-repo": hubPrivateRepo, "--hub-token": hubToken };
  const idle = Object.entries(given).find(([, value]) => value !== undefined);
  if (idle) throw usageError(`${idle[0]}: expected --push-to-hub beside it`);
}

/** diffusers' script takes the name of the output folder too. */
function repoOf(id: string | undefined, outputDir: string): HubRepo {
  try {
    return { type: "model", id: checkRepoId("--hub-model-id", id ?? basename(resolve(outputDir))) };
  } catch (error) {
    throw usageError((error as Error).message);
  }
}

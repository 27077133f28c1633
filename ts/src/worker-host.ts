/** The entry of the worker that `emberwing/worker` starts. */
import * as api from "./browser.js";
import { directoryFiles } from "./platform/directory-files.js";
import { directoryAt } from "./worker/directory-place.js";
import { Host, type HostPort } from "./worker/host.js";

const host = new Host(self as unknown as HostPort, api, async ({ type: _, id: __, directory, ...options }) =>
  api.init({ ...options, ...(directory && { files: directoryFiles(await directoryAt(directory)) }) }),
);

self.onmessage = ({ data }) => void host.receive(data);

/** The entry of the worker that `emberwing/worker` starts. */
import * as api from "./browser.js";
import { directoryFiles } from "./platform/directory-files.js";
import { Host, type HostPort } from "./worker/host.js";

const host = new Host(self as unknown as HostPort, api, ({ wasm, directory, hubEndpoint }) =>
  api.init({
    ...(wasm && { wasm }),
    ...(directory && { files: directoryFiles(directory) }),
    ...(hubEndpoint && { hubEndpoint }),
  }),
);

self.onmessage = ({ data }) => void host.receive(data);

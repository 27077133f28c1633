import { init } from "../../ts/src/browser.js";
import { call } from "../../ts/src/engine.js";
import { pageFiles } from "../page/page-files.js";

await init({ gpu: true, files: pageFiles });

// What EMBERWING_DEVICE does in Node: models for which no device is named are the card's, in the tests that know nothing of cards.
call(({ Generator, Weights }) => {
  for (const { prototype } of [Generator, Weights]) {
    const create = prototype.createUNet2DModel;
    prototype.createUNet2DModel = function (config: string, device: string, dtype: string) {
      return create.call(this as never, config, device || "gpu", dtype);
    };
  }
});

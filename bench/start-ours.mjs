/** A program that loads a small pipeline and takes one denoising step. `start_peer.py` is its twin. */

import { DDPMPipeline } from "emberwing";

const pipeline = await DDPMPipeline.fromPretrained(process.argv[2]);
await pipeline.generate({ batchSize: 1, numInferenceSteps: 1 });

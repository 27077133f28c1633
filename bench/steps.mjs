/** What our side does at each step, through the public API: in Node, where it is the addon or the module, and in a page. */

/** What diffusers' course trains with. */
export const schedulerOf = ({ DDPMScheduler }) =>
  new DDPMScheduler({ numTrainTimesteps: 1000, betaSchedule: "squaredcos_cap_v2" });

/** The course's loop: noise, timesteps, loss, gradients, AdamW. */
function train({ AdamW }, { unet, generator, scheduler, shape }) {
  const clean = generator.rand(shape);
  const optimizer = new AdamW(unet, { learningRate: 4e-4 });
  return async () => {
    const noise = generator.randn(shape);
    const timesteps = generator.randint(0, 1000, shape.slice(0, 1));
    const sample = scheduler.addNoise(clean, noise, timesteps);
    await unet.backward({ sample, timesteps, target: noise });
    await optimizer.step();
    await optimizer.zeroGrad();
  };
}

/** The model, then the scheduler, down the thousand timesteps. */
function denoise(_api, { unet, generator, scheduler, shape }) {
  let sample = generator.randn(shape);
  let index = 0;
  scheduler.setTimesteps(1000);
  return async () => {
    const t = scheduler.timesteps[index++];
    sample = scheduler.step(await unet.forward(sample, t), t, sample, { generator }).prevSample;
  };
}

/** By the names that cases call them; each gives a function that takes a step. */
export const STEPS = { train, denoise };

/** Seconds that a step takes. */
export async function timed(step) {
  const start = performance.now();
  await step();
  return (performance.now() - start) / 1000;
}

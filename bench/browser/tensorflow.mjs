/** The peer's side in the page: the same model and the same steps with TensorFlow.js. `ours.mjs` is its twin. */
import { TensorFlowUNet } from "./tensorflow-unet.mjs";

const TRAIN_TIMESTEPS = 1000;
const LEARNING_RATE = 4e-4;

export class TensorFlow {
  #tf;
  #operations;
  #unet;
  #step;

  constructor(tf, operations) {
    this.#tf = tf;
    this.#operations = operations;
  }

  /** @param parameters The weights of our model, so that both are the same. */
  prepare({ task, model, batch }, parameters) {
    this.#unet = new TensorFlowUNet(this.#tf, model, parameters, this.#operations);
    this.#step = this[task]([batch, model.sampleSize, model.sampleSize, 3]);
  }

  /** Adam without a decay of weights, which is the work of AdamW but for one multiplication. */
  train(shape) {
    const tf = this.#tf;
    const clean = tf.keep(tf.randomUniform(shape));
    const optimizer = tf.train.adam(LEARNING_RATE);
    const variables = [...this.#unet.variables.values()];
    return async () => {
      const loss = tf.tidy(() => {
        const noise = tf.randomNormal(shape);
        const timesteps = Array.from({ length: shape[0] }, () => Math.floor(Math.random() * TRAIN_TIMESTEPS));
        const sample = addNoise(tf, clean, noise, timesteps);
        const meanSquare = () => tf.losses.meanSquaredError(noise, this.#unet.forward(sample, timesteps));
        return optimizer.minimize(meanSquare, true, variables);
      });
      const [value] = await loss.data();
      loss.dispose();
      if (!Number.isFinite(value)) throw new Error(`TensorFlow.js: the loss is ${value}`);
    };
  }

  denoise(shape) {
    const tf = this.#tf;
    let sample = tf.randomNormal(shape);
    let t = TRAIN_TIMESTEPS - 1;
    return async () => {
      const previous = tf.tidy(() => {
        const output = this.#unet.forward(sample, Array(shape[0]).fill(t));
        return previousSample(tf, sample, output, t);
      });
      sample.dispose();
      sample = previous;
      t--;
      await sample.data();
    };
  }

  async step() {
    const start = performance.now();
    await this.#step();
    return (performance.now() - start) / 1000;
  }

  countParameters() {
    return this.#unet.countParameters();
  }

  /** @param sample NCHW numbers; gives such too. */
  async forward({ data, shape }, timesteps) {
    const tf = this.#tf;
    const output = tf.tidy(() => {
      const nhwc = tf.transpose(tf.tensor(data, shape), [0, 2, 3, 1]);
      return tf.transpose(this.#unet.forward(nhwc, timesteps), [0, 3, 1, 2]);
    });
    const values = await output.data();
    output.dispose();
    return values;
  }

  /** Gradients by name of the squared error's mean, in PyTorch's layouts. */
  async gradients(sample, timesteps, target) {
    const tf = this.#tf;
    const named = tf.tidy(() => {
      const [x, y] = [sample, target].map(({ data, shape }) => tf.transpose(tf.tensor(data, shape), [0, 2, 3, 1]));
      const meanSquare = () => tf.losses.meanSquaredError(y, this.#unet.forward(x, timesteps));
      const { grads } = tf.variableGrads(meanSquare, [...this.#unet.variables.values()]);
      return [...this.#unet.variables].map(([name, variable]) => {
        return [name, inTorchsLayout(tf, grads[variable.name])];
      });
    });
    const result = {};
    for (const [name, gradient] of named) result[name] = await gradient.data();
    for (const [, gradient] of named) gradient.dispose();
    return result;
  }

  dispose() {
    this.#unet?.dispose();
    this.#tf.disposeVariables();
    this.#unet = undefined;
  }
}

/** HWIO becomes OIHW, and [in, out] becomes [out, in]. */
function inTorchsLayout(tf, weight) {
  if (weight.rank === 4) return tf.transpose(weight, [3, 2, 0, 1]);
  return weight.rank === 2 ? tf.transpose(weight) : weight;
}

/** The squared cosine schedule's products of alphas: Nichol and Dhariwal 2021, equation 17. */
const ALPHA_BARS = (() => {
  const bar = (t) => Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2;
  let product = 1;
  return Array.from({ length: TRAIN_TIMESTEPS }, (_, i) => {
    product *= 1 - Math.min(1 - bar((i + 1) / TRAIN_TIMESTEPS) / bar(i / TRAIN_TIMESTEPS), 0.999);
    return product;
  });
})();

/** Ho et al. 2020, equation 4. */
function addNoise(tf, clean, noise, timesteps) {
  const column = (value) =>
    tf.tensor4d(
      timesteps.map((t) => value(ALPHA_BARS[t])),
      [timesteps.length, 1, 1, 1],
    );
  return tf.add(
    tf.mul(
      clean,
      column((bar) => Math.sqrt(bar)),
    ),
    tf.mul(
      noise,
      column((bar) => Math.sqrt(1 - bar)),
    ),
  );
}

/** Ho et al. 2020, equations 7 and 15, the prediction clipped to [-1, 1]. */
function previousSample(tf, sample, output, t) {
  const bar = ALPHA_BARS[t];
  const before = t > 0 ? ALPHA_BARS[t - 1] : 1;
  const alpha = bar / before;
  const guess = tf.div(tf.sub(sample, tf.mul(output, Math.sqrt(1 - bar))), Math.sqrt(bar));
  const mean = tf.add(
    tf.mul(tf.clipByValue(guess, -1, 1), (Math.sqrt(before) * (1 - alpha)) / (1 - bar)),
    tf.mul(sample, (Math.sqrt(alpha) * (1 - before)) / (1 - bar)),
  );
  if (t === 0) return mean;
  const deviation = Math.sqrt(((1 - before) / (1 - bar)) * (1 - alpha));
  return tf.add(mean, tf.mul(tf.randomNormal(sample.shape), deviation));
}

/**
 * diffusers' UNet2DModel written with TensorFlow.js, as far as the models of this bench go: DownBlock2D, AttnDownBlock2D and
 * their counterparts, one attention in the middle. NHWC and HWIO, as TensorFlow.js has it; weights by diffusers' names.
 */

const GROUPS = 32;
const EPSILON = 1e-5;
const HEAD_CHANNELS = 8;
const LONGEST_PERIOD = 10_000;

export class TensorFlowUNet {
  #tf;
  #config;
  #operations;
  /** By name. @type {Map<string, import("@tensorflow/tfjs-core").Variable>} */
  variables = new Map();

  /**
   * @param tf `@tensorflow/tfjs-core` with a backend.
   * @param config Of the `UNet2DModel`.
   * @param parameters Its weights, as `parameters()` gives them: PyTorch's layouts.
   * @param operations Of `operations.mjs`.
   */
  constructor(tf, config, parameters, operations) {
    this.#tf = tf;
    this.#config = config;
    this.#operations = operations;
    for (const [name, { data, shape }] of Object.entries(parameters)) {
      const value = tf.tidy(() => inTheirLayout(tf, tf.tensor(data, shape)));
      this.variables.set(name, tf.variable(value, true));
      value.dispose();
    }
  }

  countParameters() {
    return [...this.variables.values()].reduce((sum, { size }) => sum + size, 0);
  }

  dispose() {
    for (const variable of this.variables.values()) variable.dispose();
  }

  /**
   * @param sample NHWC.
   * @param {number[]} timesteps One for each of the batch.
   */
  forward(sample, timesteps) {
    const { blockOutChannels, downBlockTypes, upBlockTypes, layersPerBlock } = this.#config;
    const emb = this.#timeEmbedding(timesteps, blockOutChannels[0]);
    let x = this.#conv("conv_in", sample);
    const skips = [x];
    for (const [level, type] of downBlockTypes.entries()) {
      for (let layer = 0; layer < layersPerBlock; layer++) {
        x = this.#resnet(`down_blocks.${level}.resnets.${layer}`, x, emb);
        if (type === "AttnDownBlock2D") x = this.#attention(`down_blocks.${level}.attentions.${layer}`, x);
        skips.push(x);
      }
      if (level === downBlockTypes.length - 1) continue;
      x = this.#conv(`down_blocks.${level}.downsamplers.0.conv`, x, 2);
      skips.push(x);
    }
    x = this.#resnet("mid_block.resnets.0", x, emb);
    x = this.#attention("mid_block.attentions.0", x);
    x = this.#resnet("mid_block.resnets.1", x, emb);
    for (const [level, type] of upBlockTypes.entries()) {
      for (let layer = 0; layer <= layersPerBlock; layer++) {
        x = this.#resnet(`up_blocks.${level}.resnets.${layer}`, this.#tf.concat([x, skips.pop()], 3), emb);
        if (type === "AttnUpBlock2D") x = this.#attention(`up_blocks.${level}.attentions.${layer}`, x);
      }
      if (level < upBlockTypes.length - 1) x = this.#conv(`up_blocks.${level}.upsamplers.0.conv`, this.#twice(x));
    }
    return this.#conv("conv_out", this.#silu(this.#groupNorm("conv_norm_out", x)));
  }

  #weight(name) {
    const found = this.variables.get(name);
    if (!found) throw new Error(`there is no parameter ${name}`);
    return found;
  }

  #conv(name, x, stride = 1) {
    const filter = this.#weight(`${name}.weight`);
    const pad = (filter.shape[0] - 1) / 2;
    return this.#tf.add(this.#operations.conv2d(x, filter, stride, pad), this.#weight(`${name}.bias`));
  }

  /** Over the last axis, whatever is before it. */
  #linear(name, x) {
    const { add, reshape } = this.#tf;
    const weight = this.#weight(`${name}.weight`);
    const flat = reshape(x, [-1, weight.shape[0]]);
    const result = add(this.#operations.matMul(flat, weight), this.#weight(`${name}.bias`));
    return reshape(result, [...x.shape.slice(0, -1), weight.shape[1]]);
  }

  /** Each pixel four times. */
  #twice(x) {
    const [, height, width] = x.shape;
    return this.#tf.image.resizeNearestNeighbor(x, [2 * height, 2 * width]);
  }

  #silu(x) {
    return this.#tf.mul(x, this.#tf.sigmoid(x));
  }

  #groupNorm(name, x) {
    const { add, mean, mul, reshape, rsqrt, square, sub } = this.#tf;
    const [batch, height, width, channels] = x.shape;
    const grouped = reshape(x, [batch, height * width, GROUPS, channels / GROUPS]);
    const centred = sub(grouped, mean(grouped, [1, 3], true));
    const variance = mean(square(centred), [1, 3], true);
    const normal = reshape(mul(centred, rsqrt(add(variance, EPSILON))), x.shape);
    return add(mul(normal, this.#weight(`${name}.weight`)), this.#weight(`${name}.bias`));
  }

  /** Sines and cosines of the timesteps, the cosines first, then two layers. */
  #timeEmbedding(timesteps, channels) {
    const half = channels / 2;
    const values = timesteps.map((t) => {
      const angles = Array.from({ length: half }, (_, i) => t * Math.exp((-Math.log(LONGEST_PERIOD) * i) / half));
      return [...angles.map(Math.cos), ...angles.map(Math.sin)];
    });
    const sinusoids = this.#tf.tensor2d(values);
    return this.#linear("time_embedding.linear_2", this.#silu(this.#linear("time_embedding.linear_1", sinusoids)));
  }

  #resnet(name, x, emb) {
    const { add, reshape } = this.#tf;
    const time = this.#linear(`${name}.time_emb_proj`, this.#silu(emb));
    let hidden = this.#conv(`${name}.conv1`, this.#silu(this.#groupNorm(`${name}.norm1`, x)));
    hidden = add(hidden, reshape(time, [time.shape[0], 1, 1, time.shape[1]]));
    hidden = this.#conv(`${name}.conv2`, this.#silu(this.#groupNorm(`${name}.norm2`, hidden)));
    const changes = this.variables.has(`${name}.conv_shortcut.weight`);
    return add(changes ? this.#conv(`${name}.conv_shortcut`, x) : x, hidden);
  }

  #attention(name, x) {
    const { add, matMul, mul, reshape, softmax, transpose } = this.#tf;
    const [batch, height, width, channels] = x.shape;
    const heads = channels / HEAD_CHANNELS;
    const tokens = reshape(this.#groupNorm(`${name}.group_norm`, x), [batch, height * width, channels]);
    const part = (which) => {
      const projected = this.#linear(`${name}.${which}`, tokens);
      return transpose(reshape(projected, [batch, height * width, heads, HEAD_CHANNELS]), [0, 2, 1, 3]);
    };
    const [query, key, value] = [part("to_q"), part("to_k"), part("to_v")];
    const scores = mul(matMul(query, key, false, true), 1 / Math.sqrt(HEAD_CHANNELS));
    const mixed = transpose(matMul(softmax(scores), value), [0, 2, 1, 3]);
    const output = this.#linear(`${name}.to_out.0`, reshape(mixed, [batch, height * width, channels]));
    return add(reshape(output, x.shape), x);
  }
}

/** OIHW becomes HWIO, and [out, in] becomes [in, out]. */
function inTheirLayout(tf, weight) {
  if (weight.rank === 4) return tf.transpose(weight, [2, 3, 1, 0]);
  return weight.rank === 2 ? tf.transpose(weight) : weight;
}

/**
 * The operations with weights, with gradients. TensorFlow.js differentiates by kernels that not every backend has: its wasm
 * backend has none for the filter of a convolution. What is missing is composed here of operations that the backend is fast
 * at; its products are slow where a side is to be transposed on the way.
 */

/** The kernels of `tf.conv2d`'s own gradient. */
const KERNELS = ["Conv2DBackpropInput", "Conv2DBackpropFilter"];

/** The kernels of them that a backend lacks. */
export function missingKernels(tf) {
  return KERNELS.filter((name) => !tf.getKernel(name, tf.getBackend()));
}

/** @returns `conv2d(x, filter, stride, pad)` over NHWC and HWIO, and `matMul(x, weight)` of matrices. */
export function operations(tf) {
  const conv2d = (x, filter, stride, pad) => tf.conv2d(x, filter, stride, pad, "NHWC", 1, "floor");
  if (missingKernels(tf).length === 0) return { conv2d, matMul: tf.matMul };
  const product = tf.customGrad((x, weight, save) => {
    save([x, weight]);
    const gradFunc = (dy, [x, weight]) => [tf.matMul(dy, tf.transpose(weight)), tf.matMul(tf.transpose(x), dy)];
    return { value: tf.matMul(x, weight), gradFunc };
  });
  return {
    matMul: product,
    conv2d(x, filter, stride, pad) {
      const convolution = tf.customGrad((x, filter, save) => {
        save([x, filter]);
        const gradFunc = (dy, [x, filter]) => [
          inputGradient(tf, dy, filter, x.shape, stride, pad),
          filterGradient(tf, x, dy, filter.shape, stride, pad),
        ];
        return { value: conv2d(x, filter, stride, pad), gradFunc };
      });
      return convolution(x, filter);
    },
  };
}

/** A convolution with the turned filter; strides become zeros between. The backend's own kernel takes eight times as long. */
function inputGradient(tf, dy, filter, [, height, width], stride, pad) {
  const turned = tf.transpose(turn(tf, filter), [0, 1, 3, 2]);
  const spread = stride === 1 ? dy : withZerosBetween(tf, dy, stride);
  const reach = filter.shape[0] - 1;
  const before = reach - pad;
  const room = [height - spread.shape[1], width - spread.shape[2]].map((less) => [before, less + reach - before]);
  return tf.conv2d(spread, turned, 1, [[0, 0], ...room, [0, 0]], "NHWC");
}

/** By half a circle, place by place: `tf.reverse` and `tf.gather` go number by number. */
function turn(tf, filter) {
  const [height, width, from, to] = filter.shape;
  const places = tf.split(tf.reshape(filter, [height * width, from * to]), height * width);
  return tf.reshape(tf.concat(places.reverse()), filter.shape);
}

/** @returns NHWC of `stride` times the size. */
function withZerosBetween(tf, dy, stride) {
  const [batch, height, width, channels] = dy.shape;
  const pad = (x, more) =>
    tf.pad(x, [
      [0, 0],
      [0, more],
    ]);
  const across = pad(tf.reshape(dy, [batch * height * width, channels]), (stride - 1) * channels);
  const row = stride * width * channels;
  const down = pad(tf.reshape(across, [batch * height, row]), (stride - 1) * row);
  return tf.reshape(down, [batch, stride * height, stride * width, channels]);
}

/** A convolution of the inputs with the gradients as its filter, images and channels having changed places. */
function filterGradient(tf, x, dy, [size, , from, to], stride, pad) {
  if (size === 1) {
    const inputs = tf.transpose(tf.reshape(x, [-1, from]));
    return tf.reshape(tf.matMul(inputs, tf.reshape(dy, [-1, to])), [1, 1, from, to]);
  }
  // Inputs at the end that no stride reaches are not part of it.
  const unused = (length) => (length + 2 * pad - size) % stride;
  const room = [x.shape[1], x.shape[2]].map((length) => [pad, pad - unused(length)]);
  const inputs = tf.transpose(x, [3, 1, 2, 0]);
  const gradients = tf.transpose(dy, [1, 2, 0, 3]);
  const sums = tf.conv2d(inputs, gradients, 1, [[0, 0], ...room, [0, 0]], "NHWC", stride);
  return tf.transpose(sums, [1, 2, 0, 3]);
}

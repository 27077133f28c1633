/** The model of the scheduler goldens: `fixtures/make.py` says 0.6·sin(1.3·x + t/T) + 0.1·x. */
import type { Scheduler, Tensor } from "emberwing";

export function goldenModel({ data, shape }: Tensor, t: number, scheduler: Scheduler): Tensor {
  const { numTrainTimesteps = 1 } = scheduler.config as { numTrainTimesteps?: number };
  const time = t / numTrainTimesteps;
  return { data: data.map((x) => 0.6 * Math.sin(1.3 * x + time) + 0.1 * x), shape };
}

/** The same for a learned variance: cos(x) follows along the channels. */
export function goldenModelWithVariance(sample: Tensor, t: number, scheduler: Scheduler): Tensor {
  const mean = goldenModel(sample, t, scheduler).data;
  const [batch = 1, channels = 1, ...size] = sample.shape;
  const image = mean.length / batch;
  const both = new Float32Array(2 * mean.length);
  for (let index = 0; index < batch; index++) {
    both.set(mean.subarray(index * image, (index + 1) * image), 2 * index * image);
    both.set(sample.data.subarray(index * image, (index + 1) * image).map(Math.cos), (2 * index + 1) * image);
  }
  return { data: both, shape: [batch, 2 * channels, ...size] };
}

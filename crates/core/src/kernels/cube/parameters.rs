//! What training does with parameters: AdamW, the moving average, factors on gradients, sums of squares. A launch takes as many of them as the card
//! binds buffers for, because handing one over costs more than what most of them compute. The formulas stand in
//! `kernels::plain`.

use super::reduce::{item_sums, tree_sum};
use super::tensors::{THREADS, buffer, empty_float32, len};
use crate::kernels::parameters::AdamWStep;
use burn_cubecl::tensor::CubeTensor;
use cubecl::client::Client;
use cubecl::prelude::*;

/// The tensor itself where nobody else holds it, else a copy that may be changed, in memory that lasts like a parameter's.
fn own(x: CubeTensor) -> CubeTensor {
    if x.can_mut() && x.is_contiguous() {
        return x;
    }
    let client = x.client.clone();
    client.memory_persistent_allocation(x, |x| x.copy())
}

/// Tensors that share a launch, as places in their list.
struct Group(Vec<usize>);

impl Group {
    /// Puts tensors of similar length together, so that their threads end together. Each takes `buffers` bindings, and the
    /// kernel takes `others`.
    fn all(tensors: &[CubeTensor], buffers: usize, others: usize) -> Vec<Self> {
        /// More make the shader longer and save little.
        const MOST: usize = 32;
        let Some(first) = tensors.first() else { return Vec::new() };
        let bindings = first.client.properties().hardware.max_bindings as usize;
        let mut places: Vec<usize> = (0..tensors.len()).collect();
        places.sort_by_key(|&place| std::cmp::Reverse(len(&tensors[place])));
        let together = (bindings.saturating_sub(others) / buffers).clamp(1, MOST);
        places.chunks(together).map(|places| Self(places.to_vec())).collect()
    }

    fn buffers(&self, tensors: &[CubeTensor]) -> SequenceArg<Box<[f32]>> {
        self.0.iter().map(|&place| buffer(&tensors[place])).collect()
    }

    fn lens(&self, tensors: &[CubeTensor]) -> SequenceArg<u32> {
        self.0.iter().map(|&place| len(&tensors[place]) as u32).collect()
    }

    /// Workgroups along the first axis share a tensor, the second one counts tensors. Threads take several elements of
    /// the longest ones.
    fn grid(&self, tensors: &[CubeTensor]) -> CubeCount {
        const MOST: usize = 4096;
        let longest = self.0.iter().map(|&place| len(&tensors[place])).max().unwrap_or(0);
        CubeCount::Static(longest.div_ceil(THREADS as usize).clamp(1, MOST) as u32, self.0.len() as u32, 1)
    }
}

/// Changes values, first and second moments.
pub fn adamw(changed: [Vec<CubeTensor>; 3], gradients: &[CubeTensor], step: AdamWStep) -> [Vec<CubeTensor>; 3] {
    let [values, firsts, seconds] = changed.map(|tensors| tensors.into_iter().map(own).collect::<Vec<_>>());
    let corrections = step.betas.map(|beta| 1.0 - beta.powi(step.step as i32));
    for group in Group::all(&values, 4, 0) {
        let client: &Client = &values[group.0[0]].client;
        // SAFETY: the kernel stops at the last weight of each parameter.
        unsafe {
            adamw_kernel::launch_unchecked(
                client,
                group.grid(&values),
                CubeDim::new_1d(THREADS),
                group.buffers(&values),
                group.buffers(gradients),
                group.buffers(&firsts),
                group.buffers(&seconds),
                group.lens(&values),
                step.gradient_scale,
                (1.0 - step.learning_rate * step.weight_decay) as f32,
                (1.0 - step.betas[0]) as f32,
                step.betas[1] as f32,
                (1.0 - step.betas[1]) as f32,
                (step.learning_rate / corrections[0]) as f32,
                corrections[1].sqrt() as f32,
                step.epsilon as f32,
                group.0.len(),
            );
        }
    }
    [values, firsts, seconds]
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers and numbers of a kernel")]
fn adamw_kernel(
    values: &mut Sequence<Box<[f32]>>,
    gradients: &Sequence<Box<[f32]>>,
    firsts: &mut Sequence<Box<[f32]>>,
    seconds: &mut Sequence<Box<[f32]>>,
    lens: &Sequence<u32>,
    gradient_scale: f32,
    keep: f32,
    first_rate: f32,
    beta2: f32,
    second_rate: f32,
    rate: f32,
    correction: f32,
    epsilon: f32,
    #[comptime] count: usize,
) {
    #[unroll]
    for place in 0..count {
        if CUBE_POS_Y as usize == place {
            let value = values.index_mut(place);
            let gradient = gradients.index(place);
            let first = firsts.index_mut(place);
            let second = seconds.index_mut(place);
            let all = *lens.index(place) as usize;
            let mut at = first_element();
            while at < all {
                let g = gradient[at] * gradient_scale;
                let m = first[at] + (g - first[at]) * first_rate;
                let v = second[at] * beta2 + g * g * second_rate;
                first[at] = m;
                second[at] = v;
                value[at] = value[at] * keep - rate * (m / (v.sqrt() / correction + epsilon));
                at += stride();
            }
        }
    }
}

/// The first element that a thread takes of its tensor.
#[cube]
fn first_element() -> usize {
    CUBE_POS_X as usize * THREADS as usize + UNIT_POS as usize
}

/// How far apart the elements of a thread lie.
#[cube]
fn stride() -> usize {
    CUBE_COUNT_X as usize * THREADS as usize
}

/// Moves averages towards values.
pub fn moving_averages(averages: Vec<CubeTensor>, values: &[CubeTensor], decay: f64) -> Vec<CubeTensor> {
    let averages: Vec<_> = averages.into_iter().map(own).collect();
    for group in Group::all(&averages, 2, 0) {
        let client: &Client = &averages[group.0[0]].client;
        // SAFETY: the kernel stops at the last weight of each parameter.
        unsafe {
            moving_average_kernel::launch_unchecked(
                client,
                group.grid(&averages),
                CubeDim::new_1d(THREADS),
                group.buffers(&averages),
                group.buffers(values),
                group.lens(&averages),
                (1.0 - decay) as f32,
                group.0.len(),
            );
        }
    }
    averages
}

#[cube(launch_unchecked)]
fn moving_average_kernel(
    averages: &mut Sequence<Box<[f32]>>,
    values: &Sequence<Box<[f32]>>,
    lens: &Sequence<u32>,
    rate: f32,
    #[comptime] count: usize,
) {
    #[unroll]
    for place in 0..count {
        if CUBE_POS_Y as usize == place {
            let average = averages.index_mut(place);
            let value = values.index(place);
            let all = *lens.index(place) as usize;
            let mut at = first_element();
            while at < all {
                average[at] = average[at] - (average[at] - value[at]) * rate;
                at += stride();
            }
        }
    }
}

/// Tensors times a factor.
pub fn scaled(xs: Vec<CubeTensor>, factor: f32) -> Vec<CubeTensor> {
    let xs: Vec<_> = xs.into_iter().map(own).collect();
    for group in Group::all(&xs, 1, 0) {
        let client: &Client = &xs[group.0[0]].client;
        // SAFETY: the kernel stops at the last element of each tensor.
        unsafe {
            scale_kernel::launch_unchecked(
                client,
                group.grid(&xs),
                CubeDim::new_1d(THREADS),
                group.buffers(&xs),
                group.lens(&xs),
                factor,
                group.0.len(),
            );
        }
    }
    xs
}

#[cube(launch_unchecked)]
fn scale_kernel(xs: &mut Sequence<Box<[f32]>>, lens: &Sequence<u32>, factor: f32, #[comptime] count: usize) {
    #[unroll]
    for place in 0..count {
        if CUBE_POS_Y as usize == place {
            let x = xs.index_mut(place);
            let all = *lens.index(place) as usize;
            let mut at = first_element();
            while at < all {
                x[at] = x[at] * factor;
                at += stride();
            }
        }
    }
}

/// Workgroups that add up the squares of one tensor, before their sums are added up.
const PARTS: usize = 64;

/// Σx² of each tensor.
pub fn sums_of_squares(xs: &[CubeTensor]) -> CubeTensor {
    let parts = empty_float32(&xs[0], [xs.len(), PARTS]);
    for group in Group::all(xs, 1, 1) {
        // SAFETY: the kernel stops at the last element of each tensor.
        unsafe {
            squares_kernel::launch_unchecked(
                &parts.client,
                CubeCount::Static(PARTS as u32, group.0.len() as u32, 1),
                CubeDim::new_1d(THREADS),
                group.buffers(xs),
                buffer(&parts),
                group.lens(xs),
                group.0.iter().map(|&place| place as u32).collect::<SequenceArg<u32>>(),
                group.0.len(),
            );
        }
    }
    item_sums(&parts)
}

#[cube(launch_unchecked)]
fn squares_kernel(
    xs: &Sequence<Box<[f32]>>,
    parts: &mut [f32],
    lens: &Sequence<u32>,
    places: &Sequence<u32>,
    #[comptime] count: usize,
) {
    let thread = UNIT_POS as usize;
    let mut shared = Shared::<[Vector<f32, Const<1>>]>::new_slice(THREADS as usize);
    let mut sum = 0.0f32;
    let mut row = 0usize;
    #[unroll]
    for place in 0..count {
        if CUBE_POS_Y as usize == place {
            let x = xs.index(place);
            let all = *lens.index(place) as usize;
            row = *places.index(place) as usize;
            let mut at = first_element();
            while at < all {
                sum += x[at] * x[at];
                at += stride();
            }
        }
    }
    shared[thread] = Vector::new(sum);
    sync_cube();
    tree_sum::<Const<1>>(&mut shared, thread, thread, THREADS as usize, 1usize);
    if thread == 0usize {
        parts[row * PARTS + CUBE_POS_X as usize] = shared[0usize].extract(0usize);
    }
}

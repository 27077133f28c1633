//! Attention without stored scores. A thread has one query (or, for the gradients of keys and values, one key) in its registers
//! and meets the others a block at a time in shared memory; softmax is kept up to date as they come by (Milakov and Gimelshein
//! 2018, arXiv:1805.02867). The backward pass makes the probabilities again from one logarithm a query.

use super::tensors::{buffer, element, empty, empty_float32};
use crate::kernels::attention::Saved;
use burn::backend::TensorMetadata;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

type T = CubeTensor;

/// Queries of a workgroup.
const THREADS: usize = 64;

/// The largest head that fits a thread's registers; larger ones are left to matrix products.
pub const LARGEST_HEAD: usize = 64;

/// What the kernels know when they are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Head {
    /// Channels of a head.
    dim: usize,
    /// Keys (or queries) in shared memory at once.
    block: usize,
}

/// Extents of an attention.
struct Extents {
    batch: usize,
    queries: usize,
    keys: usize,
    heads: usize,
    dim: usize,
}

impl Extents {
    fn new(query: &T, key: &T, heads: usize) -> Self {
        let [batch, queries, inner] = query.shape().dims();
        let [_, keys, _] = key.shape().dims();
        Self { batch, queries, keys, heads, dim: inner / heads }
    }

    fn head(&self) -> Head {
        Head { dim: self.dim, block: (1024 / self.dim).clamp(16, 64) }
    }

    fn scale(&self) -> f32 {
        1.0 / (self.dim as f32).sqrt()
    }

    /// A workgroup for each block of `tokens`, each head and each image.
    fn grid(&self, tokens: usize) -> CubeCount {
        CubeCount::Static(tokens.div_ceil(THREADS) as u32, self.heads as u32, self.batch as u32)
    }
}

/// Output and the logarithm of each row's sum, `[n, heads, queries]`.
pub fn forward(query: &T, key: &T, value: &T, heads: usize) -> [T; 2] {
    let extents = Extents::new(query, key, heads);
    let output = empty::<3>(query, query.shape().dims());
    let logsumexp = empty_float32(query, [extents.batch, heads, extents.queries]);
    // SAFETY: the kernel works on tokens that there are.
    unsafe {
        forward_kernel::launch_unchecked(
            &query.client,
            extents.grid(extents.queries),
            CubeDim::new_1d(THREADS as u32),
            buffer(query),
            buffer(key),
            buffer(value),
            buffer(&output),
            buffer(&logsumexp),
            extents.queries as u32,
            extents.keys as u32,
            extents.scale(),
            extents.head(),
            element(query),
        );
    }
    [output, logsumexp]
}

/// Gradients with respect to query, key and value.
pub fn backward(saved: &Saved<CubeBackend>, gradient: &T) -> [T; 3] {
    let Saved { query, key, value, output, scores, heads } = saved;
    let extents = Extents::new(query, key, *heads);
    let [dq, dk, dv] = [query, key, value].map(|x| empty::<3>(x, x.shape().dims()));
    // SAFETY: the kernels work on tokens that there are.
    unsafe {
        query_gradient_kernel::launch_unchecked(
            &query.client,
            extents.grid(extents.queries),
            CubeDim::new_1d(THREADS as u32),
            buffer(query),
            buffer(key),
            buffer(value),
            buffer(output),
            buffer(scores),
            buffer(gradient),
            buffer(&dq),
            extents.queries as u32,
            extents.keys as u32,
            extents.scale(),
            extents.head(),
            element(query),
        );
        key_gradient_kernel::launch_unchecked(
            &query.client,
            extents.grid(extents.keys),
            CubeDim::new_1d(THREADS as u32),
            buffer(query),
            buffer(key),
            buffer(value),
            buffer(output),
            buffer(scores),
            buffer(gradient),
            buffer(&dk),
            buffer(&dv),
            extents.queries as u32,
            extents.keys as u32,
            extents.scale(),
            extents.head(),
            element(query),
        );
    }
    [dq, dk, dv]
}

/// Where the head's part of token `token` starts, in a tensor of `tokens` tokens an image.
#[cube]
fn position(token: usize, tokens: usize, #[comptime] dim: usize) -> usize {
    ((CUBE_POS_Z as usize * tokens + token) * CUBE_COUNT_Y as usize + CUBE_POS_Y as usize) * dim
}

/// Where the number of query `token` stands in `[n, heads, queries]`.
#[cube]
fn row(token: usize, queries: usize) -> usize {
    (CUBE_POS_Z * CUBE_COUNT_Y + CUBE_POS_Y) as usize * queries + token
}

/// Copies the block of tokens from `first` on into shared memory; zeros behind the last.
#[cube]
fn load_block<E: Float>(x: &[E], shared: &mut Shared<[f32]>, first: usize, tokens: usize, #[comptime] head: Head) {
    let dim = comptime!(head.dim);
    let mut index = UNIT_POS as usize;
    while index < comptime!(head.block * head.dim) {
        let token = first + index / dim;
        let mut value = 0.0f32;
        if token < tokens {
            value = f32::cast_from(x[position(token, tokens, dim) + index % dim]);
        }
        shared[index] = value;
        index += THREADS;
    }
}

/// The head's part of one token, times `scale`.
#[cube]
fn load_token<E: Float>(x: &[E], token: usize, tokens: usize, scale: f32, #[comptime] dim: usize) -> Array<f32> {
    let mut part = Array::<f32>::new(dim);
    #[unroll]
    for i in 0..dim {
        part[i] = 0.0f32;
        if token < tokens {
            part[i] = f32::cast_from(x[position(token, tokens, dim) + i]) * scale;
        }
    }
    part
}

#[cube]
fn store_token<E: Float>(
    x: &mut [E],
    part: &Array<f32>,
    token: usize,
    tokens: usize,
    factor: f32,
    #[comptime] dim: usize,
) {
    if token < tokens {
        #[unroll]
        for i in 0..dim {
            x[position(token, tokens, dim) + i] = E::cast_from(part[i] * factor);
        }
    }
}

#[cube]
fn zeros(#[comptime] dim: usize) -> Array<f32> {
    let mut all = Array::<f32>::new(dim);
    #[unroll]
    for i in 0..dim {
        all[i] = 0.0f32;
    }
    all
}

/// Inner product of a thread's own token with one in shared memory.
#[cube]
fn inner(own: &Array<f32>, shared: &Shared<[f32]>, start: usize, #[comptime] dim: usize) -> f32 {
    let mut sum = 0.0f32;
    #[unroll]
    for i in 0..dim {
        sum = fma(own[i], shared[start + i], sum);
    }
    sum
}

/// `own += factor · shared token`.
#[cube]
fn add_scaled(own: &mut Array<f32>, shared: &Shared<[f32]>, start: usize, factor: f32, #[comptime] dim: usize) {
    #[unroll]
    for i in 0..dim {
        own[i] = fma(factor, shared[start + i], own[i]);
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers and sizes of a kernel")]
fn forward_kernel<E: Float>(
    query: &[E],
    key: &[E],
    value: &[E],
    output: &mut [E],
    logsumexp: &mut [f32],
    queries: u32,
    keys: u32,
    scale: f32,
    #[comptime] head: Head,
    #[define(E)] _element: ElemType,
) {
    let (queries, keys) = (queries as usize, keys as usize);
    let dim = comptime!(head.dim);
    let block = comptime!(head.block);
    let token = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let mut key_block = Shared::<[f32]>::new_slice(comptime!(head.block * head.dim));
    let mut value_block = Shared::<[f32]>::new_slice(comptime!(head.block * head.dim));
    let own = load_token::<E>(query, token, queries, scale, dim);
    let mut sums = zeros(dim);
    let mut largest = f32::min_value();
    let mut total = 0.0f32;
    let mut first = 0usize;
    while first < keys {
        sync_cube();
        load_block::<E>(key, &mut key_block, first, keys, head);
        load_block::<E>(value, &mut value_block, first, keys, head);
        sync_cube();
        let count = min(block.runtime(), keys - first);
        for other in 0..count {
            let score = inner(&own, &key_block, other * dim, dim);
            let now = max(largest, score);
            let correction = (largest - now).exp();
            let weight = (score - now).exp();
            total = total * correction + weight;
            #[unroll]
            for i in 0..dim {
                sums[i] = sums[i] * correction + weight * value_block[other * dim + i];
            }
            largest = now;
        }
        first += block;
    }
    store_token::<E>(output, &sums, token, queries, 1.0f32 / total, dim);
    if token < queries {
        logsumexp[row(token, queries)] = largest + total.ln();
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers and sizes of a kernel")]
fn query_gradient_kernel<E: Float>(
    query: &[E],
    key: &[E],
    value: &[E],
    output: &[E],
    logsumexp: &[f32],
    gradient: &[E],
    dq: &mut [E],
    queries: u32,
    keys: u32,
    scale: f32,
    #[comptime] head: Head,
    #[define(E)] _element: ElemType,
) {
    let (queries, keys) = (queries as usize, keys as usize);
    let dim = comptime!(head.dim);
    let block = comptime!(head.block);
    let token = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    let mut key_block = Shared::<[f32]>::new_slice(comptime!(head.block * head.dim));
    let mut value_block = Shared::<[f32]>::new_slice(comptime!(head.block * head.dim));
    let own = load_token::<E>(query, token, queries, scale, dim);
    let own_output = load_token::<E>(output, token, queries, 1.0f32, dim);
    let own_gradient = load_token::<E>(gradient, token, queries, 1.0f32, dim);
    let mut delta = 0.0f32;
    #[unroll]
    for i in 0..dim {
        delta += own_output[i] * own_gradient[i];
    }
    let mut own_row = 0.0f32;
    if token < queries {
        own_row = logsumexp[row(token, queries)];
    }
    let mut sums = zeros(dim);
    let mut first = 0usize;
    while first < keys {
        sync_cube();
        load_block::<E>(key, &mut key_block, first, keys, head);
        load_block::<E>(value, &mut value_block, first, keys, head);
        sync_cube();
        let count = min(block.runtime(), keys - first);
        for other in 0..count {
            let probability = (inner(&own, &key_block, other * dim, dim) - own_row).exp();
            let towards = inner(&own_gradient, &value_block, other * dim, dim);
            add_scaled(&mut sums, &key_block, other * dim, probability * (towards - delta), dim);
        }
        first += block;
    }
    store_token::<E>(dq, &sums, token, queries, scale, dim);
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers and sizes of a kernel")]
fn key_gradient_kernel<E: Float>(
    query: &[E],
    key: &[E],
    value: &[E],
    output: &[E],
    logsumexp: &[f32],
    gradient: &[E],
    dk: &mut [E],
    dv: &mut [E],
    queries: u32,
    keys: u32,
    scale: f32,
    #[comptime] head: Head,
    #[define(E)] _element: ElemType,
) {
    let (queries, keys) = (queries as usize, keys as usize);
    let dim = comptime!(head.dim);
    let block = comptime!(head.block);
    let thread = UNIT_POS as usize;
    let token = CUBE_POS_X as usize * THREADS + thread;
    let mut query_block = Shared::<[f32]>::new_slice(comptime!(head.block * head.dim));
    let mut gradient_block = Shared::<[f32]>::new_slice(comptime!(head.block * head.dim));
    let mut rows = Shared::<[f32]>::new_slice(block);
    let mut deltas = Shared::<[f32]>::new_slice(block);
    let own_key = load_token::<E>(key, token, keys, scale, dim);
    let own_value = load_token::<E>(value, token, keys, 1.0f32, dim);
    let mut key_sums = zeros(dim);
    let mut value_sums = zeros(dim);
    let mut first = 0usize;
    while first < queries {
        sync_cube();
        load_block::<E>(query, &mut query_block, first, queries, head);
        load_block::<E>(gradient, &mut gradient_block, first, queries, head);
        sync_cube();
        let count = min(block.runtime(), queries - first);
        if thread < count {
            let start = position(first + thread, queries, dim);
            let mut delta = 0.0f32;
            #[unroll]
            for i in 0..dim {
                delta += f32::cast_from(output[start + i]) * gradient_block[thread * dim + i];
            }
            deltas[thread] = delta;
            rows[thread] = logsumexp[row(first + thread, queries)];
        }
        sync_cube();
        for other in 0..count {
            let probability = (inner(&own_key, &query_block, other * dim, dim) - rows[other]).exp();
            let towards = inner(&own_value, &gradient_block, other * dim, dim);
            add_scaled(&mut value_sums, &gradient_block, other * dim, probability, dim);
            add_scaled(&mut key_sums, &query_block, other * dim, probability * (towards - deltas[other]), dim);
        }
        first += block;
    }
    store_token::<E>(dk, &key_sums, token, keys, scale, dim);
    store_token::<E>(dv, &value_sums, token, keys, 1.0f32, dim);
}

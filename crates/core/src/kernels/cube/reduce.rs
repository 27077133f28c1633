//! Sums, in float32.

use super::product::{Addend, Finish};
use super::tensors::{THREADS, buffer, element, elementwise, empty_float32, len};
use burn::backend::TensorMetadata;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// Adds up `count` values in shared memory that lie `step` apart; the caller is at place `index` of them, at `thread`. The sum is
/// in the first one. All threads of a workgroup must come here.
#[cube]
pub fn tree_sum<N: Size>(
    shared: &mut Shared<[Vector<f32, N>]>,
    index: usize,
    thread: usize,
    #[comptime] count: usize,
    #[comptime] step: usize,
) {
    let rounds = comptime!(usize::BITS - (count - 1).leading_zeros());
    #[unroll]
    for round in 0..rounds {
        // Of `left` values the upper half is added to the lower; an odd one in the middle waits.
        let left = comptime!(count.div_ceil(1 << round));
        let half = comptime!(left.div_ceil(2));
        if index < comptime!(left - half) {
            shared[thread] = shared[thread] + shared[thread + comptime!(half * step)];
        }
        sync_cube();
    }
}

/// Sums over the rows: `[rows, columns]` to `[columns]`.
pub fn row_sums(x: &CubeTensor) -> CubeTensor {
    let [rows, columns] = x.shape().dims();
    let y = empty_float32(x, [columns]);
    launch_sums(x, &y, 1, rows, columns);
    y
}

/// [`row_sums`] of two tensors of one shape.
pub fn row_sums_of_two(a: &CubeTensor, b: &CubeTensor) -> [CubeTensor; 2] {
    let [rows, columns] = a.shape().dims();
    let sums = [empty_float32(a, [columns]), empty_float32(a, [columns])];
    // SAFETY: the kernel stops at the last row and column.
    unsafe {
        sums_of_two_kernel::launch_unchecked(
            &a.client,
            CubeCount::Static(columns.div_ceil(COLUMNS) as u32, 2, 1),
            CubeDim::new_1d(THREADS),
            buffer(a),
            buffer(b),
            buffer(&sums[0]),
            buffer(&sums[1]),
            rows as u32,
            columns as u32,
        );
    }
    sums
}

/// Sums over the pixels: `[n, h, w, c]` to `[n, c]`.
pub fn pixel_sums(x: &CubeTensor) -> CubeTensor {
    let [n, h, w, c] = x.shape().dims();
    let y = empty_float32(x, [n, c]);
    launch_sums(x, &y, n, h * w, c);
    y
}

/// Sums over the values of each item: `[items, values]` to `[items]`.
pub fn item_sums(x: &CubeTensor) -> CubeTensor {
    let [items, values] = x.shape().dims();
    let y = empty_float32(x, [items]);
    launch_sums(x, &y, items, values, 1);
    y
}

/// Columns of a workgroup.
pub const COLUMNS: usize = 32;
const ROWS: usize = THREADS as usize / COLUMNS;

fn launch_sums(x: &CubeTensor, y: &CubeTensor, batch: usize, rows: usize, columns: usize) {
    // SAFETY: the kernel stops at the last row and column.
    unsafe {
        sums_kernel::launch_unchecked(
            &x.client,
            CubeCount::Static(columns.div_ceil(COLUMNS) as u32, batch as u32, 1),
            CubeDim::new_1d(THREADS),
            buffer(x),
            buffer(y),
            rows as u32,
            columns as u32,
            element(x),
        );
    }
}

#[cube(launch_unchecked)]
fn sums_kernel<E: Float>(x: &[E], y: &mut [f32], rows: u32, columns: u32, #[define(E)] _element: ElemType) {
    add_rows::<E>(x, y, CUBE_POS_Y as usize, CUBE_POS_X as usize, rows as usize, columns as usize);
}

#[cube(launch_unchecked)]
fn sums_of_two_kernel(a: &[f32], b: &[f32], a_sums: &mut [f32], b_sums: &mut [f32], rows: u32, columns: u32) {
    if CUBE_POS_Y == 0 {
        add_rows::<f32>(a, a_sums, 0usize, CUBE_POS_X as usize, rows as usize, columns as usize);
    } else {
        add_rows::<f32>(b, b_sums, 0usize, CUBE_POS_X as usize, rows as usize, columns as usize);
    }
}

/// A workgroup's work: block `block` of the columns of item `item` of a batch.
#[cube]
pub fn add_rows<E: Float>(x: &[E], y: &mut [f32], item: usize, block: usize, rows: usize, columns: usize) {
    let thread = UNIT_POS as usize;
    let (first_row, column) = (thread / COLUMNS, block * COLUMNS + thread % COLUMNS);
    let mut shared = Shared::<[Vector<f32, Const<1>>]>::new_slice(THREADS as usize);
    let mut sum = 0.0f32;
    if column < columns {
        let mut row = first_row;
        while row < rows {
            sum += f32::cast_from(x[(item * rows + row) * columns + column]);
            row += ROWS;
        }
    }
    shared[thread] = Vector::new(sum);
    sync_cube();
    tree_sum::<Const<1>>(&mut shared, first_row, thread, ROWS, COLUMNS);
    if first_row == 0usize && column < columns {
        y[item * columns + column] = shared[thread].extract(0usize);
    }
}

/// A thread's work where rows are few: the sum of a column of item `item`, in the order of [`add_rows`].
#[cube]
pub fn add_column<E: Float>(x: &[E], y: &mut [f32], item: usize, column: usize, rows: usize, columns: usize) {
    if column < columns {
        let mut sums = Array::<f32>::new(ROWS);
        #[unroll]
        for i in 0..ROWS {
            let mut sum = 0.0f32;
            let mut row = 0usize;
            row += i;
            while row < rows {
                sum += f32::cast_from(x[(item * rows + row) * columns + column]);
                row += ROWS;
            }
            sums[i] = sum;
        }
        let (even, odd) = (sums[0usize] + sums[4usize], sums[1usize] + sums[5usize]);
        y[item * columns + column] = even + (sums[2usize] + sums[6usize]) + (odd + (sums[3usize] + sums[7usize]));
    }
}

/// Fills `y`, which has `columns` columns, with the sum of `count` parts and `finish`; the parts are `[count, …]`.
pub fn finish_parts(parts: &CubeTensor, count: usize, finish: Finish, columns: usize, y: &CubeTensor) {
    let addend = finish.addend.unwrap_or(parts);
    let (cubes, threads) = elementwise(&parts.client, len(y));
    // SAFETY: the kernel stops at the last element of the result.
    unsafe {
        finish_kernel::launch_unchecked(
            &parts.client,
            cubes,
            threads,
            buffer(parts),
            buffer(finish.bias.unwrap_or(parts)),
            buffer(addend),
            buffer(y),
            len(y) as u32,
            count as u32,
            columns as u32,
            finish.rows_per_sample as u32,
            finish.scale,
            finish.bias.is_some(),
            finish.kind,
            [element(addend), element(y)],
        );
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers and sizes of a kernel")]
fn finish_kernel<A: Float, Y: Float>(
    parts: &[f32],
    bias: &[f32],
    addend: &[A],
    y: &mut [Y],
    all: u32,
    count: u32,
    columns: u32,
    rows_per_sample: u32,
    scale: f32,
    #[comptime] has_bias: bool,
    #[comptime] kind: Addend,
    #[define(A, Y)] _elements: [ElemType; 2],
) {
    let all = all as usize;
    if ABSOLUTE_POS >= all {
        terminate!();
    }
    let (row, column) = (ABSOLUTE_POS / columns as usize, ABSOLUTE_POS % columns as usize);
    let mut value = 0.0f32;
    for part in 0..count as usize {
        value += parts[part * all + ABSOLUTE_POS];
    }
    if comptime!(has_bias) {
        value += bias[column];
    }
    if comptime!(kind == Addend::SampleBias) {
        value += f32::cast_from(addend[row / rows_per_sample as usize * columns as usize + column]);
    }
    if comptime!(kind == Addend::Residual) {
        value += f32::cast_from(addend[ABSOLUTE_POS]);
    }
    y[ABSOLUTE_POS] = Y::cast_from(value * scale);
}

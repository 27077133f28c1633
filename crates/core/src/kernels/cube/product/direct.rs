//! The kernel of small products. A thread computes four columns of a few rows and reads what it needs where it lies: no shared
//! memory, nobody waits for anybody. Sums have the order of the kernel of large products, so that both give the same bits.

use super::fours::{Four, Place, finish_four, load_inside, put_across};
use super::{Addend, Finish, ProductShape, Transposed, WIDTH};
use crate::kernels::cube::tensors::{buffer, element, elementwise};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// A thread's part of the result, and how much of the depth it loads at once: 16, 4 or 1, of which the depth is a multiple.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Strip {
    pub rows: usize,
    pub depth: usize,
}

impl Strip {
    /// Places along the depth that one vector holds.
    fn steps(self) -> usize {
        self.depth.min(WIDTH)
    }
}

/// The product in `y`, of `parts` of the depth one after another.
pub fn launch(
    problem: ProductShape,
    strip: Strip,
    a: &CubeTensor,
    b: &CubeTensor,
    finish: Finish,
    y: &CubeTensor,
    parts: usize,
) {
    let ProductShape { batch, rows, depth, columns, transposed } = problem;
    let threads = batch * parts * rows.div_ceil(strip.rows) * columns.div_ceil(WIDTH);
    let (count, dim) = elementwise(&a.client, threads);
    let (bias, addend) = (finish.bias.unwrap_or(b), finish.addend.unwrap_or(b));
    let [a_vector, b_vector, y_vector] = problem.vectors();
    // SAFETY: the kernel reads inside of the factors and stops at the last row and column.
    unsafe {
        direct_kernel::launch_unchecked(
            &a.client,
            count,
            dim,
            a_vector,
            b_vector,
            y_vector,
            buffer(a),
            buffer(b),
            buffer(bias),
            buffer(addend),
            buffer(y),
            rows as u32,
            depth as u32,
            columns as u32,
            batch as u32,
            parts as u32,
            problem.depth_per_part(parts) as u32,
            finish.rows_per_sample as u32,
            finish.scale,
            strip,
            transposed,
            finish.bias.is_some(),
            finish.kind,
            [a, b, addend, y].map(element),
        );
    }
}

/// Values of the first factor in the registers of a thread: a vector a row of four along the depth, or a vector of four rows for
/// each place along the depth.
#[cube]
fn load_first<A: Float, N: Size>(
    a: &[Vector<A, N>],
    start: usize,
    first_row: usize,
    at: usize,
    rows: usize,
    depth: usize,
    #[comptime] strip: Strip,
    #[comptime] turned: bool,
) -> Array<Four> {
    let steps = comptime!(strip.steps());
    let mut left = Array::<Four>::new(comptime!(if turned { steps } else { strip.rows }));
    if comptime!(turned) {
        #[unroll]
        for k in 0..steps {
            left[k] = load_inside::<A, N>(a, start + (at + k) * rows, first_row, rows);
        }
    } else {
        #[unroll]
        for i in 0..comptime!(strip.rows) {
            left[i] = load_inside::<A, N>(a, start + min(first_row + i, rows - 1) * depth, at, depth);
        }
    }
    left
}

/// Values of the second factor: four columns for each place along the depth.
#[cube]
fn load_second<B: Float, N: Size>(
    b: &[Vector<B, N>],
    start: usize,
    column: usize,
    at: usize,
    columns: usize,
    depth: usize,
    #[comptime] strip: Strip,
    #[comptime] turned: bool,
) -> Array<Four> {
    let steps = comptime!(strip.steps());
    let mut right = Array::<Four>::new(steps);
    if comptime!(turned) {
        #[unroll]
        for k in 0..steps {
            right[k] = Four::new(0.0f32);
        }
        #[unroll]
        for i in 0..4usize {
            let line = load_inside::<B, N>(b, start + min(column + i, columns - 1) * depth, at, depth);
            put_across(&mut right, line, i, steps);
        }
    } else {
        #[unroll]
        for k in 0..steps {
            right[k] = load_inside::<B, N>(b, start + (at + k) * columns, column, columns);
        }
    }
    right
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers and sizes of a kernel")]
fn direct_kernel<A: Float, B: Float, P: Float, Y: Float, NA: Size, NB: Size, NY: Size>(
    a: &[Vector<A, NA>],
    b: &[Vector<B, NB>],
    bias: &[Vector<f32, NY>],
    addend: &[Vector<P, NY>],
    y: &mut [Vector<Y, NY>],
    rows: u32,
    depth: u32,
    columns: u32,
    batch: u32,
    parts: u32,
    depth_per_part: u32,
    rows_per_sample: u32,
    scale: f32,
    #[comptime] strip: Strip,
    #[comptime] transposed: Transposed,
    #[comptime] has_bias: bool,
    #[comptime] kind: Addend,
    #[define(A, B, P, Y)] _elements: [ElemType; 4],
) {
    let (rows, depth, columns, batch) = (rows as usize, depth as usize, columns as usize, batch as usize);
    let height = comptime!(strip.rows);
    let columns_in_fours = columns.div_ceil(WIDTH);
    let strips = rows.div_ceil(height);
    let column = ABSOLUTE_POS % columns_in_fours * WIDTH;
    let strip_and_item = ABSOLUTE_POS / columns_in_fours;
    let first_row = strip_and_item % strips * height;
    let part_and_item = strip_and_item / strips;
    if part_and_item >= batch * parts as usize {
        terminate!();
    }
    let item = part_and_item % batch;
    let begin = part_and_item / batch * depth_per_part as usize;
    let end = min(begin + depth_per_part as usize, depth);
    let (a_start, b_start) = (item * rows * depth, item * depth * columns);

    let mut sums = Array::<Four>::new(height);
    #[unroll]
    for i in 0..height {
        sums[i] = Four::new(0.0f32);
    }
    let first_turned = comptime!(transposed == Transposed::First);
    let second_turned = comptime!(transposed == Transposed::Second);
    let steps = comptime!(strip.steps());
    let mut at = begin;
    while at < end {
        #[unroll]
        for chunk in 0..comptime!(strip.depth / steps) {
            let here = at + comptime!(chunk * WIDTH);
            let left = load_first::<A, NA>(a, a_start, first_row, here, rows, depth, strip, first_turned);
            let right = load_second::<B, NB>(b, b_start, column, here, columns, depth, strip, second_turned);
            #[unroll]
            for k in 0..steps {
                #[unroll]
                for i in 0..height {
                    let factor = if comptime!(first_turned) { left[k].extract(i) } else { left[i].extract(k) };
                    sums[i] = fma(Four::new(factor), right[k], sums[i]);
                }
            }
        }
        at += comptime!(strip.depth);
    }

    #[unroll]
    for i in 0..height {
        let place = Place {
            start: part_and_item * rows * columns,
            row: first_row + i,
            column,
            rows,
            columns,
            rows_per_sample: rows_per_sample as usize,
        };
        finish_four::<P, Y, NY>(sums[i], bias, addend, y, &place, scale, has_bias, kind);
    }
}

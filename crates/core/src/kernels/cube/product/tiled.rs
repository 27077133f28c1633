//! The kernel of large products. A workgroup of 16 x 16 threads computes a tile of the result. It walks along the depth: a slice of
//! both factors is loaded into shared memory while the slice before is multiplied out of it, and each thread keeps its part of the
//! tile in registers.

use super::fours::{Four, Place, finish_four, load_four, put_across};
use super::{Addend, DEPTH, Finish, ProductShape, SIDE, Tile, Transposed, WIDTH};
use crate::kernels::cube::tensors::{THREADS, buffer, element};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// The product in `y`, of `parts` of the depth one after another.
pub fn launch(problem: ProductShape, a: &CubeTensor, b: &CubeTensor, finish: Finish, y: &CubeTensor, parts: usize) {
    let ProductShape { batch, rows, depth, columns, transposed } = problem;
    let tile = problem.tile();
    let count = CubeCount::Static(
        columns.div_ceil(tile.columns) as u32,
        rows.div_ceil(tile.rows) as u32,
        (batch * parts) as u32,
    );
    let (bias, addend) = (finish.bias.unwrap_or(b), finish.addend.unwrap_or(b));
    let [a_vector, b_vector, y_vector] = problem.vectors();
    // SAFETY: the kernel checks rows, columns and depth against the extents of the buffers.
    unsafe {
        tiled_kernel::launch_unchecked(
            &a.client,
            count,
            CubeDim::new_1d(THREADS),
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
            problem.depth_per_part(parts) as u32,
            finish.rows_per_sample as u32,
            finish.scale,
            tile,
            transposed,
            finish.bias.is_some(),
            finish.kind,
            [a, b, addend, y].map(element),
        );
    }
}

/// Where a workgroup's slices of both factors lie.
#[derive(CubeType, Clone, Copy)]
struct Slices {
    a_start: usize,
    b_start: usize,
    first_row: usize,
    first_column: usize,
    rows: usize,
    depth: usize,
    columns: usize,
    /// Depth beyond this belongs to another workgroup.
    end: usize,
}

/// A thread's share of the slices that start at depth `at`, into its registers.
#[cube]
#[allow(clippy::too_many_arguments, reason = "buffers and registers of a kernel")]
fn load_slices<A: Float, B: Float, NA: Size, NB: Size>(
    a: &[Vector<A, NA>],
    b: &[Vector<B, NB>],
    a_next: &mut Array<Four>,
    b_next: &mut Array<Four>,
    slices: &Slices,
    at: usize,
    #[comptime] tile: Tile,
    #[comptime] transposed: Transposed,
) {
    let thread = UNIT_POS as usize;
    let first_turned = comptime!(transposed == Transposed::First);
    let a_line = comptime!(if first_turned { tile.rows / WIDTH } else { DEPTH / WIDTH });
    let b_line = comptime!(tile.columns / WIDTH);
    #[unroll]
    for i in 0..comptime!((tile.rows * DEPTH / WIDTH).div_ceil(THREADS as usize)) {
        let index = thread + comptime!(i * THREADS as usize);
        let line = index / a_line;
        let within = index % a_line * WIDTH;
        if comptime!(first_turned) {
            a_next[i] =
                load_four::<A, NA>(a, slices.a_start, at + line, slices.first_row + within, slices.end, slices.rows);
        } else {
            a_next[i] =
                load_four::<A, NA>(a, slices.a_start, slices.first_row + line, at + within, slices.rows, slices.depth);
        }
    }
    if comptime!(transposed == Transposed::Second) {
        load_turned::<B, NB>(b, b_next, slices, at, tile);
    } else {
        #[unroll]
        for i in 0..comptime!((tile.columns * DEPTH / WIDTH).div_ceil(THREADS as usize)) {
            let index = thread + comptime!(i * THREADS as usize);
            let line = index / b_line;
            let within = index % b_line * WIDTH;
            b_next[i] = load_four::<B, NB>(
                b,
                slices.b_start,
                at + line,
                slices.first_column + within,
                slices.end,
                slices.columns,
            );
        }
    }
}

/// As in [`load_slices`], where the second factor's lines run along the depth: a thread has a square of 4 columns by 4 and
/// turns it. There are fewer squares than threads.
#[cube]
fn load_turned<B: Float, N: Size>(
    b: &[Vector<B, N>],
    b_next: &mut Array<Four>,
    slices: &Slices,
    at: usize,
    #[comptime] tile: Tile,
) {
    let squares = comptime!(DEPTH / WIDTH);
    let (column, depth) = (UNIT_POS as usize / squares * WIDTH, UNIT_POS as usize % squares * WIDTH);
    if column < comptime!(tile.columns) {
        #[unroll]
        for k in 0..4usize {
            b_next[k] = Four::new(0.0f32);
        }
        #[unroll]
        for i in 0..4usize {
            let line = slices.first_column + column + i;
            let loaded = load_four::<B, N>(b, slices.b_start, line, at + depth, slices.columns, slices.depth);
            put_across(b_next, loaded, i, 4usize);
        }
    }
}

/// A thread's share of the second factor's slice, out of its registers into shared memory.
#[cube]
fn store_second(b_shared: &mut Shared<[Four]>, b_next: &Array<Four>, #[comptime] tile: Tile, #[comptime] turned: bool) {
    let thread = UNIT_POS as usize;
    let b_vectors = comptime!(tile.columns * DEPTH / WIDTH);
    if comptime!(turned) {
        let squares = comptime!(DEPTH / WIDTH);
        let b_line = comptime!(tile.columns / WIDTH);
        let (column, depth) = (thread / squares, thread % squares * WIDTH);
        if column < b_line {
            #[unroll]
            for k in 0..4usize {
                b_shared[(depth + k) * b_line + column] = b_next[k];
            }
        }
    } else {
        #[unroll]
        for i in 0..comptime!(b_vectors.div_ceil(THREADS as usize)) {
            let index = thread + comptime!(i * THREADS as usize);
            if index < b_vectors {
                b_shared[index] = b_next[i];
            }
        }
    }
}

/// Which rows of the tile thread `thread` of the 16 that share columns computes.
#[cube]
fn tile_row(thread: usize, #[comptime] index: usize, #[comptime] transposed: bool) -> usize {
    if comptime!(transposed) {
        (thread + comptime!(index / 4 * SIDE)) * 4usize + comptime!(index % 4)
    } else {
        thread + comptime!(index * SIDE)
    }
}

#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments, reason = "buffers and sizes of a kernel")]
fn tiled_kernel<A: Float, B: Float, P: Float, Y: Float, NA: Size, NB: Size, NY: Size>(
    a: &[Vector<A, NA>],
    b: &[Vector<B, NB>],
    bias: &[Vector<f32, NY>],
    addend: &[Vector<P, NY>],
    y: &mut [Vector<Y, NY>],
    rows: u32,
    depth: u32,
    columns: u32,
    batch: u32,
    depth_per_split: u32,
    rows_per_sample: u32,
    scale: f32,
    #[comptime] tile: Tile,
    #[comptime] transposed: Transposed,
    #[comptime] has_bias: bool,
    #[comptime] kind: Addend,
    #[define(A, B, P, Y)] _elements: [ElemType; 4],
) {
    let (rows, depth, columns) = (rows as usize, depth as usize, columns as usize);
    let thread = UNIT_POS as usize;
    let (thread_row, thread_column) = (thread / SIDE, thread % SIDE);
    let item = (CUBE_POS_Z % batch) as usize;
    let part = CUBE_POS_Z / batch;
    let first_turned = comptime!(transposed == Transposed::First);
    let first_row = CUBE_POS_Y as usize * comptime!(tile.rows);
    let first_column = CUBE_POS_X as usize * comptime!(tile.columns);
    let a_start = item * rows * depth;
    let b_start = item * depth * columns;
    let begin = (part * depth_per_split) as usize;
    let end = min(begin + depth_per_split as usize, depth);

    // Vectors along the depth (first factor as it is) or along the rows (transposed).
    let a_vectors = comptime!(tile.rows * DEPTH / WIDTH);
    let b_vectors = comptime!(tile.columns * DEPTH / WIDTH);
    let a_loads = comptime!(a_vectors.div_ceil(THREADS as usize));
    let second_turned = comptime!(transposed == Transposed::Second);
    let b_loads = comptime!(if second_turned { WIDTH } else { b_vectors.div_ceil(THREADS as usize) });
    let mut a_shared = Shared::<[Four]>::new_slice(a_vectors);
    let mut b_shared = Shared::<[Four]>::new_slice(b_vectors);
    let mut a_next = Array::<Four>::new(a_loads);
    let mut b_next = Array::<Four>::new(b_loads);

    let row_registers = comptime!(tile.registers()[0]);
    let column_registers = comptime!(tile.registers()[1]);
    let mut sums = Array::<Four>::new(comptime!(row_registers * column_registers));
    #[unroll]
    for i in 0..comptime!(row_registers * column_registers) {
        sums[i] = Four::new(0.0f32);
    }

    let slices = Slices { a_start, b_start, first_row, first_column, rows, depth, columns, end };
    load_slices::<A, B, NA, NB>(a, b, &mut a_next, &mut b_next, &slices, begin, tile, transposed);
    let mut at = begin;
    while at < end {
        sync_cube();
        #[unroll]
        for i in 0..a_loads {
            let index = thread + comptime!(i * THREADS as usize);
            if index < a_vectors {
                a_shared[index] = a_next[i];
            }
        }
        store_second(&mut b_shared, &b_next, tile, second_turned);
        sync_cube();
        at += DEPTH;
        // On its way while this slice is multiplied; behind the last there are zeros, or values that nobody uses.
        load_slices::<A, B, NA, NB>(a, b, &mut a_next, &mut b_next, &slices, at, tile, transposed);
        if comptime!(first_turned) {
            multiply_transposed(&a_shared, &b_shared, &mut sums, thread_row, thread_column, tile);
        } else {
            multiply(&a_shared, &b_shared, &mut sums, thread_row, thread_column, tile);
        }
    }

    let result = CUBE_POS_Z as usize * rows * columns;
    #[unroll]
    for i in 0..row_registers {
        let row = first_row + tile_row(thread_row, i, first_turned);
        #[unroll]
        for j in 0..column_registers {
            let column = first_column + (thread_column + comptime!(j * SIDE)) * WIDTH;
            let place = Place { start: result, row, column, rows, columns, rows_per_sample: rows_per_sample as usize };
            let sum = sums[comptime!(i * column_registers + j)];
            finish_four::<P, Y, NY>(sum, bias, addend, y, &place, scale, has_bias, kind);
        }
    }
}

/// Adds the product of the slices in shared memory; the first factor's lines run along the depth.
#[cube]
fn multiply(
    a: &Shared<[Four]>,
    b: &Shared<[Four]>,
    sums: &mut Array<Four>,
    thread_row: usize,
    thread_column: usize,
    #[comptime] tile: Tile,
) {
    let row_registers = comptime!(tile.registers()[0]);
    let column_registers = comptime!(tile.registers()[1]);
    let a_line = comptime!(DEPTH / WIDTH);
    let b_line = comptime!(tile.columns / WIDTH);
    let mut left = Array::<Four>::new(row_registers);
    let mut right = Array::<Four>::new(column_registers);
    #[unroll]
    for chunk in 0..a_line {
        #[unroll]
        for i in 0..row_registers {
            left[i] = a[(thread_row + comptime!(i * SIDE)) * a_line + chunk];
        }
        #[unroll]
        for k in 0..4usize {
            #[unroll]
            for j in 0..column_registers {
                right[j] = b[comptime!((chunk * 4 + k) * b_line + j * SIDE) + thread_column];
            }
            #[unroll]
            for i in 0..row_registers {
                let factor = Four::new(left[i].extract(k));
                #[unroll]
                for j in 0..column_registers {
                    let sum = comptime!(i * column_registers + j);
                    sums[sum] = fma(factor, right[j], sums[sum]);
                }
            }
        }
    }
}

/// As [`multiply`], with the first factor's lines along the rows.
#[cube]
fn multiply_transposed(
    a: &Shared<[Four]>,
    b: &Shared<[Four]>,
    sums: &mut Array<Four>,
    thread_row: usize,
    thread_column: usize,
    #[comptime] tile: Tile,
) {
    let row_vectors = comptime!(tile.registers()[0] / WIDTH);
    let column_registers = comptime!(tile.registers()[1]);
    let a_line = comptime!(tile.rows / WIDTH);
    let b_line = comptime!(tile.columns / WIDTH);
    let mut left = Array::<Four>::new(row_vectors);
    let mut right = Array::<Four>::new(column_registers);
    #[unroll]
    for k in 0..comptime!(DEPTH) {
        #[unroll]
        for i in 0..row_vectors {
            left[i] = a[comptime!(k * a_line + i * SIDE) + thread_row];
        }
        #[unroll]
        for j in 0..column_registers {
            right[j] = b[comptime!(k * b_line + j * SIDE) + thread_column];
        }
        #[unroll]
        for i in 0..row_vectors {
            #[unroll]
            for r in 0..4usize {
                let factor = Four::new(left[i].extract(r));
                #[unroll]
                for j in 0..column_registers {
                    let sum = comptime!((i * 4 + r) * column_registers + j);
                    sums[sum] = fma(factor, right[j], sums[sum]);
                }
            }
        }
    }
}

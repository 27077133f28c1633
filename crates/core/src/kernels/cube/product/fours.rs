//! Four neighbouring values of a factor or of the result, as vectors of 4 or, where a line's length is no multiple of 4, one by one.

use super::Addend;
use cubecl::prelude::*;

pub type Four = Vector<f32, Const<4>>;

/// A vector of four, which the compiler knows as one of `N`.
#[cube]
fn widen_four<E: Float, N: Size>(loaded: Vector<E, N>) -> Four {
    let mut four = Four::new(0.0f32);
    #[unroll]
    for i in 0..4usize {
        four.insert(i, f32::cast_from(loaded.extract(i)));
    }
    four
}

/// Puts `line` across the first `count` of `fours`, into entry `entry` of each: four lines so put are turned.
#[cube]
pub fn put_across(fours: &mut Array<Four>, line: Four, #[comptime] entry: usize, #[comptime] count: usize) {
    #[unroll]
    for k in 0..count {
        let mut four = fours[k];
        four.insert(entry, line.extract(k));
        fours[k] = four;
    }
}

/// Four values of row `row`, from column `column` on; zeros outside.
#[cube]
pub fn load_four<E: Float, N: Size>(
    x: &[Vector<E, N>],
    start: usize,
    row: usize,
    column: usize,
    rows: usize,
    columns: usize,
) -> Four {
    let width = N::value();
    let mut four = Four::new(0.0f32);
    if row < rows {
        let at = start + row * columns + column;
        if comptime!(width == 4) {
            if column < columns {
                four = widen_four::<E, N>(x[at / 4]);
            }
        } else {
            #[unroll]
            for i in 0..4usize {
                if column + i < columns {
                    four.insert(i, f32::cast_from(x[at + i].extract(0usize)));
                }
            }
        }
    }
    four
}

/// Four values of a line that starts at `start` and is `length` long, from `within` on, which is inside of it; the last one again
/// beyond its end.
#[cube]
pub fn load_inside<E: Float, N: Size>(x: &[Vector<E, N>], start: usize, within: usize, length: usize) -> Four {
    let width = N::value();
    let mut four = Four::new(0.0f32);
    if comptime!(width == 4) {
        four = widen_four::<E, N>(x[(start + within) / 4]);
    } else {
        #[unroll]
        for i in 0..4usize {
            four.insert(i, f32::cast_from(x[start + min(within + i, length - 1)].extract(0usize)));
        }
    }
    four
}

/// Where four values of a product belong.
#[derive(CubeType, Clone, Copy)]
pub struct Place {
    /// Where the result of this item of the batch starts.
    pub start: usize,
    pub row: usize,
    pub column: usize,
    pub rows: usize,
    pub columns: usize,
    pub rows_per_sample: usize,
}

/// Writes `(sum + bias + addend) · scale`, as far as it is inside of the result.
#[cube]
#[allow(clippy::too_many_arguments, reason = "buffers and sizes of a kernel")]
pub fn finish_four<P: Float, Y: Float, N: Size>(
    sum: Four,
    bias: &[Vector<f32, N>],
    addend: &[Vector<P, N>],
    y: &mut [Vector<Y, N>],
    place: &Place,
    scale: f32,
    #[comptime] has_bias: bool,
    #[comptime] kind: Addend,
) {
    let (row, column, rows, columns) = (place.row, place.column, place.rows, place.columns);
    if row < rows {
        let mut value = sum;
        if comptime!(has_bias) {
            value += load_four::<f32, N>(bias, 0usize, 0usize, column, 1usize, columns);
        }
        if comptime!(kind == Addend::SampleBias) {
            value += load_four::<P, N>(addend, 0usize, row / place.rows_per_sample, column, rows, columns);
        }
        if comptime!(kind == Addend::Residual) {
            value += load_four::<P, N>(addend, 0usize, row, column, rows, columns);
        }
        store_four::<Y, N>(y, place.start + row * columns, column, columns, value * Four::new(scale));
    }
}

#[cube]
fn store_four<Y: Float, N: Size>(y: &mut [Vector<Y, N>], line: usize, column: usize, columns: usize, value: Four) {
    let width = N::value();
    if comptime!(width == 4) {
        if column < columns {
            let mut whole = Vector::<Y, N>::empty();
            #[unroll]
            for i in 0..N::value() {
                whole.insert(i, Y::cast_from(value.extract(i)));
            }
            y[(line + column) / 4] = whole;
        }
    } else {
        #[unroll]
        for i in 0..4usize {
            if column + i < columns {
                y[line + column + i] = Vector::<Y, N>::new(Y::cast_from(value.extract(i)));
            }
        }
    }
}

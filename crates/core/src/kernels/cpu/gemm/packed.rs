//! The right-hand matrix of a product as the matrix kernel reads it.

use crate::kernels::cpu::buffers::Recycled;
use crate::kernels::cpu::microkernel::{PANEL, Rows};
use crate::kernels::cpu::parallel::{Shared, parallel_for};
use crate::kernels::cpu::simd::ALIGN;

/// The right-hand matrix of a product, cut into panels of 64 columns.
pub(crate) struct PackedMatrix<'a> {
    panels: Panels<'a>,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

enum Panels<'a> {
    /// `[panel][row][64]`, zeros beyond the last column.
    Packed(Recycled),
    /// The matrix as it is, its columns whole vectors.
    InPlace(&'a [f32]),
}

impl<'a> PackedMatrix<'a> {
    /// Packs `matrix` `[rows][columns]` for a product of `uses` rows; for few it is not worth the copy.
    pub(crate) fn new(matrix: &'a [f32], rows: usize, columns: usize, uses: usize) -> Self {
        const FEW: usize = 48;
        if uses <= FEW && columns.is_multiple_of(ALIGN) {
            return PackedMatrix { panels: Panels::InPlace(matrix), rows, columns };
        }
        Self::pack(rows, columns, |panel, from| {
            let width = PANEL.min(columns - from);
            for (target, source) in panel.chunks_exact_mut(PANEL).zip(matrix.chunks_exact(columns)) {
                target[..width].copy_from_slice(&source[from..from + width]);
                target[width..].fill(0.0);
            }
        })
    }

    /// Packs the transpose of `matrix` `[columns][rows]`.
    pub(crate) fn transposed(matrix: &[f32], rows: usize, columns: usize) -> Self {
        /// Rows turned at a time, so that the rows written stay in the first-level cache.
        const TURN: usize = 16;
        Self::pack(rows, columns, |panel, from| {
            let width = PANEL.min(columns - from);
            for (block, target) in panel.chunks_mut(TURN * PANEL).enumerate() {
                if width < PANEL {
                    target.fill(0.0);
                }
                let rows_here = target.len() / PANEL;
                for column in 0..width {
                    let source = &matrix[(from + column) * rows + block * TURN..][..rows_here];
                    for (row, &x) in source.iter().enumerate() {
                        target[row * PANEL + column] = x;
                    }
                }
            }
        })
    }

    fn pack(rows: usize, columns: usize, fill: impl Fn(&mut [f32], usize) + Sync + Send) -> Self {
        let len = rows * PANEL;
        let mut panels = Recycled::for_overwrite(columns.div_ceil(PANEL) * len);
        let shared = Shared::new(&mut panels);
        // SAFETY: each job has its own panel.
        parallel_for(columns.div_ceil(PANEL), |i| unsafe { fill(shared.range(i * len..(i + 1) * len), i * PANEL) });
        PackedMatrix { panels: Panels::Packed(panels), rows, columns }
    }

    pub(crate) fn panel_count(&self) -> usize {
        self.columns.div_ceil(PANEL)
    }

    /// Row `row` of a panel, and the distance to the next row.
    pub(super) fn at(&self, panel: usize, row: usize) -> Rows<*const f32> {
        match &self.panels {
            Panels::Packed(panels) => {
                Rows { pointer: panels[(panel * self.rows + row) * PANEL..].as_ptr(), row: PANEL }
            }
            Panels::InPlace(matrix) => {
                Rows { pointer: matrix[row * self.columns + panel * PANEL..].as_ptr(), row: self.columns }
            }
        }
    }
}

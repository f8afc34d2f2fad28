//! Weights in the order in which a product reads them, packed once where they do not change.
//!
//! A matrix (terms, columns) is cut into panels of 32 columns; a panel holds its rows one after another, so that a
//! product reads it from one end to the other. In bf16 two rows share a row of words, the first in the low halves. A large
//! matrix that is kept in bf16 is packed a panel at a time instead, by each product. Inputs are read where they are. Sums
//! of up to 768 terms stay in registers.
//!
//! Unsafe code here describes memory to the kernels.
#![allow(unsafe_code)]

mod half_mat;
mod kernel;
mod round;
#[cfg(test)]
mod tests;

use std::ops::Range;

use rayon::prelude::*;

pub use half_mat::HalfMat;
pub use kernel::Arithmetic;
pub use kernel::WIDTH;
use kernel::{Ahead, First, MOST_ROWS, Tile};
pub use round::round_row;

use super::{
    mat::{Into, Mat, MatMut, product},
    parallel::with_scratch,
};

/// Most terms summed before a sum goes back to memory: a panel of so many rows stays in the second-level cache.
const TERMS: usize = 768;

/// A packed matrix in memory of its own.
#[derive(Debug)]
pub struct Packed {
    arithmetic: Arithmetic,
    terms: usize,
    columns: usize,
    words: Vec<f32>,
}

/// A matrix as kernels read it, wherever it is.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    arithmetic: Arithmetic,
    terms: usize,
    columns: usize,
    panels: Panels<'a>,
}

/// Where a matrix's panels come from.
#[derive(Clone, Copy, Debug)]
enum Panels<'a> {
    /// Panel after panel, (terms or pairs of terms, [`WIDTH`]); zeros where the matrix ends.
    Packed(&'a [f32]),
    /// They are packed when they are read.
    Half(HalfMat<'a>),
}

/// What the output of a product begins with.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// Zeros: the product overwrites it.
    Zeros,
    /// The same values in every row, one for each column.
    Row(&'a [f32]),
    /// What is there: the product is added.
    There,
}

impl Packed {
    /// Packs a matrix (terms, columns), on all threads of the pool.
    pub fn new(matrix: Mat<'_>, arithmetic: Arithmetic) -> Self {
        let pack = |from, panel: &mut [f32]| pack_panel(matrix, from, arithmetic, panel);
        Self::of_panels(matrix.rows(), matrix.columns(), arithmetic, pack)
    }

    /// The same of a matrix of bf16 numbers.
    pub fn of_half(matrix: HalfMat<'_>, arithmetic: Arithmetic) -> Self {
        assert!(arithmetic.is_bf16(), "{arithmetic:?} does not read bf16");
        let pack = |from, panel: &mut [f32]| matrix.pack(0..matrix.rows(), from, panel);
        Self::of_panels(matrix.rows(), matrix.columns(), arithmetic, pack)
    }

    /// From what packs the panel of the columns from one on.
    fn of_panels(
        terms: usize,
        columns: usize,
        arithmetic: Arithmetic,
        pack: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Self {
        let mut words = vec![0.0; words(terms, columns, arithmetic)];
        let panels = words.par_chunks_exact_mut((height(terms, arithmetic) * WIDTH).max(1)).enumerate();
        panels.for_each(|(i, panel)| pack(i * WIDTH, panel));
        Self { arithmetic, terms, columns, words }
    }

    /// Its words, to read.
    pub fn view(&self) -> View<'_> {
        let Self { arithmetic, terms, columns, ref words } = *self;
        View { arithmetic, terms, columns, panels: Panels::Packed(words) }
    }

    /// Bytes of a packed matrix of so many terms and columns.
    pub fn bytes(terms: usize, columns: usize, arithmetic: Arithmetic) -> usize {
        words(terms, columns, arithmetic) * size_of::<f32>()
    }
}

impl<'a> View<'a> {
    /// Packs a matrix into as many words as [`words`] says, on the calling thread alone. Zeros follow its rows and its
    /// columns until they are `terms` and `columns`.
    pub fn pack(matrix: Mat<'_>, [terms, columns]: [usize; 2], arithmetic: Arithmetic, to: &'a mut [f32]) -> Self {
        assert_eq!(to.len(), words(terms, columns, arithmetic), "words of ({terms}, {columns})");
        for (i, panel) in to.chunks_exact_mut((height(terms, arithmetic) * WIDTH).max(1)).enumerate() {
            pack_panel(matrix, i * WIDTH, arithmetic, panel);
        }
        Self { arithmetic, terms, columns, panels: Panels::Packed(to) }
    }

    /// A matrix that each product packs for itself, a panel at a time, on the thread that multiplies.
    pub fn of_half(matrix: HalfMat<'a>, arithmetic: Arithmetic) -> Self {
        assert!(arithmetic.is_bf16(), "{arithmetic:?} does not read bf16");
        Self { arithmetic, terms: matrix.rows(), columns: matrix.columns(), panels: Panels::Half(matrix) }
    }

    /// `out = start + a * these terms and columns`, where `a` has a column for each term; on the calling thread alone.
    fn multiply(&self, out: MatMut<'_>, start: Start<'_>, a: Mat<'_>, terms: Range<usize>, columns: Range<usize>) {
        assert!(
            a.columns() == terms.len() && terms.end <= self.terms && columns.end <= self.columns,
            "({}, {}) x ({terms:?}, {columns:?}) of ({}, {})",
            a.rows(),
            a.columns(),
            self.terms,
            self.columns
        );
        assert!(a.rows() == out.rows() && columns.len() == out.columns(), "({}, {}) rows", a.rows(), out.rows());
        assert!(!self.arithmetic.is_bf16() || terms.start.is_multiple_of(2), "pairs of terms are packed together");
        if out.rows() == 0 || out.columns() == 0 {
            return;
        }
        if !self.arithmetic.is_bf16() {
            // Rows of values beside each other are read where they are.
            let (at, stride) = a.as_rows();
            return self.panels(out, start, Rows { at, stride }, terms, columns);
        }
        let stride =
            if self.arithmetic.takes_bf16() { terms.len().div_ceil(2) } else { terms.len().next_multiple_of(2) };
        with_scratch([a.rows() * stride], |[rounded]| {
            for (row, to) in rounded.chunks_exact_mut(stride).enumerate() {
                if self.arithmetic.takes_bf16() {
                    round::pair_row(a.row(row), to);
                } else {
                    round_row(a.row(row), to);
                }
            }
            self.panels(out, start, Rows { at: rounded.as_ptr(), stride }, terms, columns);
        });
    }

    /// [`multiply`](Self::multiply) with inputs as the kernel takes them.
    fn panels(&self, out: MatMut<'_>, start: Start<'_>, a: Rows, terms: Range<usize>, columns: Range<usize>) {
        // Parts of equal length; even ones, so that pairs stay together.
        let parts = terms.len().div_ceil(TERMS).max(1);
        let part = terms.len().div_ceil(parts).next_multiple_of(2);
        let room = if let Panels::Half(_) = self.panels { part / 2 * WIDTH } else { 0 };
        with_scratch([room], |[panel]| self.parts(out, start, a, (terms, part), columns, panel));
    }

    /// [`panels`](Self::panels) by so many terms at a time, with room for as much of a panel.
    fn parts(
        &self,
        mut out: MatMut<'_>,
        start: Start<'_>,
        a: Rows,
        (terms, part): (Range<usize>, usize),
        columns: Range<usize>,
        room: &mut [f32],
    ) {
        let bf16 = self.arithmetic.is_bf16();
        let height = height(self.terms, self.arithmetic);
        let mut edge = [0.0; MOST_ROWS * WIDTH];
        let rows = out.rows();
        let groups = rows.div_ceil(self.arithmetic.most_rows());
        for at in (0..terms.len().max(1)).step_by(part.max(1)) {
            let count = part.min(terms.len() - at);
            let count = if bf16 { count.next_multiple_of(2) } else { count };
            let first = terms.start + at;
            for panel in columns.start / WIDTH..columns.end.div_ceil(WIDTH) {
                let wanted = columns.start.max(panel * WIDTH)..columns.end.min((panel + 1) * WIDTH);
                let length = if bf16 { count / 2 } else { count } * WIDTH;
                // These terms of the panel, and of the one after it, which is fetched meanwhile.
                let [b, next] = match self.panels {
                    Panels::Packed(words) => {
                        let from = (panel * height + if bf16 { first / 2 } else { first }) * WIDTH;
                        let after = from + height * WIDTH;
                        [&words[from..from + length], words.get(after..after + length).unwrap_or_default()]
                    }
                    Panels::Half(matrix) => {
                        let words = &mut room[..length];
                        matrix.pack(first..(first + count).min(terms.end), panel * WIDTH, words);
                        [&*words, &[]]
                    }
                };
                let mut next = next.chunks(length.div_ceil(groups).next_multiple_of(WIDTH).max(1));
                let place = wanted.start - columns.start;
                let mut row = 0;
                for group in (1..=groups).rev() {
                    // Equal groups: a few rows at once leave the multipliers waiting for each other.
                    let tall = (rows - row).div_ceil(group);
                    let ahead = Ahead::new(next.next().unwrap_or_default(), length / WIDTH);
                    // SAFETY: row `row` and the offset of its terms are inside the inputs.
                    let a_at =
                        unsafe { a.at.add(row * a.stride + if self.arithmetic.takes_bf16() { at / 2 } else { at }) };
                    let tile = |out, out_stride, first| Tile {
                        rows: tall,
                        terms: count,
                        a: a_at,
                        a_stride: a.stride,
                        b: b.as_ptr(),
                        out,
                        out_stride,
                        first,
                        ahead,
                    };
                    // SAFETY, of both: the instructions are here, or nothing could have been packed for them; the inputs
                    // and the panel have as many terms; `part` checks that the tile is inside the output.
                    if wanted.len() == WIDTH {
                        let first = match start {
                            Start::Zeros if at == 0 => First::Zeros,
                            Start::Row(values) if at == 0 => First::Row(values[place..place + WIDTH].as_ptr()),
                            _ => First::There,
                        };
                        let (to, stride) = out.part(row, place, tall, WIDTH);
                        unsafe { self.arithmetic.run(tile(to, stride, first)) };
                    } else {
                        // A panel of which not all is wanted is computed in a tile apart.
                        let inside = wanted.start - panel * WIDTH..wanted.end - panel * WIDTH;
                        for (r, sums) in edge.chunks_exact_mut(WIDTH).take(tall).enumerate() {
                            let sums = &mut sums[inside.clone()];
                            match start {
                                Start::Zeros if at == 0 => sums.fill(0.0),
                                Start::Row(values) if at == 0 => {
                                    sums.copy_from_slice(&values[place..place + sums.len()])
                                }
                                _ => sums.copy_from_slice(&out.row(row + r)[place..place + sums.len()]),
                            }
                        }
                        unsafe { self.arithmetic.run(tile(edge.as_mut_ptr(), WIDTH, First::There)) };
                        for (r, sums) in edge.chunks_exact(WIDTH).take(tall).enumerate() {
                            out.row(row + r)[place..place + wanted.len()].copy_from_slice(&sums[inside.clone()]);
                        }
                    }
                    row += tall;
                }
            }
        }
    }
}

/// Words that a packed matrix of so many terms and columns takes.
pub fn words(terms: usize, columns: usize, arithmetic: Arithmetic) -> usize {
    columns.div_ceil(WIDTH) * height(terms, arithmetic) * WIDTH
}

/// The panel of the columns from `from` on; zeros where the matrix ends.
fn pack_panel(matrix: Mat<'_>, from: usize, arithmetic: Arithmetic, words: &mut [f32]) {
    let from = from.min(matrix.columns());
    let matrix = matrix.columns_at(from, WIDTH.min(matrix.columns() - from));
    let (words, rest) = words.split_at_mut(height(matrix.rows(), arithmetic) * WIDTH);
    rest.fill(0.0);
    if !arithmetic.is_bf16() {
        return matrix.copy_to(words, WIDTH);
    }
    for (row, words) in words.chunks_exact_mut(WIDTH).enumerate() {
        for (column, word) in words[..matrix.columns()].iter_mut().enumerate() {
            let second = if 2 * row + 1 < matrix.rows() { matrix.at(2 * row + 1, column) } else { 0.0 };
            *word = round::pair(matrix.at(2 * row, column), second);
        }
        words[matrix.columns()..].fill(0.0);
    }
}

/// Rows of words that so many terms take in a panel.
fn height(terms: usize, arithmetic: Arithmetic) -> usize {
    if arithmetic.is_bf16() { terms.div_ceil(2) } else { terms }
}

/// Rows of inputs, in words.
#[derive(Clone, Copy)]
struct Rows {
    at: *const f32,
    stride: usize,
}

/// The right operand of a product: a matrix (terms, columns) as it is, or a part of one that kernels read.
#[derive(Clone, Debug)]
pub enum Operand<'a> {
    /// In memory.
    Plain(Mat<'a>),
    /// For the kernels.
    Packed {
        /// The whole.
        of: View<'a>,
        /// Which of its rows.
        terms: Range<usize>,
        /// Which of its columns.
        columns: Range<usize>,
    },
}

impl<'a> Operand<'a> {
    /// What kernels read where there is something, else the plain matrix.
    pub fn of(view: Option<View<'a>>, plain: Mat<'a>) -> Self {
        view.map_or(Self::Plain(plain), Self::whole)
    }

    /// All of a matrix.
    pub fn whole(of: View<'a>) -> Self {
        Self::Packed { of, terms: 0..of.terms, columns: 0..of.columns }
    }

    /// `count` rows from `from` on.
    pub fn rows_at(&self, from: usize, count: usize) -> Self {
        match self {
            Self::Plain(matrix) => Self::Plain(matrix.rows_at(from, count)),
            Self::Packed { of, terms, columns } => Self::Packed {
                of: *of,
                terms: terms.start + from..terms.start + from + count,
                columns: columns.clone(),
            },
        }
    }

    /// `count` columns from `from` on.
    pub fn columns_at(&self, from: usize, count: usize) -> Self {
        match self {
            Self::Plain(matrix) => Self::Plain(matrix.columns_at(from, count)),
            Self::Packed { of, terms, columns } => Self::Packed {
                of: *of,
                terms: terms.clone(),
                columns: columns.start + from..columns.start + from + count,
            },
        }
    }
}

/// `out = start + a * b`; on the calling thread alone.
pub fn multiply(mut out: MatMut<'_>, start: Start<'_>, a: Mat<'_>, b: &Operand<'_>) {
    match b {
        Operand::Packed { of, terms, columns } => of.multiply(out, start, a, terms.clone(), columns.clone()),
        Operand::Plain(b) => {
            let into = match start {
                Start::Zeros => Into::Set,
                Start::There => Into::Add,
                Start::Row(values) => {
                    for row in 0..out.rows() {
                        out.row(row).copy_from_slice(values);
                    }
                    Into::Add
                }
            };
            product(out, into, 1.0, a, *b);
        }
    }
}

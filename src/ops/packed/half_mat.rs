//! A matrix of bf16 numbers in memory, packed a panel at a time while a product goes through it: for matrices that are
//! too large to be kept a second time.

use std::ops::Range;

use half::bf16;

use super::{WIDTH, round::word};

/// Columns, and pairs of their terms, that are transposed in registers.
const SIDE: usize = 8;

/// A matrix of bf16 numbers to read, or its transpose.
#[derive(Clone, Copy, Debug)]
pub struct HalfMat<'a> {
    data: &'a [bf16],
    /// Values of a row in memory.
    width: usize,
    transposed: bool,
}

impl<'a> HalfMat<'a> {
    /// All of `data`, row-major, `columns` wide.
    pub fn new(data: &'a [bf16], columns: usize) -> Self {
        let width = columns.max(1);
        assert_eq!(data.len() % width, 0, "{} values are not rows of {width}", data.len());
        Self { data, width, transposed: false }
    }

    /// The transpose, without a copy.
    #[must_use]
    pub fn t(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        if self.transposed { self.width } else { self.data.len() / self.width }
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        if self.transposed { self.data.len() / self.width } else { self.width }
    }

    /// Packs some terms (rows), from an even one on, of the panel of the columns from `from` on, as
    /// [`Packed`](super::Packed) has them: a row of words for each pair of terms; zeros where the matrix ends.
    pub(super) fn pack(&self, terms: Range<usize>, from: usize, words: &mut [f32]) {
        let count = WIDTH.min(self.columns() - from);
        if count < WIDTH || terms.len() % 2 == 1 {
            words.fill(0.0);
        }
        if self.transposed {
            self.pack_adjacent(terms, from..from + count, words);
        } else {
            self.pack_rows(terms, from..from + count, words);
        }
    }

    /// Where a column's terms are adjacent in memory.
    fn pack_adjacent(&self, terms: Range<usize>, columns: Range<usize>, words: &mut [f32]) {
        let at = |column: usize| &self.data[column * self.width..][terms.clone()];
        let pairs = terms.len() / 2;
        // Square tiles first, and then what is beside and below them.
        let [tall, wide] = [pairs, columns.len()].map(|count| if transposes() { count / SIDE * SIDE } else { 0 });
        for pair in (0..tall).step_by(SIDE) {
            for place in (0..wide).step_by(SIDE) {
                let from = std::array::from_fn(|i| &at(columns.start + place + i)[2 * pair..][..2 * SIDE]);
                transpose(from, &mut words[pair * WIDTH + place..]);
            }
        }
        for (place, column) in columns.enumerate() {
            let done = if place < wide { tall } else { 0 };
            let rest = &at(column)[2 * done..];
            for (pair, row) in rest.chunks(2).zip(words[done * WIDTH..].chunks_exact_mut(WIDTH)) {
                row[place] = word(pair[0].to_bits(), pair.get(1).map_or(0, |second| second.to_bits()));
            }
        }
    }

    /// Where a row's columns are.
    fn pack_rows(&self, terms: Range<usize>, columns: Range<usize>, words: &mut [f32]) {
        let row = |term: usize| &self.data[term * self.width..][columns.clone()];
        for (term, words) in terms.clone().step_by(2).zip(words.chunks_exact_mut(WIDTH)) {
            if term + 1 == terms.end {
                words.iter_mut().zip(row(term)).for_each(|(to, first)| *to = word(first.to_bits(), 0));
                continue;
            }
            for ((to, first), second) in words.iter_mut().zip(row(term)).zip(row(term + 1)) {
                *to = word(first.to_bits(), second.to_bits());
            }
        }
    }
}

/// Whether this processor can [`transpose`].
fn transposes() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx2")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Copies pairs of terms of some columns to rows of words, [`WIDTH`] apart. Only where it [`transposes`].
fn transpose(columns: [&[bf16]; SIDE], words: &mut [f32]) {
    assert!(columns.iter().all(|column| column.len() == 2 * SIDE) && words.len() >= (SIDE - 1) * WIDTH + SIDE);
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instructions are here; every column has as many values, and there is room for every row.
    unsafe {
        transpose_avx2(columns.map(|column| column.as_ptr().cast()), words.as_mut_ptr());
    }
}

/// # Safety
/// The instructions are here; eight words can be read at each column, and written at each of eight rows.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn transpose_avx2(columns: [*const f32; SIDE], words: *mut f32) {
    use std::arch::x86_64::*;

    let [a, b, c, d, e, f, g, h] = columns.map(|column| unsafe { _mm256_loadu_ps(column) });
    // Words of two columns, of four, and of all eight; each register has two halves.
    let two = |a, b| [_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b)];
    let four = |[a, b]: [__m256; 2], [c, d]: [__m256; 2]| {
        let of = |a, c| [_mm256_shuffle_ps::<0x44>(a, c), _mm256_shuffle_ps::<0xee>(a, c)];
        let [[first, second], [third, fourth]] = [of(a, c), of(b, d)];
        [first, second, third, fourth]
    };
    let (left, right) = (four(two(a, b), two(c, d)), four(two(e, f), two(g, h)));
    for (row, (left, right)) in left.into_iter().zip(right).enumerate() {
        unsafe {
            _mm256_storeu_ps(words.add(row * WIDTH), _mm256_permute2f128_ps::<0x20>(left, right));
            _mm256_storeu_ps(words.add((row + 4) * WIDTH), _mm256_permute2f128_ps::<0x31>(left, right));
        }
    }
}

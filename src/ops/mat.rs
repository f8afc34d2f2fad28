//! Views of matrices in memory, and their product.
//!
//! Unsafe code is allowed in this file alone of the module: a mutable view must be split by columns (heads of one
//! packed buffer), which slices cannot express, and the product takes raw pointers.
#![allow(unsafe_code)]

use std::marker::PhantomData;

use gemm::Parallelism;

/// A matrix to read: `rows` x `columns`, any strides.
#[derive(Clone, Copy, Debug)]
pub struct Mat<'a> {
    start: *const f32,
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
    memory: PhantomData<&'a [f32]>,
}

/// A matrix to write: each row contiguous, rows `stride` apart.
#[derive(Debug)]
pub struct MatMut<'a> {
    start: *mut f32,
    rows: usize,
    columns: usize,
    stride: usize,
    memory: PhantomData<&'a mut [f32]>,
}

// SAFETY: a view borrows its elements, shared or exclusively, exactly as a slice does.
unsafe impl Send for Mat<'_> {}
unsafe impl Sync for Mat<'_> {}
unsafe impl Send for MatMut<'_> {}
unsafe impl Sync for MatMut<'_> {}

impl<'a> Mat<'a> {
    /// All of `data`, row-major, `columns` wide.
    pub fn new(data: &'a [f32], columns: usize) -> Self {
        let columns = columns.max(1);
        assert_eq!(data.len() % columns, 0, "{} values are not rows of {columns}", data.len());
        let rows = data.len() / columns;
        Self { start: data.as_ptr(), rows, columns, row_stride: columns, column_stride: 1, memory: PhantomData }
    }

    /// Rows of `columns` values that begin `stride` apart, so that one may overlap the next: the input of a convolution
    /// along rows of `stride` values (or every so many of them).
    pub fn windows(data: &'a [f32], columns: usize, stride: usize) -> Self {
        let stride = stride.max(1);
        let rows = data.len().checked_sub(columns).map_or(0, |room| room / stride + 1);
        Self { start: data.as_ptr(), rows, columns, row_stride: stride, column_stride: 1, memory: PhantomData }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The transpose, without a copy.
    pub fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// `count` rows from `from` on.
    pub fn rows_at(self, from: usize, count: usize) -> Self {
        assert!(from + count <= self.rows, "rows {from}..{} of {}", from + count, self.rows);
        // SAFETY: the offset is within the view, or one past its end when `count` is 0.
        let start = if count == 0 { self.start } else { unsafe { self.start.add(from * self.row_stride) } };
        Self { start, rows: count, ..self }
    }

    /// `count` columns from `from` on.
    pub fn columns_at(self, from: usize, count: usize) -> Self {
        self.t().rows_at(from, count).t()
    }

    /// One element.
    pub(super) fn at(&self, row: usize, column: usize) -> f32 {
        assert!(row < self.rows && column < self.columns, "({row}, {column}) of ({}, {})", self.rows, self.columns);
        // SAFETY: the element is inside the borrowed memory.
        unsafe { *self.start.add(row * self.row_stride + column * self.column_stride) }
    }

    /// Copies each row to the first places of a row of `to`, which has `width`; zeros follow it.
    pub(super) fn copy_to(&self, to: &mut [f32], width: usize) {
        assert!(self.columns <= width && to.len() == self.rows * width, "rows of {} to {width}", self.columns);
        for (row, to) in to.chunks_exact_mut(width).enumerate() {
            let (to, rest) = to.split_at_mut(self.columns);
            if self.column_stride == 1 {
                to.copy_from_slice(self.row(row));
            } else {
                for (column, to) in to.iter_mut().enumerate() {
                    // SAFETY: the element is inside the borrowed memory: there is such a row and such a column.
                    *to = unsafe { *self.start.add(row * self.row_stride + column * self.column_stride) };
                }
            }
            rest.fill(0.0);
        }
    }

    /// Where rows of adjacent elements begin, and from one to the next.
    pub(super) fn as_rows(&self) -> (*const f32, usize) {
        assert_eq!(self.column_stride, 1, "the elements of a row are not adjacent");
        (self.start, self.row_stride)
    }

    /// One row, which must be contiguous.
    pub fn row(&self, row: usize) -> &'a [f32] {
        assert!(row < self.rows && self.column_stride == 1, "row {row} of {}", self.rows);
        // SAFETY: the row lies in the borrowed memory and its elements are adjacent.
        unsafe { std::slice::from_raw_parts(self.start.add(row * self.row_stride), self.columns) }
    }
}

impl<'a> MatMut<'a> {
    /// All of `data`, row-major, `columns` wide.
    pub fn new(data: &'a mut [f32], columns: usize) -> Self {
        let columns = columns.max(1);
        assert_eq!(data.len() % columns, 0, "{} values are not rows of {columns}", data.len());
        let rows = data.len() / columns;
        Self { start: data.as_mut_ptr(), rows, columns, stride: columns, memory: PhantomData }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The same elements, to read.
    pub fn view(&self) -> Mat<'_> {
        Mat {
            start: self.start,
            rows: self.rows,
            columns: self.columns,
            row_stride: self.stride,
            column_stride: 1,
            memory: PhantomData,
        }
    }

    /// The same view for a shorter lifetime.
    pub fn reborrow(&mut self) -> MatMut<'_> {
        MatMut { memory: PhantomData, ..*self }
    }

    /// The first `at` rows and the rest.
    pub fn split_rows(self, at: usize) -> (Self, Self) {
        assert!(at <= self.rows, "{at} of {} rows", self.rows);
        let offset = if at == self.rows { 0 } else { at * self.stride };
        // SAFETY: within the view; the halves share no row (an empty one has no element).
        let start = unsafe { self.start.add(offset) };
        (Self { rows: at, ..self }, Self { start, rows: self.rows - at, ..self })
    }

    /// The first `at` columns and the rest.
    pub fn split_columns(self, at: usize) -> (Self, Self) {
        assert!(at <= self.columns, "{at} of {} columns", self.columns);
        let offset = if at == self.columns || self.rows == 0 { 0 } else { at };
        // SAFETY: within the first row; the halves share no column (an empty one has no element).
        let start = unsafe { self.start.add(offset) };
        (Self { columns: at, ..self }, Self { start, columns: self.columns - at, ..self })
    }

    /// Splits the first `count` columns off, leaving the rest.
    pub fn take_columns(&mut self, count: usize) -> Self {
        let whole = MatMut { memory: PhantomData, ..*self };
        let (taken, rest) = whole.split_columns(count);
        *self = rest;
        taken
    }

    /// Where `rows` x `columns` elements from (row, column) on begin, and from one row to the next.
    pub(super) fn part(&mut self, row: usize, column: usize, rows: usize, columns: usize) -> (*mut f32, usize) {
        assert!(row + rows <= self.rows && column + columns <= self.columns, "no such part");
        // SAFETY: within the view.
        (unsafe { self.start.add(row * self.stride + column) }, self.stride)
    }

    /// One row.
    pub fn row(&mut self, row: usize) -> &mut [f32] {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        // SAFETY: the row lies in the exclusively borrowed memory and its elements are adjacent.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.stride), self.columns) }
    }
}

/// What a product does with the values in its destination.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Into {
    /// Overwrites it.
    Set,
    /// Adds to it.
    Add,
}

/// `out = scale * a * b`, or `out += scale * a * b`; on the calling thread alone.
pub fn product(out: MatMut<'_>, into: Into, scale: f32, a: Mat<'_>, b: Mat<'_>) {
    assert!(
        a.rows == out.rows && b.columns == out.columns && a.columns == b.rows,
        "({}, {}) x ({}, {}) into ({}, {})",
        a.rows,
        a.columns,
        b.rows,
        b.columns,
        out.rows,
        out.columns
    );
    if out.rows == 0 || out.columns == 0 {
        return;
    }
    // Strides are of existing memory, so they are below isize::MAX.
    let [out_rs, a_rs, a_cs, b_rs, b_cs] =
        [out.stride, a.row_stride, a.column_stride, b.row_stride, b.column_stride].map(|stride| stride as isize);
    // SAFETY: shapes agree (asserted), every view lies in borrowed memory, and `out` is exclusive.
    unsafe {
        gemm::gemm(
            out.rows,
            out.columns,
            a.columns,
            out.start,
            1,
            out_rs,
            into == Into::Add,
            a.start,
            a_cs,
            a_rs,
            b.start,
            b_cs,
            b_rs,
            1.0,
            scale,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_views_are_those_of_the_definition() {
        let a: Vec<f32> = (0..35).map(|i| (i as f32 * 0.7).sin()).collect();
        let b: Vec<f32> = (0..42).map(|i| (i as f32 * 0.3).cos()).collect();
        let mut out = vec![1.0f32; 5 * 9];
        // Columns 2..6 of a 5 x 9 buffer: (5 x 7) x the first four of b's (7 x 6).
        let view = MatMut::new(&mut out, 9).split_columns(2).1.split_columns(4).0;
        product(view, Into::Add, 2.0, Mat::new(&a, 7), Mat::new(&b, 6).columns_at(0, 4));
        for row in 0..5 {
            for column in 0..9 {
                let sum: f32 = (0..7).map(|k| a[row * 7 + k] * b.get(k * 6 + column.max(2) - 2).unwrap_or(&0.0)).sum();
                let expected = if (2..6).contains(&column) { 1.0 + 2.0 * sum } else { 1.0 };
                assert!((out[row * 9 + column] - expected).abs() < 1e-5, "({row}, {column})");
            }
        }
        let mut square = vec![0.0f32; 25];
        product(MatMut::new(&mut square, 5), Into::Set, 1.0, Mat::new(&a, 7), Mat::new(&a, 7).t());
        assert!((square[7] - square[11]).abs() < 1e-6);
        assert!((square[0] - a[..7].iter().map(|x| x * x).sum::<f32>()).abs() < 1e-5);
    }

    #[test]
    fn windows_overlap_and_end_with_the_data() {
        let data: Vec<f32> = (0..11).map(|i| i as f32).collect();
        let view = Mat::windows(&data, 5, 2);
        assert_eq!((view.rows(), view.row(0), view.row(3)), (4, &data[..5], &data[6..]));
        assert_eq!(Mat::windows(&data[..4], 5, 2).rows(), 0);
    }

    #[test]
    #[should_panic(expected = "(5, 7) x (6, 7)")]
    fn shapes_that_do_not_fit_are_refused() {
        let (a, b, mut out) = (vec![0.0; 35], vec![0.0; 42], vec![0.0; 35]);
        product(MatMut::new(&mut out, 7), Into::Set, 1.0, Mat::new(&a, 7), Mat::new(&b, 7));
    }
}

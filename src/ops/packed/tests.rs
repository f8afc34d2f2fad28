#![allow(clippy::unwrap_used)]

use super::*;

const EVERY: [Arithmetic; 6] = [
    Arithmetic::F32Avx512,
    Arithmetic::F32Avx2,
    Arithmetic::Bf16Avx512,
    Arithmetic::Bf16Avx2,
    Arithmetic::Bf16Portable,
    Arithmetic::Bf16Dot,
];

fn values(count: usize, seed: u32) -> Vec<f32> {
    (0..count as u32)
        .map(|i| {
            ((i * 2 + seed).wrapping_mul(0x9e37_79b9).rotate_left(i % 31).wrapping_mul(0x85eb_ca6b) >> 8) as f32
                / (1 << 23) as f32
                - 1.0
        })
        .collect()
}

/// `start + a b` in f64, with the inputs that the arithmetic sees, and the sum of its terms' sizes.
fn defined(start: f32, a: &[f32], b: Mat<'_>, half: bool) -> Vec<[f64; 2]> {
    let seen = |value: f32| f64::from(if half { half::bf16::from_f32(value).to_f32() } else { value });
    let mut out = Vec::new();
    for a in a.chunks_exact(b.rows()) {
        for column in 0..b.columns() {
            let terms = || a.iter().enumerate().map(|(term, &a)| seen(a) * seen(b.at(term, column)));
            out.push([f64::from(start) + terms().sum::<f64>(), terms().map(f64::abs).sum()]);
        }
    }
    out
}

#[test]
fn products_are_those_of_the_definition_and_of_each_other() {
    for (rows, terms, columns) in [(1, 2, 1), (3, 7, 31), (33, 192, 64), (29, 801, 70), (14, 1600, 33)] {
        let (a, b) = (values(rows * terms, 1), values(columns * terms, 2));
        // A weight (out, in), as the forward pass reads it.
        let matrix = Mat::new(&b, terms).t();
        for half in [false, true] {
            let exact = defined(0.5, &a, matrix, half);
            let mut first: Option<Vec<f32>> = None;
            for arithmetic in EVERY.into_iter().filter(|it| it.is_bf16() == half && it.is_here()) {
                let packed = Packed::new(matrix, arithmetic);
                let mut out = vec![0.5; rows * columns];
                multiply(
                    MatMut::new(&mut out, columns),
                    Start::There,
                    Mat::new(&a, terms),
                    &Operand::of(Some(packed.view()), matrix),
                );
                for (out, [exact, size]) in out.iter().zip(&exact) {
                    assert!((f64::from(*out) - exact).abs() < 1e-6 * (1.0 + size), "{arithmetic:?} {out} {exact}");
                }
                let same = first.get_or_insert_with(|| out.clone()) == &out;
                assert!(same, "{arithmetic:?} differs, ({rows}, {terms}) x ({terms}, {columns})");
            }
        }
    }
}

#[test]
fn parts_and_starts_are_those_of_the_whole() {
    let (rows, terms, columns) = (17, 48, 100);
    let (a, b, row) = (values(rows * terms, 3), values(columns * terms, 4), values(columns, 5));
    let matrix = Mat::new(&b, columns);
    for arithmetic in EVERY.into_iter().filter(|it| it.is_here()) {
        let packed = Packed::new(matrix, arithmetic);
        let whole = Operand::of(Some(packed.view()), matrix);
        let mut all = vec![f32::NAN; rows * columns];
        multiply(MatMut::new(&mut all, columns), Start::Row(&row), Mat::new(&a, terms), &whole);
        for from in [0, 1, 32, 50] {
            let count = columns - from - 3;
            let mut some = vec![f32::NAN; rows * count];
            let part = whole.columns_at(from, count);
            multiply(MatMut::new(&mut some, count), Start::Row(&row[from..from + count]), Mat::new(&a, terms), &part);
            for (all, some) in all.chunks_exact(columns).zip(some.chunks_exact(count)) {
                assert_eq!(&all[from..from + count], some, "{arithmetic:?} from {from}");
            }
        }
        // The first 20 terms and then the others: the same sums but for rounding.
        let mut summed = vec![f32::NAN; rows * columns];
        let a = Mat::new(&a, terms);
        multiply(MatMut::new(&mut summed, columns), Start::Row(&row), a.columns_at(0, 20), &whole.rows_at(0, 20));
        multiply(MatMut::new(&mut summed, columns), Start::There, a.columns_at(20, 28), &whole.rows_at(20, 28));
        for (all, summed) in all.iter().zip(&summed) {
            assert!((all - summed).abs() < 1e-5, "{arithmetic:?}");
        }
        let mut zero = vec![f32::NAN; rows * columns];
        multiply(MatMut::new(&mut zero, columns), Start::Zeros, a, &whole);
        assert!(
            zero.iter().zip(all.chunks_exact(columns).flatten()).all(|(zero, all)| zero.is_finite() && all.is_finite())
        );
    }
}

#[test]
fn zeros_follow_a_matrix_that_is_packed_larger() {
    let (rows, terms, columns) = (5, 6, 37);
    let (a, b) = (values(rows * (terms + 4), 3), values(columns * terms, 4));
    let matrix = Mat::new(&b, terms).t();
    for arithmetic in EVERY.into_iter().filter(|it| it.is_here()) {
        let mut exact = vec![f32::NAN; rows * columns];
        let left = Mat::new(&a, terms + 4);
        let packed = Packed::new(matrix, arithmetic);
        multiply(
            MatMut::new(&mut exact, columns),
            Start::Zeros,
            left.columns_at(0, terms),
            &Operand::of(Some(packed.view()), matrix),
        );
        let mut to = vec![f32::NAN; words(terms + 4, 64, arithmetic)];
        let view = View::pack(matrix, [terms + 4, 64], arithmetic, &mut to);
        let mut out = vec![f32::NAN; rows * 64];
        multiply(MatMut::new(&mut out, 64), Start::Zeros, left, &Operand::whole(view));
        for (out, exact) in out.chunks_exact(64).zip(exact.chunks_exact(columns)) {
            assert_eq!(&out[..columns], exact, "{arithmetic:?}");
            assert_eq!(out[columns..], [0.0; 27], "{arithmetic:?}");
        }
    }
}

/// Whatever rows are beside it, a row's sums have the same bits.
#[test]
fn a_row_is_the_same_to_the_bit_among_any_others() {
    let (terms, columns) = (130, 96);
    let (a, b) = (values(40 * terms, 6), values(columns * terms, 7));
    let matrix = Mat::new(&b, terms).t();
    for arithmetic in EVERY.into_iter().filter(|it| it.is_here()) {
        let packed = Packed::new(matrix, arithmetic);
        let operand = Operand::of(Some(packed.view()), matrix);
        let of = |rows: usize| {
            let mut out = vec![0.0; rows * columns];
            multiply(MatMut::new(&mut out, columns), Start::Zeros, Mat::new(&a[..rows * terms], terms), &operand);
            out
        };
        let all = of(40);
        assert!((1..40).all(|rows| of(rows) == all[..rows * columns]), "{arithmetic:?}");
    }
}

#[test]
fn a_matrix_that_is_not_finite_shows() {
    let mut b = values(64 * 32, 8);
    b[5] = f32::NAN;
    let a = values(3 * 64, 9);
    for arithmetic in EVERY.into_iter().filter(|it| it.is_here()) {
        let packed = Packed::new(Mat::new(&b, 32), arithmetic);
        let mut out = vec![0.0; 3 * 32];
        multiply(
            MatMut::new(&mut out, 32),
            Start::Zeros,
            Mat::new(&a, 64),
            &Operand::of(Some(packed.view()), Mat::new(&b, 32)),
        );
        assert_eq!(out.iter().filter(|sum| sum.is_nan()).count(), 3, "{arithmetic:?}");
    }
}

/// A matrix that is packed panel by panel gives the bits of one that is packed beforehand, and so do parts of it.
#[test]
fn a_half_matrix_is_packed_as_it_is_read() {
    for (rows, terms, columns) in [(1, 2, 1), (3, 7, 31), (33, 192, 64), (29, 801, 70), (14, 1600, 33)] {
        let (a, b) = (values(rows * (terms + 1), 1), values(columns * terms, 2));
        let half: Vec<_> = b.iter().map(|&value| half::bf16::from_f32(value)).collect();
        let each = [
            (Mat::new(&b, terms).t(), HalfMat::new(&half, terms).t()),
            (Mat::new(&b, columns), HalfMat::new(&half, columns)),
        ];
        for (matrix, half) in each {
            assert_eq!((half.rows(), half.columns()), (terms, columns));
            for arithmetic in EVERY.into_iter().filter(|it| it.is_bf16() && it.is_here()) {
                let packed = Packed::new(matrix, arithmetic);
                let views = [packed.view(), View::of_half(half, arithmetic)];
                let of = |terms: Range<usize>, columns: Range<usize>| {
                    views.map(|of| {
                        let operand = Operand::whole(of)
                            .rows_at(terms.start, terms.len())
                            .columns_at(columns.start, columns.len());
                        let mut out = vec![0.5; rows * columns.len()];
                        let a = Mat::new(&a, a.len() / rows).columns_at(terms.start, terms.len());
                        multiply(MatMut::new(&mut out, columns.len()), Start::There, a, &operand);
                        out
                    })
                };
                let [whole, part] = [of(0..terms, 0..columns), of(terms / 4 * 2..terms, columns / 3..columns)];
                assert_eq!(whole[0], whole[1], "{arithmetic:?} ({rows}, {terms}) x ({terms}, {columns})");
                assert_eq!(part[0], part[1], "{arithmetic:?} a part of ({rows}, {terms}) x ({terms}, {columns})");
            }
        }
    }
}

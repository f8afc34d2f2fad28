//! The innermost loops of a product with packed weights: a tile of a few rows by [`WIDTH`] columns in registers, for
//! each instruction set.
//!
//! Every kernel of one format adds the same products in the same order with one rounding each, so results are the same
//! to the bit on AVX-512, AVX2 and, for bf16, without either. (`vdpbf16ps` alone reads subnormal operands as zeros.)
#![allow(unsafe_code)]

/// Columns of a panel.
pub const WIDTH: usize = 32;
/// Most rows that any kernel computes at once.
pub(super) const MOST_ROWS: usize = 14;

/// What a tile begins with.
#[derive(Clone, Copy)]
pub(super) enum First {
    Zeros,
    /// The same row of [`WIDTH`] values in every row.
    Row(*const f32),
    /// What is there.
    There,
}

/// One tile's operands.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// Rows, at most [`most_rows`](Arithmetic::most_rows).
    pub rows: usize,
    /// Terms of each sum; even in bf16.
    pub terms: usize,
    /// The first row's first value, and from one row to the next, in words of four bytes: an f32, or for
    /// [`Arithmetic::Bf16Dot`] a pair of bf16.
    pub a: *const f32,
    pub a_stride: usize,
    /// A panel.
    pub b: *const f32,
    /// The output, and from one row to the next.
    pub out: *mut f32,
    pub out_stride: usize,
    pub first: First,
    pub ahead: Ahead,
}

/// Memory that is read next. It comes to the second-level cache while a tile is computed, a little with each term: asked
/// for at once it would hold up what is asked for now. In f32 alone: the kernel that widens bf16 took 1.3 times as long.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    at: *const f32,
    /// Bytes for each term, or pair of terms.
    step: usize,
}

impl Ahead {
    /// For a tile of so many terms, or pairs of them.
    pub fn new(words: &[f32], terms: usize) -> Self {
        Self { at: words.as_ptr(), step: size_of_val(words).div_ceil(terms.max(1)) }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn fetch(self, term: usize) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: it reads nothing, wherever it points; SSE is part of this architecture.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(self.at.cast::<i8>().wrapping_add(term * self.step)) };
    }
}

/// How products of one format are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// f32 weights, AVX-512.
    F32Avx512,
    /// f32 weights, AVX2 and FMA.
    F32Avx2,
    /// bf16 weights, widened; inputs are rounded to bf16 but kept as f32. AVX-512.
    Bf16Avx512,
    /// The same with AVX2 and FMA.
    Bf16Avx2,
    /// The same without vector instructions of a known kind.
    Bf16Portable,
    /// bf16 weights and inputs, AVX512-BF16's dot products.
    Bf16Dot,
}

impl Arithmetic {
    /// For f32 weights, if this processor has a kernel.
    pub fn f32() -> Option<Self> {
        Self::fastest(&[Self::F32Avx512, Self::F32Avx2])
    }

    /// For bf16 weights.
    pub fn bf16() -> Self {
        Self::fastest(&[Self::Bf16Dot, Self::Bf16Avx512, Self::Bf16Avx2]).unwrap_or(Self::Bf16Portable)
    }

    fn fastest(of: &[Self]) -> Option<Self> {
        of.iter().copied().find(|arithmetic| arithmetic.is_here() && arithmetic.is_worth_it())
    }

    /// Whether this processor can compute so.
    pub fn is_here(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            let wide = is_x86_feature_detected!("avx512f");
            let narrow = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            match self {
                Self::F32Avx512 | Self::Bf16Avx512 => wide,
                Self::F32Avx2 | Self::Bf16Avx2 => narrow,
                Self::Bf16Dot => wide && is_x86_feature_detected!("avx512bf16"),
                Self::Bf16Portable => true,
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Self::Bf16Portable
        }
    }

    /// Whether there is nothing faster for the same format: AMD's processors dot bf16 at twice the rate of f32, Intel's
    /// outside AMX at half of it.
    fn is_worth_it(self) -> bool {
        self != Self::Bf16Dot || dots_are_fast()
    }

    /// The instructions, for a report.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32Avx512 => "avx512f",
            Self::F32Avx2 => "avx2, fma",
            Self::Bf16Avx512 => "avx512f, bf16 widened",
            Self::Bf16Avx2 => "avx2, fma, bf16 widened",
            Self::Bf16Portable => "bf16 widened",
            Self::Bf16Dot => "avx512_bf16",
        }
    }

    /// Whether weights are bf16.
    pub fn is_bf16(self) -> bool {
        !matches!(self, Self::F32Avx512 | Self::F32Avx2)
    }

    /// Most rows of a tile: as many as leave registers for the weights.
    pub(super) const fn most_rows(self) -> usize {
        match self {
            Self::F32Avx512 | Self::Bf16Dot | Self::Bf16Portable => MOST_ROWS,
            Self::Bf16Avx512 => 10,
            Self::F32Avx2 => 6,
            Self::Bf16Avx2 => 4,
        }
    }

    /// Whether inputs are bf16 in memory.
    pub(super) fn takes_bf16(self) -> bool {
        self == Self::Bf16Dot
    }

    /// Computes a tile.
    ///
    /// # Safety
    /// The instructions are here; `tile` describes valid memory: `rows` rows of `terms` values at `a`, `terms` rows of
    /// [`WIDTH`] values at `b`, `rows` rows of [`WIDTH`] values at `out`, which nobody else uses.
    pub(super) unsafe fn run(self, tile: Tile) {
        debug_assert!((1..=self.most_rows()).contains(&tile.rows));
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as promised by the caller.
        unsafe {
            match self {
                Self::F32Avx512 => x86::f32_avx512(tile),
                Self::F32Avx2 => x86::f32_avx2(tile),
                Self::Bf16Avx512 => x86::bf16_avx512(tile),
                Self::Bf16Avx2 => x86::bf16_avx2(tile),
                Self::Bf16Dot => x86::bf16_dot(tile),
                Self::Bf16Portable => bf16_portable(tile),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        // SAFETY: as promised by the caller.
        unsafe {
            bf16_portable(tile);
        }
    }
}

/// Whether `vdpbf16ps` multiplies faster than `vfmadd` does: by vendor, since a measurement would let two runs of one
/// machine differ.
fn dots_are_fast() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        let found = std::arch::x86_64::__cpuid(0);
        [found.ebx, found.edx, found.ecx].map(u32::to_le_bytes).concat() == b"AuthenticAMD"
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// The value of a bf16 number in the high half of a word, and of the one in the low half.
fn halves(pair: u32) -> [f32; 2] {
    [f32::from_bits(pair & 0xffff_0000), f32::from_bits(pair << 16)]
}

/// The definition: each sum takes a pair's second product first, as `vdpbf16ps` does. Products of two bf16 numbers are
/// exact in f32, so that a product and a sum round as a fused one does.
unsafe fn bf16_portable(tile: Tile) {
    let Tile { rows, terms, a, a_stride, b, out, out_stride, first, .. } = tile;
    for row in 0..rows {
        // SAFETY: within the memory that the caller describes.
        unsafe {
            let out = std::slice::from_raw_parts_mut(out.add(row * out_stride), WIDTH);
            match first {
                First::Zeros => out.fill(0.0),
                First::Row(values) => out.copy_from_slice(std::slice::from_raw_parts(values, WIDTH)),
                First::There => {}
            }
            let a = std::slice::from_raw_parts(a.add(row * a_stride), terms);
            for (pair, a) in a.chunks_exact(2).enumerate() {
                let b = std::slice::from_raw_parts(b.cast::<u32>().add(pair * WIDTH), WIDTH);
                for (out, pair) in out.iter_mut().zip(b) {
                    let [second, first] = halves(*pair);
                    *out = a[0] * first + (a[1] * second + *out);
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{First, Tile, WIDTH};

    /// A kernel for every number of rows, and the choice between them.
    macro_rules! kernels {
        (
            $arithmetic:ident, $name:ident, $kernel:ident, $features:literal, $vector:ty, lanes $lanes:literal, vectors $vectors:literal,
            [$zero:ident, $load:ident, $store:ident], [$($rows:literal)*],
            |$a:ident, $stride:ident, $b:ident, $ahead:ident, $sums:ident, $terms:ident| $body:block
        ) => {
            /// # Safety
            /// As [`run`](super::Arithmetic::run).
            #[target_feature(enable = $features)]
            unsafe fn $kernel<const ROWS: usize>(tile: Tile) {
                const PARTS: usize = WIDTH / ($lanes * $vectors);
                let Tile { terms: $terms, a: $a, a_stride: $stride, b, out, out_stride, first, ahead: $ahead, .. } = tile;
                // SAFETY: within the memory that the caller describes.
                unsafe {
                    for part in 0..PARTS {
                        let $b = b.add(part * $lanes * $vectors);
                        let out = out.add(part * $lanes * $vectors);
                        let mut $sums = [[$zero(); $vectors]; ROWS];
                        match first {
                            First::Zeros => {}
                            First::Row(values) => {
                                let values = values.add(part * $lanes * $vectors);
                                for row in 0..ROWS {
                                    for v in 0..$vectors {
                                        $sums[row][v] = $load(values.add(v * $lanes));
                                    }
                                }
                            }
                            First::There => {
                                for row in 0..ROWS {
                                    for v in 0..$vectors {
                                        $sums[row][v] = $load(out.add(row * out_stride + v * $lanes));
                                    }
                                }
                            }
                        }
                        $body
                        for row in 0..ROWS {
                            for v in 0..$vectors {
                                $store(out.add(row * out_stride + v * $lanes), $sums[row][v]);
                            }
                        }
                    }
                }
            }

            /// # Safety
            /// As [`run`](super::Arithmetic::run).
            pub(super) unsafe fn $name(tile: Tile) {
                const KERNELS: &[unsafe fn(Tile)] = &[$($kernel::<$rows>),*];
                const { assert!(KERNELS.len() == super::Arithmetic::$arithmetic.most_rows()) };
                // SAFETY: as promised by the caller.
                unsafe { KERNELS[tile.rows - 1](tile) };
            }
        };
    }

    kernels!(
        F32Avx512, f32_avx512, f32_avx512_rows, "avx512f", __m512, lanes 16, vectors 2,
        [_mm512_setzero_ps, _mm512_loadu_ps, _mm512_storeu_ps], [1 2 3 4 5 6 7 8 9 10 11 12 13 14],
        |a, stride, b, ahead, sums, terms| {
            for term in 0..terms {
                ahead.fetch(term);
                let b = b.add(term * WIDTH);
                let weights = [_mm512_loadu_ps(b), _mm512_loadu_ps(b.add(16))];
                for row in 0..ROWS {
                    let value = _mm512_set1_ps(*a.add(row * stride + term));
                    for v in 0..2 {
                        sums[row][v] = _mm512_fmadd_ps(value, weights[v], sums[row][v]);
                    }
                }
            }
        }
    );

    kernels!(
        F32Avx2, f32_avx2, f32_avx2_rows, "avx2,fma", __m256, lanes 8, vectors 2,
        [_mm256_setzero_ps, _mm256_loadu_ps, _mm256_storeu_ps], [1 2 3 4 5 6],
        |a, stride, b, ahead, sums, terms| {
            for term in 0..terms {
                ahead.fetch(term);
                let b = b.add(term * WIDTH);
                let weights = [_mm256_loadu_ps(b), _mm256_loadu_ps(b.add(8))];
                for row in 0..ROWS {
                    let value = _mm256_set1_ps(*a.add(row * stride + term));
                    for v in 0..2 {
                        sums[row][v] = _mm256_fmadd_ps(value, weights[v], sums[row][v]);
                    }
                }
            }
        }
    );

    kernels!(
        Bf16Avx512, bf16_avx512, bf16_avx512_rows, "avx512f", __m512, lanes 16, vectors 2,
        [_mm512_setzero_ps, _mm512_loadu_ps, _mm512_storeu_ps], [1 2 3 4 5 6 7 8 9 10],
        |a, stride, b, _ahead, sums, terms| {
            let high = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
            for pair in 0..terms / 2 {
                let b = b.add(pair * WIDTH);
                let pairs = [_mm512_loadu_si512(b.cast()), _mm512_loadu_si512(b.add(16).cast())];
                let second = [_mm512_castsi512_ps(_mm512_and_si512(pairs[0], high)), _mm512_castsi512_ps(_mm512_and_si512(pairs[1], high))];
                for row in 0..ROWS {
                    let value = _mm512_set1_ps(*a.add(row * stride + 2 * pair + 1));
                    for v in 0..2 {
                        sums[row][v] = _mm512_fmadd_ps(value, second[v], sums[row][v]);
                    }
                }
                let first = [_mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs[0])), _mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs[1]))];
                for row in 0..ROWS {
                    let value = _mm512_set1_ps(*a.add(row * stride + 2 * pair));
                    for v in 0..2 {
                        sums[row][v] = _mm512_fmadd_ps(value, first[v], sums[row][v]);
                    }
                }
            }
        }
    );

    kernels!(
        Bf16Avx2, bf16_avx2, bf16_avx2_rows, "avx2,fma", __m256, lanes 8, vectors 2,
        [_mm256_setzero_ps, _mm256_loadu_ps, _mm256_storeu_ps], [1 2 3 4],
        |a, stride, b, _ahead, sums, terms| {
            let high = _mm256_set1_epi32(0xffff_0000_u32.cast_signed());
            for pair in 0..terms / 2 {
                let b = b.add(pair * WIDTH);
                let pairs = [_mm256_loadu_si256(b.cast()), _mm256_loadu_si256(b.add(8).cast())];
                let second = [_mm256_castsi256_ps(_mm256_and_si256(pairs[0], high)), _mm256_castsi256_ps(_mm256_and_si256(pairs[1], high))];
                for row in 0..ROWS {
                    let value = _mm256_set1_ps(*a.add(row * stride + 2 * pair + 1));
                    for v in 0..2 {
                        sums[row][v] = _mm256_fmadd_ps(value, second[v], sums[row][v]);
                    }
                }
                let first = [_mm256_castsi256_ps(_mm256_slli_epi32::<16>(pairs[0])), _mm256_castsi256_ps(_mm256_slli_epi32::<16>(pairs[1]))];
                for row in 0..ROWS {
                    let value = _mm256_set1_ps(*a.add(row * stride + 2 * pair));
                    for v in 0..2 {
                        sums[row][v] = _mm256_fmadd_ps(value, first[v], sums[row][v]);
                    }
                }
            }
        }
    );

    kernels!(
        Bf16Dot, bf16_dot, bf16_dot_rows, "avx512f,avx512bf16", __m512, lanes 16, vectors 2,
        [_mm512_setzero_ps, _mm512_loadu_ps, _mm512_storeu_ps], [1 2 3 4 5 6 7 8 9 10 11 12 13 14],
        |a, stride, b, _ahead, sums, terms| {
            // A pair of bf16 numbers is one word, in both operands.
            let a = a.cast::<i32>();
            for pair in 0..terms / 2 {
                let b = b.add(pair * WIDTH);
                let pairs = [_mm512_loadu_si512(b.cast()), _mm512_loadu_si512(b.add(16).cast())];
                for row in 0..ROWS {
                    let value = std::mem::transmute::<__m512i, __m512bh>(_mm512_set1_epi32(*a.add(row * stride + pair)));
                    for v in 0..2 {
                        let weights = std::mem::transmute::<__m512i, __m512bh>(pairs[v]);
                        sums[row][v] = _mm512_dpbf16_ps(sums[row][v], value, weights);
                    }
                }
            }
        }
    );
}

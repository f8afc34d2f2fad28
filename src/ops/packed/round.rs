//! Rounding to bf16, to nearest and ties to even.

use pulp::{Arch, Simd};

/// The bits of the bf16 number nearest to `value`, in the high half of a word; a NaN stays one.
#[inline(always)]
fn bits(value: f32) -> u32 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
    (if value.is_nan() { bits | 0x0040_0000 } else { rounded }) & 0xffff_0000
}

/// The bf16 number nearest to `value`, as f32.
#[inline(always)]
pub fn round(value: f32) -> f32 {
    f32::from_bits(bits(value))
}

/// Two values in one word, the first in its low half.
#[inline(always)]
pub(super) fn pair(first: f32, second: f32) -> f32 {
    f32::from_bits(bits(second) | bits(first) >> 16)
}

/// Two bf16 numbers in one word, the first in its low half.
#[inline(always)]
pub(super) fn word(first: u16, second: u16) -> f32 {
    f32::from_bits(u32::from(first) | u32::from(second) << 16)
}

/// Rounds each value; what `to` has more is zeros.
#[pulp::with_simd(round_row = Arch::new())]
#[inline(always)]
pub fn round_row_with_simd<'a, S: Simd>(_simd: S, from: &'a [f32], to: &'a mut [f32]) {
    let (to, rest) = to.split_at_mut(from.len());
    for (to, &from) in to.iter_mut().zip(from) {
        *to = round(from);
    }
    rest.fill(0.0);
}

/// Rounds the values two by two; after an odd number of them comes a zero.
#[pulp::with_simd(pair_row = Arch::new())]
#[inline(always)]
pub(super) fn pair_row_with_simd<'a, S: Simd>(_simd: S, from: &'a [f32], to: &'a mut [f32]) {
    for (to, from) in to.iter_mut().zip(from.chunks_exact(2)) {
        *to = pair(from[0], from[1]);
    }
    if let ([last], Some(to)) = (from.chunks_exact(2).remainder(), to.last_mut()) {
        *to = pair(*last, 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_round_as_the_half_crate_rounds_them() {
        let of = |bits: u32| f32::from_bits(bits);
        let mut all: Vec<f32> = (0..1 << 16).map(|high: u32| of(high << 16 | 0x8000)).collect();
        all.extend((0..100_000_u32).map(|i| of(i.wrapping_mul(0x9e37_79b9))));
        let mut rounded = vec![1.0; all.len() + 1];
        round_row(&all, &mut rounded);
        for (&value, &rounded) in all.iter().zip(&rounded) {
            let expected = half::bf16::from_f32(value).to_f32();
            assert!(rounded == expected || rounded.is_nan() && expected.is_nan(), "{value}: {rounded} {expected}");
        }
        assert_eq!(rounded.last(), Some(&0.0));
        let mut pairs = [0.0; 2];
        pair_row(&[1.0, -2.0, 3.0], &mut pairs);
        assert_eq!(pairs.map(f32::to_bits), [0xc000_3f80, 0x0000_4040]);
    }
}

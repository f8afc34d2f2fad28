//! Triangular filters over a power spectrum, kept as the few weights that are not zero.

use pulp::{Arch, Simd};

/// Filters whose sums run side by side: one alone is so short that its loop costs more than its sum.
const TOGETHER: usize = 8;

/// A bank of filters, each over one stretch of neighbouring FFT bins.
pub(super) struct MelBank {
    filters: usize,
    groups: Vec<Group>,
    /// The weights of all groups one after the other, a column for each filter, zeros where a filter is over.
    weights: Vec<[f64; TOGETHER]>,
}

/// Neighbouring filters.
struct Group {
    /// The FFT bin that each begins at.
    first: [usize; TOGETHER],
    /// Bins of each.
    bins: usize,
}

impl MelBank {
    /// A bank whose filter `f` weighs bin `k` with `weight(f, k)`, for k below `bins`.
    pub(super) fn new(filters: usize, bins: usize, weight: impl Fn(usize, usize) -> f64) -> Self {
        let span = |filter: usize| {
            let first = (0..bins).find(|&bin| weight(filter, bin) > 0.0).unwrap_or(0);
            (first, (first..bins).take_while(|&bin| weight(filter, bin) > 0.0).count())
        };
        let spans: Vec<_> = (0..filters).map(span).collect();
        let (mut groups, mut weights) = (Vec::new(), Vec::new());
        for (at, spans) in spans.chunks(TOGETHER).enumerate() {
            let most = spans.iter().map(|(_, count)| *count).max().unwrap_or(0);
            // All of a group read as many bins, and none beyond the last.
            let start = |place: usize| spans.get(place).map_or(0, |(first, _)| *first.min(&(bins - most)));
            let first = std::array::from_fn(start);
            weights.extend((0..most).map(|step| {
                std::array::from_fn(|place| match spans.get(place) {
                    Some(&(from, count)) if (from..from + count).contains(&(start(place) + step)) => {
                        weight(at * TOGETHER + place, start(place) + step)
                    }
                    _ => 0.0,
                })
            }));
            groups.push(Group { first, bins: most });
        }
        Self { filters, groups, weights }
    }

    /// Number of filters.
    pub(super) fn filters(&self) -> usize {
        self.filters
    }

    /// Writes the energy in each filter, in order. A filter between two bins holds none and has none.
    pub(super) fn energies(&self, power: &[f64], out: &mut [f64]) {
        energies(self, power, out);
    }
}

#[pulp::with_simd(energies = Arch::new())]
#[inline(always)]
fn energies_with_simd<'a, S: Simd>(_simd: S, bank: &'a MelBank, power: &'a [f64], out: &'a mut [f64]) {
    let mut weights = bank.weights.as_slice();
    for (group, out) in bank.groups.iter().zip(out.chunks_mut(TOGETHER)) {
        let (own, rest) = weights.split_at(group.bins);
        weights = rest;
        let mut sums = [0.0; TOGETHER];
        let stretches: [&[f64]; TOGETHER] = group.first.map(|first| &power[first..first + group.bins]);
        for (step, weights) in own.iter().enumerate() {
            for ((sum, weight), power) in sums.iter_mut().zip(weights).zip(&stretches) {
                *sum += weight * power[step];
            }
        }
        out.copy_from_slice(&sums[..out.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Filters of no, one and many bins, the last up to the end, and a group that is not full.
    #[test]
    fn energies_are_the_sums_of_what_is_weighed() {
        let (filters, bins) = (11, 40);
        let weight = |filter: usize, bin: usize| {
            let (from, to) = (filter * filter / 4, (filter * filter / 4 + filter).min(40));
            if filter != 5 && (from..to).contains(&bin) { 1.0 + (filter * bin) as f64 } else { 0.0 }
        };
        let power: Vec<f64> = (0..bins).map(|bin| (bin as f64 * 0.7).sin().abs()).collect();
        let mut found = vec![f64::NAN; filters];
        MelBank::new(filters, bins, weight).energies(&power, &mut found);
        for (filter, found) in found.iter().enumerate() {
            let sum = (0..bins).map(|bin| weight(filter, bin) * power[bin]).sum::<f64>();
            assert!((sum - found).abs() < 1e-9, "{filter}: {sum} {found}");
        }
    }
}

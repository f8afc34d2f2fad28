//! Triangular filters over a power spectrum, kept as the few weights that are not zero.

/// A bank of filters, each over one stretch of neighbouring FFT bins.
pub(super) struct MelBank {
    /// For each filter: its first FFT bin and how many weights it has.
    spans: Vec<(usize, usize)>,
    /// The weights of all filters, one filter after the other.
    weights: Vec<f64>,
}

impl MelBank {
    /// A bank whose filter `f` weighs bin `k` with `weight(f, k)`, for k below `bins`.
    pub(super) fn new(filters: usize, bins: usize, weight: impl Fn(usize, usize) -> f64) -> Self {
        let (mut spans, mut weights) = (Vec::with_capacity(filters), Vec::new());
        for filter in 0..filters {
            let first = (0..bins).find(|&bin| weight(filter, bin) > 0.0).unwrap_or(0);
            let before = weights.len();
            weights.extend((first..bins).map(|bin| weight(filter, bin)).take_while(|&weight| weight > 0.0));
            spans.push((first, weights.len() - before));
        }
        Self { spans, weights }
    }

    /// The energy in each filter, in order. A filter between two bins holds none and has none.
    pub(super) fn energies<'a>(&'a self, power: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        let mut weights = self.weights.as_slice();
        self.spans.iter().map(move |&(first, count)| {
            let (own, rest) = weights.split_at(count);
            weights = rest;
            own.iter().zip(&power[first..]).map(|(weight, power)| weight * power).sum()
        })
    }
}

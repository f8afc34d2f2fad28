//! Wilson's interval of a share.

use serde::Serialize;

/// The ends of an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The interval of a share of which `right` of `all` were seen, at `z` standard deviations (E. B. Wilson, 1927). With
/// `z` = 0 the share itself; of nothing, 0 to 1.
pub fn wilson(right: u64, all: u64, z: f64) -> Interval {
    if all == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let (n, share) = (all as f64, right as f64 / all as f64);
    let middle = share + z * z / (2.0 * n);
    let spread = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    Interval { low: ((middle - spread) / scale).max(0.0), high: ((middle + spread) / scale).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_those_of_statsmodels() {
        // statsmodels.stats.proportion.proportion_confint(n, m, 0.05, "wilson")
        for (right, all, low, high) in
            [(8, 10, 0.4901625, 0.9433178), (0, 5, 0.0, 0.4344825), (46, 48, 0.8602434, 0.9884981)]
        {
            let found = wilson(right, all, 1.959_963_985);
            assert!((found.low - low).abs() < 1e-6 && (found.high - high).abs() < 1e-6, "{right} of {all}: {found:?}");
        }
        assert_eq!(wilson(0, 0, 2.0), Interval { low: 0.0, high: 1.0 });
    }
}

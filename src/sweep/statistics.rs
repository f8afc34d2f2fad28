//! Means with their confidence intervals over a few runs: Student's t.

use serde::Serialize;

/// A mean over runs with its spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Interval {
    /// Runs.
    pub runs: usize,
    /// Values that count as independent: runs, or the means of folds over their seeds.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, of a sample; `None` for a single one.
    pub std: Option<f64>,
    /// Lower end of the 95 % interval of the mean; `None` for a single one.
    pub low: Option<f64>,
    /// Upper end of the same.
    pub high: Option<f64>,
}

/// The mean of some values with its 95 % interval by Student's t; `None` for none. The interval takes the values as
/// independent; runs that share training clips, as folds do, are not quite, so it is somewhat too narrow (Bengio and
/// Grandvalet, 2004).
pub fn interval(values: &[f64]) -> Option<Interval> {
    let count = values.len();
    if count == 0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count as f64;
    if count == 1 {
        return Some(Interval { runs: count, count, mean, ..Interval::default() });
    }
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let std = (squares / (count - 1) as f64).sqrt();
    let half = t_quantile(0.975, count - 1) * std / (count as f64).sqrt();
    Some(Interval { runs: count, count, mean, std: Some(std), low: Some(mean - half), high: Some(mean + half) })
}

/// The quantile of Student's t with this whole number of degrees of freedom, for a probability above a half.
pub fn t_quantile(probability: f64, degrees: usize) -> f64 {
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    while cumulative(high, degrees) < probability && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if cumulative(middle, degrees) < probability { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// The cumulative distribution for t >= 0: Abramowitz and Stegun (1964), 26.7.3 and 26.7.4.
fn cumulative(t: f64, degrees: usize) -> f64 {
    let n = degrees.max(1);
    let theta = (t / (n as f64).sqrt()).atan();
    let (sin, cos) = theta.sin_cos();
    // cos + 2/3 cos^3 + 2 4/(3 5) cos^5 ... for odd n, 1 + 1/2 cos^2 + 1 3/(2 4) cos^4 ... for even.
    let odd = n % 2 == 1;
    let mut term = if odd { cos } else { 1.0 };
    let mut sum = 0.0;
    let mut k = if odd { 1 } else { 0 };
    while k + 2 <= n {
        sum += term;
        term *= cos * cos * (k + 1) as f64 / (k + 2) as f64;
        k += 2;
    }
    let within = if odd { 2.0 / std::f64::consts::PI * (theta + sin * sum) } else { sin * sum };
    f64::midpoint(1.0, within)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Table 26.10 of Abramowitz and Stegun.
    #[test]
    fn quantiles_are_those_of_the_table() {
        for (degrees, expected) in [
            (1, 12.706),
            (2, 4.303),
            (3, 3.182),
            (4, 2.776),
            (5, 2.571),
            (7, 2.365),
            (9, 2.262),
            (15, 2.131),
            (30, 2.042),
            (120, 1.980),
        ] {
            let quantile = t_quantile(0.975, degrees);
            assert!((quantile - expected).abs() < 6e-4, "{degrees}: {quantile}");
        }
    }

    #[test]
    fn an_interval_is_around_the_mean() {
        assert_eq!(interval(&[]), None);
        assert_eq!(interval(&[0.5]), Some(Interval { runs: 1, count: 1, mean: 0.5, ..Interval::default() }));
        let of = interval(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((of.mean, of.std), (2.0, Some(1.0)));
        // 4.303 / sqrt(3)
        assert!((of.high.unwrap() - 4.4843).abs() < 1e-3 && (of.low.unwrap() + 0.4843).abs() < 1e-3);
    }
}

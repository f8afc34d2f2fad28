//! Softmax of one row of logits and its cross entropy, in double precision.

/// `log sum exp(x)`: `exp(x - log_sum_exp)` is the softmax.
pub fn log_sum_exp(logits: &[f32]) -> f64 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    f64::from(top) + logits.iter().map(|&x| f64::from(x - top).exp()).sum::<f64>().ln()
}

/// The cross entropy of a row whose right class is `target`; writes its gradient by the logits, times `scale`.
pub fn cross_entropy(logits: &[f32], target: usize, scale: f64, gradient: &mut [f32]) -> f64 {
    let total = log_sum_exp(logits);
    for (g, &x) in gradient.iter_mut().zip(logits) {
        *g = (scale * (f64::from(x) - total).exp()) as f32;
    }
    gradient[target] -= scale as f32;
    total - f64::from(logits[target])
}

/// Place of the highest value, the first of equals, as `torch.argmax` on a CPU.
pub fn argmax(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let (logits, mut gradient) = ([0.3f32, -1.2, 80.0, 79.5], [0.0; 4]);
        let loss = cross_entropy(&logits, 3, 2.0, &mut gradient);
        assert!((loss - 0.974_076_98).abs() < 1e-6, "{loss}");
        let (mut nothing, step) = ([0.0; 4], 1.0 / 64.0);
        for i in 0..4 {
            let mut moved = [logits, logits];
            (moved[0][i], moved[1][i]) = (logits[i] - step, logits[i] + step);
            let [before, after] = moved.map(|logits| cross_entropy(&logits, 3, 2.0, &mut nothing));
            let slope = 2.0 * (after - before) / f64::from(2.0 * step);
            assert!((slope - f64::from(gradient[i])).abs() < 1e-4, "{i}: {slope} {gradient:?}");
        }
    }

    #[test]
    fn of_equal_values_the_first_is_the_highest() {
        assert_eq!(argmax(&[1.0, 3.0, 3.0, 2.0]), 1);
        assert_eq!(argmax(&[]), 0);
    }
}

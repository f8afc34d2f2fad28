//! Learning rate over time.

use crate::data::Schedule;

/// What the base rate is multiplied by in a step. `step` counts all steps from 0, `epoch` from 1.
///
/// As the authors' `MultiStepLR`: the factor is first applied after epoch `constant_until`, then every
/// `every` epochs (arXiv 2401.10544's code); warm-up is linear, its last step at the full rate.
pub fn factor(schedule: &Schedule, step: u64, epoch: u32) -> f64 {
    let warm = if step < schedule.warmup_steps { (step + 1) as f64 / schedule.warmup_steps as f64 } else { 1.0 };
    let decays = match epoch.checked_sub(schedule.constant_until) {
        None | Some(0) => 0,
        Some(past) => 1 + (past - 1) / schedule.every.max(1),
    };
    warm * schedule.factor.powi(decays as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_through_epoch_five_then_a_factor_an_epoch() {
        let schedule = Schedule { warmup_steps: 0, constant_until: 5, factor: 0.85, every: 1 };
        let at = |epoch| factor(&schedule, 0, epoch);
        assert_eq!([at(1), at(5), at(6), at(7)], [1.0, 1.0, 0.85, 0.85f64.powi(2)]);
    }

    #[test]
    fn openmic_halves_every_five_epochs_after_ten_and_warms_up() {
        let schedule = Schedule { warmup_steps: 1000, constant_until: 10, factor: 0.5, every: 5 };
        let at = |epoch| factor(&schedule, 100_000, epoch);
        assert_eq!([at(10), at(11), at(15), at(16), at(21)], [1.0, 0.5, 0.5, 0.25, 0.125]);
        assert_eq!(factor(&schedule, 0, 1), 0.001);
        assert_eq!(factor(&schedule, 499, 1), 0.5);
        assert_eq!([factor(&schedule, 999, 1), factor(&schedule, 1000, 1)], [1.0, 1.0]);
    }
}

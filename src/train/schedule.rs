//! Learning rate over time.

use crate::data::Schedule;

/// Tolerance for rounding, in drops: far less than one step's share of a drop.
const ROUNDING: f64 = 1e-9;

/// The factor on the base rate in a step. `step` counts all steps from 0.
///
/// As the authors' `MultiStepLR`: the factor is first applied after epoch `constant_until`, then every
/// `every` epochs (arXiv 2401.10544's code); warm-up is linear, its last step at the full rate. In a schedule that was
/// stretched to another length both may fall within an epoch, at the step that has the same share of the run behind it.
pub fn factor(schedule: &Schedule, step: u64, steps_per_epoch: u64) -> f64 {
    let warm = if step < schedule.warmup_steps { (step + 1) as f64 / schedule.warmup_steps as f64 } else { 1.0 };
    // Epochs completed after this step: every step of epoch 6 has more than 5 behind it.
    let epochs = (step + 1) as f64 / steps_per_epoch.max(1) as f64;
    let drops = ((epochs - schedule.constant_until) / schedule.every - ROUNDING).ceil().max(0.0);
    warm * schedule.factor.powi(drops as i32)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::data::Recipe;

    /// Steps of an epoch: of tiny sets, of ESC-10, of digits, of OpenMIC-2018.
    const STEPS: [u64; 5] = [1, 7, 30, 188, 1243];

    /// The rule before schedules could be stretched, in whole epochs.
    fn of_whole_epochs(schedule: &Schedule, step: u64, epoch: u32) -> f64 {
        let warm = if step < schedule.warmup_steps { (step + 1) as f64 / schedule.warmup_steps as f64 } else { 1.0 };
        let decays = match epoch.checked_sub(schedule.constant_until as u32) {
            None | Some(0) => 0,
            Some(past) => 1 + (past - 1) / (schedule.every as u32).max(1),
        };
        warm * schedule.factor.powi(decays as i32)
    }

    #[test]
    fn every_recipe_at_its_own_length_has_its_own_figures_to_the_bit() {
        for name in Recipe::names() {
            for is_random in [false, true] {
                let mut recipe = Recipe::named(name).unwrap();
                recipe.settle_start(is_random);
                recipe.set_epochs(recipe.epochs);
                for steps in STEPS {
                    for step in 0..steps * u64::from(recipe.epochs) {
                        let own = of_whole_epochs(&recipe.schedule, step, (step / steps) as u32 + 1);
                        let now = factor(&recipe.schedule, step, steps);
                        assert_eq!(now.to_bits(), own.to_bits(), "{name}, step {step} of {steps} an epoch");
                    }
                }
            }
        }
    }

    /// Share of a run's steps at each rate, the highest first; warm-up left out.
    fn shares(recipe: &Recipe) -> Vec<f64> {
        const PER_EPOCH: u64 = 240;
        let schedule = Schedule { warmup_steps: 0, ..recipe.schedule };
        let steps = PER_EPOCH * u64::from(recipe.epochs);
        let rates: Vec<f64> = (0..steps).map(|step| factor(&schedule, step, PER_EPOCH)).collect();
        rates.chunk_by(|a, b| a == b).map(|same| same.len() as f64 / steps as f64).collect()
    }

    #[test]
    fn a_run_of_another_length_has_the_same_shares_at_each_rate_and_ends_as_low() {
        for name in Recipe::names() {
            let own = Recipe::named(name).unwrap();
            let expected = shares(&own);
            for epochs in [1, 2, 3, 5, 8, 60] {
                let mut other = own.clone();
                other.set_epochs(epochs);
                let found = shares(&other);
                assert_eq!(found.len(), expected.len(), "{name}: as many drops in {epochs} epochs");
                let step = 1.0 / (240.0 * f64::from(epochs));
                for (found, expected) in found.iter().zip(&expected) {
                    assert!((found - expected).abs() <= step, "{name}, {epochs} epochs: {found} {expected}");
                }
                let warm = |recipe: &Recipe| recipe.schedule.warmup_steps as f64 / f64::from(recipe.epochs);
                assert!((warm(&other) - warm(&own)).abs() <= 0.5 / f64::from(epochs), "{name}, {epochs} epochs");
            }
        }
    }

    /// What `few` did before, at three of its ten epochs: the full rate to the end.
    #[test]
    fn three_epochs_of_few_end_as_low_as_ten() {
        let mut few = Recipe::named("few").unwrap();
        few.set_epochs(3);
        assert!((factor(&few.schedule, 3 * 30 - 1, 30) - 0.65f64.powi(6)).abs() < 1e-12);
    }

    #[test]
    fn constant_through_epoch_five_then_a_factor_an_epoch() {
        let schedule = Schedule { warmup_steps: 0, constant_until: 5.0, factor: 0.85, every: 1.0 };
        // The first and the last step of an epoch.
        for step in [0, 9] {
            let at = |epoch: u64| factor(&schedule, (epoch - 1) * 10 + step, 10);
            assert_eq!([at(1), at(5), at(6), at(7)], [1.0, 1.0, 0.85, 0.85f64.powi(2)]);
        }
    }

    #[test]
    fn openmic_halves_every_five_epochs_after_ten_and_warms_up() {
        let schedule = Schedule { warmup_steps: 1000, constant_until: 10.0, factor: 0.5, every: 5.0 };
        let at = |epoch: u64| factor(&schedule, epoch * 10_000 - 1, 10_000);
        assert_eq!([at(10), at(11), at(15), at(16), at(21)], [1.0, 0.5, 0.5, 0.25, 0.125]);
        let at = |step| factor(&schedule, step, 1_000_000);
        assert_eq!([at(0), at(499), at(999), at(1000)], [0.001, 0.5, 1.0, 1.0]);
    }
}

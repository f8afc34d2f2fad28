//! The learning rate over a run, as a recipe gives it.

use serde::{Deserialize, Serialize};

/// Learning rate over time: linear warm-up over steps, constant to epoch `constant_until`, then a factor.
///
/// The figures are those of a run of one length, a recipe's own. Another length takes the same shares of the run
/// ([`Schedule::stretched`]): a run that is shortened ends at the same low rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Steps of linear warm-up from 0.
    pub warmup_steps: u64,
    /// Epochs at the full rate; in a stretched schedule this may be a part of an epoch.
    pub constant_until: f64,
    /// Factor applied every `every` epochs after that.
    pub factor: f64,
    /// Epochs between two applications of the factor; in a stretched schedule this may be a part of an epoch.
    pub every: f64,
}

impl Schedule {
    /// The same shares of a run of `to` epochs as these figures are of one of `from` epochs.
    #[must_use]
    pub fn stretched(self, from: u32, to: u32) -> Self {
        if from == to {
            return self;
        }
        let [from, to] = [from, to].map(|epochs| f64::from(epochs.max(1)));
        // Multiplied first: 4 of 10 epochs are 2 of 5 exactly.
        let share = |epochs: f64| epochs * to / from;
        Self {
            warmup_steps: share(self.warmup_steps as f64).round() as u64,
            constant_until: share(self.constant_until),
            every: share(self.every),
            ..self
        }
    }

    /// Whether every figure is in its range; a reason for people otherwise.
    ///
    /// # Errors
    /// The first figure that is not.
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { constant_until, factor, every, .. } = *self;
        for (name, value) in [("factor", factor), ("every", every)] {
            if !value.is_finite() || value <= 0.0 {
                return Err(format!("schedule.{name} is {value} and must be above 0"));
            }
        }
        if !constant_until.is_finite() || constant_until < 0.0 {
            return Err(format!("schedule.constant_until is {constant_until} and must not be negative"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretched_schedule_takes_the_same_shares_of_the_run() {
        let few = Schedule { warmup_steps: 30, constant_until: 4.0, factor: 0.65, every: 1.0 };
        let half = Schedule { warmup_steps: 15, constant_until: 2.0, factor: 0.65, every: 0.5 };
        assert_eq!(few.stretched(10, 5), half);
        assert_eq!(half.stretched(5, 10), few);
        assert_eq!(few.stretched(10, 10), few);
    }

    /// A session logged by an earlier version has whole numbers here.
    #[test]
    fn whole_numbers_of_earlier_logs_are_read() {
        let text = r#"{"warmup_steps":0,"constant_until":5,"factor":0.85,"every":1}"#;
        let read: Result<Schedule, _> = serde_json::from_str(text);
        let expected = Schedule { warmup_steps: 0, constant_until: 5.0, factor: 0.85, every: 1.0 };
        assert_eq!(read.ok(), Some(expected));
    }
}

//! An axis: its range, its ticks, and its number format.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::digits::thousands;

/// What an axis counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// A plain number: a loss, a ratio.
    #[default]
    Number,
    /// Whole things: steps, epochs.
    Count,
    /// Many things, read in thousands or millions: parameters.
    Amount,
    /// Seconds, formatted as 0:30 or 1:05:00.
    Seconds,
}

/// A range of values with ticks at round places.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Name, as in a caption: `loss`, `step`.
    pub name: String,
    /// What it counts.
    pub unit: Unit,
    /// Whether the scale is logarithmic.
    pub log: bool,
    min: f64,
    max: f64,
    ticks: Vec<f64>,
}

impl Axis {
    /// An axis that covers these values (non-finite ones are left out) with about `ticks` ticks.
    /// A logarithmic axis leaves out what is not positive.
    pub fn covering(
        name: impl Into<String>,
        unit: Unit,
        log: bool,
        values: impl IntoIterator<Item = f64>,
        ticks: usize,
    ) -> Self {
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|v| v.is_finite() && (!log || *v > 0.0)) {
            min = min.min(value);
            max = max.max(value);
        }
        if min > max {
            (min, max) = if log { (0.1, 1.0) } else { (0.0, 1.0) };
        }
        if max - min <= f64::EPSILON * max.abs().max(1.0) {
            // A single value: widen the range to round numbers.
            (min, max) = match (log, unit) {
                (true, _) => (min / 2.0, max * 2.0),
                (false, Unit::Number) => (min - 0.1 * min.abs().max(0.1), max + 0.1 * max.abs().max(0.1)),
                (false, _) => (min, max + 1.0),
            };
        }
        Self { name: name.into(), unit, log, min, max, ticks: ticks_of(unit, log, min, max, ticks.max(2)) }
    }

    /// Widens the range by this share at both ends, so that extreme points keep clear of the frame.
    #[must_use]
    pub fn padded(mut self, share: f64) -> Self {
        if self.log {
            let factor = (self.max / self.min).powf(share);
            (self.min, self.max) = (self.min / factor, self.max * factor);
        } else {
            let pad = (self.max - self.min) * share;
            (self.min, self.max) = (self.min - pad, self.max + pad);
        }
        self
    }

    /// The range.
    pub fn range(&self) -> Range<f64> {
        self.min..self.max
    }

    /// Where the ticks are.
    pub fn ticks(&self) -> &[f64] {
        &self.ticks
    }

    /// A value in this axis's format.
    pub fn text(&self, value: f64) -> String {
        match self.unit {
            Unit::Count => thousands(value),
            Unit::Amount => amount(value),
            Unit::Seconds => clock(value),
            Unit::Number => {
                let step = match self.ticks.as_slice() {
                    [a, b, ..] if !self.log => (b - a).abs(),
                    _ => value.abs(),
                };
                number(value, step)
            }
        }
    }

    /// A value's place between the ends, 0 to 1 inside the range.
    fn place(&self, value: f64) -> f64 {
        if self.log {
            (value.max(f64::MIN_POSITIVE) / self.min).ln() / (self.max / self.min).ln()
        } else {
            (value - self.min) / (self.max - self.min)
        }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let length = f64::from(limit.1 - limit.0);
        // A point far outside is clipped by the canvas; the cast saturates.
        limit.0 + (self.place(*value).clamp(-4.0, 5.0) * length).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.min..self.max
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.text(*value)
    }
}

/// Ticks inside the range at 1, 2 or 5 times a power of ten (for seconds at 1, 2, 5, 10, 15 or 30 of a unit).
fn ticks_of(unit: Unit, log: bool, min: f64, max: f64, wanted: usize) -> Vec<f64> {
    if log {
        let ticks = log_ticks(min, max, wanted);
        if ticks.len() >= 2 {
            return ticks;
        }
    }
    let raw = (max - min) / wanted as f64;
    let step = match unit {
        Unit::Seconds => clock_step(raw),
        Unit::Count | Unit::Amount => round_step(raw).max(1.0),
        Unit::Number => round_step(raw),
    };
    let first = (min / step - 1e-9).ceil();
    let last = (max / step + 1e-9).floor();
    (0..=(last - first).max(0.0) as usize).map(|i| (first + i as f64) * step).collect()
}

/// Decades; between them 2 and 5, or every digit, when the range covers few decades.
fn log_ticks(min: f64, max: f64, wanted: usize) -> Vec<f64> {
    let (low, high) = (min.log10().floor() as i32, max.log10().ceil() as i32);
    let decades = (high - low).max(1) as usize;
    let skip = decades.div_ceil(wanted.max(1)).max(1);
    for digits in [&[1.0][..], &[1.0, 3.0], &[1.0, 2.0, 5.0], &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0]] {
        let ticks: Vec<f64> = (low..=high)
            .step_by(skip)
            .flat_map(|decade| digits.iter().map(move |digit| digit * 10f64.powi(decade)))
            .filter(|tick| (min * 0.999..=max * 1.001).contains(tick))
            .collect();
        if ticks.len() >= 3.min(wanted) {
            return ticks;
        }
    }
    Vec::new()
}

fn round_step(raw: f64) -> f64 {
    let power = 10f64.powf(raw.max(f64::MIN_POSITIVE).log10().floor());
    let digit = raw / power;
    power
        * if digit <= 1.0 {
            1.0
        } else if digit <= 2.0 {
            2.0
        } else if digit <= 5.0 {
            5.0
        } else {
            10.0
        }
}

fn clock_step(raw: f64) -> f64 {
    const STEPS: [f64; 17] = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 21600.0,
        43200.0,
    ];
    STEPS.into_iter().find(|step| *step >= raw).unwrap_or_else(|| 86_400.0 * round_step(raw / 86_400.0))
}

/// A number with the decimals that a distance of `step` asks for.
fn number(value: f64, step: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if value.abs() >= 1e5 || value.abs() < 1e-4 {
        return format!("{value:.0e}");
    }
    let decimals = (-(step.max(1e-6).log10() + 1e-9).floor()).clamp(0.0, 6.0) as usize;
    // Grouped like every other count on the screen.
    if decimals == 0 && value.abs() >= 1000.0 {
        thousands(format_args!("{value:.0}"))
    } else {
        format!("{value:.decimals$}")
    }
}

/// 950, 40 k, 7.1 M: with a second digit where it adds something.
fn amount(value: f64) -> String {
    let (value, unit) = match value.abs() {
        large if large >= 1e9 => (value / 1e9, " G"),
        large if large >= 1e6 => (value / 1e6, " M"),
        large if large >= 1e3 => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let whole = value.abs() >= 10.0 || (value - value.round()).abs() < 0.05;
    if whole { format!("{value:.0}{unit}") } else { format!("{value:.1}{unit}") }
}

/// 1:05 or 1:02:03.
fn clock(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    if s >= 3600 {
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    } else {
        format!("{}:{:02}", s / 60, s % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stand_at_round_numbers_inside_the_range() {
        let axis = Axis::covering("loss", Unit::Number, false, [0.13, 0.92], 4);
        assert_eq!(axis.ticks().iter().map(|t| axis.text(*t)).collect::<Vec<_>>(), ["0.2", "0.4", "0.6", "0.8"]);
        let axis = Axis::covering("step", Unit::Count, false, [0.0, 2600.0], 4);
        assert_eq!(axis.ticks().iter().map(|t| axis.text(*t)).collect::<Vec<_>>(), ["0", "1,000", "2,000"]);
        let axis = Axis::covering("time", Unit::Seconds, false, [0.0, 130.0], 4);
        assert_eq!(axis.ticks().iter().map(|t| axis.text(*t)).collect::<Vec<_>>(), ["0:00", "1:00", "2:00"]);
    }

    #[test]
    fn logarithmic_ticks_are_decades_or_digits_of_one() {
        let text = |min: f64, max: f64| {
            let axis = Axis::covering("loss", Unit::Number, true, [min, max], 5);
            axis.ticks().iter().map(|t| axis.text(*t)).collect::<Vec<_>>()
        };
        assert_eq!(text(0.001, 10.0), ["0.001", "0.01", "0.1", "1", "10"]);
        assert_eq!(text(0.2, 2.0), ["0.2", "0.5", "1", "2"]);
        assert_eq!([950.0, 4e4, 1.5e5, 7.14e6, 1e8].map(amount), ["950", "40 k", "150 k", "7.1 M", "100 M"]);
    }

    #[test]
    fn odd_values_give_a_usable_axis() {
        for values in [vec![], vec![f64::NAN], vec![3.0], vec![0.0], vec![-1.0, f64::INFINITY]] {
            for log in [false, true] {
                let axis = Axis::covering("x", Unit::Number, log, values.iter().copied(), 4);
                let range = axis.range();
                assert!(range.start < range.end, "{values:?} {log}: {range:?}");
                assert!((0..=100).contains(&axis.map(&range.start, (0, 100))));
            }
        }
    }
}

//! The charts of runs: loss and metric, against step, clock or epoch.

use super::{Axis, Chart, Curve, Kind, Side, Unit};
use crate::session::RunState;

/// The quantity along x.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XAxis {
    /// Optimizer steps: runs over the same batches align.
    #[default]
    Step,
    /// Time of work: the faster run ends earlier.
    Clock,
    /// Passes over the training split.
    Epoch,
}

impl XAxis {
    /// The next one, around the end.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Step => Self::Clock,
            Self::Clock => Self::Epoch,
            Self::Epoch => Self::Step,
        }
    }

    /// Its name on an axis: `step`, `wall-clock`, `epoch`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Clock => "wall-clock",
            Self::Epoch => "epoch",
        }
    }

    fn unit(self) -> Unit {
        match self {
            Self::Step | Self::Epoch => Unit::Count,
            Self::Clock => Unit::Seconds,
        }
    }
}

/// How the curves of runs are shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChartView {
    /// The quantity along x.
    pub x: XAxis,
    /// Whether the loss's axis is logarithmic.
    pub log: bool,
    /// Steps over which the training loss is averaged (exponentially); 0: as measured.
    pub smooth: u32,
    /// The step under the crosshair.
    pub cursor: Option<u64>,
    /// Approximate number of ticks, along x and up y.
    pub ticks: (usize, usize),
}

impl Default for ChartView {
    fn default() -> Self {
        Self { x: XAxis::Step, log: false, smooth: 0, cursor: None, ticks: (6, 5) }
    }
}

/// A run to be drawn.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Its side.
    pub side: Side,
    /// Its state.
    pub state: &'a RunState,
}

impl Run<'_> {
    fn x_of_step(&self, x: XAxis, step: u64, active_s: f64) -> f64 {
        match x {
            XAxis::Step => step as f64,
            XAxis::Clock => active_s,
            XAxis::Epoch => step as f64 / self.state.steps_per_epoch.max(1) as f64,
        }
    }

    /// Points of a value of each epoch.
    fn by_epoch(&self, x: XAxis, value: impl Fn(&crate::session::EpochRecord) -> f64) -> Vec<(f64, f64)> {
        let epochs = self.state.epochs.iter();
        if x == XAxis::Epoch {
            return epochs.map(|(_, epoch)| (f64::from(epoch.epoch), value(epoch))).collect();
        }
        let seconds = self.state.trace.epoch_seconds();
        epochs.zip(seconds).map(|((_, epoch), s)| (self.x_of_step(x, epoch.step, s), value(epoch))).collect()
    }

    /// The training loss: averaged, or from least to greatest of each bucket.
    fn training_loss(&self, view: &ChartView) -> Vec<(f64, f64)> {
        let mut points = Vec::with_capacity(2 * self.state.trace.buckets().len());
        let (mut average, mut weight) = (0.0, 0.0);
        let keep = if view.smooth == 0 { 0.0 } else { 1.0 - 1.0 / f64::from(view.smooth) };
        for bucket in self.state.trace.buckets() {
            let x = self.x_of_step(view.x, bucket.last, bucket.active_s);
            if view.smooth > 0 && bucket.mean().is_finite() {
                let kept = f64::powi(keep, bucket.count as i32);
                average = kept * average + (1.0 - kept) * bucket.mean();
                weight = kept * weight + (1.0 - kept);
                points.push((x, average / weight));
            } else {
                // Alternating ends keep the polyline inside the band instead of crossing it twice.
                let (min, max) = (f64::from(bucket.min), f64::from(bucket.max));
                let falling = points.last().is_some_and(|(_, y): &(f64, f64)| *y > (min + max) / 2.0);
                points.push((x, if falling { max } else { min }));
                if bucket.count > 1 {
                    points.push((x, if falling { min } else { max }));
                }
            }
        }
        points
    }

    fn end_label(&self, points: &[(f64, f64)]) -> Option<String> {
        points.last().map(|(_, y)| format!("{} {y:.3}", self.side.letter()))
    }

    fn cursor(&self, view: &ChartView) -> Option<f64> {
        let step = view.cursor?;
        Some(self.x_of_step(view.x, step, self.state.trace.seconds_at(step)?))
    }
}

/// Loss of training (thin) and validation (marked) of some runs.
pub fn loss(runs: &[Run<'_>], view: &ChartView) -> Chart {
    let mut curves = Vec::new();
    for run in runs {
        curves.push(Curve {
            side: run.side,
            kind: Kind::Thin,
            points: run.training_loss(view),
            best: None,
            end_label: None,
        });
    }
    for run in runs {
        let points = run.by_epoch(view.x, |epoch| f64::from(epoch.val_loss));
        let end_label = run.end_label(&points);
        curves.push(Curve { side: run.side, kind: Kind::Marked, points, best: None, end_label });
    }
    chart("loss", runs, view, curves, view.log)
}

/// The recipe's metric on the validation split, the best epoch marked.
pub fn metric(runs: &[Run<'_>], view: &ChartView) -> Chart {
    let name = runs.iter().find_map(|run| run.state.config.as_ref()).map_or("metric", |c| c.recipe.metric.name());
    let curves = runs
        .iter()
        .map(|run| {
            let points = run.by_epoch(view.x, |epoch| epoch.value);
            let best = run.state.best().and_then(|best| {
                let at = run.state.epochs.iter().position(|(_, epoch)| epoch.epoch == best.epoch)?;
                points.get(at).copied()
            });
            let end_label = run.end_label(&points);
            Curve { side: run.side, kind: Kind::Marked, points, best, end_label }
        })
        .collect();
    chart(name, runs, view, curves, false)
}

/// The metric of many runs in one chart: one emphasised, the others faint; at each curve's end its run's number, from 1,
/// and last value.
pub fn overlay<'a>(
    states: impl IntoIterator<Item = &'a RunState>,
    emphasised: Option<usize>,
    view: &ChartView,
) -> Chart {
    let runs: Vec<Run<'_>> = states.into_iter().map(|state| Run { side: Side::A, state }).collect();
    let mut chart = metric(&runs, &ChartView { x: XAxis::Epoch, cursor: None, ..*view });
    for (n, curve) in chart.curves.iter_mut().enumerate() {
        curve.end_label = curve.points.last().map(|(_, y)| format!("{} {y:.3}", n + 1));
        if emphasised != Some(n) {
            (curve.kind, curve.best) = (Kind::Thin, None);
        }
    }
    if let Some(on_top) = emphasised.filter(|n| *n < chart.curves.len()) {
        let curve = chart.curves.remove(on_top);
        chart.curves.push(curve);
    }
    chart
}

fn chart(title: &str, runs: &[Run<'_>], view: &ChartView, curves: Vec<Curve>, log: bool) -> Chart {
    let points = || curves.iter().flat_map(|curve| curve.points.iter());
    let x = Axis::covering(
        view.x.name(),
        view.x.unit(),
        false,
        points().map(|p| p.0).chain([0.0]).chain(runs.iter().filter_map(|run| run.cursor(view))),
        view.ticks.0,
    );
    let y = Axis::covering(title, Unit::Number, log, points().map(|p| p.1), view.ticks.1).padded(0.04);
    let names = runs.iter().map(|run| {
        let config = run.state.config.as_ref();
        (run.side, config.map_or_else(String::new, |c| format!("{} · {}", c.method.title(), c.session)))
    });
    Chart {
        title: title.into(),
        x,
        y,
        names: names.collect(),
        cursor: runs.iter().find_map(|run| run.cursor(view)),
        curves,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::testing;

    #[test]
    fn of_many_runs_one_is_emphasised_and_on_top_and_each_has_its_number() {
        let state = RunState::from_records(&testing::records()).outline();
        let chart = overlay([&state, &state, &state], Some(1), &ChartView::default());
        let drawn: Vec<_> = chart.curves.iter().map(|curve| (curve.kind, curve.end_label.clone())).collect();
        let label = |n: usize| chart.curves[0].points.last().map(|(_, y)| format!("{n} {y:.3}"));
        assert!(label(1).is_some(), "an outline has its epochs");
        assert_eq!(drawn, [(Kind::Thin, label(1)), (Kind::Thin, label(3)), (Kind::Marked, label(2))]);
        assert_eq!(chart.x.name, "epoch");
    }
}

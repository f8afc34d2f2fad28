//! Precision and recall by threshold, drawn.

use std::path::Path;

use super::{CurvePoint, MarksReport, ThresholdCurve};
use crate::{
    cli::CliError,
    plot::{self, Axis, Chart, Curve, Kind, Side, Unit},
};

/// Charts beside one another in a picture, that of all classes among them.
const CHARTS: usize = 12;

impl MarksReport {
    /// Draws precision and recall by threshold, for all classes and for each; the number of classes that found no room.
    pub(in crate::cli::eval) fn draw(&self, path: &Path) -> Result<usize, CliError> {
        let charts: Vec<Chart> = self.curves.iter().take(CHARTS).map(chart).collect();
        plot::export(path, &charts).map_err(|error| CliError::Failed(error.to_string()))?;
        Ok(self.curves.len() - charts.len())
    }
}

fn chart(curve: &ThresholdCurve) -> Chart {
    let line = |side: Side, of: fn(&CurvePoint) -> Option<f64>| Curve {
        side,
        kind: Kind::Marked,
        points: curve.points.iter().map(|point| (point.threshold, of(point).unwrap_or(f64::NAN))).collect(),
        best: None,
        end_label: None,
    };
    let (precision, recall) = (|point: &CurvePoint| point.precision, |point: &CurvePoint| point.recall);
    Chart {
        title: format!("precision and recall, {}", curve.label.as_deref().unwrap_or("all classes")),
        x: Axis::covering("threshold", Unit::Number, false, [0.0, 1.0], 6),
        y: Axis::covering("precision, recall", Unit::Number, false, [0.0, 1.0], 6),
        curves: vec![line(Side::A, precision), line(Side::B, recall)],
        cursor: None,
        names: vec![(Side::A, "precision".to_owned()), (Side::B, "recall".to_owned())],
    }
}

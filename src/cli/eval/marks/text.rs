//! The figures on recordings with marks, as a person reads them.

use super::{FiguresReport, MarksReport, SEGMENT_S};
use crate::{
    cli::{
        eval::thresholds::{self, Choice, Goal},
        output::column,
    },
    digits::thousands,
};

impl MarksReport {
    /// What a person reads.
    pub(in crate::cli::eval) fn text(&self, goal: Goal) -> Vec<String> {
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
        let mut lines = vec![
            String::new(),
            format!(
                "scanned: {} recordings of {:.2} h, {} marks, windows of {} s, one every {} s; thresholds: {}",
                self.recordings,
                self.hours,
                thousands(self.marks),
                self.window_s,
                self.hop_s,
                self.thresholds
            ),
            format!("{:<44}{:>9}{:>11}{:>9}{:>10}{:>12}", "", "F1", "precision", "recall", "macro F1", "error rate"),
        ];
        let row = |what: String, figures: &FiguresReport| {
            format!(
                "{what:<44}{:>9}{:>11.4}{:>9}{:>10}{:>12}",
                number(figures.f1),
                figures.precision,
                number(figures.recall),
                number(figures.macro_f1),
                number(figures.error_rate)
            )
        };
        let collar = |figures: &FiguresReport| {
            let (collar, share) = (figures.collar_s.unwrap_or_default(), figures.offset_share.unwrap_or_default());
            format!("events, off by {collar:.2} s (end: {:.0} %)", 100.0 * share)
        };
        lines.extend(self.event.iter().map(|figures| row(collar(figures), figures)));
        lines.push(row(format!("segments of {SEGMENT_S} s"), &self.segment));
        if let Some([event, segment]) = &self.with_chosen {
            lines.push(row(format!("chosen thresholds: {}", collar(event)), event));
            lines.push(row(format!("chosen thresholds: segments of {SEGMENT_S} s"), segment));
        }
        lines.push(format!(
            "windows of the scan: mAP {:.4} over {}, mean AUC {}",
            self.windows.mean_average_precision,
            thousands(self.windows.windows),
            number(self.windows.mean_auc)
        ));
        lines.extend(self.notes.iter().cloned());
        lines.push(String::new());
        lines.push(format!(
            "{}{:>7}{:>11}{:>10}{:>13}{:>9}",
            column("class", 28),
            "marks",
            "detections",
            "event F1",
            "segment F1",
            "AP"
        ));
        let wide = self.event.last().map(|figures| figures.per_class.as_slice()).unwrap_or_default();
        for (place, (event, segment)) in wide.iter().zip(&self.segment.per_class).enumerate() {
            lines.push(format!(
                "{}{:>7}{:>11}{:>10}{:>13}{:>9}",
                column(&event.label, 28),
                event.counts.reference,
                event.counts.detected,
                number(event.f1),
                number(segment.f1),
                number(self.windows.average_precision.get(place).copied().flatten())
            ));
        }
        lines.push(String::new());
        lines.extend(thresholds::lines(&self.chosen, goal, "these marks"));
        lines
    }

    /// What was chosen.
    pub(in crate::cli::eval) fn chosen(&self) -> &[Choice] {
        &self.chosen
    }
}

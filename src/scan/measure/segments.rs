//! Time cut into segments: a class is active in each that one of its events touches.

use super::{Compared, Counts, Figures, Span};

/// Segment-based figures over recordings, of so many classes, in segments of `resolution_s` seconds. A recording's last
/// segment counts whole; recordings without marks count as well.
pub fn segments(recordings: &[Compared], classes: usize, resolution_s: f64) -> Figures {
    let mut by_class = vec![Counts::default(); classes];
    let mut errors = [0; 3];
    for one in recordings {
        let count = (one.seconds / resolution_s).ceil() as usize;
        let (marks, detections) =
            (roll(&one.marks, classes, count, resolution_s), roll(&one.detections, classes, count, resolution_s));
        for (there, found) in marks.chunks(classes.max(1)).zip(detections.chunks(classes.max(1))) {
            let (mut reference, mut detected, mut right) = (0u64, 0u64, 0u64);
            for (class, (&there, &found)) in there.iter().zip(found).enumerate() {
                let own = Counts {
                    reference: u64::from(there),
                    detected: u64::from(found),
                    right: u64::from(there && found),
                };
                by_class[class] += own;
                reference += own.reference;
                detected += own.detected;
                right += own.right;
            }
            errors[0] += reference.min(detected) - right;
            errors[1] += reference.saturating_sub(detected);
            errors[2] += detected.saturating_sub(reference);
        }
    }
    Figures { by_class, errors: Some(errors) }
}

/// Which class is active in which segment, (segments, classes).
fn roll(spans: &[Span], classes: usize, count: usize, resolution_s: f64) -> Vec<bool> {
    let mut active = vec![false; count * classes];
    for span in spans {
        let from = (span.start / resolution_s).floor().max(0.0) as usize;
        let to = ((span.end / resolution_s).ceil() as usize).min(count);
        for segment in from..to {
            active[segment * classes + span.class] = true;
        }
    }
    active
}

//! What a session's log covers of a run, to be compared with its checkpoints.

use std::collections::BTreeSet;

use super::{Position, RunState};

/// Steps that may be missing between the last step in the log and a checkpoint: steps that were skipped because they
/// were not numbers have no line.
const UNTOLD: u64 = 64;

/// How far a log reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The last step in it.
    step: u64,
    /// The epochs in it.
    epochs: BTreeSet<u32>,
}

impl History {
    /// The extent of a folded log.
    pub fn of(state: &RunState) -> Self {
        Self { step: state.step(), epochs: state.epochs.iter().map(|(_, record)| record.epoch).collect() }
    }

    /// What the log lacks before a checkpoint at this position, as a sentence; `None` when it is complete.
    ///
    /// The log is on the medium before a checkpoint is renamed, so this happens only when a disk lost acknowledged
    /// writes, or when someone changed the log.
    pub fn lacks(&self, position: &Position) -> Option<String> {
        let missing: Vec<String> =
            (1..=position.epochs).filter(|epoch| !self.epochs.contains(epoch)).map(|epoch| epoch.to_string()).collect();
        if !missing.is_empty() {
            let plural = if missing.len() == 1 { "epoch" } else { "epochs" };
            return Some(format!(
                "the log lost {plural} {}, which the checkpoint of step {} has behind it",
                missing.join(", "),
                position.step
            ));
        }
        let behind = position.step.saturating_sub(self.step);
        (behind > UNTOLD).then(|| {
            format!(
                "the log ends at step {}, {behind} steps before the checkpoint of step {}",
                self.step, position.step
            )
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lost_events_of_a_log_are_reported() {
        let log = History { step: 200, epochs: [1, 3].into() };
        let at = |step, epochs| log.lacks(&Position { step, epochs, ..Position::default() });
        assert_eq!(at(200, 1), None);
        assert_eq!(at(210, 1), None);
        assert!(at(200, 3).unwrap().contains("epoch 2,"));
        assert!(at(200, 5).unwrap().contains("epochs 2, 4, 5"));
        assert!(at(300, 1).unwrap().contains("ends at step 200, 100 steps before"));
    }
}

//! The training loss of a run and the clock of its work, in bounded memory.

use super::{
    Event, Record, StepRecord,
    series::{self, Series},
};

/// Most buckets kept: twice the braille columns of a wide terminal.
pub const BUCKETS: usize = 1024;

/// Some neighbouring steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// First step in it.
    pub first: u64,
    /// Last step in it.
    pub last: u64,
    /// Seconds of work up to the last step; pauses do not count.
    pub active_s: f64,
    /// Least loss.
    pub min: f32,
    /// Greatest loss.
    pub max: f32,
    /// Sum of the losses.
    pub sum: f64,
    /// Steps in it.
    pub count: u32,
}

impl Bucket {
    /// Mean loss.
    pub fn mean(&self) -> f64 {
        self.sum / f64::from(self.count.max(1))
    }
}

impl series::Bucket for Bucket {
    fn first(&self) -> u64 {
        self.first
    }

    fn last(&self) -> u64 {
        self.last
    }

    fn count(&self) -> u32 {
        self.count
    }

    fn merge(&mut self, next: Self) {
        *self = Self {
            first: self.first,
            last: next.last,
            active_s: next.active_s,
            min: self.min.min(next.min),
            max: self.max.max(next.max),
            sum: self.sum + next.sum,
            count: self.count + next.count,
        };
    }

    fn end_at(&mut self, step: u64) {
        self.last = step;
    }
}

/// The training loss of a run, and when each epoch ended on the clock of its own work.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    steps: Series<Bucket, BUCKETS>,
    /// Epochs, each with the seconds of work at its end.
    epochs: Vec<(u32, f64)>,
    active_s: f64,
    last_ms: Option<u64>,
    idle: bool,
}

impl Trace {
    /// Folds one event of the run's log.
    pub(super) fn apply(&mut self, record: &Record) {
        if let Some(last) = self.last_ms
            && !self.idle
        {
            self.active_s += record.at_ms.saturating_sub(last) as f64 / 1e3;
        }
        self.last_ms = Some(record.at_ms);
        match &record.event {
            Event::Started { .. } => *self = Self { last_ms: Some(record.at_ms), ..Self::default() },
            Event::Step(step) => self.push(step),
            Event::Epoch(epoch) => self.epochs.push((epoch.epoch, self.active_s)),
            Event::Resumed { step, epochs } => self.rewind(*step, *epochs),
            _ => {}
        }
        self.idle = match record.event {
            Event::Paused | Event::Waiting { .. } | Event::Stopped | Event::Failed { .. } | Event::Finished { .. } => {
                true
            }
            // A checkpoint or a warning while paused does not restart the clock.
            Event::Checkpoint { .. } | Event::Warning { .. } => self.idle,
            _ => false,
        };
    }

    /// The buckets, in order of steps.
    pub fn buckets(&self) -> &[Bucket] {
        self.steps.buckets()
    }

    /// The bucket that holds this step, or the first one after it.
    pub fn holding(&self, step: u64) -> Option<&Bucket> {
        self.steps.holding(step)
    }

    /// Seconds of work up to the end of each epoch.
    pub fn epoch_seconds(&self) -> impl Iterator<Item = f64> {
        self.epochs.iter().map(|(_, seconds)| *seconds)
    }

    /// Seconds of work so far.
    pub fn active_s(&self) -> f64 {
        self.active_s
    }

    /// Seconds of work up to this step.
    pub fn seconds_at(&self, step: u64) -> Option<f64> {
        self.holding(step).map(|bucket| bucket.active_s)
    }

    fn push(&mut self, step: &StepRecord) {
        self.steps.push(Bucket {
            first: step.step,
            last: step.step,
            active_s: self.active_s,
            min: step.loss,
            max: step.loss,
            sum: f64::from(step.loss),
            count: 1,
        });
    }

    /// Forgets everything after this step and this many epochs, and sets the clock back to then.
    fn rewind(&mut self, step: u64, epochs: u32) {
        self.steps.rewind(step);
        self.epochs.retain(|(epoch, _)| *epoch <= epochs);
        let stepped = self.buckets().last().map_or(0.0, |bucket| bucket.active_s);
        let evaluated = self.epochs.last().map_or(0.0, |(_, seconds)| *seconds);
        self.active_s = stepped.max(evaluated);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64, loss: f32) -> Record {
        Record { at_ms: 1000 * step, event: Event::Step(StepRecord { step, loss, ..StepRecord::default() }) }
    }

    #[test]
    fn a_long_run_stays_small_and_keeps_its_spikes() {
        let mut trace = Trace::default();
        for i in 1..=100_000 {
            trace.apply(&step(i, if i == 77_777 { 50.0 } else { 1.0 }));
        }
        assert!(trace.buckets().len() <= BUCKETS);
        assert_eq!(trace.buckets().iter().map(|b| u64::from(b.count)).sum::<u64>(), 100_000);
        let spiked: Vec<_> = trace.buckets().iter().filter(|b| b.max == 50.0).collect();
        assert!(spiked.len() == 1 && (spiked[0].first..=spiked[0].last).contains(&77_777));
        assert!(trace.buckets().windows(2).all(|w| w[0].last + 1 == w[1].first));
    }

    #[test]
    fn pauses_do_not_count_as_work() {
        let mut trace = Trace::default();
        trace.apply(&step(1, 1.0));
        trace.apply(&step(2, 1.0));
        trace.apply(&Record { at_ms: 2000, event: Event::Paused });
        trace.apply(&Record { at_ms: 902_000, event: Event::Continued });
        trace.apply(&Record { at_ms: 903_000, event: Event::Step(StepRecord { step: 3, ..StepRecord::default() }) });
        assert_eq!(trace.active_s(), 2.0);
    }

    #[test]
    fn a_resumed_run_forgets_what_was_lost() {
        let mut trace = Trace::default();
        (1..=9).for_each(|i| trace.apply(&step(i, i as f32)));
        trace.apply(&Record { at_ms: 50_000, event: Event::Resumed { step: 4, epochs: 2 } });
        trace.apply(&step(5, 0.5));
        assert_eq!(trace.buckets().iter().map(|b| b.last).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert_eq!(trace.buckets().last().map(|b| b.max), Some(0.5));
    }
}

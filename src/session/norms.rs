//! The adapters' norms over a run, in bounded memory.

use super::series::{Bucket, Series};
use crate::model::BlockNorms;

/// Most buckets kept: more than a wide terminal has columns.
pub const NORM_BUCKETS: usize = 512;

/// Measurements of neighbouring steps: the newest, and the extremes of all.
#[derive(Clone, Debug, PartialEq)]
pub struct NormsBucket {
    /// Step of the first measurement.
    pub first: u64,
    /// Step of the last one.
    pub last: u64,
    /// Measurements in it.
    pub count: u32,
    /// The last measurement, a record for each block.
    pub blocks: Vec<BlockNorms>,
    /// The least of each value.
    pub least: Vec<BlockNorms>,
    /// The greatest of each value.
    pub greatest: Vec<BlockNorms>,
}

impl Bucket for NormsBucket {
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
        let all = |kept: &mut Vec<BlockNorms>, new: &[BlockNorms], choose: fn(f32, f32) -> f32| {
            kept.iter_mut().zip(new).for_each(|(kept, new)| *kept = choose_each(*kept, *new, choose));
        };
        all(&mut self.least, &next.least, f32::min);
        all(&mut self.greatest, &next.greatest, f32::max);
        (self.last, self.blocks) = (next.last, next.blocks);
        self.count += next.count;
    }

    fn end_at(&mut self, step: u64) {
        self.last = step;
    }
}

/// Applies `choose` to each of the four values.
fn choose_each(a: BlockNorms, b: BlockNorms, choose: fn(f32, f32) -> f32) -> BlockNorms {
    BlockNorms {
        spatial: choose(a.spatial, b.spatial),
        spatial_ratio: choose(a.spatial_ratio, b.spatial_ratio),
        mlp: choose(a.mlp, b.mlp),
        mlp_ratio: choose(a.mlp_ratio, b.mlp_ratio),
    }
}

/// Every measurement of the adapters, condensed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Norms {
    measured: Series<NormsBucket, NORM_BUCKETS>,
    peak: BlockNorms,
}

impl Norms {
    /// Adds a measurement.
    pub(super) fn push(&mut self, step: u64, blocks: &[BlockNorms]) {
        self.peak = blocks.iter().fold(self.peak, |peak, block| choose_each(peak, *block, f32::max));
        let blocks = blocks.to_vec();
        let (least, greatest) = (blocks.clone(), blocks.clone());
        self.measured.push(NormsBucket { first: step, last: step, count: 1, blocks, least, greatest });
    }

    /// Forgets everything after this step.
    pub(super) fn rewind(&mut self, step: u64) {
        self.measured.rewind(step);
        let all = self.buckets().iter().flat_map(|bucket| &bucket.greatest);
        self.peak = all.fold(BlockNorms::default(), |peak, block| choose_each(peak, *block, f32::max));
    }

    /// The buckets, in order of steps.
    pub fn buckets(&self) -> &[NormsBucket] {
        self.measured.buckets()
    }

    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.buckets().is_empty()
    }

    /// The newest bucket.
    pub fn last(&self) -> Option<&NormsBucket> {
        self.buckets().last()
    }

    /// Blocks of the model.
    pub fn depth(&self) -> usize {
        self.last().map_or(0, |bucket| bucket.blocks.len())
    }

    /// The bucket of the newest measurement at or before this step, else the first bucket; without a step the newest.
    pub fn at(&self, step: Option<u64>) -> Option<&NormsBucket> {
        let Some(step) = step else { return self.last() };
        let after = self.buckets().partition_point(|bucket| bucket.first <= step);
        self.buckets().get(after.saturating_sub(1))
    }

    /// The greatest of each value over all blocks and steps: the upper ends of scales.
    pub fn peak(&self) -> BlockNorms {
        self.peak
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn norms(value: f32) -> [BlockNorms; 2] {
        let block = |v: f32| BlockNorms { spatial: v, spatial_ratio: v / 2.0, mlp: 2.0 * v, mlp_ratio: v };
        [block(value), block(value / 10.0)]
    }

    #[test]
    fn a_long_run_stays_small_and_keeps_its_spikes() {
        let mut all = Norms::default();
        for step in 1..=100_000 {
            all.push(step, &norms(if step == 77_777 { 50.0 } else { 1.0 }));
        }
        assert!(all.buckets().len() <= NORM_BUCKETS);
        assert_eq!(all.buckets().iter().map(|bucket| u64::from(bucket.count)).sum::<u64>(), 100_000);
        let spiked = all.at(Some(77_777)).unwrap();
        assert_eq!((spiked.greatest[0].spatial, spiked.least[0].spatial), (50.0, 1.0));
        assert_eq!(all.peak().spatial, 50.0);
        assert_eq!(all.last().unwrap().last, 100_000);
    }

    #[test]
    fn what_a_resumed_run_does_again_is_forgotten() {
        let mut all = Norms::default();
        (1..=9).for_each(|step| all.push(step, &norms(step as f32)));
        all.rewind(4);
        assert_eq!((all.last().unwrap().last, all.peak().spatial), (4, 4.0));
    }
}

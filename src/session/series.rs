//! A series over the steps of a run: any length in a bounded number of buckets.
//!
//! Steps fall into buckets; when there are too many, neighbours merge two by two and the next buckets hold twice as
//! many steps. Adding is O(1) amortised, drawing O(buckets), however long the run.

/// Some neighbouring steps and their values.
pub trait Bucket {
    /// First step in it.
    fn first(&self) -> u64;
    /// Last step in it.
    fn last(&self) -> u64;
    /// Measurements in it.
    fn count(&self) -> u32;
    /// Merges the next bucket into this one. Extremes must survive.
    fn merge(&mut self, next: Self);
    /// Cuts the bucket at this step, which lies in it.
    fn end_at(&mut self, step: u64);
}

/// Buckets in order of steps, never more than `MOST`.
#[derive(Clone, Debug, PartialEq)]
pub struct Series<B, const MOST: usize> {
    buckets: Vec<B>,
    /// Measurements that a full bucket holds.
    per_bucket: u32,
}

impl<B, const MOST: usize> Default for Series<B, MOST> {
    fn default() -> Self {
        Self { buckets: Vec::new(), per_bucket: 1 }
    }
}

impl<B: Bucket, const MOST: usize> Series<B, MOST> {
    /// The buckets, in order of steps.
    pub fn buckets(&self) -> &[B] {
        &self.buckets
    }

    /// Adds a measurement: a bucket of one.
    pub fn push(&mut self, new: B) {
        match self.buckets.last_mut() {
            Some(last) if last.count() < self.per_bucket => last.merge(new),
            _ => self.buckets.push(new),
        }
        if self.buckets.len() > MOST {
            let mut merged = Vec::with_capacity(MOST + 1);
            let mut buckets = std::mem::take(&mut self.buckets).into_iter();
            while let Some(mut bucket) = buckets.next() {
                buckets.next().into_iter().for_each(|next| bucket.merge(next));
                merged.push(bucket);
            }
            self.buckets = merged;
            self.per_bucket *= 2;
        }
    }

    /// Forgets everything after `step`. A bucket that contains it keeps its extremes: at most one point, at the very
    /// end of a curve, shows a step that will be done again.
    pub fn rewind(&mut self, step: u64) {
        self.buckets.retain(|bucket| bucket.first() <= step);
        if let Some(last) = self.buckets.last_mut().filter(|last| last.last() > step) {
            last.end_at(step);
        }
    }

    /// The bucket that holds this step, or the first one after it.
    pub fn holding(&self, step: u64) -> Option<&B> {
        self.buckets.get(self.buckets.partition_point(|bucket| bucket.last() < step))
    }
}

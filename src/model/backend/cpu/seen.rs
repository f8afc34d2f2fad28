//! Whether values are those that were seen before.

/// Values looked at.
const SAMPLES: usize = 32;

/// Values all over a tensor, few enough to be read for every prediction.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Seen([u32; SAMPLES]);

impl Seen {
    /// Those of a tensor, by their bits.
    pub fn of<T: Copy>(values: &[T], bits: impl Fn(T) -> u32) -> Self {
        let step = (values.len() / SAMPLES) | 1;
        Self(std::array::from_fn(|i| values.get(i * step).map_or(0, |&value| bits(value))))
    }
}

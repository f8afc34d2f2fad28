//! Which block of a launch works on which part of a list of tensors.

/// Tensors of one launch at most, as `rows.cu` has it.
pub const TENSORS: usize = 64;
/// Numbers of a tensor that a block writes.
pub const PIECE: usize = 2048;
/// Numbers of a tensor that a block adds up.
pub const SUMMED: usize = 16384;
/// Sums that a block puts together from their shares.
pub const FOLDED: usize = 256;

/// Tensors cut into pieces, one for each block of a launch.
#[derive(Clone, Copy, Debug)]
pub struct Pieces {
    /// Numbers of each tensor, 0 beyond the last.
    pub counts: [u32; TENSORS],
    /// The first block of each tensor, and after the last one the number of blocks.
    pub begins: [u32; TENSORS + 1],
}

impl Pieces {
    /// Tensors of so many numbers in pieces of so many; `None` where they are more or larger than a launch can take.
    pub fn of(counts: &[usize], piece: usize) -> Option<Self> {
        let mut pieces = Self { counts: [0; TENSORS], begins: [0; TENSORS + 1] };
        if counts.len() > TENSORS {
            return None;
        }
        let mut blocks = 0usize;
        for i in 0..TENSORS {
            let count = counts.get(i).copied().unwrap_or(0);
            pieces.counts[i] = u32::try_from(count).ok()?;
            blocks += count.div_ceil(piece);
            pieces.begins[i + 1] = u32::try_from(blocks).ok().filter(|blocks| *blocks <= i32::MAX as u32)?;
        }
        Some(pieces)
    }

    /// Blocks of the launch.
    pub fn blocks(&self) -> usize {
        self.begins[TENSORS] as usize
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The tensor of a block as the kernel finds it.
    fn tensor_of(pieces: &Pieces, block: u32) -> usize {
        let (mut tensor, mut step) = (0, TENSORS / 2);
        while step > 0 {
            if pieces.begins[tensor + step] <= block {
                tensor += step;
            }
            step /= 2;
        }
        tensor
    }

    #[test]
    fn every_number_is_in_one_block() {
        for counts in [vec![], vec![1], vec![0, 5, 8, 0, 9, 23, 0], vec![3; TENSORS]] {
            let pieces = Pieces::of(&counts, 8).unwrap();
            let mut seen = vec![0; counts.len()];
            for block in 0..pieces.blocks() as u32 {
                let tensor = tensor_of(&pieces, block);
                let from = (block - pieces.begins[tensor]) as usize * 8;
                assert!(from == seen[tensor] && from < counts[tensor]);
                seen[tensor] = (from + 8).min(counts[tensor]);
            }
            assert_eq!(seen, counts);
        }
    }

    #[test]
    fn sizes_are_the_kernels() {
        let kernels = include_str!("../cuda/rows.cu");
        for (name, size) in [("TENSORS", TENSORS), ("PIECE", PIECE), ("SUMMED", SUMMED), ("FOLDED", FOLDED)] {
            assert!(kernels.contains(&format!("#define {name} {size}\n")), "{name}");
        }
    }

    #[test]
    fn what_a_launch_cannot_take_is_none() {
        assert!(Pieces::of(&[1; TENSORS + 1], 8).is_none());
        assert!(Pieces::of(&[1 << 33], 8).is_none());
        assert!(Pieces::of(&[1 << 31, 1 << 31], 1).is_none());
    }
}

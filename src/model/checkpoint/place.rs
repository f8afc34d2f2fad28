//! Where a tensor is in a file, and how its values are stored.

use half::{bf16, f16};

/// How a file stores a tensor's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// 64-bit float.
    F64,
    /// 32-bit float.
    F32,
    /// IEEE 16-bit float.
    F16,
    /// bfloat16.
    Bf16,
    /// 64-bit integer (Gong's scalar settings).
    I64,
    /// 32-bit integer.
    I32,
    /// 8-bit integer or truth value.
    U8,
}

impl Dtype {
    /// Bytes of one value.
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::U8 => 1,
        }
    }

    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::F64 => "f64",
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::I64 => "i64",
            Self::I32 => "i32",
            Self::U8 => "u8",
        }
    }

    pub(super) fn convert(self, bytes: &[u8], to: &mut Vec<f32>) {
        macro_rules! each {
            ($n:literal, $from:expr) => {{
                let (values, _) = bytes.as_chunks::<$n>();
                to.extend(values.iter().map(|value| $from(*value)));
            }};
        }
        match self {
            Self::F64 => each!(8, |b| f64::from_le_bytes(b) as f32),
            Self::F32 => each!(4, f32::from_le_bytes),
            Self::F16 => each!(2, |b| f16::from_le_bytes(b).to_f32()),
            Self::Bf16 => each!(2, |b| bf16::from_le_bytes(b).to_f32()),
            Self::I64 => each!(8, |b| i64::from_le_bytes(b) as f32),
            Self::I32 => each!(4, |b| i32::from_le_bytes(b) as f32),
            Self::U8 => to.extend(bytes.iter().map(|&b| f32::from(b))),
        }
    }
}

/// Where a tensor is in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Shape.
    pub shape: Vec<usize>,
    /// Steps along each axis, in values.
    pub strides: Vec<usize>,
    /// How its values are stored.
    pub dtype: Dtype,
    /// Byte of the file where its first value is.
    pub start: u64,
    /// Which of the files it is in.
    pub(super) file: usize,
}

impl Place {
    /// A tensor whose values are row-major.
    pub fn contiguous(shape: Vec<usize>, dtype: Dtype, start: u64) -> Self {
        let strides = row_major(&shape);
        Self::strided(shape, strides, dtype, start)
    }

    /// A tensor whose values are so many steps apart along each axis.
    pub fn strided(shape: Vec<usize>, strides: Vec<usize>, dtype: Dtype, start: u64) -> Self {
        Self { shape, strides, dtype, start, file: 0 }
    }

    /// Number of values, if that is a number.
    pub fn count(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n))
    }

    /// Values from the first to the last, gaps included; 0 for an empty tensor.
    pub(super) fn span(&self) -> Option<usize> {
        if self.shape.contains(&0) {
            return Some(0);
        }
        let last = self
            .shape
            .iter()
            .zip(&self.strides)
            .try_fold(0usize, |at, (&n, &step)| at.checked_add((n - 1).checked_mul(step)?))?;
        last.checked_add(1)
    }

    /// Whether it is within a file of this length and is no larger than it.
    pub fn fits(&self, length: u64) -> bool {
        let size = self.dtype.size() as u64;
        let bytes = |values: Option<usize>| (values? as u64).checked_mul(size);
        let Some((count, span)) = bytes(self.count()).zip(bytes(self.span())) else { return false };
        count <= length && self.start.checked_add(span).is_some_and(|end| end <= length)
    }
}

pub(super) fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i].saturating_mul(shape[i]);
    }
    strides
}

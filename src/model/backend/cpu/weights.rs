//! A store's weights as plain memory, for as long as a step lasts.

use std::ops::{Deref, Range};

use candle_core::{CpuStorage, Storage};
use half::bf16;

use super::Result;
use crate::model::{ModelError, ParamStore, arch::Names};

/// Storage that nobody writes to meanwhile.
type Guard<'s> = Box<dyn Deref<Target = Storage> + Sync + 's>;

/// One tensor of the network.
pub(in crate::model) enum Held<'s> {
    /// A parameter's memory, held against writing, and where it is in it: single precision or bf16.
    Own(Guard<'s>, Range<usize>),
    /// Put together of several.
    Packed(Vec<f32>),
}

impl<'s> Held<'s> {
    /// Takes hold of what these names stand for.
    ///
    /// # Errors
    /// When a store does not have it as contiguous numbers in main memory, in single precision or bf16.
    pub fn of(store: &'s ParamStore, names: &Names) -> Result<Self> {
        let own = |name: &str| {
            let var = store.get(name).ok_or_else(|| ModelError::Shape(format!("the model has no parameter {name}")))?;
            let (storage, layout) = var.storage_and_layout();
            match (&*storage, layout.contiguous_offsets()) {
                (Storage::Cpu(CpuStorage::F32(values)), Some((from, to))) if to <= values.len() => {
                    Ok(Self::Own(Box::new(storage), from..to))
                }
                (Storage::Cpu(CpuStorage::BF16(values)), Some((from, to))) if to <= values.len() => {
                    Ok(Self::Own(Box::new(storage), from..to))
                }
                _ => Err(ModelError::Shape(format!("{name} is not in main memory as f32 or bf16"))),
            }
        };
        if let Names::One(name) = names {
            return own(name);
        }
        let parts = names.all().iter().map(|name| own(name)).collect::<Result<Vec<_>>>()?;
        Ok(Self::Packed(names.pack(&parts.iter().map(Self::values).collect::<Vec<_>>())))
    }

    /// Its values, if it is kept in bf16.
    pub fn half(&self) -> Option<&[bf16]> {
        match self {
            Self::Own(storage, range) => match &***storage {
                Storage::Cpu(CpuStorage::BF16(values)) => Some(&values[range.clone()]),
                _ => None,
            },
            Self::Packed(_) => None,
        }
    }

    /// Its values; none if it is kept in bf16.
    pub fn values(&self) -> &[f32] {
        match self {
            Self::Own(storage, range) => match &***storage {
                Storage::Cpu(CpuStorage::F32(values)) => &values[range.clone()],
                _ => &[],
            },
            Self::Packed(values) => values,
        }
    }
}

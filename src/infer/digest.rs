//! The digest of a classifier: everything but the sound that its scores depend on.

use candle_core::DType;
use sha2::{Digest, Sha256};

use super::{Classifier, InferError};
use crate::{audio::Normalisation, digits, model::ModelError};

impl Classifier {
    /// A digest of everything but the sound that scores depend on: every weight, the labels, the front end and its
    /// normalisation.
    ///
    /// # Errors
    /// When the weights cannot be read from the device.
    pub fn digest(&self) -> Result<String, InferError> {
        let mut hash = Sha256::new();
        for (spec, var) in self.store.iter() {
            hash.update(spec.name.as_bytes());
            let values = var.flatten_all().and_then(|flat| flat.to_dtype(DType::F32)?.to_vec1::<f32>());
            for value in values.map_err(ModelError::from)? {
                hash.update(value.to_le_bytes());
            }
        }
        let Normalisation { mean, std } = self.normalisation;
        let rest = (&self.labels, self.front_end, self.frames(), mean.to_bits(), std.to_bits(), self.is_multi_label());
        hash.update(format!("{rest:?}"));
        Ok(digits::hex(&hash.finalize()[..16]))
    }
}

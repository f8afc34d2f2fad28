//! Where tensors live, by the name a person gives.

use candle_core::{Device, utils};

use super::ModelError;

/// The device of this name: `auto` (the first accelerator that works, else the CPU), `cpu`, `cuda`, `cuda:1`, `metal`.
///
/// # Errors
/// When there is no such device, or this build cannot use it.
pub fn device(name: &str) -> Result<Device, ModelError> {
    let absent = |reason: String| ModelError::Unknown { what: "device", given: name.to_owned(), hint: reason };
    let (kind, ordinal) = name.split_once(':').unwrap_or((name, "0"));
    let ordinal: usize = ordinal.parse().map_err(|_| absent("after the colon stands a number".to_owned()))?;
    match kind {
        "cpu" => Ok(Device::Cpu),
        "auto" if utils::cuda_is_available() => Ok(Device::new_cuda(0).unwrap_or(Device::Cpu)),
        "auto" if utils::metal_is_available() => Ok(Device::new_metal(0).unwrap_or(Device::Cpu)),
        "auto" => Ok(Device::Cpu),
        "cuda" => Device::new_cuda(ordinal).map_err(|error| absent(format!("{error}; try --device cpu"))),
        "metal" => Device::new_metal(ordinal).map_err(|error| absent(format!("{error}; try --device cpu"))),
        _ => Err(absent("known: auto, cpu, cuda, cuda:N, metal".to_owned())),
    }
}

/// The name of a device as [`device`] takes it.
pub fn device_name(device: &Device) -> String {
    match device.location() {
        candle_core::DeviceLocation::Cpu => "cpu".to_owned(),
        candle_core::DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        candle_core::DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood_or_explained() {
        assert!(device("cpu").is_ok_and(|device| device_name(&device) == "cpu"));
        assert!(device("auto").is_ok());
        for (name, hint) in [("gpu", "known: auto"), ("cuda:x", "a number")] {
            assert!(device(name).is_err_and(|error| error.to_string().contains(hint)));
        }
    }
}

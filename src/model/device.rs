//! Where tensors live, by the name a person gives.

use candle_core::{Device, Error};

use super::ModelError;

/// The device of this name: `auto` (the first accelerator that works, else the CPU), `cpu`, `cuda`, `cuda:1`, `metal`.
///
/// # Errors
/// When there is no such device, or this build cannot use it.
pub fn device(name: &str) -> Result<Device, ModelError> {
    let absent = |reason: String| ModelError::Unknown { what: "device", given: name.to_owned(), hint: reason };
    let (kind, ordinal) = name.split_once(':').unwrap_or((name, "0"));
    let ordinal: usize = ordinal.parse().map_err(|_| absent("a number must follow the colon".to_owned()))?;
    match kind {
        "cpu" => Ok(Device::Cpu),
        "auto" => Ok(accelerator("cuda", 0).or_else(|_| accelerator("metal", 0)).unwrap_or(Device::Cpu)),
        "cuda" | "metal" => {
            accelerator(kind, ordinal).map_err(|problem| absent(format!("{problem}; --device cpu always works")))
        }
        _ => Err(absent("known: auto, cpu, cuda, cuda:N, metal".to_owned())),
    }
}

/// The accelerator of this kind, `cuda` or `metal`, and number.
///
/// # Errors
/// What is missing, for a person: a build with it, or a card and its driver.
pub fn accelerator(kind: &str, ordinal: usize) -> Result<Device, String> {
    let found = if kind == "metal" { Device::new_metal(ordinal) } else { Device::new_cuda(ordinal) };
    #[cfg(feature = "cuda")]
    if let Ok(device) = found.as_ref()
        && device.is_cuda()
        && let Err(error) = crate::ops::cuda::prepare(device)
    {
        tracing::warn!("the card's memory is not kept between steps: {}", brief(&error));
    }
    found.map_err(|error| match inner(&error) {
        Error::NotCompiledWithCudaSupport => "this build has no CUDA; `make cuda` builds one that has".to_owned(),
        Error::NotCompiledWithMetalSupport => {
            "this build has no Metal; on a Mac `cargo build --release --features metal` builds one that has".to_owned()
        }
        _ if kind == "metal" => format!("no Metal device answers ({})", brief(&error)),
        _ => {
            format!("no NVIDIA card {ordinal} answers its driver ({}); see whether nvidia-smi lists it", brief(&error))
        }
    })
}

/// What an accelerator is called and how much memory it has, where its driver reports it.
pub fn describe_device(device: &Device) -> Option<String> {
    #[cfg(feature = "cuda")]
    if let Device::Cuda(device) = device {
        let stream = device.cuda_stream();
        let (name, bytes) = (stream.context().name().ok()?, stream.context().total_mem().ok()?);
        return Some(format!("{name}, {} GiB", bytes >> 30));
    }
    let _ = device;
    None
}

/// The name of a device as [`device`] takes it.
pub fn device_name(device: &Device) -> String {
    match device.location() {
        candle_core::DeviceLocation::Cpu => "cpu".to_owned(),
        candle_core::DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        candle_core::DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
    }
}

/// An error without the backtraces and contexts around it.
fn inner(error: &Error) -> &Error {
    match error {
        Error::WithBacktrace { inner: error, .. }
        | Error::Context { inner: error, .. }
        | Error::WithPath { inner: error, .. } => inner(error),
        error => error,
    }
}

/// The first line of what an error says, without a backtrace.
fn brief(error: &Error) -> String {
    inner(error).to_string().lines().next().unwrap_or_default().to_owned()
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

    #[test]
    fn what_is_not_built_in_says_how_to_build_it() {
        for (feature, kind, hint) in
            [(cfg!(feature = "cuda"), "cuda", "make cuda"), (cfg!(feature = "metal"), "metal", "--features metal")]
        {
            let explained = device(kind).is_err_and(|error| {
                let error = error.to_string();
                error.contains(hint) && error.contains("--device cpu") && !error.contains('\n')
            });
            assert!(feature || explained, "{kind}");
        }
    }
}

//! Sound devices of either direction: the systems that list them, their names, formats and buffers, why one cannot be opened,
//! and how one is closed.
//!
//! [`capture`](super::capture) opens microphones and [`playback`](super::playback) speakers; both use this.

use std::{thread, time::Duration};

use cpal::{BufferSize, ErrorKind, SupportedBufferSize, SupportedStreamConfig, traits::DeviceTrait};

/// How long a driver may wait for sound before it checks that its device is still there.
pub(super) const DRIVER_TIMEOUT: Duration = Duration::from_millis(500);

/// The sound system of the default devices. On Linux that is ALSA, whose default device forwards to the sound server;
/// [`server`](super::server) watches what the server does with a microphone.
pub(super) fn system() -> cpal::Host {
    #[cfg(target_os = "linux")]
    if let Ok(host) = cpal::host_from_id(cpal::HostId::Alsa) {
        return host;
    }
    cpal::default_host()
}

/// The sound server, where one runs: PulseAudio, or PipeWire in its place.
pub(super) fn server() -> Option<cpal::Host> {
    #[cfg(target_os = "linux")]
    let server = cpal::host_from_id(cpal::HostId::PulseAudio).ok();
    #[cfg(not(target_os = "linux"))]
    let server = None;
    server
}

/// A device's name to show.
pub(super) fn name_of(device: &cpal::Device) -> String {
    device.description().map_or_else(|_| id_of(device), |description| description.name().to_owned())
}

/// A device's id, stable from run to run.
pub(super) fn id_of(device: &cpal::Device) -> String {
    device.id().map_or_else(|_| "unnamed".to_owned(), |id| id.id().to_owned())
}

/// Whether sound of this format can be read and written: samples, a rate and channels.
pub(super) fn is_usable(config: &SupportedStreamConfig) -> bool {
    !config.sample_format().is_dsd() && config.channels() > 0 && config.sample_rate() > 0
}

/// Opens a device with buffers for this many callbacks a second, where it reports which sizes it supports, else with its
/// own.
///
/// # Errors
/// The system's, when it can be opened with neither.
pub(super) fn with_buffer<T>(
    config: &SupportedStreamConfig,
    callbacks_per_s: u32,
    open: impl Fn(BufferSize) -> Result<T, cpal::Error>,
) -> Result<T, cpal::Error> {
    match wished_buffer(config, callbacks_per_s) {
        // A device may refuse a size inside the range that it reported.
        Some(frames) => open(BufferSize::Fixed(frames)).or_else(|_| open(BufferSize::Default)),
        None => open(BufferSize::Default),
    }
}

/// Calls a generic function with the type of a device's samples; any other format is an error of cpal's kind.
macro_rules! with_samples_of {
    ($format:expr, $call:ident($($argument:expr),*)) => {
        match $format {
            cpal::SampleFormat::I8 => $call::<i8>($($argument),*),
            cpal::SampleFormat::I16 => $call::<i16>($($argument),*),
            cpal::SampleFormat::I24 => $call::<cpal::I24>($($argument),*),
            cpal::SampleFormat::I32 => $call::<i32>($($argument),*),
            cpal::SampleFormat::I64 => $call::<i64>($($argument),*),
            cpal::SampleFormat::U8 => $call::<u8>($($argument),*),
            cpal::SampleFormat::U16 => $call::<u16>($($argument),*),
            cpal::SampleFormat::U24 => $call::<cpal::U24>($($argument),*),
            cpal::SampleFormat::U32 => $call::<u32>($($argument),*),
            cpal::SampleFormat::U64 => $call::<u64>($($argument),*),
            cpal::SampleFormat::F32 => $call::<f32>($($argument),*),
            cpal::SampleFormat::F64 => $call::<f64>($($argument),*),
            other => Err(cpal::Error::with_message(
                cpal::ErrorKind::UnsupportedConfig,
                format!("sample format {other}"),
            )),
        }
    };
}
pub(super) use with_samples_of;

/// An open stream. Dropping it closes the device, on a thread of its own because drivers may hang.
pub(super) struct OpenStream(Option<cpal::Stream>);

impl OpenStream {
    pub(super) fn new(stream: cpal::Stream) -> Self {
        Self(Some(stream))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        if let Some(stream) = self.0.take() {
            // Without a thread it must be closed here: dropping the closure drops its contents.
            let _ = thread::Builder::new().name("close-sound".into()).spawn(move || drop(stream));
        }
    }
}

/// Why a device cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is not there, or there is no sound system.
    Missing,
    /// The system forbids it.
    Denied,
    /// Another program uses it.
    Busy,
    /// Its format is not supported.
    Unsupported,
    /// Anything else.
    Other,
}

impl Refusal {
    pub(super) fn of(error: &cpal::Error) -> Self {
        match error.kind() {
            ErrorKind::DeviceNotAvailable | ErrorKind::HostUnavailable => Self::Missing,
            ErrorKind::PermissionDenied => Self::Denied,
            ErrorKind::DeviceBusy => Self::Busy,
            ErrorKind::UnsupportedConfig | ErrorKind::UnsupportedOperation => Self::Unsupported,
            _ => Self::Other,
        }
    }
}

/// Frames per callback to request for this many callbacks a second, inside what the device supports; `None` when it
/// does not report that.
fn wished_buffer(config: &SupportedStreamConfig, callbacks_per_s: u32) -> Option<u32> {
    match config.buffer_size() {
        SupportedBufferSize::Range { min, max } if min <= max => {
            Some((config.sample_rate() / callbacks_per_s).clamp(*min, *max))
        }
        _ => None,
    }
}

//! Sound devices of either direction: the systems that list them, their names, and the size of their buffers.
//!
//! [`capture`](super::capture) opens microphones and [`playback`](super::playback) speakers; both use this.

use std::time::Duration;

use cpal::{SupportedBufferSize, SupportedStreamConfig, traits::DeviceTrait};

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

/// Frames per callback to request for this many callbacks a second, inside what the device supports; `None` when it
/// does not report that.
pub(super) fn wished_buffer(config: &SupportedStreamConfig, callbacks_per_s: u32) -> Option<u32> {
    match config.buffer_size() {
        SupportedBufferSize::Range { min, max } if min <= max => {
            Some((config.sample_rate() / callbacks_per_s).clamp(*min, *max))
        }
        _ => None,
    }
}

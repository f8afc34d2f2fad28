//! Microphones: lists them, reports what is wrong with them, and opens one.
//!
//! A device is opened at its own rate, channel count and sample format. Opening, enumerating and closing may take long,
//! and native libraries may write to standard error meanwhile (see [`stderr`](crate::stderr)): do it on a worker
//! thread.

use std::{sync::Arc, time::Duration};

use cpal::{
    BufferSize, ErrorKind, FromSample, InputCallbackInfo, SizedSample, StreamConfig, SupportedStreamConfig,
    traits::{DeviceTrait, HostTrait, StreamTrait},
};

use super::{
    device::{
        DRIVER_TIMEOUT, OpenStream, Refusal, id_of, is_usable, name_of, server, system, with_buffer, with_samples_of,
    },
    ring::{Health, RingReader, RingWriter, pair},
};

/// Callbacks per second requested from the device: enough for a moving picture, few enough for a busy machine.
const CALLBACKS_PER_S: u32 = 40;
/// Suffix that sound servers give to the names of sources that record what a speaker plays.
const MONITOR: &str = ".monitor";

/// Why a microphone cannot be used. Messages say what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The machine has no microphone.
    #[error("no microphone was found ({0}); connect one, or check that the sound server runs")]
    Missing(String),
    /// No device has the requested name.
    #[error("there is no microphone called \"{wanted}\"; {}", if known.is_empty() { "none was found".to_owned() } else { format!("known: {}", known.join(", ")) })]
    Unknown {
        /// The requested name.
        wanted: String,
        /// Names of the available ones.
        known: Vec<String>,
    },
    /// The system forbids it.
    #[error("{name}: this program may not use the microphone ({detail}); {REMEDY_DENIED}")]
    Denied {
        /// The device.
        name: String,
        /// The system's message.
        detail: String,
    },
    /// Another program uses it.
    #[error("{name}: the microphone is in use ({detail}); close the program that holds it")]
    Busy {
        /// The device.
        name: String,
        /// The system's message.
        detail: String,
    },
    /// Its format of sound is not supported.
    #[error("{name}: {detail}; choose another microphone")]
    Unsupported {
        /// The device.
        name: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The sound server does not respond.
    #[error("the microphone has not opened for {0} s; restart the sound server, it is tried again")]
    Hung(u64),
    /// Anything else that the system reports.
    #[error("{name}: {detail}")]
    System {
        /// The device.
        name: String,
        /// The system's message.
        detail: String,
    },
}

#[cfg(target_os = "macos")]
const REMEDY_DENIED: &str = "allow it for your terminal in System Settings, Privacy & Security, Microphone";
#[cfg(not(target_os = "macos"))]
const REMEDY_DENIED: &str = "on Linux, join the group that owns /dev/snd (usually audio) and log in again";

impl CaptureError {
    fn new(name: &str, error: &cpal::Error) -> Self {
        let (name, detail) = (name.to_owned(), error.to_string());
        match Refusal::of(error) {
            Refusal::Missing => Self::Missing(detail),
            Refusal::Denied => Self::Denied { name, detail },
            Refusal::Busy => Self::Busy { name, detail },
            Refusal::Unsupported => Self::Unsupported { name, detail },
            Refusal::Other => Self::System { name, detail },
        }
    }
}

/// The format of a device's sound.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Delivery {
    /// Samples of each channel a second, Hz.
    pub rate: u32,
    /// Interleaved channels.
    pub channels: u16,
    /// Sample format: `f32`, `i16`, ...
    pub format: String,
}

impl From<&SupportedStreamConfig> for Delivery {
    fn from(config: &SupportedStreamConfig) -> Self {
        Self { rate: config.sample_rate(), channels: config.channels(), format: config.sample_format().to_string() }
    }
}

/// A microphone of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Name to show.
    pub name: String,
    /// Id, stable from run to run; a device can be chosen by name or by id.
    pub id: String,
    /// Whether it is the default.
    pub is_default: bool,
    /// Its format, or why it cannot be used.
    pub delivery: Result<Delivery, CaptureError>,
}

/// Every microphone, the default one first, each with what is wrong with it. Where a sound server runs these are its
/// sources, by its names for them, sources that record a speaker last; else they are the system's devices.
///
/// # Errors
/// When there is no sound system.
pub fn list() -> Result<Vec<Listed>, CaptureError> {
    if let Some(sources) = server().and_then(|server| listed(&server).ok()).filter(|sources| !sources.is_empty()) {
        return Ok(sources);
    }
    listed(&system())
}

/// The microphones of one sound system.
fn listed(host: &cpal::Host) -> Result<Vec<Listed>, CaptureError> {
    let default = host.default_input_device();
    let others = host.input_devices().map_err(|error| CaptureError::new(host.id().name(), &error))?;
    let mut listed: Vec<Listed> = Vec::new();
    for device in default.iter().cloned().chain(others) {
        let entry = Listed {
            name: name_of(&device),
            id: id_of(&device),
            is_default: listed.is_empty() && default.is_some(),
            delivery: device
                .default_input_config()
                .map_err(|error| CaptureError::new(&name_of(&device), &error))
                .and_then(|config| usable(&name_of(&device), &config).map(|()| Delivery::from(&config))),
        };
        if listed.iter().all(|known| known.id != entry.id) {
            listed.push(entry);
        }
    }
    // A stable sort: sources that record a speaker come after microphones.
    listed.sort_by_key(|entry| !entry.is_default && entry.id.ends_with(MONITOR));
    Ok(listed)
}

/// An open microphone. Dropping it closes the device without waiting for it.
pub struct Microphone {
    /// Name to show.
    pub name: String,
    /// The format of its sound.
    pub delivery: Delivery,
    id: String,
    follows_default: bool,
    _stream: OpenStream,
}

impl Microphone {
    /// Opens the default microphone, or the one whose name or id is `wanted` (a part of the name suffices when only one
    /// has it): a source of the sound server, else a device of the system. Its sound is then written to the ring.
    ///
    /// # Errors
    /// When there is none, when it is forbidden or in use, or when its format is not supported.
    pub fn open(wanted: Option<&str>) -> Result<(Self, RingReader), CaptureError> {
        let host = system();
        let device = match wanted {
            None => host
                .default_input_device()
                .ok_or_else(|| CaptureError::Missing(format!("{} lists none", host.id().name())))?,
            Some(wanted) => {
                let hosts: Vec<cpal::Host> = server().into_iter().chain([host]).collect();
                named(&hosts, wanted)?
            }
        };
        let name = name_of(&device);
        let failed = |error: cpal::Error| CaptureError::new(&name, &error);
        let config = device.default_input_config().map_err(failed)?;
        usable(&name, &config)?;

        let start = |buffer: BufferSize| {
            let (writer, reader) = pair(config.sample_rate(), config.channels());
            let stream = build(&device, &config, buffer, writer)?;
            stream.play()?;
            Ok((stream, reader))
        };
        let (stream, reader) = with_buffer(&config, CALLBACKS_PER_S, start).map_err(failed)?;

        let delivery = Delivery::from(&config);
        let id = id_of(&device);
        Ok((Self { name, delivery, id, follows_default: wanted.is_none(), _stream: OpenStream::new(stream) }, reader))
    }

    /// Whether the default was opened and the system has since made another microphone the default.
    pub fn is_superseded(&self) -> bool {
        self.follows_default && system().default_input_device().is_some_and(|device| id_of(&device) != self.id)
    }
}

/// The requested microphone, in the first of these systems that has it: by its name or id, else by a part of its name.
fn named(hosts: &[cpal::Host], wanted: &str) -> Result<cpal::Device, CaptureError> {
    let mut all: Vec<Vec<cpal::Device>> = Vec::new();
    for host in hosts {
        match host.input_devices() {
            Ok(devices) => all.push(devices.collect()),
            // Another system may have it.
            Err(error) if hosts.len() == 1 => return Err(CaptureError::new(wanted, &error)),
            Err(_) => {}
        }
    }
    let exact = all.iter().flatten().find(|device| id_of(device) == wanted || name_of(device) == wanted);
    let lower = wanted.to_lowercase();
    let only_partly = |devices: &Vec<cpal::Device>| {
        let mut partly = devices.iter().filter(|device| name_of(device).to_lowercase().contains(&lower));
        match (partly.next(), partly.next()) {
            (Some(only), None) => Some(only.clone()),
            _ => None,
        }
    };
    exact.cloned().or_else(|| all.iter().find_map(only_partly)).ok_or_else(|| {
        // Where a server runs, its names are the ones to choose from.
        let mut known: Vec<_> = all.first().into_iter().flatten().map(name_of).collect();
        known.dedup();
        CaptureError::Unknown { wanted: wanted.to_owned(), known }
    })
}

fn usable(name: &str, config: &SupportedStreamConfig) -> Result<(), CaptureError> {
    if !is_usable(config) {
        let delivery = Delivery::from(config);
        let detail = format!(
            "it delivers {} channels of {} at {} Hz, which are not supported",
            delivery.channels, delivery.format, delivery.rate
        );
        return Err(CaptureError::Unsupported { name: name.to_owned(), detail });
    }
    Ok(())
}

fn build(
    device: &cpal::Device,
    config: &SupportedStreamConfig,
    buffer_size: BufferSize,
    writer: RingWriter,
) -> Result<cpal::Stream, cpal::Error> {
    let stream = StreamConfig { buffer_size, ..config.config() };
    with_samples_of!(config.sample_format(), build_as(device, stream, writer))
}

fn build_as<T: SizedSample>(
    device: &cpal::Device,
    config: StreamConfig,
    mut writer: RingWriter,
) -> Result<cpal::Stream, cpal::Error>
where
    f32: FromSample<T>,
{
    let health = writer.health();
    let (rate, channels) = (f64::from(config.sample_rate.max(1)), usize::from(config.channels.max(1)));
    device.build_input_stream::<T, _, _>(
        config,
        move |data, info| writer.take(data, age(info, (data.len() / channels) as f64 / rate)),
        move |error| note(&health, &error, config.sample_rate),
        Some(DRIVER_TIMEOUT),
    )
}

/// How long ago the last sample of a delivery of `seconds` was captured, as far as the driver reports: it gives the
/// time of the first.
fn age(info: &InputCallbackInfo, seconds: f64) -> Duration {
    let stamp = info.timestamp();
    stamp.callback.duration_since(stamp.capture).saturating_sub(Duration::from_secs_f64(seconds))
}

/// Called by the driver's thread on an error, at worst again and again without pause.
fn note(health: &Arc<Health>, error: &cpal::Error, rate: u32) {
    match error.kind() {
        // The driver does not report how much was lost; at least one callback's worth was.
        ErrorKind::Xrun => health.lost(u64::from(rate / CALLBACKS_PER_S)),
        ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
        _ => health.fail(|| error.to_string()),
    }
}

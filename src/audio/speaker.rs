//! The default speaker: opened through the sound server or the system, closed when dropped; and why it cannot play.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cpal::{
    BufferSize, ErrorKind, FromSample, OutputCallbackInfo, SizedSample, StreamConfig, SupportedStreamConfig,
    traits::{DeviceTrait, HostTrait, StreamTrait},
};

use super::{
    device::{
        DRIVER_TIMEOUT, OpenStream, Refusal, id_of, is_usable, name_of, server, system, with_buffer, with_samples_of,
    },
    voice::{Controls, Feed, Reports, Voice, voice},
};

/// Callbacks per second requested from the device. Drivers hold two buffers, so 60 ms are on their way: little enough for
/// a stop, enough for a busy machine.
const CALLBACKS_PER_S: u32 = 33;
/// Buffers that a driver holds, and half a one for a callback that is late and yet in time.
const BUFFERS: f64 = 2.5;

/// Why sound cannot be played. Messages say what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaybackError {
    /// The machine has no speaker.
    #[error("no speaker was found ({0}); connect one, or check that the sound server runs")]
    Missing(String),
    /// The system forbids it.
    #[error("{name}: this program may not play sound ({detail}); {REMEDY_DENIED}")]
    Denied {
        /// The device.
        name: String,
        /// The system's message.
        detail: String,
    },
    /// Another program uses it.
    #[error("{name}: the speaker is in use ({detail}); close the program that holds it")]
    Busy {
        /// The device.
        name: String,
        /// The system's message.
        detail: String,
    },
    /// Its format of sound is not supported.
    #[error("{name}: {detail}; choose another default speaker")]
    Unsupported {
        /// The device.
        name: String,
        /// What is wrong with it.
        detail: String,
    },
    /// It went away, or stopped taking sound.
    #[error("{name}: it went away, or takes no sound any more ({detail}); check the speaker, then play again")]
    Lost {
        /// The device.
        name: String,
        /// What happened.
        detail: String,
    },
    /// It cannot be opened, for another reason.
    #[error("{name}: it cannot be opened ({detail}); check that a speaker is connected and that the sound server runs")]
    Unopened {
        /// The device.
        name: String,
        /// The system's message.
        detail: String,
    },
    /// The sound server does not respond.
    #[error("the speaker has not opened for {0} s; restart the sound server, then play again")]
    Hung(u64),
    /// The system cannot start a thread.
    #[error("sound cannot be played: {0}")]
    Thread(String),
}

#[cfg(target_os = "linux")]
const REMEDY_DENIED: &str = "join the group that owns /dev/snd (usually audio) and log in again";
#[cfg(not(target_os = "linux"))]
const REMEDY_DENIED: &str = "check the system's settings for sound";

impl PlaybackError {
    fn new(name: &str, error: &cpal::Error) -> Self {
        let (name, detail) = (name.to_owned(), error.to_string());
        match Refusal::of(error) {
            Refusal::Missing => Self::Missing(detail),
            Refusal::Denied => Self::Denied { name, detail },
            Refusal::Busy => Self::Busy { name, detail },
            Refusal::Unsupported => Self::Unsupported { name, detail },
            Refusal::Other => Self::Unopened { name, detail },
        }
    }
}

/// An open speaker. Dropping it closes the device without waiting for it.
pub(super) struct Speaker {
    pub(super) name: String,
    /// The id of the device that was the default when it was opened; another one is open where that one failed.
    default_id: String,
    /// Samples a second.
    pub(super) rate: u32,
    pub(super) feed: Feed,
    /// What its real-time thread reports.
    pub(super) reports: Arc<Reports>,
    _stream: OpenStream,
    /// Buffers that the driver had taken, and when that last changed.
    pub(super) taken: u64,
    pub(super) moved: Instant,
    /// When it last had something to play.
    pub(super) used: Instant,
}

impl Speaker {
    /// Opens the default speaker: the sound server's where one runs, else the system's. The server is used directly, since
    /// ALSA's device for it now and then fails in its first moments ("I/O error" of `snd_pcm_avail_delay`) and says nothing
    /// when the server runs out of samples.
    pub(super) fn open(controls: &Arc<Controls>) -> Result<Self, PlaybackError> {
        let (mut missing, mut default_id) = (None, None);
        for host in [server(), Some(system())].into_iter().flatten() {
            let Some(device) = host.default_output_device() else {
                missing.get_or_insert_with(|| PlaybackError::Missing(format!("{} lists none", host.id().name())));
                continue;
            };
            let default_id = default_id.get_or_insert_with(|| id_of(&device));
            match Self::of(&device, default_id, controls) {
                Ok(speaker) => return Ok(speaker),
                // The first error is that of the device that was meant.
                Err(error) => missing = missing.or(Some(error)),
            }
        }
        Err(missing.unwrap_or_else(|| PlaybackError::Missing("there is no sound system".to_owned())))
    }

    fn of(device: &cpal::Device, default_id: &str, controls: &Arc<Controls>) -> Result<Self, PlaybackError> {
        let name = name_of(device);
        let failed = |error: cpal::Error| PlaybackError::new(&name, &error);
        let config = device.default_output_config().map_err(failed)?;
        if !is_usable(&config) {
            let (channels, format, rate) = (config.channels(), config.sample_format(), config.sample_rate());
            let detail = format!("it takes {channels} channels of {format} at {rate} Hz, which are not supported");
            return Err(PlaybackError::Unsupported { name, detail });
        }
        let rate = config.sample_rate();
        let start = |buffer: BufferSize| {
            let reports = Arc::<Reports>::default();
            let (voice, feed) = voice(controls, &reports, rate);
            let stream = build(device, &config, buffer, voice, &reports)?;
            stream.play()?;
            Ok((stream, feed, reports))
        };
        let (stream, feed, reports) = with_buffer(&config, CALLBACKS_PER_S, start).map_err(failed)?;
        let (default_id, now) = (default_id.to_owned(), Instant::now());
        Ok(Self {
            name,
            default_id,
            rate,
            feed,
            reports,
            _stream: OpenStream::new(stream),
            taken: 0,
            moved: now,
            used: now,
        })
    }

    /// Whether another speaker has since become the default.
    pub(super) fn is_superseded(&self) -> bool {
        let default = [server(), Some(system())].into_iter().flatten().find_map(|host| host.default_output_device());
        default.is_some_and(|device| id_of(&device) != self.default_id)
    }
}

fn build(
    device: &cpal::Device,
    config: &SupportedStreamConfig,
    buffer_size: BufferSize,
    voice: Voice,
    reports: &Arc<Reports>,
) -> Result<cpal::Stream, cpal::Error> {
    let stream = StreamConfig { buffer_size, ..config.config() };
    with_samples_of!(config.sample_format(), build_as(device, stream, voice, reports))
}

fn build_as<T: SizedSample + FromSample<f32>>(
    device: &cpal::Device,
    config: StreamConfig,
    mut voice: Voice,
    reports: &Arc<Reports>,
) -> Result<cpal::Stream, cpal::Error> {
    let (rate, channels) = (f64::from(config.sample_rate.max(1)), usize::from(config.channels.max(1)));
    let (reports, late) = (reports.clone(), reports.clone());
    let mut last: Option<Instant> = None;
    device.build_output_stream::<T, _, _>(
        config,
        move |data, info| {
            let (now, buffer_s) = (Instant::now(), (data.len() / channels) as f64 / rate);
            // Sound servers play silence and report nothing when they run out of samples: the driver holds at most so much.
            let since_s = last.replace(now).map_or(0.0, |last| now.duration_since(last).as_secs_f64());
            if since_s > BUFFERS * buffer_s.max(1.0 / f64::from(CALLBACKS_PER_S)) {
                late.gap();
            }
            voice.fill(data, channels, (delay(info).as_secs_f64() * rate) as usize);
        },
        // Called by the driver's thread on an error, at worst again and again without pause.
        move |error| match error.kind() {
            ErrorKind::Xrun => reports.gap(),
            ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
            _ => reports.fail(|| error.to_string()),
        },
        Some(DRIVER_TIMEOUT),
    )
}

/// How long until the first frame of a buffer leaves the speaker, as far as the driver reports.
fn delay(info: &OutputCallbackInfo) -> Duration {
    let stamp = info.timestamp();
    stamp.playback.duration_since(stamp.callback)
}

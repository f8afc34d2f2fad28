//! A decoder and its output, for any codec: symphonia's, or Opus.

use opus_pure::{MAX_PACKET_SAMPLES, OpusDecoder, OpusMSDecoder};
use symphonia::core::{
    codecs::audio::{
        AudioCodecParameters, AudioDecoder, AudioDecoderOptions,
        well_known::{CODEC_ID_OPUS, CODEC_ID_VORBIS},
    },
    errors::Error as SymphoniaError,
    packet::Packet,
};

use super::fault::Fault;

/// Samples a second of decoded Opus, whatever it was encoded from.
const OPUS_RATE: u32 = 48_000;

/// The form of decoded samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Samples a second.
    pub(super) rate: u32,
    /// Interleaved channels.
    pub(super) channels: usize,
}

/// Decodes packets of one codec.
pub(super) struct Decoder {
    kind: Kind,
    /// The codec, for messages.
    name: &'static str,
}

enum Kind {
    Symphonia(Box<dyn AudioDecoder>),
    Opus { decoder: Box<OpusDecoder>, channels: usize },
    Surround { decoder: OpusMSDecoder, channels: usize },
}

/// An Opus stream's header (RFC 7845, section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpusHead {
    channels: usize,
    /// Frames before the sound begins, at 48 kHz.
    pub(super) pre_skip: u64,
    /// Output gain in 1/256 dB.
    gain: i16,
    family: u8,
}

impl OpusHead {
    pub(super) fn parse(head: &[u8]) -> Option<Self> {
        let (magic, rest) = head.split_at_checked(8)?;
        let &[_version, channels, skip_low, skip_high, _, _, _, _, gain_low, gain_high, family, ..] = rest else {
            return None;
        };
        (magic == b"OpusHead" && channels > 0).then(|| Self {
            channels: channels.into(),
            pre_skip: u16::from_le_bytes([skip_low, skip_high]).into(),
            gain: i16::from_le_bytes([gain_low, gain_high]),
            family,
        })
    }
}

impl Decoder {
    /// The decoder of a track.
    pub(super) fn new(parameters: &AudioCodecParameters, name: &'static str) -> Result<Self, Fault> {
        let channels = parameters.channels.as_ref().map_or(0, |channels| channels.count());
        if parameters.codec == CODEC_ID_OPUS {
            let head = parameters.extra_data.as_deref().and_then(OpusHead::parse);
            return Self::opus(head, channels);
        }
        if parameters.codec == CODEC_ID_VORBIS && channels > 2 {
            // Symphonia 0.6.1 undoes chained couplings in the wrong order: all but the uncoupled channels are noise.
            return Err(Fault::refused(format!("it is Vorbis of {channels} channels, of which only two are decoded")));
        }
        // FLAC's decoded samples are compared with its checksum.
        let options = AudioDecoderOptions::default().verify(true);
        match symphonia::default::get_codecs().make_audio_decoder(parameters, &options) {
            Ok(decoder) => Ok(Self { kind: Kind::Symphonia(decoder), name }),
            Err(error) => {
                tracing::debug!("no decoder of {name}: {error}");
                Err(Fault::refused(match name {
                    "sound" => "its encoding is not decoded".to_owned(),
                    _ => format!("this kind of {name} is not decoded"),
                }))
            }
        }
    }

    fn opus(head: Option<OpusHead>, channels: usize) -> Result<Self, Fault> {
        let gain = head.map_or(0, |head| head.gain);
        let (channels, family) = head.map_or((channels, 0), |head| (head.channels, head.family));
        let unsupported = |_| Fault::refused(format!("Opus of {channels} channels in this order is not decoded"));
        let kind = if family == 0 && channels <= 2 {
            let mut decoder = Box::new(OpusDecoder::new(OPUS_RATE as i32, channels).map_err(unsupported)?);
            decoder.gain_q8 = gain.into();
            Kind::Opus { decoder, channels }
        } else {
            let mut decoder = OpusMSDecoder::new(OPUS_RATE as i32, channels, family).map_err(unsupported)?;
            for stream in decoder.streams_mut() {
                stream.gain_q8 = gain.into();
            }
            Kind::Surround { decoder, channels }
        };
        Ok(Self { kind, name: "Opus" })
    }

    /// Decodes a packet: replaces `out` by its interleaved samples.
    ///
    /// # Errors
    /// The first is a packet that does not decode: the next one may.
    pub(super) fn decode(&mut self, packet: &Packet, out: &mut Vec<f32>) -> Result<Form, Fault> {
        out.clear();
        let mut decode_opus = |channels: usize, decode: &mut dyn FnMut(&mut [f32]) -> opus_pure::Result<usize>| {
            out.resize(MAX_PACKET_SAMPLES * channels, 0.0);
            let frames = decode(out).map_err(|error| {
                tracing::debug!("decoding Opus: {error}");
                Fault::Damage("the bytes there are not Opus".into())
            })?;
            out.truncate(frames * channels);
            Ok(Form { rate: OPUS_RATE, channels })
        };
        match &mut self.kind {
            Kind::Opus { decoder, channels } => {
                decode_opus(*channels, &mut |samples| decoder.decode(&packet.data, MAX_PACKET_SAMPLES, samples))
            }
            Kind::Surround { decoder, channels } => {
                decode_opus(*channels, &mut |samples| decoder.decode(&packet.data, MAX_PACKET_SAMPLES, samples))
            }
            Kind::Symphonia(decoder) => {
                let buffer = decoder.decode(packet).map_err(|error| match error {
                    // A decoder that runs out of its packet has a damaged one; it is not the end of the file.
                    SymphoniaError::IoError(_) => Fault::Damage(format!("the bytes there are not {}", self.name)),
                    error => Fault::of(error, self.name),
                })?;
                let form = Form { rate: buffer.spec().rate(), channels: buffer.spec().channels().count() };
                buffer.copy_to_vec_interleaved(out);
                Ok(form)
            }
        }
    }

    /// False when the codec keeps a checksum of the decoded samples and it does not match.
    pub(super) fn is_verified(&mut self) -> bool {
        match &mut self.kind {
            Kind::Symphonia(decoder) => decoder.finalize().verify_ok.unwrap_or(true),
            _ => true,
        }
    }
}

//! Frame headers of MPEG audio (ISO 11172-3, 13818-3), and the info headers that encoders put into a first frame.

/// Bytes of a frame's header.
pub(super) const HEADER_BYTES: usize = 4;
/// Bytes of the largest frame: layer II at 384 kbit/s and 8 kHz, rounded up.
pub(super) const LARGEST_FRAME: usize = 8 << 10;

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// 1 for MPEG-1; 2 for MPEG-2 and 2.5, which share sizes.
    version: u8,
    /// 1, 2 or 3.
    pub(super) layer: u8,
    /// Samples a second.
    pub(super) rate: u32,
    pub(super) channels: usize,
    /// Thousands of bits a second.
    pub(super) kbits: u32,
    /// Bytes of the frame, its header included.
    pub(super) bytes: usize,
    /// Samples of a channel.
    pub(super) samples: u64,
}

const KBITS_V1_L1: [u32; 14] = [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448];
const KBITS_V1_L2: [u32; 14] = [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
const KBITS_V1_L3: [u32; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const KBITS_V2_L1: [u32; 14] = [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256];
const KBITS_V2_L23: [u32; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

/// Version, layer, and the indices of bit rate and sample rate; `None` when it is not a header.
fn fields(bytes: [u8; HEADER_BYTES]) -> Option<(u32, u8, u8, usize, usize)> {
    let [sync, kind, rates, _] = bytes;
    if sync != 0xFF || kind & 0xE0 != 0xE0 {
        return None;
    }
    // How often the rates of MPEG-1 are halved.
    let halved = match kind >> 3 & 3 {
        0 => 2,
        2 => 1,
        3 => 0,
        _ => return None,
    };
    let layer = 4 - (kind >> 1 & 3);
    let rate = usize::from(rates >> 2 & 3);
    (layer < 4 && rate < 3).then_some((halved, layer, if halved == 0 { 1 } else { 2 }, (rates >> 4).into(), rate))
}

impl Header {
    pub(super) fn parse(bytes: [u8; HEADER_BYTES]) -> Option<Self> {
        let (halved, layer, version, kbits, rate) = fields(bytes)?;
        let table = match (version, layer) {
            (1, 1) => KBITS_V1_L1,
            (1, 2) => KBITS_V1_L2,
            (1, _) => KBITS_V1_L3,
            (_, 1) => KBITS_V2_L1,
            _ => KBITS_V2_L23,
        };
        let kbits = *table.get(kbits.checked_sub(1)?)?;
        let bits = 1_000 * kbits;
        let rate = [44_100, 48_000, 32_000].get(rate)? >> halved;
        let padding = usize::from(bytes[2] >> 1 & 1);
        let (bytes_of, samples) = match (version, layer) {
            (_, 1) => ((12 * bits / rate) as usize * 4 + 4 * padding, 384),
            (_, 2) | (1, _) => ((144 * bits / rate) as usize + padding, 1_152),
            _ => ((72 * bits / rate) as usize + padding, 576),
        };
        let channels = if bytes[3] >> 6 == 3 { 1 } else { 2 };
        Some(Self { version, layer, rate, channels, kbits, bytes: bytes_of, samples })
    }

    /// Whether these bytes begin a frame of a free bit rate, whose size is in no header.
    pub(super) fn is_free_format(bytes: [u8; HEADER_BYTES]) -> bool {
        fields(bytes).is_some_and(|(_, _, _, kbits, _)| kbits == 0)
    }

    /// Whether the standard forbids this bit rate for so many channels (11172-3, 2.4.2.3); some encoders write it.
    pub(super) fn is_forbidden(&self) -> bool {
        let forbidden: &[u32] = if self.channels == 1 { &[224, 256, 320, 384] } else { &[32, 48, 56, 80] };
        self.layer == 2 && forbidden.contains(&self.kbits)
    }

    /// Whether both may be in one stream for one decoder.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.version, self.layer, self.rate, self.channels) == (other.version, other.layer, other.rate, other.channels)
    }

    /// Bytes of layer III's side information.
    fn side_bytes(&self) -> usize {
        match (self.version, self.channels) {
            (1, 1) => 17,
            (1, _) => 32,
            (_, 1) => 9,
            _ => 17,
        }
    }
}

/// A Xing, Info or VBRI header. The frame that holds it holds no sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Info {
    /// Frames that follow.
    pub(super) frames: Option<u64>,
    /// Samples of a channel that the encoder put before and after the sound; only LAME and its relatives write them.
    pub(super) trim: Option<(u64, u64)>,
}

/// Samples by which a decoder of layer III lags behind.
const DECODER_DELAY: u64 = 529;

impl Info {
    pub(super) fn parse(frame: &[u8], header: &Header) -> Option<Self> {
        if header.layer != 3 {
            return None;
        }
        let long = |bytes: &[u8], at: usize| -> Option<u64> {
            Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?).into())
        };
        let vbri = frame.get(HEADER_BYTES + 32..)?;
        if vbri.starts_with(b"VBRI\0\x01") {
            return Some(Self { frames: Some(long(vbri, 14)?), trim: None });
        }
        let xing = frame.get(HEADER_BYTES + header.side_bytes()..)?;
        if !(xing.starts_with(b"Xing") || xing.starts_with(b"Info")) {
            return None;
        }
        let flags = long(xing, 4)?;
        let frames = if flags & 1 == 0 { None } else { Some(long(xing, 8)?) };
        // Frames, bytes, a table of contents and a quality, each if it is flagged.
        let fields = [(1, 4), (2, 4), (4, 100), (8, 4)];
        let lame = 8 + fields.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, size)| size).sum::<usize>();
        let trim = xing.get(lame..lame + 24).and_then(|lame| {
            let known = [b"LAME", b"Lavf", b"Lavc"].iter().any(|name| lame.starts_with(*name));
            let (a, b, c) = (u64::from(lame[21]), u64::from(lame[22]), u64::from(lame[23]));
            let (delay, padding) = (a << 4 | b >> 4, (b & 15) << 8 | c);
            known.then_some((delay + DECODER_DELAY, padding.saturating_sub(DECODER_DELAY)))
        });
        Some(Self { frames, trim })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn headers_give_the_sizes_of_the_standard() {
        let header = Header::parse([0xFF, 0xFB, 0x90, 0x44]).unwrap();
        assert_eq!((header.layer, header.rate, header.channels), (3, 44_100, 2));
        assert_eq!((header.bytes, header.samples), (417, 1_152));
        let low = Header::parse([0xFF, 0xF3, 0x44, 0xC0]).unwrap();
        assert_eq!((low.rate, low.channels, low.bytes, low.samples), (24_000, 1, 96, 576));
        let second = Header::parse([0xFF, 0xFD, 0xA4, 0x00]).unwrap();
        assert_eq!((second.layer, second.rate, second.bytes, second.samples), (2, 48_000, 576, 1_152));
        assert_eq!(Header::parse([0xFF, 0xFB, 0xF0, 0x44]), None, "bit rate 15");
        assert_eq!(Header::parse([0xFF, 0xFB, 0x9C, 0x44]), None, "sample rate 3");
        assert_eq!(Header::parse([0xFF, 0xEB, 0x90, 0x44]), None, "version 1");
        assert!(Header::is_free_format([0xFF, 0xFB, 0x00, 0x44]));
    }
}

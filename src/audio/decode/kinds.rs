//! Recognises files by their first bytes, and names sound formats that are not decoded.

use super::{chunks, ogg, tags};

/// Extensions of files that are decoded. They select sounds in a folder; the bytes of a file decide its format.
pub const SOUND_ENDINGS: &[&str] = &[
    "wav", "wave", "bwf", "w64", "rf64", "flac", "ogg", "oga", "opus", "mp3", "mp2", "mp1", "mpga", "m4a", "m4b",
    "aac", "adts", "aif", "aiff", "aifc", "caf", "au", "snd", "webm", "mka", "mkv", "mp4", "m4v", "mov",
];

/// A kind of file that is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// WAV and its relatives.
    Wave,
    Au,
    Flac,
    Ogg,
    Mp4,
    Matroska,
    Aiff,
    Caf,
    /// AAC in its own frames.
    Adts,
    /// MPEG audio, layers I to III.
    Mpeg,
}

impl Kind {
    /// The format's name, for messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Wave => "WAV",
            Self::Au => "AU",
            Self::Flac => "FLAC",
            Self::Ogg => "Ogg",
            Self::Mp4 => "MP4",
            Self::Matroska => "Matroska or WebM",
            Self::Aiff => "AIFF",
            Self::Caf => "CAF",
            Self::Adts => "AAC",
            Self::Mpeg => "MPEG audio",
        }
    }
}

/// What the first bytes of a file show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Decoded; the sound begins after so many bytes of tags.
    Kind(Kind, u64),
    /// Sound of this format, which is not decoded.
    Sound(&'static str),
    /// Not sound.
    Other(&'static str),
    Unknown,
}

/// Formats recognised only by the bytes at a position near the start.
const DECODED: &[(usize, &[u8], Kind)] = &[
    (0, chunks::WAVE64, Kind::Wave),
    (0, b".snd", Kind::Au),
    (0, b"fLaC", Kind::Flac),
    (0, ogg::CAPTURE_PATTERN, Kind::Ogg),
    (4, b"ftyp", Kind::Mp4),
    (0, b"\x1a\x45\xdf\xa3", Kind::Matroska),
    (0, b"caff", Kind::Caf),
];

/// Sound formats that are not decoded.
const SOUND: &[(usize, &[u8], &str)] = &[
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"wvpk", "WavPack"),
    (0, b"TTA1", "True Audio"),
    (0, b"TTA2", "True Audio"),
    (0, b"MPCK", "Musepack"),
    (0, b"MP+", "Musepack"),
    (0, b"#!AMR", "AMR"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media (WMA, ASF)"),
    (0, b"DSD ", "DSD"),
    (0, b"FRM8", "DSD (DSDIFF)"),
    (0, b"\x0b\x77", "AC-3"),
    (0, b"\x7f\xfe\x80\x01", "DTS"),
    (0, b"#!SILK", "SILK"),
    (1, b"#!SILK", "SILK"),
    (0, b".RMF", "RealMedia"),
    (0, b".ra\xfd", "RealAudio"),
    (0, b"FLV\x01", "Flash video"),
    (0, b"OFR ", "OptimFROG"),
    (0, b"tBaK", "TAK"),
    (0, b"ajkg", "Shorten"),
    (0, b"NIST_1A", "NIST SPHERE"),
    (0, b"Creative Voice File", "Creative VOC"),
    (0, b"ADIF", "AAC in ADIF"),
    (0, b"\x00\x00\x01\xba", "an MPEG program stream"),
    (4, b"moov", "QuickTime of the old kind"),
    (4, b"mdat", "QuickTime of the old kind"),
    (4, b"wide", "QuickTime of the old kind"),
    (0, b"Extended Module: ", "tracker music (XM)"),
    (0, b"IMPM", "tracker music (IT)"),
    (0, b"OpusHead", "Opus without a container"),
];

/// Other files that occur among sounds.
const OTHER: &[(usize, &[u8], &str)] = &[
    (0, b"MThd", "MIDI: notes, not sound"),
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"PAR1", "a Parquet table"),
];

/// Bytes from the start that [`find`] reads.
pub(super) const LOOK: usize = 512;

fn first<T: Copy>(table: &[(usize, &[u8], T)], start: &[u8]) -> Option<T> {
    let fits = |&&(at, magic, _): &&(usize, &[u8], T)| start.get(at..).is_some_and(|rest| rest.starts_with(magic));
    table.iter().find(fits).map(|&(_, _, value)| value)
}

/// Recognises a file by its first bytes, `start`; `after` are those that follow a tag of so many bytes, if the file
/// begins with one.
pub(super) fn find(start: &[u8], after: Option<(u64, &[u8])>) -> Found {
    let (skip, start) = after.unwrap_or((0, start));
    // A form type follows the size of the whole.
    let form = start.get(8..12).unwrap_or_default();
    match start.get(..4).unwrap_or_default() {
        b"RIFF" | b"RIFX" | b"RF64" | b"BW64" if form == b"WAVE" => return Found::Kind(Kind::Wave, skip),
        b"RIFF" if form == b"AVI " => return Found::Sound("AVI video"),
        b"RIFF" if form == b"RMID" => return Found::Other("MIDI: notes, not sound"),
        b"RIFF" if form == b"WEBP" => return Found::Other("a WebP image"),
        b"RIFF" | b"RIFX" | b"RF64" => return Found::Sound("RIFF without a WAVE form"),
        b"FORM" if matches!(form, b"AIFF" | b"AIFC") => return Found::Kind(Kind::Aiff, skip),
        b"FORM" => return Found::Sound("IFF (8SVX)"),
        _ => {}
    }
    if let Some(kind) = first(DECODED, start) {
        return Found::Kind(kind, skip);
    }
    if let Some(name) = first(SOUND, start) {
        return Found::Sound(name);
    }
    if let Some(name) = first(OTHER, start) {
        return Found::Other(name);
    }
    match start {
        // Layer bits of 0: AAC's frames share MPEG's synchronisation code.
        [0xFF, second, ..] if second & 0xF6 == 0xF0 => return Found::Kind(Kind::Adts, skip),
        [0xFF, second, ..] if second & 0xE0 == 0xE0 => return Found::Kind(Kind::Mpeg, skip),
        [0x47, ..] if start.get(188) == Some(&0x47) && start.get(376) == Some(&0x47) => {
            return Found::Sound("an MPEG transport stream");
        }
        _ => {}
    }
    if after.is_some() || tags::leading(start).is_some() { Found::Kind(Kind::Mpeg, 0) } else { Found::Unknown }
}

/// Names of MP4's encodings by their four letters, for messages.
pub(super) fn mp4_coding(coding: [u8; 4]) -> String {
    match &coding {
        b"mp4a" => "AAC".into(),
        b"alac" => "ALAC".into(),
        b"ac-3" => "AC-3".into(),
        b"ec-3" => "E-AC-3".into(),
        b"ac-4" => "AC-4".into(),
        b"samr" | b"sawb" => "AMR".into(),
        b"Opus" => "Opus in MP4".into(),
        b"drms" => "AAC behind copy protection".into(),
        b"QDM2" | b"QDMC" => "QDesign Music".into(),
        b"ima4" => "IMA ADPCM".into(),
        letters if letters.iter().all(u8::is_ascii_graphic) => String::from_utf8_lossy(letters).into_owned(),
        _ => "an encoding of its own".into(),
    }
}

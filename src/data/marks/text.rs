//! Bytes as text, and text as seconds.

use std::{fs, path::Path};

use crate::{data::DataError, limits, regular};

/// What the bytes 0x80 to 0x9F are in Windows-1252; 0 where they are nothing.
const WINDOWS: [u16; 32] = [
    0x20AC, 0, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017D, 0, 0,
    0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0, 0x017E, 0x0178,
];

/// A file as text without its byte order mark: UTF-8, UTF-16 with its mark, else Windows-1252, as old programs save it.
pub(super) fn read(file: &Path) -> Result<String, DataError> {
    let io_error = |source| DataError::Io { path: file.to_owned(), source };
    let refused = |problem: &str, remedy: &str| DataError::Unusable {
        path: file.to_owned(),
        problem: problem.to_owned(),
        remedy: remedy.to_owned(),
    };
    if fs::metadata(file).map_err(io_error)?.len() > limits::TABLE {
        return Err(refused("this table is larger than 1 GiB", "divide it"));
    }
    let bytes = regular::read(file).map_err(io_error)?;
    decode(&bytes).ok_or_else(|| refused("it holds no text", "export it again as text"))
}

/// The beginning of a file as text, whole lines only where it was cut.
pub(super) fn decode_beginning(bytes: &[u8], whole: bool) -> Option<String> {
    let wide = bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]);
    let end = match whole || wide {
        true => bytes.len(),
        false => bytes.iter().rposition(|byte| *byte == b'\n')? + 1,
    };
    decode(&bytes[..end])
}

fn decode(bytes: &[u8]) -> Option<String> {
    let wide = |pairs: &[u8], order: fn([u8; 2]) -> u16| {
        char::decode_utf16(pairs.as_chunks::<2>().0.iter().map(|&pair| order(pair))).collect::<Result<String, _>>().ok()
    };
    match bytes {
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] | rest => {
            if rest.contains(&0) {
                return None;
            }
            match std::str::from_utf8(rest) {
                Ok(text) => Some(text.to_owned()),
                Err(_) => rest.iter().map(|&byte| windows(byte)).collect(),
            }
        }
    }
}

/// A byte of Windows-1252.
fn windows(byte: u8) -> Option<char> {
    match byte {
        0x80..=0x9F => char::from_u32(WINDOWS[usize::from(byte - 0x80)].into()).filter(|c| *c != '\0'),
        byte => Some(byte.into()),
    }
}

/// A number with a point or a comma, finite.
pub(super) fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    // Letters would let `inf`, `nan` and exponents of spreadsheets' text through.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.,eE".contains(&byte));
    let text = if text.contains(',') && !text.contains('.') { text.replacen(',', ".", 1) } else { text.to_owned() };
    text.parse().ok().filter(|value: &f64| plain && value.is_finite())
}

/// Seconds: a number, or `H:MM:SS.s`.
pub(super) fn seconds(text: &str) -> Result<f64, &'static str> {
    let mut total = 0.0;
    let parts: Vec<&str> = text.trim().split(':').collect();
    if parts.len() > 3 {
        return Err("is no time");
    }
    for part in &parts {
        let value = number(part).ok_or("is no number of seconds")?;
        if parts.len() > 1 && value.is_sign_negative() {
            return Err("is no time");
        }
        total = total * 60.0 + value;
    }
    if total < 0.0 { Err("is before the beginning of the recording") } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_utf_8_else_what_old_windows_programs_write() {
        assert_eq!(decode(b"\xEF\xBB\xBFB\xC3\xA4r").as_deref(), Some("Bär"));
        assert_eq!(decode(b"B\xE4r \x80").as_deref(), Some("Bär €"));
        assert_eq!(decode(b"\xFF\xFEB\0\xE4\0r\0").as_deref(), Some("Bär"));
        assert_eq!(decode(b"RIFF\0\0"), None);
        assert_eq!(decode(b"\x81"), None);
    }

    #[test]
    fn seconds_are_numbers_or_clock_times() {
        for (text, value) in [
            ("0", 0.0),
            ("12.5", 12.5),
            ("0,25", 0.25),
            (" 3 ", 3.0),
            ("1e1", 10.0),
            ("01:02:03.5", 3723.5),
            ("1:30", 90.0),
        ] {
            assert_eq!(seconds(text), Ok(value), "{text}");
        }
        for text in ["", "x", "nan", "NaN", "inf", "-1", "-0.5", "1.2.3", "1,2,3", "1:2:3:4", "1:-2", "1e999", "0x10"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}

//! Formats whole numbers, sizes and lengths of time.

use std::fmt::{Display, Write};

/// A whole number with its digits in groups of three: 7,117,844.
pub fn thousands(number: impl Display) -> String {
    let number = number.to_string();
    let digits = number.trim_start_matches('-');
    let mut text = number[..number.len() - digits.len()].to_owned();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things, by the word for one of them: 1 window, 1,200 windows.
pub fn counted(number: usize, word: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {word}{plural}", thousands(number))
}

/// A number with so many decimals; what rounds to nothing has no sign.
pub fn rounded(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    match text.strip_prefix('-') {
        Some(digits) if is_zero(digits) => digits.to_owned(),
        _ => text,
    }
}

/// A number with its sign and so many decimals: `+0.112`, `-0.020`; what rounds to nothing has no sign.
pub fn signed(number: f64, decimals: usize) -> String {
    let text = format!("{number:+.decimals$}");
    if is_zero(&text) { text[1..].to_owned() } else { text }
}

fn is_zero(text: &str) -> bool {
    !text.contains(|c: char| matches!(c, '1'..='9') || c.is_alphabetic())
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A length of time for people: 12 s, 4:05 min, 10:03 h.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3_600 => format!("{}:{:02} min", whole / 60, whole % 60),
        _ => format!("{}:{:02} h", whole / 3_600, whole % 3_600 / 60),
    }
}

/// Bytes for people: 1.5 kB, 2.0 MB, 3.1 GB.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_of_three_whatever_the_sign() {
        let cases =
            [(0, "0"), (999, "999"), (1_000, "1,000"), (7_117_844, "7,117,844"), (-999, "-999"), (-12_345, "-12,345")];
        for (number, text) in cases {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn nothing_has_no_sign() {
        let cases =
            [(0.1124, 3, "+0.112"), (-0.02, 3, "-0.020"), (-0.0004, 3, "0.000"), (0.0, 1, "0.0"), (-0.5, 0, "0")];
        for (number, decimals, text) in cases {
            assert_eq!(signed(number, decimals), text);
            assert_eq!(rounded(number, decimals), text.trim_start_matches('+'));
        }
        assert_eq!(signed(f64::NAN, 2).trim_start_matches('+'), "NaN");
    }

    #[test]
    fn bytes_keep_their_leading_zeros() {
        assert_eq!(hex([0, 10, 255]), "000aff");
    }

    #[test]
    fn times_and_sizes_are_for_people() {
        assert_eq!(["12.3 s", "1:00 min", "59:59 min", "10:03 h"], [12.34, 59.7, 3_599.0, 36_190.0].map(duration));
        assert_eq!(["1.5 kB", "2.0 MB", "3.1 GB"], [1_500, 2_000_000, 3_100_000_000].map(size));
    }
}

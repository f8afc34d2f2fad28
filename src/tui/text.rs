//! Formats text that is safe to show, and aligned numbers.

use std::path::Path;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::{
    digits::{rounded, thousands},
    printable::printable,
};

/// A path's last part, for a title.
pub fn last_part(path: &str) -> String {
    clean(path.trim_end_matches('/').rsplit('/').next().unwrap_or(path))
}

/// A file's or folder's name without its path; for a session, its name.
pub fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Text from a file, a device or a label, made safe to show by [`printable`].
pub fn clean(text: &str) -> String {
    printable(text).into_owned()
}

/// A message on one line: line breaks and tabs become spaces, other control characters are made visible.
pub fn one_line(words: &str) -> String {
    words.split_whitespace().map(clean).collect::<Vec<_>>().join(" ")
}

/// The same in lines of at most this many columns, broken at spaces. A longer word is cut.
pub fn wrap(words: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        let word = fit(word, columns);
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= columns => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// Columns that the text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Safe text in at most this many columns, `…` at its end when it was longer.
pub fn fit(text: &str, columns: usize) -> String {
    let text = clean(text);
    if text.width() <= columns {
        return text;
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > columns {
            break;
        }
        out.push(c);
        used += wide;
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// Safe text in exactly this many columns, left-aligned.
pub fn left(text: &str, columns: usize) -> String {
    let text = fit(text, columns);
    let pad = columns.saturating_sub(text.width());
    text + &" ".repeat(pad)
}

/// Safe text in exactly this many columns, left-aligned: of a longer one the end, behind `…`. The end of a path says more
/// than its beginning.
pub fn ending(text: &str, columns: usize) -> String {
    let text = clean(text);
    if text.width() <= columns {
        return left(&text, columns);
    }
    let mut start = text.len();
    for (at, _) in text.char_indices().rev() {
        if text[at..].width() + 1 > columns {
            break;
        }
        start = at;
    }
    left(&format!("…{}", &text[start..]), columns)
}

/// Safe text in exactly this many columns, right-aligned.
pub fn right(text: &str, columns: usize) -> String {
    let text = fit(text, columns);
    " ".repeat(columns.saturating_sub(text.width())) + &text
}

/// 7,117,844.
pub fn count(n: u64) -> String {
    thousands(n)
}

/// 450,442, or 5.97 M from a million on.
pub fn short(n: u64) -> String {
    if n < 1_000_000 { count(n) } else { format!("{:.2} M", n as f64 / 1e6) }
}

/// 3.6 MB, in powers of a thousand.
pub fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{:.0} kB", n as f64 / 1e3),
        1_000_000..10_000_000 => format!("{:.1} MB", n as f64 / 1e6),
        10_000_000..1_000_000_000 => format!("{:.0} MB", n as f64 / 1e6),
        _ => format!("{:.1} GB", n as f64 / 1e9),
    }
}

/// 7.5 %, with more digits for small shares.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 99.95 || percent == 0.0 {
        format!("{percent:.0} %")
    } else if percent < 0.1 {
        format!("{percent:.2} %")
    } else {
        format!("{percent:.1} %")
    }
}

/// 0:42, 1:12, 2:03:11.
pub fn clock(seconds: f64) -> String {
    let s = if seconds.is_finite() { seconds.max(0.0).round() as u64 } else { 0 };
    if s >= 3600 {
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    } else {
        format!("{}:{:02}", s / 60, s % 60)
    }
}

/// 8.5e-5: learning rates.
pub fn rate(value: f64) -> String {
    match value {
        _ if !value.is_finite() => "–".into(),
        0.0 => "0".into(),
        _ => format!("{value:.1e}").replace(".0e", "e"),
    }
}

/// A loss or another number of any size in about five columns; – when there is none.
pub fn value(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => "–".into(),
        v if v >= 1000.0 => format!("{value:.1e}"),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.2}"),
        v if v < 0.001 && v > 0.0 => format!("{value:.0e}"),
        _ => format!("{value:.3}"),
    }
}

/// A level in whole decibels, without its unit: -18, 0, -∞ for silence.
pub fn decibels(level: f32) -> String {
    if level == f32::NEG_INFINITY { "-∞".into() } else { rounded(f64::from(level), 0) }
}

/// How long ago: now, 3 min, 5 h, 12 d.
pub fn ago(seconds: u64) -> String {
    match seconds {
        0..60 => "now".into(),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_of_a_file_are_made_visible() {
        assert_eq!(clean("dog\x1b[2J\r\n\u{202E}god"), "dog\u{FFFD}[2J\u{FFFD}\u{FFFD}\u{FFFD}god");
    }

    #[test]
    fn words_with_line_breaks_are_joined_and_wrapped_and_never_marked() {
        assert_eq!(one_line("no such file\n\tgive another\x1b[2J"), "no such file give another\u{FFFD}[2J");
        assert_eq!(wrap("no such\nfile: give another", 12), ["no such", "file: give", "another"]);
        assert_eq!(wrap("a /very/long/path", 8), ["a", "/very/l…"]);
        assert!(wrap(" \n", 8).is_empty());
    }

    #[test]
    fn text_is_measured_in_columns() {
        assert_eq!(fit("crying_baby", 8), "crying_…");
        assert_eq!(fit("狗狗狗狗", 5), "狗狗…");
        assert_eq!(width(&left("狗", 6)), 6);
        assert_eq!(right("0.91", 6), "  0.91");
        assert_eq!(fit("abc", 0), "");
    }

    #[test]
    fn of_a_long_path_the_end_is_left() {
        assert_eq!(ending("dog/a.wav", 12), "dog/a.wav   ");
        assert_eq!(ending("recordings/dog/a.wav", 10), "…dog/a.wav");
        assert_eq!((ending("狗狗狗狗", 6), ending("abc", 0)), ("…狗狗 ".into(), String::new()));
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(count(7_117_844), "7,117,844");
        assert_eq!((short(450_442).as_str(), short(5_970_000).as_str()), ("450,442", "5.97 M"));
        assert_eq!(
            (bytes(999), bytes(3_603_536), bytes(44_000_000)),
            ("999 B".into(), "3.6 MB".into(), "44 MB".into())
        );
        assert_eq!((percent(0.075), percent(1.0), percent(0.0004)), ("7.5 %".into(), "100 %".into(), "0.04 %".into()));
        assert_eq!((clock(72.4), clock(7391.0)), ("1:12".into(), "2:03:11".into()));
        assert_eq!((rate(8.5e-5), rate(1e-4)), ("8.5e-5".into(), "1e-4".into()));
        assert_eq!([-18.4, -0.2, 0.3, f32::NEG_INFINITY].map(decibels), ["-18", "0", "0", "-∞"]);
        assert_eq!((value(0.4123), value(12.345), value(f64::NAN)), ("0.412".into(), "12.35".into(), "–".into()));
    }
}

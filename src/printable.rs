//! Makes text from files, devices and labels safe for a terminal: the one place that decides which characters are not.

use std::borrow::Cow;

/// The replacement for a character that is not shown.
const REPLACEMENT: char = '\u{FFFD}';

/// The text with every character replaced that a terminal interprets or that changes how the text around it reads:
/// control characters and line breaks, marks that reorder text (bidirectional controls), and characters without width
/// (zero-width spaces and joiners, invisible operators, tags). A tab becomes a space.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return text.into();
    }
    let shown = |c| match c {
        '\t' => ' ',
        c if is_unsafe(c) => REPLACEMENT,
        c => c,
    };
    text.chars().map(shown).collect::<String>().into()
}

/// A line of JSON with the same characters as `\u` escapes: it means the same, and a terminal that shows it interprets
/// nothing.
pub fn printable_json(line: &str) -> Cow<'_, str> {
    use std::fmt::Write;

    if !line.chars().any(is_unsafe) {
        return line.into();
    }
    let mut out = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        if is_unsafe(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out.into()
}

/// Control characters, and the format characters of Unicode (category Cf) that have no glyph of their own; the line and
/// paragraph separators.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{AD}'
                | '\u{61C}'
                | '\u{180E}'
                | '\u{200B}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{FEFF}'
                | '\u{FFF9}'..='\u{FFFB}'
                | '\u{E0000}'..='\u{E007F}'
        )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn control_and_invisible_characters_are_not_shown() {
        assert_eq!(printable("dog\x1b[2J\r\n\u{9b}31m"), "dog\u{FFFD}[2J\u{FFFD}\u{FFFD}\u{FFFD}31m");
        // Reordering: a file called "gpj.exe" would read as "exe.jpg".
        for mark in ['\u{202E}', '\u{2066}', '\u{61C}', '\u{200F}'] {
            assert_eq!(printable(&format!("a{mark}b")), "a\u{FFFD}b", "{mark:?}");
        }
        // Zero width: two labels that look alike but differ.
        for mark in ['\u{200B}', '\u{200D}', '\u{2060}', '\u{FEFF}', '\u{AD}', '\u{E0041}'] {
            assert_eq!(printable(&format!("a{mark}b")), "a\u{FFFD}b", "{mark:?}");
        }
        assert_eq!(printable("a\tb"), "a b");
    }

    #[test]
    fn ordinary_text_stays_and_is_not_copied() {
        for text in ["crying_baby", "Käuzchen", "狗", "بومة", "a\u{301}", "❤\u{FE0F}"] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn json_says_the_same_without_a_character_to_obey() {
        let value = serde_json::json!({ "label": "a\u{9b}31m\u{202E}\u{E0041}b\u{7f}" });
        let line = serde_json::to_string(&value).unwrap();
        let shown = printable_json(&line);
        assert!(shown.is_ascii(), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}

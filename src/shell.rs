//! Words of command lines.

/// A word of a command line, in quotes where a shell needs them.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quoted("/usr/bin/aat-tui"), "/usr/bin/aat-tui");
        for word in ["a b", "it's", "$HOME", "", "a;b", "é\"`"] {
            let shown = std::process::Command::new("sh").args(["-c", &format!("printf %s {}", quoted(word))]).output();
            assert_eq!(String::from_utf8(shown.unwrap().stdout).unwrap(), word);
        }
    }
}

//! The digest of a task's configuration, by which its session is known.

use sha2::{Digest, Sha256};

use crate::{
    data::Recipe,
    digits::hex,
    train::{OF_THE_MACHINE, Request, SETTINGS},
};

/// Counts changes to what is digested.
const VERSION: u32 = 1;
/// Hexadecimal digits of a digest: two of a hundred thousand tasks are alike with a chance of 2 in 100,000, and such a
/// sweep is refused.
pub(super) const DIGITS: usize = 12;

/// Settings that always count, whatever their defaults will be one day.
const ALWAYS: [&str; 4] = ["data", "model", "method", "seed"];

/// The digest of a request. `written` holds settings as the file writes them: a path counts as it is written, so that a
/// sweep moved with its data, or mounted elsewhere, keeps its sessions. Settings of the machine count only where they
/// are an axis. Of a recipe's file, its content counts.
pub(super) fn of(request: &Request, written: &[(String, String)], axes: &[&str]) -> String {
    let usual = Request::default();
    let mut parts: Vec<(&str, String)> = Vec::new();
    for name in SETTINGS {
        if OF_THE_MACHINE.contains(&name) && !axes.contains(&name) {
            continue;
        }
        let value = request.get(name);
        if !ALWAYS.contains(&name) && value == usual.get(name) {
            continue;
        }
        let as_written = || written.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let value = match name {
            "data" | "model" => as_written().unwrap_or(value),
            "recipe" => content(&value).unwrap_or(value),
            _ => value,
        };
        parts.push((name, value));
    }
    let text = serde_json::to_string(&("aat-tui sweep", VERSION, parts)).unwrap_or_default();
    hex(&Sha256::digest(text.as_bytes())[..DIGITS / 2])
}

/// Whether this could be a digest.
pub(super) fn is_one(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A recipe's file as JSON, without its name, so that a file that is renamed is the same recipe; nothing for a recipe inside the program, or a file that cannot be read, which is reported
/// elsewhere.
fn content(spec: &str) -> Option<String> {
    if Recipe::names().any(|name| name == spec) {
        return None;
    }
    serde_json::to_string(&Recipe { name: String::new(), ..Recipe::find(spec).ok()? }).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn digest(settings: &[(&str, &str)], axes: &[&str]) -> String {
        let mut request = Request::default();
        let mut written = Vec::new();
        for (name, value) in settings {
            request.set(name, value).unwrap();
            written.push(((*name).to_owned(), (*value).to_owned()));
        }
        of(&request, &written, axes)
    }

    #[test]
    fn what_decides_the_result_counts_and_what_does_not_does_not() {
        let plain = digest(&[("data", "demo")], &[]);
        assert!(is_one(&plain) && !is_one("0123456789ab0") && !is_one("0123456789aB"));
        // Sessions of today are found by the program of tomorrow.
        assert_eq!(plain, digest(&[], &[]));
        assert_ne!(plain, digest(&[("seed", "2")], &[]));
        assert_ne!(plain, digest(&[("method", "head")], &[]));
        assert_ne!(plain, digest(&[("on-nan", "skip")], &[]));
        assert_eq!(digest(&[("lr", "1e-4")], &[]), digest(&[("lr", "0.0001")], &[]));
        for name in OF_THE_MACHINE {
            let value = if name == "recompute" { "block" } else { "4" };
            assert_eq!(plain, digest(&[(name, value)], &[]), "{name}");
            assert_ne!(plain, digest(&[(name, value)], &[name]), "{name}");
        }
    }

    #[test]
    fn of_a_recipe_file_the_content_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        let of = |text: &str| {
            std::fs::write(&path, text).unwrap();
            digest(&[("recipe", path.to_str().unwrap())], &[])
        };
        let one = of("epochs = 3\n");
        assert_eq!(one, of("# the same\nepochs = 3\n"));
        assert_ne!(one, of("epochs = 4\n"));
        // The same content under another name, of the file and in it.
        let other = folder.path().join("other.toml");
        std::fs::write(&other, "name = \"theirs\"\nepochs = 3\n").unwrap();
        assert_eq!(one, digest(&[("recipe", other.to_str().unwrap())], &[]));
    }
}

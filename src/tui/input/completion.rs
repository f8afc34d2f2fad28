//! What may follow in a command line: from the line alone, by the table of commands.

use super::commands::{COMMANDS, SETTINGS};
use crate::{
    data::Recipe,
    model::{self, Method, PUBLISHED, Recompute},
    tui::graphics::Graphics,
};

/// Words for the place where the cursor is.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Where the word begins, in characters.
    pub start: usize,
    /// As much of it as is typed.
    pub word: String,
    /// Those that are known without the disk; not yet chosen by `word`.
    pub known: Vec<String>,
    /// Whether names of sessions fit too.
    pub sessions: bool,
    /// Whether files and folders fit too.
    pub paths: bool,
}

impl Wanted {
    /// The known words that fit.
    pub fn fitting(&self) -> Vec<String> {
        self.known.iter().filter(|known| known.starts_with(&self.word)).cloned().collect()
    }
}

/// What fits at the end of this line, which is what stands before the cursor; `themes` are the names of all themes.
/// `None`: nothing can be completed there.
pub fn wanted(line: &str, themes: &[String]) -> Option<Wanted> {
    let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let after = |command: &str| line.strip_prefix(command).and_then(|rest| rest.strip_prefix(' ')).map(str::trim_start);
    let made = |word: &str, known: Vec<String>, sessions, paths| {
        let start = line.chars().count() - word.chars().count();
        Some(Wanted { start, word: word.to_owned(), known, sessions, paths })
    };
    if !line.contains(' ') {
        return made(line, own(&COMMANDS.map(|(name, ..)| name)), false, false);
    }
    if let Some(word) = after("data") {
        return made(word, own(&["demo"]), false, true);
    }
    if let Some(word) = after("model") {
        let published = PUBLISHED.iter().map(|published| published.name);
        return made(word, model::names().chain(published).map(str::to_owned).collect(), true, true);
    }
    if let Some(word) = after("recipe") {
        return made(word, Recipe::names().map(str::to_owned).collect(), false, true);
    }
    if let Some(word) = after("method") {
        return made(word, Method::all().map(|method| method.to_string()).collect(), false, false);
    }
    if let Some(word) = after("theme") {
        return made(word, themes.to_vec(), false, false);
    }
    if let Some(word) = after("graphics") {
        return made(word, own(&Graphics::ALL.map(|(_, name)| name)), false, false);
    }
    if let Some(word) = after("mouse") {
        return made(word, own(&["on", "off"]), false, false);
    }
    if let Some(word) = ["listen", "scan", "teach", "export", "sweep"].into_iter().find_map(after) {
        return made(word, Vec::new(), false, true);
    }
    let setting = after("set")?;
    let Some((name, value)) = setting.split_once(' ') else { return made(setting, own(&SETTINGS), false, false) };
    let value = value.trim_start();
    match name {
        "recipe" => made(value, Recipe::names().map(str::to_owned).collect(), false, true),
        "device" => made(value, own(&["auto", "cpu", "cuda", "metal"]), false, false),
        "dtype" => made(value, own(&["auto", "f32", "bf16"]), false, false),
        "recompute" => made(value, own(&Recompute::ALL.map(|(_, name)| name)), false, false),
        "marked-in-full" | "trust-detections" => made(value, own(&["yes", "no"]), false, false),
        "on-nan" => made(value, own(&["stop", "skip"]), false, false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_fits_follows_from_the_command() {
        let themes = vec!["dark".to_owned()];
        let of = |line: &str| wanted(line, &themes).unwrap();
        assert!(of("").known.contains(&"quit!".to_owned()) && of("").start == 0);
        assert_eq!((of("method aa").start, of("method aa").word.as_str()), (7, "aa"));
        assert!(of("method ").known.contains(&"aat-m".to_owned()));
        assert_eq!(of("model ced-t").fitting(), ["ced-tiny"]);
        assert!(of("model ").sessions && of("model ").paths && of("model ").known.contains(&"box".to_owned()));
        assert!(of("data my so").paths && of("data my so").word == "my so", "a path may contain spaces");
        assert_eq!(of("theme d").known, themes);
        assert!(of("set ").known.contains(&"norms-every".to_owned()));
        assert_eq!((of("set dtype b").start, of("set dtype b").known.len()), (10, 3));
        assert!(of("set recipe ").known.contains(&"few".to_owned()));
        assert!(of("recipe f").known.contains(&"few".to_owned()) && of("recipe f").paths);
        assert_eq!(wanted("set epochs 5", &themes), None);
        assert_eq!(wanted("class do", &themes), None);
    }
}

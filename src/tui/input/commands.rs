//! The command line: `:` and a word.

use std::path::PathBuf;

use super::{
    action::{Action, Screen},
    choice::Choice,
};
use crate::{session::NotesChange, train::Request, tui::text};

/// Commands, their arguments, and what they do: for the parser's errors and the help.
pub const COMMANDS: [(&str, &str, &str); 26] = [
    ("data", "[D]", "train on a folder, a manifest, or demo"),
    ("model", "[M]", "adapt box, ced-tiny or other names, a file, a session"),
    ("recipe", "[R]", "train by a recipe of the program, or a TOML file"),
    ("method", "X", "aat, full, aat-m, partial, prompt, lora, bitfit or head"),
    ("set", "NAME VALUE", "new runs' epochs, batch, lr, fold, stride, dtype and more"),
    ("start", "", "start the side in focus, or resume it where it was stopped"),
    ("anew", "", "begin a new session on the side in focus"),
    ("both", "", "start both, paired"),
    ("pause", "", "pause, or continue"),
    ("stop", "", "stop the side in focus"),
    ("listen", "[FILE]", "to the microphone, or to a file played in real time"),
    ("scan", "[PATH]", "find a model's classes in recordings"),
    ("teach", "[FOLDER]", "classes of your own; their clips are kept in a folder"),
    ("class", "NAME", "add a class to what is taught"),
    ("export", "[FILE]", "curves as .svg or .png"),
    ("theme", "NAME", "dark, light, colour-blind, monochrome, or your own"),
    ("graphics", "NAME", "draw the spectrogram with half, octant or kitty"),
    ("mouse", "on|off", "off leaves the mouse to the terminal, to select text"),
    ("sessions", "", "what ran"),
    ("filter", "[WORDS]", "list only sessions with these words"),
    ("note", "TEXT", "note a text about the marked sessions, or the selected one"),
    ("tag", "WORDS", "add tags to them; -word removes one"),
    ("sweep", "[FILE]", "watch a sweep, by its file or the one of these sessions"),
    ("help", "", "keys and commands"),
    ("quit", "", "leave, asking if something would be lost"),
    ("quit!", "", "leave now; what runs can be resumed"),
];

/// The settings of `set`, by the names of `train`'s flags.
pub const SETTINGS: [&str; 17] = [
    "epochs",
    "batch",
    "micro-batch",
    "lr",
    "fold",
    "seed",
    "recipe",
    "frames",
    "stride",
    "device",
    "dtype",
    "norms-every",
    "recompute",
    "on-nan",
    "label-column",
    "marked-in-full",
    "trust-detections",
];

/// The action of a typed line; `None` when it is empty.
///
/// # Errors
/// What is wrong with it, as a message.
pub fn parse(line: &str) -> Result<Option<Action>, String> {
    let line = line.trim().trim_start_matches(':');
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let path = || (!rest.is_empty()).then(|| PathBuf::from(rest));
    let needed = |what: &str| {
        if rest.is_empty() { Err(format!("{word} needs {what}")) } else { Ok(rest.to_owned()) }
    };
    Ok(Some(match word {
        "" => return Ok(None),
        // Without what they ask for, it is chosen in the browser.
        "data" | "model" | "recipe" | "scan" if rest.is_empty() => Action::Browse(browsed(line)?),
        "set" if rest == "recipe" => Action::Browse(browsed(line)?),
        "data" => Action::SetData(rest.to_owned()),
        "model" => Action::SetModel(rest.to_owned()),
        "recipe" => Action::Set("recipe".to_owned(), rest.to_owned()),
        "method" => Action::SetMethod(rest.parse().map_err(|error: crate::model::ModelError| error.to_string())?),
        "set" => {
            let (name, value) =
                rest.split_once(char::is_whitespace).ok_or("set needs a name and a value: set epochs 5")?;
            set(&mut Request::default(), name, value.trim())?;
            Action::Set(name.to_owned(), value.trim().to_owned())
        }
        "start" => Action::Start,
        "anew" => Action::Anew,
        "both" => Action::StartBoth,
        "pause" => Action::Pause,
        "stop" => Action::Stop,
        "listen" => Action::Listen(path()),
        "scan" => Action::Scan(rest.into()),
        "teach" => Action::Teach(path()),
        "class" => Action::NameClass(needed("a name")?),
        "export" => Action::Export(path()),
        "theme" => Action::SetTheme(needed("a name")?),
        "graphics" => Action::SetGraphics(rest.parse()?),
        "mouse" => match rest {
            "on" | "" => Action::Mouse(true),
            "off" => Action::Mouse(false),
            _ => return Err(format!("mouse is on or off, not \"{}\"", text::clean(rest))),
        },
        "sessions" => Action::Show(Screen::Sessions),
        "filter" => Action::FilterSessions(rest.to_owned()),
        "note" => Action::Annotate(NotesChange { note: Some(rest.to_owned()), ..NotesChange::default() }),
        "tag" => Action::Annotate(NotesChange::of_tags(&needed("a word")?)),
        "sweep" => Action::WatchSweep(path()),
        "help" => Action::Help,
        "quit" | "q" => Action::Quit,
        "quit!" | "q!" => Action::QuitNow,
        other => {
            let names: Vec<_> = COMMANDS.iter().map(|(name, ..)| *name).collect();
            return Err(format!("no command \"{}\"; there are {}", text::clean(other), names.join(", ")));
        }
    }))
}

/// What a line's command asks for, where that is chosen in the browser.
///
/// # Errors
/// When it asks for nothing of that kind.
pub fn browsed(line: &str) -> Result<Choice, String> {
    Choice::of_line(line).ok_or_else(|| {
        let commands: Vec<_> = Choice::ALL.iter().map(|choice| choice.command()).collect();
        format!("the browser chooses for {}, not for this command", commands.join(", "))
    })
}

/// Sets one setting of the next run. `default` leaves it to the recipe again.
///
/// # Errors
/// When the name is unknown or the value is invalid.
pub fn set(setup: &mut Request, name: &str, value: &str) -> Result<(), String> {
    if !SETTINGS.contains(&name) {
        return Err(format!("no setting \"{}\"; there are {}", text::clean(name), SETTINGS.join(", ")));
    }
    let outcome = if value == "default" { setup.reset(name) } else { setup.set(name, value) };
    outcome.map_err(|problem| text::clean(&problem))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn lines_become_actions() {
        assert_eq!(parse(":data ../my sounds ").unwrap(), Some(Action::SetData("../my sounds".into())));
        assert_eq!(parse("listen").unwrap(), Some(Action::Listen(None)));
        assert_eq!(parse("recipe few").unwrap(), Some(Action::Set("recipe".into(), "few".into())));
        assert_eq!(parse("  ").unwrap(), None);
        assert_eq!(parse("set epochs 5").unwrap(), Some(Action::Set("epochs".into(), "5".into())));
    }

    #[test]
    fn a_command_without_what_it_asks_for_opens_the_browser() {
        let browse = |line: &str| match parse(line) {
            Ok(Some(Action::Browse(choice))) => Some(choice),
            _ => None,
        };
        let lines = ["data", ":model ", "recipe", "set recipe", "scan", "listen", "theme"];
        let expected = [Choice::Data, Choice::Model, Choice::Recipe, Choice::Recipe, Choice::Recordings].map(Some);
        assert_eq!(lines.map(browse)[..5], expected);
        assert_eq!((browse("listen"), browse("theme")), (None, None), "listen alone is the microphone");
        assert!(browsed("theme ").unwrap_err().contains("data, model, recipe, listen, scan"));
    }

    #[test]
    fn errors_say_what_is_wrong() {
        assert!(parse("dta x").unwrap_err().contains("no command \"dta\""));
        assert_eq!(parse("set epochs many").unwrap_err(), "epochs cannot be \"many\"");
        assert!(parse("method adapter").unwrap_err().contains("aat-m"));
        assert!(parse("class").unwrap_err().contains("needs"));
    }

    #[test]
    fn every_listed_setting_is_set_and_goes_back_to_its_default() {
        for name in SETTINGS {
            let value = match name {
                "on-nan" => "skip",
                "recompute" => "block",
                "marked-in-full" | "trust-detections" => "yes",
                _ => "3",
            };
            let mut setup = Request::default();
            set(&mut setup, name, value).unwrap();
            assert_ne!(setup, Request::default(), "{name}");
            set(&mut setup, name, "default").unwrap();
            assert_eq!(setup, Request::default(), "{name}");
        }
        assert!(set(&mut Request::default(), "speed", "3").unwrap_err().contains("norms-every"));
    }

    #[test]
    fn every_listed_command_is_understood() {
        for (name, rest, _) in COMMANDS {
            let line = match name {
                "method" => "method aat".to_owned(),
                "set" => "set lr 1e-4".to_owned(),
                "graphics" => "graphics octant".to_owned(),
                "mouse" => "mouse off".to_owned(),
                _ => format!("{name} {rest}"),
            };
            assert!(parse(&line).is_ok_and(|action| action.is_some()), "{line}");
        }
    }
}

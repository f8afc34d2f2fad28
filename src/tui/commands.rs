//! The command line: `:` and a word.

use std::path::PathBuf;

use super::{
    action::{Action, Screen},
    app::Setup,
};

/// Words, what follows them, and what they do: for the parser's errors and the help.
pub const COMMANDS: [(&str, &str, &str); 19] = [
    ("data", "D", "train on a folder, a manifest, or demo"),
    ("model", "M", "adapt box, tiny, small, base, a checkpoint or a session"),
    ("method", "X", "aat, full, aat-m, partial, prompt, lora, bitfit or head"),
    (
        "set",
        "NAME VALUE",
        "epochs, batch, lr, fold, seed, recipe, device of new runs; label-column, marked-in-full, trust-detections of marks",
    ),
    ("start", "", "start the side in focus, or resume it where it was stopped"),
    ("anew", "", "begin a new session on the side in focus"),
    ("both", "", "start both, paired"),
    ("pause", "", "pause, or continue"),
    ("stop", "", "stop the side in focus"),
    ("listen", "[FILE]", "to the microphone, or to a file played in real time"),
    ("teach", "[FOLDER]", "classes of your own; their clips are kept in a folder"),
    ("class", "NAME", "add a class to what is taught"),
    ("export", "[FILE]", "curves as .svg or .png"),
    ("theme", "NAME", "dark, light, colour-blind, monochrome, or your own"),
    ("graphics", "NAME", "draw the spectrogram with half, octant or kitty"),
    ("sessions", "", "what ran"),
    ("help", "", "keys and commands"),
    ("quit", "", "leave, asking if something would be lost"),
    ("quit!", "", "leave now; what runs can be resumed"),
];

/// What a typed line asks for; nothing, when it is empty.
///
/// # Errors
/// What is wrong with it, for people.
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
        "data" => Action::SetData(needed("a folder, a manifest, or demo")?),
        "model" => Action::SetModel(needed("box, tiny, small, base, a checkpoint or a session")?),
        "method" => Action::SetMethod(rest.parse().map_err(|error: crate::model::ModelError| error.to_string())?),
        "set" => {
            let (name, value) =
                rest.split_once(char::is_whitespace).ok_or("set needs a name and a value: set epochs 5")?;
            set(&mut Setup::default(), name, value.trim())?;
            Action::Set(name.to_owned(), value.trim().to_owned())
        }
        "start" => Action::Start,
        "anew" => Action::Anew,
        "both" => Action::StartBoth,
        "pause" => Action::Pause,
        "stop" => Action::Stop,
        "listen" => Action::Listen(path()),
        "teach" => Action::Teach(path()),
        "class" => Action::NameClass(needed("a name")?),
        "export" => Action::Export(path()),
        "theme" => Action::SetTheme(needed("a name")?),
        "graphics" => Action::SetGraphics(rest.parse()?),
        "sessions" => Action::Show(Screen::Sessions),
        "help" => Action::Help,
        "quit" | "q" => Action::Quit,
        "quit!" | "q!" => Action::QuitNow,
        other => {
            let names: Vec<_> = COMMANDS.iter().map(|(name, ..)| *name).collect();
            return Err(format!("no command \"{}\"; there are {}", super::text::clean(other), names.join(", ")));
        }
    }))
}

/// Sets one thing of the next run. `default` leaves it to the recipe again.
///
/// # Errors
/// When the name is not known or the value is no such thing.
pub fn set(setup: &mut Setup, name: &str, value: &str) -> Result<(), String> {
    fn optional<T: std::str::FromStr>(name: &str, value: &str) -> Result<Option<T>, String> {
        match value {
            "default" => Ok(None),
            _ => value.parse().map(Some).map_err(|_| format!("{name} cannot be \"{}\"", super::text::clean(value))),
        }
    }
    fn yes(name: &str, value: &str) -> Result<bool, String> {
        match value {
            "yes" => Ok(true),
            "no" | "default" => Ok(false),
            _ => Err(format!("{name} is yes or no, not \"{}\"", super::text::clean(value))),
        }
    }
    match name {
        "epochs" => setup.epochs = optional(name, value)?,
        "batch" => setup.batch = optional(name, value)?,
        "lr" => setup.lr = optional(name, value)?,
        "fold" => setup.fold = optional(name, value)?,
        "recipe" => setup.recipe = optional(name, value)?,
        "seed" => setup.seed = optional(name, value)?.unwrap_or(Setup::default().seed),
        "device" => setup.device = optional(name, value)?.unwrap_or(Setup::default().device),
        "label-column" => setup.marks.label_column = optional(name, value)?,
        "marked-in-full" => setup.marks.marked_in_full = yes(name, value)?,
        "trust-detections" => setup.marks.trust_detections = yes(name, value)?,
        _ => {
            return Err(format!(
                "no setting \"{}\"; there are epochs, batch, lr, fold, seed, recipe, device, label-column, marked-in-full, \
                 trust-detections",
                super::text::clean(name)
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn lines_become_actions() {
        assert_eq!(parse(":data ../my sounds ").unwrap(), Some(Action::SetData("../my sounds".into())));
        assert_eq!(parse("listen").unwrap(), Some(Action::Listen(None)));
        assert_eq!(parse("  ").unwrap(), None);
        assert_eq!(parse("set epochs 5").unwrap(), Some(Action::Set("epochs".into(), "5".into())));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(parse("dta x").unwrap_err().contains("no command \"dta\""));
        assert_eq!(parse("set epochs many").unwrap_err(), "epochs cannot be \"many\"");
        assert!(parse("method adapter").unwrap_err().contains("aat-m"));
        assert!(parse("model").unwrap_err().contains("needs"));
    }

    #[test]
    fn every_listed_command_is_understood() {
        for (name, rest, _) in COMMANDS {
            let line = match name {
                "method" => "method aat".to_owned(),
                "set" => "set lr 1e-4".to_owned(),
                "graphics" => "graphics octant".to_owned(),
                _ => format!("{name} {rest}"),
            };
            assert!(parse(&line).is_ok_and(|action| action.is_some()), "{line}");
        }
    }
}

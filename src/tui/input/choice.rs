//! What is chosen in the browser, and which command asks for it.

/// What a person chooses in the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Choice {
    /// The data of the next run.
    Data,
    /// The model that the next run adapts.
    Model,
    /// The recipe of the next run.
    Recipe,
    /// A sound file to listen to.
    Sound,
    /// A recording, or a folder of them, to scan.
    Recordings,
    /// A folder of examples, to which recordings are added.
    Lesson,
    /// A sweep's file, to watch.
    Sweep,
}

impl Choice {
    /// All.
    pub const ALL: [Self; 7] =
        [Self::Data, Self::Model, Self::Recipe, Self::Sound, Self::Recordings, Self::Lesson, Self::Sweep];

    /// The command that takes what was chosen as its argument.
    pub fn command(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Model => "model",
            Self::Recipe => "recipe",
            Self::Sound => "listen",
            Self::Recordings => "scan",
            Self::Lesson => "teach",
            Self::Sweep => "sweep",
        }
    }

    /// Whether the folder on show can be chosen itself.
    pub fn takes_folders(self) -> bool {
        matches!(self, Self::Recordings | Self::Lesson)
    }

    /// What the command of this line asks for, as far as that is chosen in the browser.
    pub fn of_line(line: &str) -> Option<Self> {
        let mut words = line.trim_start().trim_start_matches(':').split_whitespace();
        let word = match (words.next()?, words.next()) {
            ("set", Some("recipe")) => "recipe",
            (command, _) => command,
        };
        Self::ALL.into_iter().find(|choice| choice.command() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_chosen() {
        assert_eq!(Choice::of_line("listen night.wav"), Some(Choice::Sound));
        assert_eq!(Choice::of_line(":set recipe "), Some(Choice::Recipe));
        assert_eq!(Choice::of_line("recipe"), Some(Choice::Recipe));
        assert_eq!(Choice::of_line("teach"), Some(Choice::Lesson));
        for line in ["", "set", "set lr 1e-3", "theme dark", "listening"] {
            assert_eq!(Choice::of_line(line), None, "{line}");
        }
    }
}

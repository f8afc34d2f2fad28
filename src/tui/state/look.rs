//! What an entry of the browser is recognised as, in words.

use crate::{
    audio::AudioError,
    data::{DataError, Glance, LAYOUTS, Loss, Recipe},
    digits::counted,
    model::{ModelError, ModelGlance},
    sweep::{self, SweepError},
    tui::text,
};

/// The name of the layout of class folders.
const CLASS_FOLDERS: &str = "folders";

/// Whether an entry is what is being chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// It can be chosen.
    Fits,
    /// It is something else: a folder to open, or another file.
    Other,
    /// It cannot be read, or something in it is wrong.
    Unusable,
}

/// What an entry is recognised as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether it is what is being chosen.
    pub recognised: Recognised,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// In a few words, beside its name.
    pub what: String,
    /// In a sentence, where more is known.
    pub about: Option<String>,
}

/// What is known of a sound file from its beginning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoundGlance {
    /// Samples a second.
    pub rate: u32,
    /// Channels.
    pub channels: usize,
    /// Seconds, where the header says so.
    pub seconds: Option<f64>,
    /// Bytes of the file.
    pub bytes: u64,
}

impl Look {
    /// Something that can be chosen.
    pub fn fits(what: impl Into<String>) -> Self {
        Self { recognised: Recognised::Fits, is_folder: false, what: what.into(), about: None }
    }

    /// Something else.
    pub fn other(what: impl Into<String>) -> Self {
        Self { recognised: Recognised::Other, ..Self::fits(what) }
    }

    /// Something that cannot be used, and why.
    pub fn unusable(why: impl Into<String>) -> Self {
        Self { recognised: Recognised::Unusable, ..Self::fits(why) }
    }

    /// The same of a folder.
    #[must_use]
    pub fn of_folder(self) -> Self {
        Self { is_folder: true, ..self }
    }

    /// The same with a sentence about it.
    #[must_use]
    pub fn about(self, words: impl Into<String>) -> Self {
        Self { about: Some(words.into()), ..self }
    }

    /// The reason why it cannot be chosen, for people.
    pub fn sentence(&self) -> &str {
        self.about.as_deref().unwrap_or(&self.what)
    }

    /// A folder or a table that may be data.
    pub fn of_data(glance: &Glance, is_folder: bool) -> Self {
        let look = match glance.layout {
            _ if glance.is_unread => Self::unusable("cannot be read"),
            Some(layout) => Self::fits(layout.to_owned() + &amount(glance)).about(about_layout(layout)),
            None if is_folder => Self::other(amount(glance).trim_start_matches(", ")),
            None => Self::other("not recognised").about("it is not recognised as a table of clips"),
        };
        Self { is_folder, ..look }
    }

    /// A file or a folder that may be a model, or a model's name. `None`: nothing there looks like one.
    pub fn of_model(glance: &Result<Option<ModelGlance>, ModelError>) -> Self {
        match glance {
            Ok(Some(model)) => {
                let size = model.parameters.map(|n| text::short(n as u64));
                let classes = match model.classes {
                    0 => None,
                    1 => Some("1 class".to_owned()),
                    several => Some(format!("{} classes", text::count(several as u64))),
                };
                let license = model.license.map(str::to_owned);
                let facts = [Some(model.kind.clone()), size, license, classes];
                let counted = model.parameters.map(|n| format!("{} parameters; ", text::count(n as u64)));
                Self::fits(facts.into_iter().flatten().collect::<Vec<_>>().join(", "))
                    .about(counted.unwrap_or_default() + &model.about)
            }
            Ok(None) => Self::other(""),
            Err(ModelError::Checkpoint { problem, remedy, .. }) => {
                Self::unusable(problem.clone()).about(format!("{problem}; {remedy}"))
            }
            Err(error) => Self::unusable(error.reason()),
        }
    }

    /// A recipe, or why a file is none.
    pub fn of_recipe(recipe: &Result<Recipe, DataError>) -> Self {
        match recipe {
            Ok(recipe) => Self::fits(summary(recipe)).about(details(recipe)),
            Err(DataError::Unusable { problem, remedy, .. }) => {
                // The first line of a syntax error says where it is; the others draw it.
                let first = problem.lines().next().unwrap_or_default();
                Self::unusable(format!("no recipe: {first}")).about(format!("it is no recipe: {problem}; {remedy}"))
            }
            Err(DataError::Io { source, .. }) => Self::unusable(source.to_string()),
            Err(other) => Self::unusable(other.to_string()),
        }
    }

    /// A folder that examples may be added to: an empty one, or one of class folders.
    pub fn of_lesson(glance: &Glance) -> Self {
        let held = amount(glance);
        let words = held.trim_start_matches(", ");
        match glance.layout {
            _ if glance.is_unread => Self::unusable("cannot be read"),
            None if words.is_empty() => Self::fits("empty"),
            // Examples are in class folders; in any other layout they would not be found again.
            Some(layout) if layout == CLASS_FOLDERS => Self::fits(words),
            // The first class of a lesson is no data set yet.
            None if glance.with_sounds > 0 && glance.sounds == 0 => Self::fits(words),
            Some(layout) => Self::other(layout.to_owned() + &held),
            None => Self::other(words),
        }
        .of_folder()
    }

    /// A sweep's file, or why a file is none.
    pub fn of_sweep(file: &Result<sweep::File, SweepError>) -> Self {
        match file {
            Ok(file) => {
                let (axes, count) = file.axes();
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                Self::fits(format!("{}: {}", counted(count, "combination"), axes.join(", "))).about(format!(
                    "sweep {}, its sessions in {}",
                    file.name,
                    file.folder.display()
                ))
            }
            Err(SweepError::File { problem, .. }) => {
                let first = problem.lines().next().unwrap_or_default();
                Self::unusable(format!("no sweep: {first}")).about(format!("it is no sweep's file: {problem}"))
            }
            Err(SweepError::Io { source, .. }) => Self::unusable(source.to_string()),
            Err(other) => Self::unusable(other.to_string()),
        }
    }

    /// A sound file.
    pub fn of_sound(sound: &Result<SoundGlance, AudioError>) -> Self {
        match sound {
            Ok(sound) => {
                let length = sound.seconds.map_or_else(|| text::bytes(sound.bytes), length);
                let channels = match sound.channels {
                    1 => "mono".to_owned(),
                    2 => "stereo".to_owned(),
                    several => format!("{several} channels"),
                };
                let rate = format!("{} kHz", f64::from(sound.rate) / 1e3);
                let look = Self::fits(format!("{length}, {rate}, {channels}"));
                match sound.seconds {
                    Some(_) => look,
                    None => look.about("its header does not say how long it is: its size is given"),
                }
            }
            Err(AudioError::Unusable { problem, remedy, .. }) => {
                Self::unusable(problem.clone()).about(format!("{problem}; {remedy}"))
            }
            Err(AudioError::Io { source, .. }) => Self::unusable(source.to_string()),
        }
    }
}

/// 4.2 s, 3:12, 2:03:11.
fn length(seconds: f64) -> String {
    if seconds < 60.0 { format!("{seconds:.1} s") } else { text::clock(seconds) }
}

/// `, 12 folders, 10 with sounds, 340 sounds`
fn amount(glance: &Glance) -> String {
    let mut words = String::new();
    if glance.folders > 0 {
        words += &format!(", {}", counted(glance.folders, "folder"));
        words += &match glance.with_sounds {
            0 => String::new(),
            all if all == glance.folders => " with sounds".to_owned(),
            some if glance.looked_into < glance.folders => {
                format!(", {some} of the first {} with sounds", glance.looked_into)
            }
            some => format!(", {some} with sounds"),
        };
    }
    if glance.sounds > 0 {
        words += &format!(", {}", counted(glance.sounds, "sound"));
    }
    words
}

/// What a layout looks like.
fn about_layout(layout: &'static str) -> &'static str {
    let found = LAYOUTS.iter().find(|known| known.name == layout);
    found.map_or("sounds that the program synthesises from a seed", |layout| layout.about)
}

/// `20 epochs, batch 16, rate 1e-3, 5.1 s`
fn summary(recipe: &Recipe) -> String {
    let clips = match recipe.frames {
        0 => "own length".to_owned(),
        frames => format!("{:.1} s", frames as f64 / 100.0),
    };
    let (epochs, rate) = (counted(recipe.epochs as usize, "epoch"), text::rate(recipe.lr));
    format!("{epochs}, batch {}, rate {rate}, {clips}", recipe.batch)
}

/// The loss, and what is done to clips that are trained on.
fn details(recipe: &Recipe) -> String {
    let loss = match recipe.loss {
        Loss::CrossEntropy => "cross entropy: one class for each clip",
        Loss::Binary => "binary cross entropy: classes that occur together",
    };
    let masks = (recipe.freq_mask > 0 || recipe.time_mask > 0)
        .then(|| format!("masks up to {} mel bins and {} frames", recipe.freq_mask, recipe.time_mask));
    let mixup = (recipe.mixup > 0.0).then(|| format!("mixup of {} of the clips", text::percent(recipe.mixup.into())));
    let gain = (recipe.gain > 0.0).then(|| format!("up to {} dB louder or softer", recipe.gain));
    let noise = recipe.noise.then(|| "noise and rolled time".to_owned());
    let done: Vec<String> = [masks, mixup, gain, noise].into_iter().flatten().collect();
    let done = if done.is_empty() { "trained on as they are".to_owned() } else { done.join(", ") };
    let clips = match recipe.frames {
        0 => "clips as long as nine of ten of the data's".to_owned(),
        frames => format!("clips of {:.1} s", frames as f64 / 100.0),
    };
    format!("{clips}; {loss}; {done}; rate {} where the whole backbone trains", text::rate(recipe.lr_full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sounds_are_described_by_length_rate_and_channels() {
        let sound = |seconds, rate, channels| {
            Look::of_sound(&Ok(SoundGlance { rate, channels, seconds, bytes: 3_400_000 })).what
        };
        assert_eq!(sound(Some(4.25), 44_100, 1), "4.2 s, 44.1 kHz, mono");
        assert_eq!(sound(Some(7391.0), 16_000, 2), "2:03:11, 16 kHz, stereo");
        assert_eq!(sound(None, 48_000, 6), "3.4 MB, 48 kHz, 6 channels");
    }

    #[test]
    fn the_layout_of_class_folders_is_one_of_the_table() {
        assert!(LAYOUTS.iter().any(|layout| layout.name == CLASS_FOLDERS));
    }

    #[test]
    fn every_recipe_of_the_program_has_a_line() {
        for name in Recipe::names() {
            let look = Look::of_recipe(&Recipe::named(name));
            assert!(look.recognised == Recognised::Fits && look.what.contains(" epochs, batch "), "{name}: {look:?}");
        }
        let look = Look::of_recipe(&Recipe::named("fww"));
        assert!(look.recognised == Recognised::Unusable && look.what.contains("few"), "{look:?}");
    }
}

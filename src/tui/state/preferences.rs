//! What is kept from one start of the workbench to the next, in the user's config folder.

use serde::{Deserialize, Serialize};

use crate::tui::input::choice::Choice;

/// Most things of a kind that are remembered.
const REMEMBERED: usize = 12;

/// What a person chose last. Keys that a later version adds are left out, not refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Preferences {
    /// The theme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theme: Option<String>,
    /// The graphics of spectrograms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graphics: Option<String>,
    /// Whether the workbench takes the mouse.
    pub mouse: bool,
    /// The data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Data that was chosen, the newest first.
    pub recent: Vec<String>,
    /// Models that were chosen, the newest first.
    pub recent_models: Vec<String>,
    /// Recipes that were chosen, the newest first.
    pub recent_recipes: Vec<String>,
    /// Sound files that were listened to, the newest first.
    pub recent_sounds: Vec<String>,
    /// Recordings and folders that were scanned, the newest first.
    pub recent_recordings: Vec<String>,
    /// Folders of examples that recordings were added to, the newest first.
    pub recent_lessons: Vec<String>,
    /// Files of sweeps that were watched, the newest first.
    pub recent_sweeps: Vec<String>,
}

impl Default for Preferences {
    fn default() -> Self {
        let (theme, graphics, data, model) = (None, None, None, None);
        let [recent, recent_models, recent_recipes, recent_sounds, recent_recordings, recent_lessons, recent_sweeps] =
            [const { Vec::new() }; 7];
        Self {
            theme,
            graphics,
            mouse: true,
            data,
            model,
            recent,
            recent_models,
            recent_recipes,
            recent_sounds,
            recent_recordings,
            recent_lessons,
            recent_sweeps,
        }
    }
}

impl Preferences {
    /// Remembers what was chosen.
    pub fn choose(&mut self, choice: Choice, spec: &str) {
        match choice {
            Choice::Data => self.data = Some(spec.to_owned()),
            Choice::Model => self.model = Some(spec.to_owned()),
            Choice::Recipe | Choice::Sound | Choice::Recordings | Choice::Lesson | Choice::Sweep => {}
        }
        let recent = self.recent_mut(choice);
        recent.retain(|other| other != spec);
        recent.insert(0, spec.to_owned());
        recent.truncate(REMEMBERED);
    }

    /// What was chosen before, the newest first.
    pub fn recent(&self, choice: Choice) -> &[String] {
        match choice {
            Choice::Data => &self.recent,
            Choice::Model => &self.recent_models,
            Choice::Recipe => &self.recent_recipes,
            Choice::Sound => &self.recent_sounds,
            Choice::Recordings => &self.recent_recordings,
            Choice::Lesson => &self.recent_lessons,
            Choice::Sweep => &self.recent_sweeps,
        }
    }

    /// The same, to change.
    pub fn recent_mut(&mut self, choice: Choice) -> &mut Vec<String> {
        match choice {
            Choice::Data => &mut self.recent,
            Choice::Model => &mut self.recent_models,
            Choice::Recipe => &mut self.recent_recipes,
            Choice::Sound => &mut self.recent_sounds,
            Choice::Recordings => &mut self.recent_recordings,
            Choice::Lesson => &mut self.recent_lessons,
            Choice::Sweep => &mut self.recent_sweeps,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_newest_choice_comes_first_and_each_once_in_a_list_of_its_own() {
        for choice in Choice::ALL {
            let mut preferences = Preferences::default();
            for spec in ["a", "b", "a"].into_iter().chain(["c"; 2]) {
                preferences.choose(choice, spec);
            }
            assert_eq!(preferences.recent(choice).join(" "), "c a b");
            (0..40).for_each(|n| preferences.choose(choice, &n.to_string()));
            assert_eq!(preferences.recent(choice).len(), REMEMBERED);
            let others = Choice::ALL.into_iter().filter(|other| *other != choice);
            assert!(others.map(|other| preferences.recent(other).len()).all(|len| len == 0), "{choice:?}");
            let kept = (preferences.data.is_some(), preferences.model.is_some());
            assert_eq!(kept, (choice == Choice::Data, choice == Choice::Model));
        }
    }

    #[test]
    fn a_file_comes_back_and_one_of_another_version_is_read_as_far_as_it_is_known() {
        let mut preferences = Preferences { theme: Some("light".into()), mouse: false, ..Preferences::default() };
        preferences.choose(Choice::Data, "../my \"sounds\"");
        preferences.choose(Choice::Recipe, "mine.toml");
        let text = toml::to_string(&preferences).unwrap();
        assert_eq!(toml::from_str::<Preferences>(&text).unwrap(), preferences);
        let later: Preferences = toml::from_str("theme = \"dark\"\nsomething = [1]\n").unwrap();
        assert_eq!(later, Preferences { theme: Some("dark".into()), ..Preferences::default() });
    }
}

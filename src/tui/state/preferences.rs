//! What is kept from one start of the workbench to the next, in the user's config folder.

use serde::{Deserialize, Serialize};

/// Most data sets that are remembered.
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
}

impl Default for Preferences {
    fn default() -> Self {
        Self { theme: None, graphics: None, mouse: true, data: None, model: None, recent: Vec::new() }
    }
}

impl Preferences {
    /// Remembers data that was chosen.
    pub fn choose_data(&mut self, spec: &str) {
        self.data = Some(spec.to_owned());
        self.recent.retain(|other| other != spec);
        self.recent.insert(0, spec.to_owned());
        self.recent.truncate(REMEMBERED);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_newest_data_comes_first_and_each_once() {
        let mut preferences = Preferences::default();
        for spec in ["a", "b", "a"].into_iter().chain(["c"; 2]) {
            preferences.choose_data(spec);
        }
        assert_eq!((preferences.recent.join(" "), preferences.data.as_deref()), ("c a b".into(), Some("c")));
        (0..40).for_each(|n| preferences.choose_data(&n.to_string()));
        assert_eq!(preferences.recent.len(), REMEMBERED);
    }

    #[test]
    fn a_file_comes_back_and_one_of_another_version_is_read_as_far_as_it_is_known() {
        let mut preferences = Preferences { theme: Some("light".into()), mouse: false, ..Preferences::default() };
        preferences.choose_data("../my \"sounds\"");
        let text = toml::to_string(&preferences).unwrap();
        assert_eq!(toml::from_str::<Preferences>(&text).unwrap(), preferences);
        let later: Preferences = toml::from_str("theme = \"dark\"\nsomething = [1]\n").unwrap();
        assert_eq!(later, Preferences { theme: Some("dark".into()), ..Preferences::default() });
    }
}

//! Ways to draw the spectrogram.

use std::str::FromStr;

use crate::tui::text;

/// From the plainest to the finest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Graphics {
    /// Half-blocks: two pixels per cell, each in its own colour. Every terminal has them.
    #[default]
    Half,
    /// Octants (Unicode 16): eight pixels per cell, in two colours.
    Octant,
    /// The graphics protocol of kitty: a pixel for each frame and mel bin.
    Kitty,
}

impl Graphics {
    /// All, with their names.
    pub const ALL: [(Self, &'static str); 3] = [(Self::Half, "half"), (Self::Octant, "octant"), (Self::Kitty, "kitty")];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(graphics, _)| *graphics == self).map_or("", |(_, name)| name)
    }
}

/// The graphics chosen by name; `None` for `auto`: the finest that the terminal supports.
///
/// # Errors
/// When there is no such name.
pub fn chosen(name: &str) -> Result<Option<Graphics>, String> {
    if name == "auto" { Ok(None) } else { name.parse().map(Some) }
}

impl FromStr for Graphics {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(|(_, name)| name).join(", ");
        let found = Self::ALL.into_iter().find(|(_, name)| *name == text);
        found
            .map(|(graphics, _)| graphics)
            .ok_or_else(|| format!("there are no graphics \"{}\"; there are {names}", text::clean(text)))
    }
}

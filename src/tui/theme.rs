//! Colours and weights by meaning, from TOML files.
//!
//! The built-in themes are `themes/*.toml`; a file of the same name in the user's `themes` folder
//! replaces one, another name adds one. With `NO_COLOR` set, only weights are left.

use std::{fmt::Write as _, path::Path, str::FromStr};

use ratatui::{
    buffer::Buffer,
    style::{Color, Modifier, Style},
};
use serde::{Deserialize, Deserializer};

use crate::{limits, plot::Side, regular};

/// The built-in themes, in the order that `t` goes through them.
const BUILT_IN: [(&str, &str); 4] = [
    ("dark", include_str!("../../themes/dark.toml")),
    ("light", include_str!("../../themes/light.toml")),
    ("colour-blind", include_str!("../../themes/colour-blind.toml")),
    ("monochrome", include_str!("../../themes/monochrome.toml")),
];

/// The built-in theme that needs no colours.
const MONOCHROME: usize = 3;

/// A perceptually even scale for maps, from d3 and matplotlib.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Palette {
    /// Black through magenta to cream.
    Magma,
    /// Black through orange to pale yellow.
    Inferno,
    /// Blue through green to yellow.
    Viridis,
    /// Blue through grey to yellow, for every kind of colour vision.
    Cividis,
    /// No colours: ░▒▓█.
    Shades,
}

/// How to paint a cell of a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shade {
    /// In this colour.
    Color(Color),
    /// With this glyph, in the base style.
    Glyph(char),
}

/// A style as written in a theme: `#8a91a3`, `#fff on #000 bold`, `dim`, `default`, `light-blue underlined`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Written(Style);

impl FromStr for Written {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut style = Style::new();
        let mut background = false;
        for word in text.split_whitespace() {
            let modifier = match word {
                "on" => {
                    background = true;
                    continue;
                }
                "bold" => Modifier::BOLD,
                "dim" => Modifier::DIM,
                "italic" => Modifier::ITALIC,
                "underlined" => Modifier::UNDERLINED,
                "reversed" => Modifier::REVERSED,
                _ => Modifier::empty(),
            };
            if !modifier.is_empty() {
                style = style.add_modifier(modifier);
                continue;
            }
            let color = match word {
                "default" => Color::Reset,
                _ => word.parse().map_err(|_| {
                    format!("\"{word}\" is not a colour: write #rrggbb, a name (red, light-blue, ...) or default")
                })?,
            };
            style = if background { style.bg(color) } else { style.fg(color) };
            background = false;
        }
        if background { Err(format!("\"{text}\" ends in \"on\" without a colour")) } else { Ok(Self(style)) }
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Styles {
    base: Written,
    dim: Written,
    faint: Written,
    border: Written,
    grid: Written,
    title: Written,
    strong: Written,
    accent: Written,
    selected: Written,
    a: Written,
    b: Written,
    a_thin: Written,
    b_thin: Written,
    good: Written,
    warn: Written,
    bad: Written,
}

/// A theme: the style of everything.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Theme {
    /// Its name.
    pub name: String,
    palette: Palette,
    #[serde(default)]
    palette_reversed: bool,
    styles: Styles,
}

macro_rules! styles {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        pub fn $name(&self) -> Style {
            self.styles.$name.0
        }
    )*};
}

impl Theme {
    styles! {
        /// Text and background.
        base,
        /// Names and units beside important numbers.
        dim,
        /// The least important text.
        faint,
        /// Panels' borders.
        border,
        /// Lines behind curves.
        grid,
        /// Panels' titles.
        title,
        /// Important numbers.
        strong,
        /// Keys, and the cursor.
        accent,
        /// The row under the cursor.
        selected,
        /// Good.
        good,
        /// Warnings.
        warn,
        /// Errors.
        bad,
    }

    /// The colour of a run.
    pub fn side(&self, side: Side) -> Style {
        match side {
            Side::A => self.styles.a.0,
            Side::B => self.styles.b.0,
        }
    }

    /// The colour of a run's background curves.
    pub fn side_thin(&self, side: Side) -> Style {
        match side {
            Side::A => self.styles.a_thin.0,
            Side::B => self.styles.b_thin.0,
        }
    }

    /// A value between 0 and 1 on the theme's scale.
    pub fn shade(&self, value: f64) -> Shade {
        let value = if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
        let gradient = match self.palette {
            Palette::Magma => colorous::MAGMA,
            Palette::Inferno => colorous::INFERNO,
            Palette::Viridis => colorous::VIRIDIS,
            Palette::Cividis => colorous::CIVIDIS,
            Palette::Shades => {
                const GLYPHS: [char; 5] = [' ', '░', '▒', '▓', '█'];
                return Shade::Glyph(GLYPHS[(value * 4.0).round() as usize]);
            }
        };
        let color = gradient.eval_continuous(if self.palette_reversed { 1.0 - value } else { value });
        Shade::Color(Color::Rgb(color.r, color.g, color.b))
    }

    /// The theme's scale in 256 steps, if it has colours.
    pub fn ramp(&self) -> Option<[Color; 256]> {
        let color = |step: usize| match self.shade(step as f64 / 255.0) {
            Shade::Color(color) => Some(color),
            Shade::Glyph(_) => None,
        };
        color(0).map(|first| std::array::from_fn(|step| color(step).unwrap_or(first)))
    }

    /// The built-in themes and the user's, in the order that `t` goes through them, and the errors of broken files.
    pub fn all(user_folder: Option<&Path>, no_color: bool) -> (Vec<Self>, Vec<String>) {
        let (mut themes, mut problems) = (Vec::new(), Vec::new());
        for (name, text) in BUILT_IN {
            match toml::from_str::<Self>(text) {
                Ok(theme) => themes.push(theme),
                Err(error) => problems.push(format!("built-in theme {name}: {error}")),
            }
        }
        if no_color {
            return (themes.into_iter().skip(MONOCHROME).collect(), problems);
        }
        let entries = user_folder.and_then(|folder| std::fs::read_dir(folder).ok());
        let mut files: Vec<_> = entries.into_iter().flatten().filter_map(|e| Some(e.ok()?.path())).collect();
        files.retain(|path| path.extension().is_some_and(|e| e == "toml"));
        files.sort();
        for path in files {
            let read = regular::text_up_to(&path, limits::SETTINGS).map_err(|error| error.to_string());
            match read.and_then(|text| toml::from_str::<Self>(&text).map_err(|error| error.to_string())) {
                Ok(theme) => match themes.iter_mut().find(|known| known.name == theme.name) {
                    Some(known) => *known = theme,
                    None => themes.push(theme),
                },
                Err(error) => problems.push(format!("{}: {error}", path.display())),
            }
        }
        (themes, problems)
    }
}

/// The number of colours of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// None: weights only.
    None,
    /// The 256 of xterm.
    Indexed,
    /// All.
    True,
}

impl Depth {
    /// From `NO_COLOR`, `COLORTERM` and `TERM`. Unknown terminals of this decade show all colours.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        if variable("NO_COLOR").is_some_and(|value| !value.is_empty()) {
            return Self::None;
        }
        let colorterm = variable("COLORTERM").unwrap_or_default();
        let term = variable("TERM").unwrap_or_default();
        let full = ["kitty", "ghostty", "alacritty", "wezterm", "foot", "-direct"];
        if matches!(colorterm.as_str(), "truecolor" | "24bit") || full.iter().any(|name| term.contains(name)) {
            Self::True
        } else if term == "dumb" || term.starts_with("vt1") || term.starts_with("vt2") {
            Self::None
        } else {
            Self::Indexed
        }
    }

    /// Reduces a drawn frame to the colours that the terminal supports.
    pub fn apply(self, buffer: &mut Buffer) {
        let convert = match self {
            Self::True => return,
            Self::Indexed => indexed,
            Self::None => |_| Color::Reset,
        };
        for cell in &mut buffer.content {
            cell.fg = convert(cell.fg);
            cell.bg = convert(cell.bg);
        }
    }
}

/// The nearest of xterm's 6 x 6 x 6 cube and 24 greys.
fn indexed(color: Color) -> Color {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let Color::Rgb(r, g, b) = color else { return color };
    let nearest = |v: u8| (0..6).min_by_key(|i| LEVELS[*i].abs_diff(v)).unwrap_or_default();
    let cube = [nearest(r), nearest(g), nearest(b)];
    let average = (u16::from(r) + u16::from(g) + u16::from(b)) / 3;
    let grey = (average.saturating_sub(3) / 10).min(23) as u8;
    let distance =
        |to: [u8; 3]| -> u32 { [r, g, b].iter().zip(to).map(|(from, to)| u32::from(from.abs_diff(to)).pow(2)).sum() };
    if distance([8 + 10 * grey; 3]) < distance(cube.map(|i| LEVELS[i])) {
        Color::Indexed(232 + grey)
    } else {
        Color::Indexed((16 + 36 * cube[0] + 6 * cube[1] + cube[2]) as u8)
    }
}

/// A style in the syntax of a theme file: for styled snapshots.
pub fn describe(style: Style) -> String {
    let mut text = String::new();
    let color = |color: Color| match color {
        Color::Reset => "default".to_owned(),
        other => other.to_string().to_lowercase(),
    };
    if let Some(fg) = style.fg {
        let _ = write!(text, "{} ", color(fg));
    }
    if let Some(bg) = style.bg {
        let _ = write!(text, "on {} ", color(bg));
    }
    for (modifier, name) in [
        (Modifier::BOLD, "bold "),
        (Modifier::DIM, "dim "),
        (Modifier::ITALIC, "italic "),
        (Modifier::UNDERLINED, "underlined "),
        (Modifier::REVERSED, "reversed "),
    ] {
        if style.add_modifier.contains(modifier) {
            text.push_str(name);
        }
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_built_in_theme_is_complete_and_distinguishes_a_and_b() {
        let (themes, problems) = Theme::all(None, false);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(themes.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), BUILT_IN.map(|(name, _)| name));
        for theme in themes {
            assert_ne!(theme.side(Side::A), theme.side(Side::B), "{}", theme.name);
            assert_ne!(theme.base(), theme.selected(), "{}", theme.name);
        }
    }

    #[test]
    fn styles_read_as_they_are_written() {
        let style = |text: &str| text.parse::<Written>().unwrap().0;
        assert_eq!(style("#ff0010 on default bold"), Style::new().fg(Color::Rgb(255, 0, 16)).bg(Color::Reset).bold());
        assert_eq!(style("dim"), Style::new().dim());
        assert!("#ff001".parse::<Written>().unwrap_err().contains("not a colour"));
        assert!("red on".parse::<Written>().unwrap_err().contains("without a colour"));
        assert_eq!(describe(style("#ff0010 on default bold")), "#ff0010 on default bold");
    }

    #[test]
    fn a_users_file_replaces_or_adds_and_a_broken_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let dark = BUILT_IN[0].1;
        std::fs::write(folder.path().join("mine.toml"), dark.replace("\"dark\"", "\"mine\"")).unwrap();
        std::fs::write(folder.path().join("dark.toml"), dark.replace("magma", "inferno")).unwrap();
        std::fs::write(folder.path().join("broken.toml"), "name = 3").unwrap();
        let (themes, problems) = Theme::all(Some(folder.path()), false);
        assert_eq!(themes.len(), BUILT_IN.len() + 1);
        assert_eq!(themes[0].palette, Palette::Inferno);
        assert!(problems.len() == 1 && problems[0].contains("broken.toml"));
    }

    #[test]
    fn without_colour_nothing_coloured_is_left() {
        let (themes, _) = Theme::all(None, true);
        assert_eq!(themes.len(), 1);
        let mut buffer = Buffer::empty(ratatui::layout::Rect::new(0, 0, 2, 1));
        buffer.set_string(0, 0, "ab", Style::new().fg(Color::Rgb(1, 2, 3)).bg(Color::Red));
        Depth::None.apply(&mut buffer);
        assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    }

    #[test]
    fn few_colours_are_the_nearest_ones() {
        assert_eq!(indexed(Color::Rgb(255, 0, 0)), Color::Indexed(196));
        assert_eq!(indexed(Color::Rgb(17, 19, 26)), Color::Indexed(233));
        assert_eq!(Depth::of_environment(|v| (v == "TERM").then(|| "xterm-256color".into())), Depth::Indexed);
        assert_eq!(Depth::of_environment(|v| (v == "NO_COLOR").then(|| "1".into())), Depth::None);
    }
}

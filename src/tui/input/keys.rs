//! Keys, and where they have a meaning.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::action::{Action, LivePanel, Screen};

/// Where a key has its meaning. The first context that has the key decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Context {
    /// Over every screen.
    Everywhere,
    /// On one screen.
    On(Screen),
    /// While the name of a class is typed on Review.
    Naming,
    /// On a screen with the panel of a clip.
    Clip,
    /// In one panel of the Live screen.
    In(LivePanel),
    /// In the browser of folders.
    Browser,
    /// While a sweep is watched on the Sessions screen.
    Sweep,
    /// While the keys are shown.
    Help,
    /// While a question is asked.
    Question,
    /// While a command is typed.
    CommandLine,
    /// While a session is exported.
    Export,
}

impl Context {
    /// Every context, in the order of the documentation.
    pub const ALL: [Self; 22] = [
        Self::Everywhere,
        Self::On(Screen::Train),
        Self::On(Screen::Layers),
        Self::On(Screen::Parameters),
        Self::On(Screen::Live),
        Self::In(LivePanel::Sound),
        Self::In(LivePanel::Desk),
        Self::In(LivePanel::Bookmarks),
        Self::In(LivePanel::Teach),
        Self::On(Screen::Sessions),
        Self::Sweep,
        Self::On(Screen::Data),
        Self::On(Screen::Results),
        Self::On(Screen::Review),
        Self::Naming,
        Self::On(Screen::Scan),
        Self::Clip,
        Self::Browser,
        Self::Help,
        Self::Question,
        Self::CommandLine,
        Self::Export,
    ];

    /// The contexts that are asked after this one, in order.
    pub fn behind(self) -> &'static [Self] {
        match self {
            Self::In(_) => &[Self::On(Screen::Live), Self::Everywhere],
            Self::On(Screen::Data | Screen::Results | Screen::Review | Screen::Scan) => &[Self::Clip, Self::Everywhere],
            Self::On(_) | Self::Clip | Self::Browser | Self::Sweep => &[Self::Everywhere],
            Self::Everywhere | Self::Naming | Self::Help | Self::Question | Self::CommandLine | Self::Export => &[],
        }
    }

    /// Whether the help lists its keys.
    pub fn is_in_help(self) -> bool {
        self == Self::Everywhere || !self.behind().is_empty()
    }

    /// Whether letters are typed there.
    pub fn is_typing(self) -> bool {
        matches!(self, Self::CommandLine | Self::Export | Self::Naming)
    }

    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Everywhere => "Everywhere",
            Self::On(screen) => screen.name(),
            Self::In(part) => part.name(),
            Self::Naming => "Review: while a class is typed",
            Self::Clip => "With a clip",
            Self::Sweep => "Sessions: a sweep",
            Self::Browser => "In the browser of folders",
            Self::Help => "In the help",
            Self::Question => "At a question",
            Self::CommandLine => "In the command line",
            Self::Export => "At an export",
        }
    }
}

/// A key, with Ctrl or without. Shift is part of the letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    ctrl: bool,
}

pub(super) const fn key(code: KeyCode) -> Key {
    Key { code, ctrl: false }
}

pub(super) const fn letter(c: char) -> Key {
    key(KeyCode::Char(c))
}

pub(super) const fn ctrl(c: char) -> Key {
    ctrl_key(KeyCode::Char(c))
}

pub(super) const fn ctrl_key(code: KeyCode) -> Key {
    Key { code, ctrl: true }
}

impl Key {
    /// Its name for people: `Space`, `Ctrl-c`, `↑`.
    pub fn text(self) -> String {
        let name = match self.code {
            KeyCode::Char(' ') => "Space".to_owned(),
            KeyCode::Char(c) => c.to_string(),
            KeyCode::Enter => "Enter".into(),
            KeyCode::Esc => "Esc".into(),
            KeyCode::Tab => "Tab".into(),
            KeyCode::BackTab => "Shift-Tab".into(),
            KeyCode::Backspace => "Backspace".into(),
            KeyCode::Delete => "Del".into(),
            KeyCode::Up => "↑".into(),
            KeyCode::Down => "↓".into(),
            KeyCode::Left => "←".into(),
            KeyCode::Right => "→".into(),
            KeyCode::PageUp => "PgUp".into(),
            KeyCode::PageDown => "PgDn".into(),
            KeyCode::Home => "Home".into(),
            KeyCode::End => "End".into(),
            KeyCode::F(number) => format!("F{number}"),
            other => format!("{other:?}"),
        };
        if self.ctrl { format!("Ctrl-{name}") } else { name }
    }
}

impl Key {
    /// The key of a name, as [`text`](Self::text) writes it; arrows also by word, and in any letter case but for letters.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("Ctrl-").or_else(|| text.strip_prefix("ctrl-")) {
            return Self::parse(rest).map(|key| Self { ctrl: true, ..key });
        }
        let mut letters = text.chars();
        if let (Some(c), None) = (letters.next(), letters.next())
            && !"↑↓←→".contains(c)
        {
            return Some(letter(c));
        }
        let code = match text.to_lowercase().as_str() {
            "space" => KeyCode::Char(' '),
            "enter" => KeyCode::Enter,
            "esc" => KeyCode::Esc,
            "tab" => KeyCode::Tab,
            "shift-tab" => KeyCode::BackTab,
            "backspace" => KeyCode::Backspace,
            "del" | "delete" => KeyCode::Delete,
            "↑" | "up" => KeyCode::Up,
            "↓" | "down" => KeyCode::Down,
            "←" | "left" => KeyCode::Left,
            "→" | "right" => KeyCode::Right,
            "pgup" => KeyCode::PageUp,
            "pgdn" => KeyCode::PageDown,
            "home" => KeyCode::Home,
            "end" => KeyCode::End,
            "insert" => KeyCode::Insert,
            other => KeyCode::F(other.strip_prefix('f')?.parse().ok().filter(|number| (1..=12).contains(number))?),
        };
        Some(key(code))
    }

    /// Whether it types a letter.
    pub fn is_letter(self) -> bool {
        matches!(self.code, KeyCode::Char(_)) && !self.ctrl
    }
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        Self { code: event.code, ctrl: event.modifiers.contains(KeyModifiers::CONTROL) }
    }
}

/// The keys of one context.
pub struct Group {
    /// The context.
    pub context: Context,
    /// Its keys, in the order of the help.
    pub rows: &'static [Binding],
}

/// Keys with one meaning in one context.
pub struct Binding {
    /// The first is the one that footers show.
    pub keys: &'static [Key],
    /// The action.
    pub action: fn() -> Action,
    /// The action in words.
    pub help: &'static str,
    /// One word for the footer, for the keys that belong there.
    pub footer: Option<&'static str>,
}

//! What keys mean: the table of [`bindings`](super::bindings) with what a person's file changes in it, for dispatch, the
//! footer, the help and the documentation.
//!
//! The file is TOML. A section is a heading of the help, a line is a key of the table and the key that does the same in
//! its place:
//!
//! ```toml
//! [Train]
//! m = "y"
//! Space = "F5"
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

pub use super::keys::{Context, Key};
use super::{action::Action, bindings::GROUPS, commands::COMMANDS, keys::Binding};

/// Keys as a person has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keymap {
    /// In which context which key of the table is replaced by which.
    changes: Vec<(Context, Key, Key)>,
}

/// A file of changes: by heading, then by key.
#[derive(Deserialize)]
struct Changes(BTreeMap<String, BTreeMap<String, String>>);

impl Keymap {
    /// The keys after the changes of a file, and what is wrong with it. Where the changes of a section are in conflict with
    /// each other or with other keys, all keys of that section stay as they are.
    pub fn read(text: &str) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let Changes(sections) = match toml::from_str(text) {
            Ok(changes) => changes,
            Err(error) => return (Self::default(), vec![error.to_string().trim_end().to_owned()]),
        };
        let mut keymap = Self::default();
        for (heading, lines) in sections {
            let Some(context) = Context::ALL.into_iter().find(|context| context.title().eq_ignore_ascii_case(&heading))
            else {
                let known: Vec<_> = Context::ALL.iter().map(|context| context.title()).collect();
                problems.push(format!("there is no section [{heading}]; there are {}", known.join(", ")));
                continue;
            };
            for (from, to) in lines {
                match change(context, &from, &to) {
                    Ok(change) => keymap.changes.push(change),
                    Err(problem) => problems.push(format!("[{}] {problem}", context.title())),
                }
            }
        }
        // Without the changes of one section those of another may be in conflict.
        while let Some((section, conflict)) = keymap.conflict() {
            keymap.changes.retain(|(context, ..)| *context != section);
            problems.push(format!("[{}] {conflict}; its keys stay as they are", section.title()));
        }
        (keymap, problems)
    }

    /// A section whose changes are in conflict, and the conflict in words.
    fn conflict(&self) -> Option<(Context, String)> {
        let twice = |context| Some((context, self.twice(context)?));
        Context::ALL.into_iter().find_map(twice).or_else(|| Context::ALL.into_iter().find_map(|c| self.hiding(c)))
    }

    /// Two meanings of one key in a context.
    fn twice(&self, context: Context) -> Option<String> {
        let mut seen: Vec<(Key, &str)> = Vec::new();
        for (key, binding) in self.pairs(context) {
            if let Some((_, other)) = seen.iter().find(|(known, _)| *known == key) {
                return Some(format!("{} means two things: {other}; {}", key.text(), binding.help));
            }
            seen.push((key, binding.help));
        }
        None
    }

    /// A key of this context that hides one of a context behind it, unless it does so in the table as well.
    fn hiding(&self, context: Context) -> Option<(Context, String)> {
        for behind in context.behind() {
            for (key, binding) in self.pairs(context) {
                let Some((_, hidden)) = self.pairs(*behind).find(|(other, _)| *other == key) else { continue };
                if hidden.keys.contains(&key) && of(context).any(|binding| binding.keys.contains(&key)) {
                    continue;
                }
                let is_changed = !binding.keys.contains(&key);
                let (section, other, help) =
                    if is_changed { (context, *behind, hidden.help) } else { (*behind, context, binding.help) };
                let place = match other {
                    Context::Everywhere => "everywhere".to_owned(),
                    other => format!("in [{}]", other.title()),
                };
                return Some((section, format!("{} means something {place}: {help}", key.text())));
            }
        }
        None
    }

    /// Every key of a context with its binding.
    fn pairs(&self, context: Context) -> impl Iterator<Item = (Key, &'static Binding)> + '_ {
        of(context).flat_map(move |binding| self.keys(context, binding).map(move |key| (key, binding)))
    }

    /// Lines of the help, at least: there is nothing to scroll to behind them.
    pub fn help_lines(&self) -> u16 {
        let listed = Context::ALL.into_iter().filter(|context| context.is_in_help());
        // A heading and an empty line for each context, and for the commands.
        let lines: usize = listed.map(|context| of(context).count() + 2).sum();
        (lines + COMMANDS.len() + 1) as u16
    }

    /// The first key of an action in a context, or in one behind it, by its name; for hints.
    pub fn name(&self, context: Context, action: &Action) -> String {
        let contexts: Vec<Context> = [context].into_iter().chain(context.behind().iter().copied()).collect();
        let pairs = contexts.iter().flat_map(|context| self.pairs(*context));
        let keys: Vec<Key> = pairs.filter(|(_, binding)| (binding.action)() == *action).map(|(key, _)| key).collect();
        // A key may mean something else in a context before.
        let works = |key: &&Key| self.lookup(&contexts, **key).as_ref() == Some(action);
        keys.iter().find(works).or(keys.first()).map_or_else(String::new, |key| key.text())
    }

    /// The keys of a binding of a context.
    fn keys<'a>(&'a self, context: Context, binding: &'a Binding) -> impl Iterator<Item = Key> + 'a {
        binding.keys.iter().map(move |key| {
            let change = self.changes.iter().find(|(of, from, _)| *of == context && from == key);
            change.map_or(*key, |(_, _, to)| *to)
        })
    }

    /// What a key does: the first of these contexts that knows it decides.
    pub fn lookup(&self, contexts: &[Context], key: Key) -> Option<Action> {
        let mut pairs = contexts.iter().flat_map(|context| self.pairs(*context));
        pairs.find(|(own, _)| *own == key).map(|(_, binding)| (binding.action)())
    }

    /// The keys of a context that its footer shows, what they do, and a word for it.
    pub fn footer(&self, context: Context) -> impl Iterator<Item = (String, Action, &'static str)> {
        let shown = move |binding: &Binding| {
            Some((self.keys(context, binding).next()?.text(), (binding.action)(), binding.footer?))
        };
        of(context).filter_map(shown)
    }

    /// Keys and words of a context, for the help and the documentation.
    pub fn help(&self, context: Context) -> impl Iterator<Item = (String, &'static str)> {
        of(context).map(move |binding| {
            let keys: Vec<_> = self.keys(context, binding).map(Key::text).collect();
            (keys.join(" "), binding.help)
        })
    }
}

/// The bindings of a context.
fn of(context: Context) -> impl Iterator<Item = &'static Binding> {
    GROUPS.iter().filter(move |group| group.context == context).flat_map(|group| group.rows)
}

/// A line of a file.
fn change(context: Context, from: &str, to: &str) -> Result<(Context, Key, Key), String> {
    let key = |text: &str| {
        Key::parse(text).ok_or_else(|| format!("\"{text}\" is no key: write m, Space, F5, Ctrl-k, Up, ..."))
    };
    let (old, new) = (key(from)?, key(to)?);
    if !of(context).any(|binding| binding.keys.contains(&old)) {
        return Err(format!("{from} has no meaning there that could be moved"));
    }
    if context.is_typing() && new.is_letter() {
        return Err(format!("{to} is a letter, and letters are typed there"));
    }
    Ok((context, old, new))
}

/// The tables of `docs/keys.md`.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Keys\n\nMade from the table in `src/tui/input/bindings.rs`; a test holds the two together \
         (`UPDATE_DOCS=1 cargo test keys_in_the_documentation` writes this file).\n",
    );
    for context in Context::ALL {
        out += &format!("\n## {}\n\n| key | what it does |\n|---|---|\n", context.title());
        for (keys, help) in Keymap::default().help(context) {
            let keys: Vec<_> = keys.split(' ').map(|key| format!("`{key}`")).collect();
            out += &format!("| {} | {help} |\n", keys.join(" "));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;

    use super::{
        super::{action::LivePanel, keys::letter},
        *,
    };
    use crate::tui::input::action::{Move, Screen};

    #[test]
    fn a_key_means_one_thing_in_a_context() {
        for context in Context::ALL {
            let mut seen = HashSet::new();
            for binding in of(context) {
                for key in binding.keys {
                    assert!(seen.insert(*key), "{} is bound twice in {context:?}", key.text());
                }
            }
            assert!(!seen.is_empty(), "{context:?} has no keys");
        }
    }

    #[test]
    fn every_screen_has_its_digit() {
        for screen in Screen::ALL {
            assert_eq!(
                Keymap::default().lookup(&[Context::Everywhere], letter(screen.digit())),
                Some(Action::Show(screen))
            );
        }
    }

    #[test]
    fn no_screen_hides_a_key_that_works_everywhere() {
        let keys = |context| of(context).flat_map(|binding| binding.keys);
        let contexts = Context::ALL.into_iter().filter(|context| context.behind().contains(&Context::Everywhere));
        assert_eq!(contexts.clone().count(), Screen::ALL.len() + LivePanel::ALL.len() + 3);
        for context in contexts {
            // On Review digits choose classes; Esc and the mouse lead to other screens.
            let is_digit = |key: &&Key| context == Context::On(Screen::Review) && key.text().parse::<u8>().is_ok();
            for key in keys(context).filter(|key| !is_digit(key)) {
                assert!(!keys(Context::Everywhere).any(|other| other == key), "{} on {}", key.text(), context.title());
            }
        }
    }

    #[test]
    fn the_first_context_decides() {
        let contexts = [Context::On(Screen::Layers), Context::Everywhere];
        assert_eq!(Keymap::default().lookup(&contexts, letter('l')), Some(Action::Move(Move::Right)));
        assert_eq!(Keymap::default().lookup(&contexts, letter('1')), Some(Action::Show(Screen::Train)));
        assert_eq!(Keymap::default().lookup(&contexts, letter('Z')), None);
        assert_eq!(Keymap::default().lookup(&[Context::Question], letter('1')), None);
    }

    #[test]
    fn a_key_is_moved_and_footer_and_help_show_it() {
        let (keymap, problems) =
            Keymap::read("[train]\nm = \"y\"\nSpace = \"F5\"\n[\"Live: teaching\"]\na = \"Ctrl-a\"\n");
        assert_eq!(problems, Vec::<String>::new());
        let train = [Context::On(Screen::Train), Context::Everywhere];
        let pressed = |text: &str| keymap.lookup(&train, Key::parse(text).unwrap());
        assert_eq!((pressed("y"), pressed("m")), (Some(Action::NextMethod), None));
        assert_eq!((pressed("F5"), pressed("Space")), (Some(Action::Pause), None));
        assert_eq!(pressed("t"), Some(Action::NextTheme));
        let footer: Vec<_> = keymap.footer(train[0]).map(|(key, _, word)| format!("{key} {word}")).collect();
        assert!(footer.contains(&"y method".to_owned()) && footer.contains(&"F5 pause".to_owned()), "{footer:?}");
        // On another screen m is what it was.
        let parameters = [Context::On(Screen::Parameters)];
        assert_eq!(keymap.lookup(&parameters, Key::parse("m").unwrap()), Some(Action::NextMethod));
    }

    #[test]
    fn two_keys_may_change_places_and_conflicts_are_told() {
        let (keymap, problems) = Keymap::read("[Train]\nm = \"n\"\nn = \"m\"\n");
        assert_eq!(problems, Vec::<String>::new());
        let train = [Context::On(Screen::Train)];
        assert_eq!(keymap.lookup(&train, Key::parse("n").unwrap()), Some(Action::NextMethod));
        for (text, expected) in [
            ("[Train]\nm = \"n\"\n", "n means two things"),
            ("[Train]\nm = \"q\"\n", "q means something everywhere"),
            ("[Train]\nZ = \"m\"\n", "Z has no meaning there"),
            ("[Train]\nm = \"Hyper-m\"\n", "is no key"),
            ("[Nowhere]\nm = \"n\"\n", "there is no section [Nowhere]"),
            ("[\"In the command line\"]\nTab = \"x\"\n", "letters are typed there"),
            ("[Train]\nm = 3\n", "invalid type"),
            ("[\"Sessions: a sweep\"]\nf = \"q\"\n", "q means something everywhere"),
            ("[\"Review: while a class is typed\"]\nEnter = \"x\"\n", "letters are typed there"),
            ("[Everywhere]\nt = \"m\"\n", "[Everywhere] m means something in [Train]"),
            ("[Data]\nc = \"o\"\n", "o means something in [With a clip]"),
            ("[\"With a clip\"]\no = \"c\"\n", "[With a clip] c means something in [Data]"),
            ("[\"Live: the sound\"]\nh = \"b\"\n", "b means something in [Live]"),
            ("[Train]\nm = \"F5\"\n[train]\nn = \"F5\"\n", "F5 means two things"),
        ] {
            let (keymap, problems) = Keymap::read(text);
            assert_eq!(keymap, Keymap::default(), "{text}");
            assert!(problems.len() == 1 && problems[0].contains(expected), "{text}: {problems:?}");
        }
    }

    #[test]
    fn conflicts_are_those_of_the_keys_as_they_are_after_all_changes() {
        // What a section frees, another one may use.
        let text = "[Everywhere]\nt = \"F2\"\n[Train]\nm = \"t\"\n";
        let (keymap, problems) = Keymap::read(text);
        assert_eq!(problems, Vec::<String>::new());
        let pressed = |text: &str| keymap.lookup(&[Context::On(Screen::Train), Context::Everywhere], Key::parse(text)?);
        assert_eq!((pressed("t"), pressed("F2")), (Some(Action::NextMethod), Some(Action::NextTheme)));
        // What it takes, another one may not; the section that is read first stays.
        let text = "[Everywhere]\nt = \"F2\"\n[Train]\nm = \"F2\"\nb = \"t\"\n";
        let (keymap, problems) = Keymap::read(text);
        assert!(
            problems.len() == 1 && problems[0].starts_with("[Train] F2 means something everywhere"),
            "{problems:?}"
        );
        let train = Context::On(Screen::Train);
        let name = |action| keymap.name(train, &action);
        assert_eq!((name(Action::NextTheme), name(Action::NextMethod), name(Action::StartBoth)).0, "F2");
        assert_eq!((name(Action::NextMethod), name(Action::StartBoth)), ("m".into(), "b".into()));
        // Digits choose classes on Review, whichever of them.
        let (_, problems) = Keymap::read("[Review]\n1 = \"2\"\n2 = \"1\"\n");
        assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn every_key_is_read_as_it_is_written() {
        for key in GROUPS.iter().flat_map(|group| group.rows).flat_map(|binding| binding.keys) {
            assert_eq!(Key::parse(&key.text()), Some(*key), "{}", key.text());
        }
        assert_eq!(Key::parse("up"), Key::parse("↑"));
        assert_eq!((Key::parse("F13"), Key::parse(""), Key::parse("ab")), (None, None, None));
    }

    #[test]
    fn keys_in_the_documentation_are_the_keys_of_the_program() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/keys.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), markdown());
    }
}

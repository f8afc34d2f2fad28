//! What keys mean: looks them up in the table of [`bindings`](super::bindings), for dispatch, the footer, the help and the
//! documentation.

pub use super::keys::{Context, Key};
use super::{action::Action, bindings::BINDINGS, keys::Binding};

/// What a key does: the first of these contexts that knows it decides.
pub fn lookup(contexts: &[Context], key: Key) -> Option<Action> {
    contexts
        .iter()
        .flat_map(|context| BINDINGS.iter().filter(move |binding| binding.context == *context))
        .find(|binding| binding.keys.contains(&key))
        .map(|binding| (binding.action)())
}

/// The keys of a context that its footer shows, what they do, and a word for it.
pub fn footer(context: Context) -> impl Iterator<Item = (String, Action, &'static str)> {
    let of_context = move |binding: &&Binding| binding.context == context;
    let shown = |binding: &Binding| Some((binding.keys.first()?.text(), (binding.action)(), binding.footer?));
    BINDINGS.iter().filter(of_context).filter_map(shown)
}

/// Keys and words of a context, for the help and the documentation.
pub fn help(context: Context) -> impl Iterator<Item = (String, &'static str)> {
    BINDINGS.iter().filter(move |binding| binding.context == context).map(|binding| {
        let keys: Vec<_> = binding.keys.iter().map(|key| key.text()).collect();
        (keys.join(" "), binding.help)
    })
}

/// The tables of `docs/keys.md`.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Keys\n\nMade from the table in `src/tui/input/bindings.rs`; a test holds the two together \
         (`UPDATE_DOCS=1 cargo test keys_in_the_documentation` writes this file).\n",
    );
    for context in Context::ALL {
        out += &format!("\n## {}\n\n| key | what it does |\n|---|---|\n", context.title());
        for (keys, help) in help(context) {
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
            for binding in BINDINGS.iter().filter(|binding| binding.context == context) {
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
            assert_eq!(lookup(&[Context::Everywhere], letter(screen.digit())), Some(Action::Show(screen)));
        }
    }

    #[test]
    fn no_screen_hides_a_key_that_works_everywhere() {
        let keys = |context| BINDINGS.iter().filter(move |b| b.context == context).flat_map(|b| b.keys);
        let contexts =
            Screen::ALL.map(Context::On).into_iter().chain(LivePanel::ALL.map(Context::In)).chain([Context::Clip]);
        for context in contexts {
            for key in keys(context) {
                assert!(!keys(Context::Everywhere).any(|other| other == key), "{} on {}", key.text(), context.title());
            }
        }
    }

    #[test]
    fn the_first_context_decides() {
        let contexts = [Context::On(Screen::Layers), Context::Everywhere];
        assert_eq!(lookup(&contexts, letter('l')), Some(Action::Move(Move::Right)));
        assert_eq!(lookup(&contexts, letter('1')), Some(Action::Show(Screen::Train)));
        assert_eq!(lookup(&contexts, letter('Z')), None);
        assert_eq!(lookup(&[Context::Question], letter('1')), None);
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

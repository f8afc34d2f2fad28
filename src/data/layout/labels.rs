//! One class written in several ways: Unicode forms are one class, other small differences are reported.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;

use crate::data::{Dataset, Label, Problem};

/// Joins classes whose names differ only in their Unicode form ("ä" as one character or as two), and names those that
/// differ only in case, spaces, hyphens or underscores.
pub(super) fn tidy(dataset: &mut Dataset, spec: &str) -> Vec<Problem> {
    let place = dataset.root.clone().unwrap_or_else(|| spec.into());
    let mut problems = Vec::new();
    let composed: Vec<String> = dataset.classes.iter().map(|class| class.nfc().collect()).collect();
    let mut joined = composed.clone();
    // A layout's own order of classes stays; only doubles go.
    let mut seen = std::collections::BTreeSet::new();
    joined.retain(|class| seen.insert(class.clone()));
    if joined.len() < composed.len() {
        let mut forms: BTreeMap<&str, usize> = BTreeMap::new();
        composed.iter().for_each(|class| *forms.entry(class).or_default() += 1);
        let names: Vec<String> =
            forms.iter().filter(|(_, forms)| **forms > 1).map(|(class, _)| format!("`{class}`")).collect();
        problems.push(Problem::warning(
            &place,
            format!("{} is written in several Unicode forms, which are read as one class", names.join(", ")),
            "nothing is to be done",
        ));
    }
    if joined != dataset.classes {
        let places: Vec<usize> =
            composed.iter().map(|class| joined.iter().position(|one| one == class).unwrap_or_default()).collect();
        for item in &mut dataset.items {
            relabel(&mut item.label, &places);
        }
        dataset.classes = joined;
    }

    let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for class in &dataset.classes {
        alike.entry(folded(class)).or_default().push(class);
    }
    let groups: Vec<String> = alike
        .values()
        .filter(|names| names.len() > 1)
        .map(|names| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and "))
        .collect();
    if !groups.is_empty() {
        problems.push(Problem::warning(
            &place,
            format!(
                "these classes differ only in case, spaces, hyphens or underscores, and are read as different: {}",
                groups.join("; ")
            ),
            "give them one name if they are one class",
        ));
    }
    problems
}

/// A name without what people write differently by accident.
fn folded(name: &str) -> String {
    let accident =
        |c: &char| c.is_whitespace() || matches!(c, '-' | '_' | '\u{200B}'..='\u{200F}' | '\u{FEFF}' | '\u{AD}');
    name.nfkc().flat_map(char::to_lowercase).filter(|c| !accident(c)).collect()
}

/// Moves a label's classes to their new places; classes that became one are held when either was.
fn relabel(label: &mut Label, places: &[usize]) {
    match label {
        Label::One(class) => *class = places.get(*class).copied().unwrap_or(*class),
        Label::Not(classes) => {
            classes.iter_mut().for_each(|class| *class = places.get(*class).copied().unwrap_or(*class))
        }
        Label::Many(known) => {
            let mut joined: BTreeMap<usize, bool> = BTreeMap::new();
            for (class, here) in known.iter() {
                *joined.entry(places.get(*class).copied().unwrap_or(*class)).or_default() |= here;
            }
            *known = joined.into_iter().collect();
        }
    }
}

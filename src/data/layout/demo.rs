//! The set that the program synthesises itself.

use crate::data::{Dataset, Item, Label, Source, synth};

/// How it is asked for.
pub(super) const NAME: &str = "demo";

/// Clips of each class.
const CLIPS: u64 = 40;
/// What is pretrained on begins here, so that no backbone was trained on what `demo` evaluates it by.
const PRETRAINING: std::ops::Range<u64> = 1000..1100;

/// What is adapted to, and judged by.
pub(super) fn dataset() -> Dataset {
    clips(0..CLIPS)
}

/// Other sounds of the same classes, to pretrain on.
pub(super) fn pretraining() -> Dataset {
    clips(PRETRAINING)
}

fn clips(indices: std::ops::Range<u64>) -> Dataset {
    let classes: Vec<String> = synth::CLASSES.iter().map(|class| class.name.to_owned()).collect();
    let items = (0..classes.len())
        .flat_map(|class| indices.clone().map(move |index| (class, index)))
        .map(|(class, index)| Item {
            id: format!("{}/{index:02}", classes[class]),
            source: Source::Demo { class, index },
            label: Label::One(class),
            fold: None,
            split: None,
            group: None,
        })
        .collect();
    Dataset { name: NAME.into(), root: None, layout: NAME, classes, items, recipe: Some(NAME), ..Dataset::default() }
}

//! Speech Commands (Warden, 2018): one folder for each word, `validation_list.txt` and `testing_list.txt`.
//!
//! A file `WORD/SPEAKER_nohash_N.wav` that neither list names trains. `_background_noise_` is no word.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{Layout, Reading, entries, file_name, id_of, missing, name_of, walk::Listing};
use crate::data::{DataError, Dataset, FileCount, Item, Label, LeftOut, Problem, Reason, Source, Split};

pub(super) const LAYOUT: Layout = Layout {
    name: "speech-commands",
    about: "Speech Commands: one folder for each word, validation_list.txt and testing_list.txt",
    recognise: |root| LISTS.iter().all(|(list, _)| root.join(list).is_file()),
    read: |root, _| read(root),
};

const LISTS: [(&str, Split); 2] = [("validation_list.txt", Split::Val), ("testing_list.txt", Split::Test)];

/// Words that version 2 added to the 30 of version 1.
const ONLY_V2: [&str; 5] = ["backward", "follow", "forward", "learn", "visual"];

fn read(root: &Path) -> Result<Reading, DataError> {
    let mut problems = Vec::new();
    let mut listed: BTreeMap<String, Split> = BTreeMap::new();
    for (list, split) in LISTS {
        for line in super::lines(&root.join(list))? {
            if listed.insert(line.clone(), split).is_some_and(|other| other != split) {
                let problem = format!("both lists name {line}");
                problems.push(Problem::error(root.join(list), problem, "leave it in one of them"));
            }
        }
    }
    let mut left_out: Vec<LeftOut> = Vec::new();
    for folder in entries(root)?.into_iter().filter(|path| path.is_dir() && file_name(path).starts_with('_')) {
        // `_background_noise_`: the published division has no use for it.
        left_out
            .extend(Listing::of(&folder)?.sounds.into_iter().map(|path| LeftOut { path, reason: Reason::Excluded }));
    }
    let words: Vec<_> =
        entries(root)?.into_iter().filter(|path| path.is_dir() && !file_name(path).starts_with('_')).collect();
    let classes: Vec<String> = words.iter().map(|word| file_name(word)).collect();
    let mut items = Vec::new();
    for (label, word) in words.iter().enumerate() {
        let listing = Listing::of(word)?;
        left_out.extend(listing.left_out);
        let sounds = listing.sounds;
        if sounds.is_empty() {
            problems.push(Problem::error(
                word,
                "this word's folder has no sound files",
                "add clips or remove the folder",
            ));
        }
        for path in sounds {
            let id = id_of(root, &path);
            let group = file_name(&path).split_once("_nohash_").map(|(speaker, _)| speaker.to_owned());
            let split = listed.remove(&id).unwrap_or(Split::Train);
            items.push(Item {
                id,
                source: Source::File(path),
                label: Label::One(label),
                fold: None,
                split: Some(split),
                group,
            });
        }
    }
    for (id, split) in listed {
        let list = LISTS.iter().find(|(_, of)| *of == split).map_or("", |(list, _)| list);
        problems.push(missing(root.join(id), list));
    }
    let known: BTreeSet<&str> = classes.iter().map(String::as_str).collect();
    let recipe = if ONLY_V2.iter().all(|word| known.contains(word)) {
        Some("speech-commands-v2")
    } else if classes.len() >= 30 {
        Some("speech-commands-v1")
    } else {
        // A few words are another task than the 30 or 35 that the published figures are for.
        None
    };
    let dataset = Dataset {
        name: name_of(root),
        root: Some(root.to_owned()),
        layout: LAYOUT.name,
        classes,
        found: FileCount::of(items.len(), &left_out),
        items,
        recipe,
        notes: Vec::new(),
        marks: None,
        corrections: None,
    };
    Ok(Reading { dataset, problems, left_out })
}

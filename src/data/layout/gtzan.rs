//! GTZAN (Tzanetakis and Cook, 2002): a folder for each of ten genres, divided by the fault-filtered split.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{Layout, Reading, file_name, id_of, name_of, walk::Listing};
use crate::data::{DataError, Dataset, FileCount, Item, Label, LeftOut, Problem, Reason, Source, Split};

pub(super) const LAYOUT: Layout = Layout {
    name: "gtzan",
    about: "GTZAN: blues/blues.00000.wav to rock/, also below genres/ or genres_original/",
    recognise: |root| genres_folder(root).is_some(),
    read: |root, _| read(root),
};

const GENRES: [&str; 10] =
    ["blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"];

/// Which excerpt stands where; excerpts in no part repeat, are distorted or are wrongly labelled.
const FILTERED: &str = include_str!("gtzan_filtered.txt");

fn genres_folder(root: &Path) -> Option<PathBuf> {
    ["", "genres", "genres_original"]
        .iter()
        .map(|below| root.join(below))
        .find(|folder| GENRES.iter().all(|genre| folder.join(genre).is_dir()))
}

/// Parts of the excerpts by `genre.number`.
fn parts() -> BTreeMap<(String, u32), Split> {
    let mut parts = BTreeMap::new();
    for line in FILTERED.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        if let (Some(split), Some(genre)) = (words.next().and_then(Split::from_name), words.next()) {
            parts.extend(words.filter_map(|number| Some(((genre.to_owned(), number.parse().ok()?), split))));
        }
    }
    parts
}

fn read(root: &Path) -> Result<Reading, DataError> {
    let folder = genres_folder(root).unwrap_or_else(|| root.to_owned());
    let parts = parts();
    let (mut items, mut problems, mut left_out, mut faulty) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (label, genre) in GENRES.iter().enumerate() {
        let listing = Listing::of(&folder.join(genre))?;
        left_out.extend(listing.left_out);
        let sounds = listing.sounds;
        if sounds.is_empty() {
            problems.push(Problem::error(
                folder.join(genre),
                "this genre's folder has no sound files that can be read",
                "add its clips (.wav or .au)",
            ));
        }
        for path in sounds {
            // `blues.00012.wav`
            let number = file_name(&path).split('.').nth(1).and_then(|number| number.parse().ok());
            let Some(&split) = number.and_then(|number| parts.get(&((*genre).to_owned(), number))) else {
                faulty += 1;
                left_out.push(LeftOut { path, reason: Reason::Excluded });
                continue;
            };
            items.push(Item {
                id: id_of(&folder, &path),
                source: Source::File(path),
                label: Label::One(label),
                fold: None,
                split: Some(split),
                group: None,
            });
        }
    }
    let mut notes = Vec::new();
    if faulty > 0 {
        notes.push(format!("{faulty} excerpts are skipped: the fault-filtered split leaves them out"));
    }
    let dataset = Dataset {
        name: name_of(root),
        root: Some(root.to_owned()),
        layout: LAYOUT.name,
        classes: GENRES.map(str::to_owned).to_vec(),
        found: FileCount::of(items.len(), &left_out),
        items,
        recipe: Some("gtzan"),
        notes,
        marks: None,
        corrections: None,
    };
    Ok(Reading { dataset, problems, left_out })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_has_its_published_sizes() {
        let parts = parts();
        let count = |split| parts.values().filter(|part| **part == split).count();
        assert_eq!([Split::Train, Split::Val, Split::Test].map(count), [443, 197, 290]);
    }
}

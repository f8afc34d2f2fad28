//! OpenMIC-2018 (Humphrey, Durand and McFee, 2018): partial labels of twenty instruments, `split01`.
//!
//! An annotated instrument is there when its relevance is above 0.5 and absent otherwise; one that nobody was asked
//! about is unknown.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::Deserialize;

use super::{Layout, Reading, id_of, missing, name_of, tree};
use crate::{
    data::{
        DataError, Dataset, FileCount, Item, Label, LeftOut, Problem, Reason, Source, Split, nearest::did_you_mean,
    },
    limits, regular,
};

pub(super) const LAYOUT: Layout = Layout {
    name: "openmic",
    about: "OpenMIC-2018: audio/, class-map.json, openmic-2018-aggregated-labels.csv and partitions/",
    recognise: |root| root.join(LABELS).is_file() && root.join(CLASSES).is_file(),
    read: |root, _| read(root),
};

const LABELS: &str = "openmic-2018-aggregated-labels.csv";
const CLASSES: &str = "class-map.json";
const PARTITIONS: [(&str, Split); 2] =
    [("partitions/split01_train.csv", Split::Train), ("partitions/split01_test.csv", Split::Test)];

/// Relevance above which an instrument counts as there.
const RELEVANT: f32 = 0.5;

#[derive(Deserialize)]
struct Row {
    sample_key: String,
    instrument: String,
    relevance: f32,
}

fn read(root: &Path) -> Result<Reading, DataError> {
    let map = root.join(CLASSES);
    let text =
        regular::text_up_to(&map, limits::SETTINGS).map_err(|source| DataError::Io { path: map.clone(), source })?;
    let class_map: BTreeMap<String, usize> = serde_json::from_str(&text).map_err(|error| DataError::Unusable {
        path: map.clone(),
        problem: format!("it is not a map from instruments to numbers ({error})"),
        remedy: "take the file of the original data set".into(),
    })?;
    let mut classes = vec![String::new(); class_map.len()];
    for (name, &label) in &class_map {
        match classes.get_mut(label) {
            Some(place) if place.is_empty() => place.clone_from(name),
            _ => {
                return Err(DataError::Unusable {
                    path: map,
                    problem: format!("`{name}` has the number {label}, which is taken or beyond the last"),
                    remedy: "number instruments from 0 without gaps".into(),
                });
            }
        }
    }

    let labels = root.join(LABELS);
    let (rows, mut problems) = super::rows::<Row>(&labels)?;
    let (mut known, mut unknown) = (BTreeMap::<String, Vec<(usize, bool)>>::new(), BTreeSet::new());
    for row in rows {
        match class_map.get(&row.instrument) {
            Some(&label) => known.entry(row.sample_key).or_default().push((label, row.relevance > RELEVANT)),
            None => {
                unknown.insert(row.instrument);
            }
        }
    }
    for instrument in unknown {
        let hint = did_you_mean(&instrument, class_map.keys().map(String::as_str));
        let problem = format!("its label `{instrument}` is not in {CLASSES}{hint}");
        problems.push(Problem::error(&labels, problem, "correct the label or add it to the map"));
    }

    let mut split: BTreeMap<String, Split> = BTreeMap::new();
    for (list, part) in PARTITIONS {
        for key in super::lines(&root.join(list))? {
            if split.insert(key.clone(), part).is_some_and(|other| other != part) {
                problems.push(Problem::error(
                    root.join(list),
                    format!("both parts name {key}"),
                    "leave it in one of them",
                ));
            }
        }
    }
    let mut sounds: BTreeMap<String, _> = BTreeMap::new();
    let audio = tree(&root.join("audio"))?;
    let mut left_out = audio.left_out;
    for path in audio.sounds {
        sounds.insert(path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path);
    }

    let mut items = Vec::with_capacity(known.len());
    let mut outside = 0;
    for (key, label) in known {
        let Some(&part) = split.get(&key) else {
            outside += 1;
            left_out.extend(sounds.remove(&key).map(|path| LeftOut { path, reason: Reason::Excluded }));
            continue;
        };
        // `000_000123` is in audio/000/.
        let Some(path) = sounds.remove(&key) else {
            let folder = key.split('_').next().unwrap_or_default();
            problems.push(missing(root.join("audio").join(folder).join(format!("{key}.ogg")), LABELS));
            continue;
        };
        items.push(Item {
            id: id_of(root, &path),
            source: Source::File(path),
            label: Label::Many(label),
            fold: None,
            split: Some(part),
            group: None,
        });
    }
    let mut notes = Vec::new();
    if outside > 0 {
        notes.push(format!("{outside} annotated clips are in neither part of split01 and are skipped"));
    }
    left_out.extend(sounds.into_values().map(|path| LeftOut { path, reason: Reason::Unlisted }));
    let dataset = Dataset {
        name: name_of(root),
        root: Some(root.to_owned()),
        layout: LAYOUT.name,
        classes,
        found: FileCount::of(items.len(), &left_out),
        items,
        recipe: Some("openmic"),
        notes,
        marks: None,
        corrections: None,
    };
    Ok(Reading { dataset, problems, left_out })
}

//! ESC-50 (K. J. Piczak, 2015): `audio/` and `meta/esc50.csv` with five folds.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use super::{Layout, Reading, missing, name_of, unlisted};
use crate::data::{DataError, Dataset, FileCount, Item, Label, Source};

pub(super) const LAYOUT: Layout = Layout {
    name: "esc50",
    about: "ESC-50: audio/ and meta/esc50.csv",
    recognise: |root| root.join(META).is_file() && root.join("audio").is_dir(),
    read: |root, _| read(root),
};

const META: &str = "meta/esc50.csv";

#[derive(Deserialize)]
struct Row {
    filename: String,
    fold: u32,
    target: u32,
    category: String,
    /// The recording on freesound.org that the clip was cut from.
    #[serde(default)]
    src_file: Option<String>,
}

fn read(root: &Path) -> Result<Reading, DataError> {
    let meta = root.join(META);
    let (rows, mut problems) = super::rows::<Row>(&meta)?;
    // A subset such as ESC-10 keeps the targets of the whole; here labels count the classes that are there.
    let targets: BTreeMap<u32, &str> = rows.iter().map(|row| (row.target, row.category.as_str())).collect();
    let label: BTreeMap<u32, usize> = targets.keys().enumerate().map(|(label, &target)| (target, label)).collect();
    let classes = targets.into_values().map(str::to_owned).collect();

    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        let path = root.join("audio").join(&row.filename);
        if !path.is_file() {
            problems.push(missing(path, META));
            continue;
        }
        items.push(Item {
            id: row.filename.clone(),
            source: Source::File(path),
            label: Label::One(label[&row.target]),
            fold: Some(row.fold),
            split: None,
            group: row.src_file.clone().or_else(|| row.filename.split('-').nth(1).map(str::to_owned)),
        });
    }
    let left_out = unlisted(&root.join("audio"), &items)?;
    let dataset = Dataset {
        name: name_of(root),
        root: Some(root.to_owned()),
        layout: LAYOUT.name,
        classes,
        found: FileCount::of(items.len(), &left_out),
        items,
        recipe: Some("esc50"),
        notes: Vec::new(),
        marks: None,
        corrections: None,
    };
    Ok(Reading { dataset, problems, left_out })
}

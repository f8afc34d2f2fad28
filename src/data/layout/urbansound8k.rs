//! UrbanSound8K (Salamon, Jacoby and Bello, 2014): `audio/fold1` to `fold10` and `metadata/UrbanSound8K.csv`.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use super::{Layout, Reading, missing, name_of, unlisted};
use crate::data::{DataError, Dataset, FileCount, Item, Label, Source};

pub(super) const LAYOUT: Layout = Layout {
    name: "urbansound8k",
    about: "UrbanSound8K: audio/fold1 to fold10 and metadata/UrbanSound8K.csv",
    recognise: |root| root.join(META).is_file(),
    read: |root, _| read(root),
};

const META: &str = "metadata/UrbanSound8K.csv";

#[derive(Deserialize)]
struct Row {
    slice_file_name: String,
    /// The recording on freesound.org that the slice was cut from.
    #[serde(rename = "fsID")]
    source: String,
    fold: u32,
    #[serde(rename = "classID")]
    class_id: u32,
    class: String,
}

fn read(root: &Path) -> Result<Reading, DataError> {
    let meta = root.join(META);
    let (rows, mut problems) = super::rows::<Row>(&meta)?;
    let ids: BTreeMap<u32, &str> = rows.iter().map(|row| (row.class_id, row.class.as_str())).collect();
    let label: BTreeMap<u32, usize> = ids.keys().enumerate().map(|(label, &id)| (id, label)).collect();
    let classes = ids.into_values().map(str::to_owned).collect();
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        let id = format!("fold{}/{}", row.fold, row.slice_file_name);
        let path = root.join("audio").join(&id);
        if !path.is_file() {
            problems.push(missing(path, META));
            continue;
        }
        items.push(Item {
            id,
            source: Source::File(path),
            label: Label::One(label[&row.class_id]),
            fold: Some(row.fold),
            split: None,
            group: Some(row.source.clone()),
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
        recipe: Some("urbansound8k"),
        notes: Vec::new(),
        marks: None,
        corrections: None,
    };
    Ok(Reading { dataset, problems, left_out })
}

//! A data set as the Data screen shows it: classes with their clips, and the part that each clip is in.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use crate::{
    audio::FrontEnd,
    data::{self, Dataset, Item, Reading, Recipe, Source, Split},
    train::Request,
};

/// A class, or the first row: all clips.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassRow {
    /// Its name; empty for the row of all clips.
    pub name: String,
    /// Places of its clips in the data set, ascending.
    pub clips: Vec<u32>,
    /// How many of them train, validate and test.
    pub parts: [usize; 3],
}

/// A data set that was read, ready to draw.
#[derive(Clone, Debug)]
pub struct DataView {
    /// The data as it was given.
    pub spec: String,
    /// Its clips, with the problems of its structure.
    pub reading: Reading,
    /// All clips, then each class in the order of labels.
    pub rows: Vec<ClassRow>,
    /// The part of each clip.
    pub parts: Vec<Split>,
    /// Why the clips cannot be divided into parts.
    pub undivided: Option<String>,
    /// The recipe's name, and the seconds that it cuts clips to; or why there is none.
    pub recipe: Result<(String, f64), String>,
    /// Samples at 16 kHz that a model gets of a clip.
    pub cut: Option<u64>,
    by_path: HashMap<PathBuf, u32>,
}

impl PartialEq for DataView {
    fn eq(&self, other: &Self) -> bool {
        self.spec == other.spec && self.reading.dataset == other.reading.dataset
    }
}

impl DataView {
    /// Reads the data of the next run, without decoding a sound.
    ///
    /// # Errors
    /// A message to show, when it is not there or has no known layout.
    pub fn read(setup: &Request) -> Result<Self, String> {
        let reading = data::read_with(&setup.data, &setup.marks).map_err(|error| error.to_string())?;
        Ok(Self::of(setup, reading))
    }

    /// What was read, as a run with this setup would use it.
    pub fn of(setup: &Request, reading: Reading) -> Self {
        let dataset = &reading.dataset;
        let mut parts = vec![Split::Train; dataset.items.len()];
        let undivided = match dataset.divide(setup.fold, setup.seed) {
            Ok(division) => {
                for split in [Split::Val, Split::Test] {
                    division.part(split).iter().for_each(|place| parts[*place] = split);
                }
                None
            }
            Err(error) => Some(error.to_string()),
        };
        let recipe = recipe(setup, dataset);
        let cut = recipe.as_ref().ok().map(|(_, frames)| FrontEnd::Kaldi.samples_of(*frames) as u64);
        let by_path = dataset.items.iter().zip(0..).filter_map(|(item, place)| match &item.source {
            Source::File(path) => Some((path.clone(), place)),
            Source::Demo { .. } => Some((PathBuf::from(&item.id), place)),
            Source::Part(_) => None,
        });
        Self {
            spec: setup.data.clone(),
            rows: rows(dataset, &parts),
            by_path: by_path.collect(),
            recipe: recipe.map(|(name, frames)| (name, frames as f64 / 100.0)),
            undivided,
            parts,
            cut,
            reading,
        }
    }

    /// The data set.
    pub fn dataset(&self) -> &Dataset {
        &self.reading.dataset
    }

    /// A clip.
    pub fn item(&self, place: u32) -> Option<&Item> {
        self.reading.dataset.items.get(place as usize)
    }

    /// The clip of this file.
    pub fn clip_of(&self, path: &Path) -> Option<u32> {
        self.by_path.get(path).copied()
    }

    /// The length of a clip that is known before it is decoded: a stretch of a recording.
    pub fn seconds_of(&self, place: u32) -> Option<f32> {
        match &self.item(place)?.source {
            Source::Part(part) => Some(part.samples as f32 / crate::audio::SAMPLE_RATE as f32),
            _ => None,
        }
    }

    /// Names of a clip's classes.
    pub fn labels_of(&self, place: u32) -> String {
        self.item(place).map_or_else(String::new, |item| self.reading.dataset.label_of(item))
    }

    /// The rows that a clip is in, beside that of all.
    pub fn rows_of(&self, place: u32) -> impl Iterator<Item = usize> {
        let classes: Vec<usize> = self.item(place).map_or_else(Vec::new, |item| item.label.present());
        classes.into_iter().map(|class| class + 1)
    }
}

/// Name and frames of the recipe that a run would use.
fn recipe(setup: &Request, dataset: &Dataset) -> Result<(String, usize), String> {
    let named = |name: &String| {
        let mut recipe = Recipe::find(name)?;
        recipe.fit(dataset).map(|()| recipe)
    };
    let recipe = setup.recipe.as_ref().map_or_else(|| Recipe::for_dataset(dataset), named);
    let recipe = recipe.map_err(|error| error.to_string())?;
    Ok((recipe.name.clone(), setup.frames.unwrap_or(recipe.frames)))
}

fn rows(dataset: &Dataset, parts: &[Split]) -> Vec<ClassRow> {
    let named = |name: &String| ClassRow { name: name.clone(), ..ClassRow::default() };
    let mut rows: Vec<ClassRow> = [ClassRow::default()].into_iter().chain(dataset.classes.iter().map(named)).collect();
    for ((item, part), place) in dataset.items.iter().zip(parts).zip(0u32..) {
        let of = item.label.present().into_iter().map(|class| class + 1);
        for row in [0].into_iter().chain(of) {
            if let Some(row) = rows.get_mut(row) {
                row.clips.push(place);
                row.parts[*part as usize] += 1;
            }
        }
    }
    rows
}

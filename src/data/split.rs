//! Who trains, who chooses, who judges.

use std::collections::BTreeMap;

use super::{DataError, Dataset, Label, Split};
use crate::{digits::counted, random::KeyedRng};

/// Share of clips held out for validation where the data set has no folds and no splits of its own.
const HELD_OUT: f64 = 0.2;

/// Indices of a data set's clips by their part, each ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Division {
    /// Trains.
    pub train: Vec<usize>,
    /// Chooses: evaluated after each epoch.
    pub val: Vec<usize>,
    /// Judges at the end; empty where the data set has no part of its own for it.
    pub test: Vec<usize>,
}

impl Division {
    /// The clips of one part.
    pub fn part(&self, split: Split) -> &[usize] {
        match split {
            Split::Train => &self.train,
            Split::Val => &self.val,
            Split::Test => &self.test,
        }
    }
}

impl Dataset {
    /// Divides the clips.
    ///
    /// - With folds: `fold` is held out for validation, the lowest fold where none is asked for.
    /// - With official parts: as they are. Where there is no validation part, the test part is evaluated
    ///   after each epoch, as the published protocol of OpenMIC-2018 does, and there is no other judge.
    /// - Without either: a fifth of each class, chosen by `seed`, is held out. Clips of one group stay together.
    ///
    /// Labels that a person corrected move no clip from one part to another. A clip of which only is known what it is not
    /// trains and does not validate; one that holds none of the classes does neither.
    ///
    /// # Errors
    /// When the fold is not there, or a part that is needed would be empty.
    pub fn divide(&self, fold: Option<u32>, seed: u64) -> Result<Division, DataError> {
        let folds = self.folds();
        let mut division = match (fold, folds.first()) {
            (Some(fold), Some(_)) if !folds.contains(&fold) => {
                let list: Vec<String> = folds.iter().map(u32::to_string).collect();
                let nearest = folds.iter().min_by_key(|known| known.abs_diff(fold)).copied().unwrap_or_default();
                let (name, list) = (&self.name, list.join(", "));
                let problem = format!("{name} has no fold {fold} (did you mean {nearest}?); its folds are {list}");
                return Err(DataError::Request(problem));
            }
            (Some(fold), None) => {
                return Err(DataError::Request(format!(
                    "{} has no folds, so fold {fold} cannot be held out; leave --fold away",
                    self.name
                )));
            }
            (held_out, Some(&lowest)) => self.hold_out_fold(held_out.unwrap_or(lowest)),
            (None, None) if self.items.iter().any(|item| item.split.is_some()) => self.official(),
            (None, None) => self.stratified(seed),
        };
        let ruled_out = |index: usize| match self.items.get(index).map(|item| &item.label) {
            Some(Label::Not(classes)) => classes.len(),
            _ => 0,
        };
        division.train.retain(|&index| ruled_out(index) < self.classes.len().max(1));
        division.val.retain(|&index| ruled_out(index) == 0);
        division.test.retain(|&index| ruled_out(index) == 0);
        if (division.train.is_empty() || division.val.is_empty()) && self.marks.is_some() {
            let recordings = self.marks.as_ref().map_or(0, |marks| marks.recordings.len());
            return Err(DataError::Request(format!(
                "{} has {}, and windows are divided by recording: mark at least two, with each class in both",
                self.name,
                counted(recordings, "recording")
            )));
        }
        if division.train.is_empty() || division.val.is_empty() {
            let part = if division.train.is_empty() { "train on" } else { "validate on" };
            return Err(DataError::Request(format!(
                "{} leaves no clip to {part}; add clips, at least two for each class, or another fold or split",
                self.name
            )));
        }
        Ok(division)
    }

    /// Classes without a clip to train on: nothing can be learned of them.
    pub fn untrained(&self, division: &Division) -> Vec<&str> {
        let mut has = vec![false; self.classes.len()];
        for class in
            division.train.iter().filter_map(|&index| self.items.get(index)).flat_map(|item| item.label.present())
        {
            if let Some(has) = has.get_mut(class) {
                *has = true;
            }
        }
        self.classes.iter().zip(has).filter(|(_, has)| !has).map(|(class, _)| class.as_str()).collect()
    }

    fn hold_out_fold(&self, fold: u32) -> Division {
        let (val, train) = (0..self.items.len()).partition(|&i| self.items[i].fold == Some(fold));
        Division { train, val, test: Vec::new() }
    }

    fn official(&self) -> Division {
        let part = |split| -> Vec<usize> {
            (0..self.items.len()).filter(|&i| self.items[i].split.unwrap_or(Split::Train) == split).collect()
        };
        let (train, val, test) = (part(Split::Train), part(Split::Val), part(Split::Test));
        if val.is_empty() { Division { train, val: test, test: Vec::new() } } else { Division { train, val, test } }
    }

    /// Units (groups, or clips without one) in seeded order go to validation while most of their clips belong to
    /// classes that still need some there, and never so that a class has nothing left to train on.
    fn stratified(&self, seed: u64) -> Division {
        let mut units: BTreeMap<(Option<&str>, usize), Vec<usize>> = BTreeMap::new();
        for (index, item) in self.items.iter().enumerate() {
            let key = item.group.as_deref().map_or((None, index), |group| (Some(group), 0));
            units.entry(key).or_default().push(index);
        }
        let mut units: Vec<Vec<usize>> = units.into_values().collect();
        KeyedRng::new(seed, "division", 0, 0).shuffle(&mut units);

        let mut left = vec![0usize; self.classes.len()];
        for class in (0..self.items.len()).flat_map(|index| self.filed(index)) {
            left[class] += 1;
        }
        let mut needed: Vec<i64> = left
            .iter()
            .map(|&clips| if clips < 2 { 0 } else { ((clips as f64 * HELD_OUT).round() as i64).max(1) })
            .collect();
        let mut division = Division::default();
        // Recordings without any event belong to no class: a fifth of them is held out as well.
        let is_silent = |unit: &Vec<usize>| unit.iter().all(|&index| self.filed(index).is_empty());
        let (silent, units): (Vec<_>, Vec<_>) = units.into_iter().partition(is_silent);
        let held_out = (silent.len() as f64 * HELD_OUT).round() as usize;
        for (place, unit) in silent.into_iter().enumerate() {
            if place < held_out { division.val.extend(unit) } else { division.train.extend(unit) }
        }
        for unit in units {
            let mut own = vec![0usize; self.classes.len()];
            for class in unit.iter().flat_map(|&index| self.filed(index)) {
                own[class] += 1;
            }
            let total: usize = own.iter().sum();
            let wanted: usize = own.iter().zip(&needed).filter(|(_, need)| **need > 0).map(|(own, _)| own).sum();
            let spares = own.iter().zip(&left).all(|(own, left)| *own == 0 || own < left);
            if 2 * wanted > total && spares {
                for (class, count) in own.into_iter().enumerate() {
                    needed[class] -= count as i64;
                    left[class] -= count;
                }
                division.val.extend(unit);
            } else {
                division.train.extend(unit);
            }
        }
        division.train.sort_unstable();
        division.val.sort_unstable();
        division
    }

    /// Classes that a clip holds by the data set's own files.
    fn filed(&self, index: usize) -> Vec<usize> {
        self.filed_label(index).map(Label::present).unwrap_or_default()
    }
}

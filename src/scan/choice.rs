//! Which detections are cut out where there are more than wanted.

use std::{collections::HashMap, str::FromStr};

use serde::Serialize;

use super::Detection;

/// Bins of scores that `spread` draws from in turn.
const BINS: usize = 10;

/// Which detections of a class are cut out first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// The highest scores.
    #[default]
    Score,
    /// Those whose score is least above, or least below, that of the next class: where the model is unsure.
    Margin,
    /// In turn from ten equal stretches between the lowest and the highest score, so that a person hears all of them.
    Spread,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "score" => Ok(Self::Score),
            "margin" => Ok(Self::Margin),
            "spread" => Ok(Self::Spread),
            other => Err(format!("there is no choice {other:?}; give score, margin or spread")),
        }
    }
}

/// Which detections are cut out, and how many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// At most so many of a class.
    pub per_class: usize,
    /// At most so many of a class from one recording.
    pub per_file: usize,
    /// Which come first.
    pub choice: Choice,
}

/// A detection with the index of its recording.
pub(super) type Place = (usize, Detection);

/// The detections to cut out: class by class, each in the order of its choice.
pub(super) fn choose(limits: &Limits, mut all: Vec<Place>) -> Vec<Place> {
    all.sort_by_key(|(file, one)| (one.class, *file, one.start, one.end));
    let mut chosen = Vec::new();
    for of_class in all.chunk_by(|a, b| a.1.class == b.1.class) {
        let mut ordered: Vec<&Place> = of_class.iter().collect();
        match limits.choice {
            Choice::Score => ordered.sort_by(|a, b| b.1.score.total_cmp(&a.1.score)),
            Choice::Margin => ordered.sort_by(|a, b| a.1.margin.abs().total_cmp(&b.1.margin.abs())),
            Choice::Spread => ordered = spread(&ordered),
        }
        let (mut of_file, mut count) = (HashMap::new(), 0);
        for place in ordered {
            let from_file = of_file.entry(place.0).or_insert(0);
            if count < limits.per_class && *from_file < limits.per_file {
                (*from_file, count) = (*from_file + 1, count + 1);
                chosen.push(*place);
            }
        }
    }
    chosen
}

/// Detections in turn from bins of equal width between the lowest and the highest score, from the top bin on. Inside a bin
/// recordings and times come as if drawn, and the same in every run.
fn spread<'p>(places: &[&'p Place]) -> Vec<&'p Place> {
    let score = |place: &&Place| place.1.score;
    let low = places.iter().map(score).fold(f32::INFINITY, f32::min);
    let high = places.iter().map(score).fold(f32::NEG_INFINITY, f32::max);
    let width = ((high - low) / BINS as f32).max(f32::MIN_POSITIVE);
    let mut bins: Vec<Vec<&Place>> = vec![Vec::new(); BINS];
    for place in places {
        let bin = (((high - place.1.score) / width) as usize).min(BINS - 1);
        bins[bin].push(place);
    }
    let draw = |place: &&Place| {
        let key = (place.0 as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ place.1.start;
        let mixed = (key ^ key >> 31).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed ^ mixed >> 29, place.0, place.1.start)
    };
    bins.iter_mut().for_each(|bin| bin.sort_by_key(draw));
    let longest = bins.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest)
        .flat_map(|turn| bins.iter().filter_map(move |bin| bin.get(turn).copied()).collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A detection of one second, its peak in the middle.
    pub(in crate::scan) fn place(file: usize, class: usize, start: u64, score: f32, margin: f32) -> Place {
        (file, Detection { class, start, end: start + 16_000, score, peak: start + 8_000, margin })
    }

    #[test]
    fn limits_hold_by_class_and_file_and_the_choice_decides() {
        let all: Vec<Place> = (0..40)
            .map(|i| place(i % 4, i % 2, 16_000 * i as u64, 0.5 + i as f32 / 100.0, (i as f32 - 20.0) / 40.0))
            .collect();
        let chosen = |choice| {
            let chosen = choose(&Limits { per_class: 3, per_file: 2, choice }, all.clone());
            let of = |class| {
                chosen
                    .iter()
                    .filter(|one| one.1.class == class)
                    .map(|one| (one.0, one.1.start / 16_000))
                    .collect::<Vec<_>>()
            };
            (of(0), of(1))
        };
        assert_eq!(chosen(Choice::Score), (vec![(2, 38), (0, 36), (2, 34)], vec![(3, 39), (1, 37), (3, 35)]));
        let (even, _) = chosen(Choice::Margin);
        assert_eq!(even[0], (0, 20));
        let (even, odd) = chosen(Choice::Spread);
        // From the top three of ten bins, one each.
        assert_eq!((even.len(), odd.len()), (3, 3));
        assert!(even[0].1 >= 36 && (30..36).contains(&even[1].1) && even[2].1 < 32, "{even:?}");
    }
}

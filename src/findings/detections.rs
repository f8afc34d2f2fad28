//! Which detections of a scan a person is asked about, and in which order.

use std::collections::HashMap;

use crate::{data::Chosen, random::KeyedRng};

/// Detections from one minute of a recording, at most.
const PER_MINUTE: usize = 3;
/// Detections from one recording, at most, unless there are few recordings.
const PER_FILE: usize = 10;
/// Bins of scores that a spread goes through.
const BINS: usize = 10;
/// The order in which reasons take turns: a fifth is at random.
const TURNS: [Chosen; 5] = [Chosen::Margin, Chosen::Score, Chosen::Margin, Chosen::Spread, Chosen::Random];

/// A detection that could be asked about.
#[derive(Clone, Copy, Debug)]
pub struct Detected<'a> {
    /// The recording.
    pub file: &'a str,
    /// Seconds from its beginning.
    pub start: f64,
    /// Its class.
    pub label: &'a str,
    /// Its score.
    pub score: f32,
    /// By how much its score is above the highest of any other class.
    pub margin: f32,
}

/// Places in one order, passed one after the other.
struct Queue {
    places: Vec<usize>,
    at: usize,
}

impl Queue {
    fn of(places: Vec<usize>) -> Self {
        Self { places, at: 0 }
    }

    /// The next place that is free; those that are not never become free again.
    fn next(&mut self, is_free: &mut dyn FnMut(usize) -> bool) -> Option<usize> {
        loop {
            let place = *self.places.get(self.at)?;
            if is_free(place) {
                return Some(place);
            }
            self.at += 1;
        }
    }
}

/// At most `most` of the detections, each with the reason: two fifths by margin, a fifth each of the highest scores (of the
/// class that was chosen least so far), spread over the range of scores, and at random. At most three are from one minute
/// of a recording, and few from one recording. Whatever is random is decided by the seed.
pub fn detections_to_review(all: &[Detected<'_>], most: usize, seed: u64) -> Vec<(usize, Chosen)> {
    let mut shuffled: Vec<usize> = (0..all.len()).collect();
    KeyedRng::new(seed, "which detections to ask about", 0, 0).shuffle(&mut shuffled);
    let mut by_margin = shuffled.clone();
    by_margin.sort_by(|&a, &b| all[a].margin.abs().total_cmp(&all[b].margin.abs()));
    let mut by_score = shuffled.clone();
    by_score.sort_by(|&a, &b| all[b].score.total_cmp(&all[a].score));
    let mut of_class: HashMap<&str, Vec<usize>> = HashMap::new();
    for &place in &by_score {
        of_class.entry(all[place].label).or_default().push(place);
    }
    // Each class with how many of it were chosen.
    let mut classes: Vec<(&str, usize, Queue)> =
        of_class.into_iter().map(|(label, places)| (label, 0, Queue::of(places))).collect();
    classes.sort_by_key(|one| one.0);
    let [high, low] = [by_score.first(), by_score.last()].map(|place| place.map_or(0.0, |place| all[*place].score));
    let width = ((high - low) / BINS as f32).max(f32::MIN_POSITIVE);
    let mut bins: Vec<Queue> = (0..BINS).map(|_| Queue::of(Vec::new())).collect();
    for &place in &shuffled {
        bins[(((high - all[place].score) / width) as usize).min(BINS - 1)].places.push(place);
    }
    let (mut by_margin, mut at_random) = (Queue::of(by_margin), Queue::of(shuffled));

    let minute = |place: usize| (all[place].file, (all[place].start / 60.0) as u64);
    let mut files: HashMap<&str, usize> = HashMap::new();
    all.iter().for_each(|one| _ = files.insert(one.file, 0));
    let per_file = PER_FILE.max(2 * most / files.len().max(1));
    let (mut minutes, mut is_chosen): (HashMap<(&str, u64), usize>, _) = (HashMap::new(), vec![false; all.len()]);
    let (mut chosen, mut bin) = (Vec::with_capacity(most.min(all.len())), 0);
    while chosen.len() < most {
        let mut is_free = |place: usize| {
            let few = minutes.get(&minute(place)).is_none_or(|count| *count < PER_MINUTE);
            few && !is_chosen[place] && files.get(all[place].file).is_none_or(|count| *count < per_file)
        };
        let why = TURNS[chosen.len() % TURNS.len()];
        let found = match why {
            Chosen::Margin => by_margin.next(&mut is_free),
            Chosen::Random => at_random.next(&mut is_free),
            Chosen::Score => {
                classes.sort_by_key(|(label, count, _)| (*count, *label));
                classes.iter_mut().find_map(|(_, _, queue)| queue.next(&mut is_free))
            }
            Chosen::Spread => {
                let found = (0..BINS).find_map(|step| {
                    let at = (bin + step) % BINS;
                    Some((at, bins[at].next(&mut is_free)?))
                });
                bin = found.map_or(bin, |(at, _)| (at + 1) % BINS);
                found.map(|(_, place)| place)
            }
        };
        let Some(place) = found else { break };
        is_chosen[place] = true;
        *minutes.entry(minute(place)).or_default() += 1;
        *files.entry(all[place].file).or_default() += 1;
        classes.iter_mut().filter(|(label, ..)| *label == all[place].label).for_each(|(_, count, _)| *count += 1);
        chosen.push((place, why));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_take_turns_and_few_are_of_one_minute_and_one_recording() {
        let files = ["a.wav", "b.wav", "c.wav"];
        let labels = ["wren", "wren", "wren", "robin"];
        let all: Vec<Detected<'_>> = (0..600)
            .map(|n| Detected {
                file: files[n % 3],
                start: (n / 3) as f64 * 7.0,
                label: labels[n % 4],
                score: 0.3 + 0.7 * (n * 37 % 600) as f32 / 600.0,
                margin: (n * 91 % 600) as f32 / 600.0 - 0.5,
            })
            .collect();
        let chosen = detections_to_review(&all, 60, 1);
        assert_eq!(chosen, detections_to_review(&all, 60, 1));
        assert_ne!(chosen, detections_to_review(&all, 60, 2));
        let share = |why: Chosen| chosen.iter().filter(|one| one.1 == why).count();
        let reasons = [Chosen::Margin, Chosen::Score, Chosen::Spread, Chosen::Random];
        assert_eq!(reasons.map(share), [24, 12, 12, 12], "a fifth is at random");
        let mut places: Vec<usize> = chosen.iter().map(|one| one.0).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 60, "each once");
        for file in files {
            assert!(chosen.iter().filter(|one| all[one.0].file == file).count() <= 40);
            for minute in 0..24 {
                let is = |one: &&(usize, Chosen)| all[one.0].file == file && (all[one.0].start / 60.0) as u64 == minute;
                assert!(chosen.iter().filter(is).count() <= PER_MINUTE, "{file} {minute}");
            }
        }
        // The first by margin is the closest one; scores are of both classes, and reach over the whole range.
        assert_eq!(all[chosen[0].0].margin, 0.0);
        let by = |why: Chosen| chosen.iter().filter(move |one| one.1 == why).map(|one| all[one.0]);
        assert!(by(Chosen::Score).all(|one| one.label == "robin"), "the class that is chosen least otherwise");
        let spread: Vec<f32> = by(Chosen::Spread).map(|one| one.score).collect();
        assert!(spread.iter().any(|score| *score < 0.4) && spread.iter().any(|score| *score > 0.9), "{spread:?}");
    }

    #[test]
    fn one_minute_gives_three_and_nothing_gives_nothing() {
        let one = Detected { file: "a.wav", start: 5.0, label: "wren", score: 0.5, margin: 0.1 };
        assert_eq!(detections_to_review(&[one; 9], 50, 1).len(), 3);
        assert_eq!(detections_to_review(&[], 50, 1), []);
    }
}

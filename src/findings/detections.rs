//! Which detections of a scan a person is asked about, and in which order.

use std::collections::{HashMap, HashSet, VecDeque};

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
/// of a recording, and few from one recording. Whatever is random is decided by the seed, and drawn before the others take
/// anything away: the share of it that is right is an estimate for all.
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
    let mut classes: Vec<(&str, Queue)> =
        of_class.into_iter().map(|(label, places)| (label, Queue::of(places))).collect();
    let [high, low] = [by_score.first(), by_score.last()].map(|place| place.map_or(0.0, |place| all[*place].score));
    let width = ((high - low) / BINS as f32).max(f32::MIN_POSITIVE);
    let mut bins: Vec<Queue> = (0..BINS).map(|_| Queue::of(Vec::new())).collect();
    for &place in &shuffled {
        bins[(((high - all[place].score) / width) as usize).min(BINS - 1)].places.push(place);
    }
    let (mut by_margin, mut at_random) = (Queue::of(by_margin), Queue::of(shuffled));

    let mut drawn = Drawn::new(all, most);
    let mut random = VecDeque::new();
    while random.len() < most.min(all.len()) / TURNS.len() {
        let Some(place) = at_random.next(&mut |place| drawn.is_free(place)) else { break };
        drawn.take(place);
        random.push_back(place);
    }
    let (mut chosen, mut bin) = (Vec::with_capacity(most.min(all.len())), 0);
    while chosen.len() + random.len() < most {
        let why = TURNS[chosen.len() % TURNS.len()];
        let mut is_free = |place: usize| drawn.is_free(place);
        let found = match why {
            Chosen::Random => random.pop_front(),
            Chosen::Margin => by_margin.next(&mut is_free),
            Chosen::Score => {
                classes.sort_by_key(|(label, _)| (drawn.of_class(label), *label));
                classes.iter_mut().find_map(|(_, queue)| queue.next(&mut is_free))
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
        if why != Chosen::Random {
            drawn.take(place);
        }
        chosen.push((place, why));
    }
    chosen.extend(random.into_iter().map(|place| (place, Chosen::Random)));
    chosen
}

/// What was drawn so far, and from where.
struct Drawn<'d> {
    all: &'d [Detected<'d>],
    is_drawn: Vec<bool>,
    of_minute: HashMap<(&'d str, u64), usize>,
    of_file: HashMap<&'d str, usize>,
    of_class: HashMap<&'d str, usize>,
    per_file: usize,
}

impl<'d> Drawn<'d> {
    fn new(all: &'d [Detected<'d>], most: usize) -> Self {
        let files: HashSet<&str> = all.iter().map(|one| one.file).collect();
        let per_file = PER_FILE.max(2 * most / files.len().max(1));
        let (of_minute, of_file, of_class) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { all, is_drawn: vec![false; all.len()], of_minute, of_file, of_class, per_file }
    }

    fn minute(&self, place: usize) -> (&'d str, u64) {
        (self.all[place].file, (self.all[place].start / 60.0) as u64)
    }

    /// Whether it may still be drawn; what may not never may again.
    fn is_free(&self, place: usize) -> bool {
        !self.is_drawn[place]
            && self.of_minute.get(&self.minute(place)).is_none_or(|count| *count < PER_MINUTE)
            && self.of_file.get(self.all[place].file).is_none_or(|count| *count < self.per_file)
    }

    fn of_class(&self, label: &str) -> usize {
        self.of_class.get(label).copied().unwrap_or(0)
    }

    fn take(&mut self, place: usize) {
        self.is_drawn[place] = true;
        *self.of_minute.entry(self.minute(place)).or_default() += 1;
        *self.of_file.entry(self.all[place].file).or_default() += 1;
        *self.of_class.entry(self.all[place].label).or_default() += 1;
    }
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

    /// Of 500 detections the 250 with the highest scores are right. Whatever the other reasons prefer, half of those by
    /// chance are.
    #[test]
    fn the_share_by_chance_is_that_of_all() {
        let all: Vec<Detected<'_>> = (0..500)
            .map(|n| {
                let score = n as f32 / 500.0;
                Detected { file: "a.wav", start: n as f64 * 60.0, label: "wren", score, margin: score }
            })
            .collect();
        let (mut right, mut asked) = (0, 0);
        for seed in 0..40 {
            let chosen = detections_to_review(&all, 400, seed);
            let random = chosen.iter().filter(|one| one.1 == Chosen::Random);
            right += random.clone().filter(|one| one.0 >= 250).count();
            asked += random.count();
        }
        assert_eq!(asked, 40 * 80);
        // Four standard deviations of that many draws.
        assert!((right as f64 / asked as f64 - 0.5).abs() < 0.036, "{right} of {asked}");
    }

    #[test]
    fn one_minute_gives_three_and_nothing_gives_nothing() {
        let one = Detected { file: "a.wav", start: 5.0, label: "wren", score: 0.5, margin: 0.1 };
        assert_eq!(detections_to_review(&[one; 9], 50, 1).len(), 3);
        assert_eq!(detections_to_review(&[], 50, 1), []);
    }
}

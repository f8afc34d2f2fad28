//! Chooses the clips that a person is asked about next.

use std::collections::HashMap;

use crate::random::KeyedRng;

/// Bins of the highest probability that a spread goes through.
const BINS: usize = 10;

/// How clips are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// At random.
    Random,
    /// The least sure ones: the smallest difference of the two highest probabilities.
    Margin,
    /// Two fifths by margin; a fifth each of the highest scores of the class with the fewest labels, spread over the highest
    /// probability, and at random.
    Mix,
}

impl Strategy {
    /// All.
    pub const ALL: [Self; 3] = [Self::Random, Self::Margin, Self::Mix];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Margin => "margin",
            Self::Mix => "mix",
        }
    }
}

/// A clip that could be asked about.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its probabilities.
    pub probabilities: &'a [f32],
    /// The recording that it is from, where that is known.
    pub group: Option<&'a str>,
}

/// Why a clip is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Random,
    Margin,
    Score,
    Spread,
}

/// The order in which reasons take turns.
const TURNS: [Reason; 5] = [Reason::Margin, Reason::Score, Reason::Margin, Reason::Spread, Reason::Random];

/// Chooses `count` of the candidates, at most `per_group` of a group while others are left. `labelled` is how many labels each
/// class has already. Whatever is random is decided by the seed and the round.
pub fn pick(
    strategy: Strategy,
    candidates: &[Candidate<'_>],
    labelled: &[usize],
    count: usize,
    per_group: usize,
    (seed, round): (u64, u64),
) -> Vec<usize> {
    let mut rng = KeyedRng::new(seed, "which clips to ask about", round, 0);
    let mut shuffled: Vec<usize> = (0..candidates.len()).collect();
    rng.shuffle(&mut shuffled);
    let mut by_margin = shuffled.clone();
    by_margin.sort_by(|&a, &b| margin(candidates[a].probabilities).total_cmp(&margin(candidates[b].probabilities)));
    let mut labelled = labelled.to_vec();
    let mut chosen: Vec<usize> = Vec::with_capacity(count);
    let mut is_chosen = vec![false; candidates.len()];
    let mut groups: HashMap<&str, usize> = HashMap::new();
    let mut bin = 0;
    for turn in 0..count.min(candidates.len()) {
        let free = |&place: &usize| {
            let full = candidates[place].group.is_some_and(|group| groups.get(group).is_some_and(|n| *n >= per_group));
            !is_chosen[place] && !full
        };
        let reason = match strategy {
            Strategy::Random => Reason::Random,
            Strategy::Margin => Reason::Margin,
            Strategy::Mix => TURNS[turn % TURNS.len()],
        };
        let found = match reason {
            Reason::Random => shuffled.iter().copied().find(free),
            Reason::Margin => by_margin.iter().copied().find(free),
            Reason::Score => {
                let rarest = (0..labelled.len()).min_by_key(|&class| labelled[class]).unwrap_or(0);
                let score = |place: usize| candidates[place].probabilities.get(rarest).copied().unwrap_or(0.0);
                let best = shuffled.iter().copied().filter(free).max_by(|&a, &b| score(a).total_cmp(&score(b)));
                if best.is_some() && rarest < labelled.len() {
                    labelled[rarest] += 1;
                }
                best
            }
            Reason::Spread => {
                let of =
                    |place: usize| ((highest(candidates[place].probabilities) * BINS as f32) as usize).min(BINS - 1);
                let next = (0..BINS).map(|step| (bin + step) % BINS);
                let found = next
                    .into_iter()
                    .find_map(|wanted| shuffled.iter().copied().filter(free).find(|&place| of(place) == wanted));
                bin = found.map_or(bin, |place| of(place) + 1);
                found
            }
        };
        // Every group that is left has given its share.
        let found = found.or_else(|| shuffled.iter().copied().find(|&place| !is_chosen[place]));
        let Some(place) = found else { break };
        is_chosen[place] = true;
        if let Some(group) = candidates[place].group {
            *groups.entry(group).or_default() += 1;
        }
        chosen.push(place);
    }
    chosen
}

fn highest(probabilities: &[f32]) -> f32 {
    probabilities.iter().copied().fold(0.0, f32::max)
}

fn margin(probabilities: &[f32]) -> f32 {
    let (mut first, mut second) = (0.0f32, 0.0f32);
    for &p in probabilities {
        if p > first {
            (first, second) = (p, first);
        } else if p > second {
            second = p;
        }
    }
    first - second
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_strategy_chooses_what_it_says_and_few_of_a_group() {
        let tables: Vec<Vec<f32>> = (0..40).map(|i| vec![0.5 + i as f32 / 100.0, 0.5 - i as f32 / 100.0]).collect();
        let names: Vec<String> = (0..40).map(|i| format!("recording {}", i / 10)).collect();
        let candidates: Vec<Candidate<'_>> = tables
            .iter()
            .zip(&names)
            .map(|(probabilities, name)| Candidate { probabilities, group: Some(name) })
            .collect();
        let picked = |strategy, per_group| pick(strategy, &candidates, &[9, 9], 8, per_group, (1, 0));
        assert_eq!(picked(Strategy::Margin, 40), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(picked(Strategy::Margin, 2), [0, 1, 10, 11, 20, 21, 30, 31]);
        // When every group is full, the rest is filled all the same.
        assert_eq!(picked(Strategy::Margin, 1).len(), 8);
        let mix = picked(Strategy::Mix, 40);
        assert_eq!((mix[0], mix[1], mix[2]), (0, 39, 1), "margin, the surest of a class, margin");
        for strategy in Strategy::ALL {
            let mut once = picked(strategy, 3);
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), 8);
            assert_eq!(picked(strategy, 3), picked(strategy, 3));
        }
    }
}

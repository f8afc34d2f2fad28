//! A ranked list with clips at random among it: the ranked ones are where something is likely wrong, and the others show
//! how much is wrong altogether.

use std::collections::HashSet;

use crate::random::KeyedRng;

/// Of so many ranked ones, one more is drawn at random: a fifth of all.
const RANKED_TO_RANDOM: usize = 4;

/// Places of a ranking of `all` to ask about: the first `ranked` of it in their order, after every fourth of them one that
/// was drawn at random, with whether it was. The draw is from the whole ranking and is decided by the seed; what it takes
/// from the first `ranked` stays where it is, so nothing is asked about twice and what was drawn is shown whole.
pub fn with_random_share(all: usize, ranked: usize, seed: u64) -> Vec<(usize, bool)> {
    let ranked = ranked.min(all);
    let mut shuffled: Vec<usize> = (0..all).collect();
    KeyedRng::new(seed, "which labels to ask about", 0, 0).shuffle(&mut shuffled);
    let drawn = &shuffled[..ranked / RANKED_TO_RANDOM];
    let (within, mut beyond): (HashSet<usize>, Vec<usize>) = {
        let (within, beyond): (Vec<usize>, Vec<usize>) = drawn.iter().copied().partition(|place| *place < ranked);
        (within.into_iter().collect(), beyond)
    };
    beyond.reverse();
    let mut chosen = Vec::with_capacity(ranked + beyond.len());
    for place in 0..ranked {
        chosen.push((place, within.contains(&place)));
        if (place + 1) % RANKED_TO_RANDOM == 0 {
            chosen.extend(beyond.pop().map(|other| (other, true)));
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_is_at_random_and_each_is_asked_about_once_in_the_rankings_order() {
        for (all, ranked) in [(1_000, 40), (1_000, 1_000), (50, 40), (3, 30), (0, 30)] {
            let chosen = with_random_share(all, ranked, 7);
            assert_eq!(chosen, with_random_share(all, ranked, 7));
            let once: HashSet<usize> = chosen.iter().map(|one| one.0).collect();
            assert_eq!(once.len(), chosen.len(), "{all} {ranked}");
            assert_eq!(chosen.iter().filter(|one| one.1).count(), ranked.min(all) / 4);
            let in_order: Vec<usize> =
                chosen.iter().map(|one| one.0).filter(|place| *place < ranked.min(all)).collect();
            assert_eq!(in_order, (0..ranked.min(all)).collect::<Vec<_>>());
        }
        assert_ne!(with_random_share(1_000, 40, 1), with_random_share(1_000, 40, 2));
        assert_eq!(with_random_share(1_000_000, 40, 1)[..4], [(0, false), (1, false), (2, false), (3, false)]);
        assert!(with_random_share(1_000_000, 40, 1)[4].1);
    }

    /// 300 of 1,000 labels are wrong and rank first: whatever the ranking prefers, three tenths of the draw are wrong.
    #[test]
    fn the_share_at_random_is_that_of_all() {
        let chosen = (0..60).flat_map(|seed| with_random_share(1_000, 100, seed)).filter(|one| one.1);
        let (wrong, drawn) =
            chosen.fold((0, 0), |(wrong, all), (place, _)| (wrong + usize::from(place < 300), all + 1));
        assert_eq!(drawn, 60 * 25);
        // Four standard deviations of that many draws.
        assert!((wrong as f64 / drawn as f64 - 0.3).abs() < 0.048, "{wrong} of {drawn}");
    }
}

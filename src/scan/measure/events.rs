//! Events matched one to one: a detection meets a mark of its class where it begins and ends near enough.

use super::{Compared, Counts, Figures, Scored, Span};

/// When a detection and a mark are of one event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matching {
    /// Seconds by which beginnings may differ; ends by this or by the share below, whichever is more.
    pub collar_s: f64,
    /// Share of the mark's length by which ends may differ.
    pub share: f64,
}

impl Matching {
    fn meets(&self, mark: &Span, detection: &Span) -> bool {
        let at_end = self.collar_s.max(self.share * (mark.end - mark.start));
        (mark.start - detection.start).abs() <= self.collar_s && (mark.end - detection.end).abs() <= at_end
    }
}

/// The marks of one class in one recording, to which detections are matched one after another. As many as can be are matched
/// at any time: each new detection may move earlier ones to other marks.
struct Match<'h> {
    /// By beginning.
    marks: Vec<&'h Span>,
    /// The detection that each mark is matched with.
    taken: Vec<Option<usize>>,
    /// For each detection, the marks that it meets.
    meets: Vec<Vec<usize>>,
}

impl<'h> Match<'h> {
    fn new(marks: &'h [Span], class: usize) -> Self {
        let mut marks: Vec<&Span> = marks.iter().filter(|mark| mark.class == class).collect();
        marks.sort_by(|a, b| a.start.total_cmp(&b.start));
        let taken = vec![None; marks.len()];
        Self { marks, taken, meets: Vec::new() }
    }

    /// Takes a detection; whether one more mark is matched.
    fn push(&mut self, detection: &Span, matching: &Matching) -> bool {
        // A little more than the collar, so that rounding decides in `meets` alone.
        let slack = matching.collar_s + 1e-6;
        let from = self.marks.partition_point(|mark| mark.start < detection.start - slack);
        let near = self.marks[from..].iter().take_while(|mark| mark.start <= detection.start + slack);
        let own = near.enumerate().filter(|(_, mark)| matching.meets(mark, detection)).map(|(at, _)| from + at);
        self.meets.push(own.collect());
        let mut seen = vec![false; self.marks.len()];
        self.augment(self.meets.len() - 1, &mut seen)
    }

    /// Finds a mark for a detection: a free one, or one whose detection finds another.
    fn augment(&mut self, detection: usize, seen: &mut [bool]) -> bool {
        for at in 0..self.meets[detection].len() {
            let mark = self.meets[detection][at];
            if std::mem::replace(&mut seen[mark], true) {
                continue;
            }
            let free = match self.taken[mark] {
                None => true,
                Some(other) => self.augment(other, seen),
            };
            if free {
                self.taken[mark] = Some(detection);
                return true;
            }
        }
        false
    }
}

/// Event-based figures over recordings, of so many classes.
pub fn match_events(recordings: &[Compared], classes: usize, matching: &Matching) -> Figures {
    let mut by_class = vec![Counts::default(); classes];
    for one in recordings {
        for (class, counts) in by_class.iter_mut().enumerate() {
            let mut marks = Match::new(&one.marks, class);
            counts.reference += marks.marks.len() as u64;
            for detection in one.detections.iter().filter(|detection| detection.class == class) {
                counts.detected += 1;
                counts.right += u64::from(marks.push(detection, matching));
            }
        }
    }
    Figures { by_class, errors: None }
}

/// For one class, the detections of all recordings from the highest score down, and whether each adds a match to those above
/// it; and the number of its marks.
pub fn by_score(recordings: &[Compared], class: usize, matching: &Matching) -> (Vec<Scored>, u64) {
    let mut matches: Vec<Match> = recordings.iter().map(|one| Match::new(&one.marks, class)).collect();
    let reference = matches.iter().map(|one| one.marks.len() as u64).sum();
    let mut all: Vec<(usize, &Span)> = recordings
        .iter()
        .enumerate()
        .flat_map(|(file, one)| one.detections.iter().map(move |detection| (file, detection)))
        .filter(|(_, detection)| detection.class == class)
        .collect();
    all.sort_by(|a, b| b.1.score.total_cmp(&a.1.score));
    let scored = |(file, detection): (usize, &Span)| Scored {
        score: detection.score,
        right: matches[file].push(detection, matching),
    };
    (all.into_iter().map(scored).collect(), reference)
}

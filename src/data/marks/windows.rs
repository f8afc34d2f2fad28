//! Which windows of a marked recording are trained on, and what each of them holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::Presence;
use crate::{audio::SAMPLE_RATE, random::KeyedRng};

/// Overlap with an event from which on its class counts as in a window, in seconds; half of the event does as well. The
/// half makes sure that a short event is on in at least one window (OpenSoundscape's `min_label_overlap` and
/// `min_label_fraction`).
const LEAST_OVERLAP_S: f64 = 0.25;
const LEAST_SHARE: f64 = 0.5;
/// Most background windows for each window with an event.
pub(in crate::data) const BACKGROUND: usize = 2;
/// Places that a window of training may be at, the first of which is the one for evaluation.
const PLACES: usize = 4;
/// Draws for each further place; where events are close, few places hold the same.
const DRAWS: usize = 6;

/// An event in a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// First sample at 16 kHz and one beyond the last; the same for an instant.
    pub span: Range<u64>,
    /// Index of its class.
    pub class: usize,
    /// Whether the class sounds.
    pub presence: Presence,
}

/// A window and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its first sample; then others at which a window of this length holds exactly the same. Training draws one of them
    /// in each epoch, evaluation takes the first.
    pub starts: Vec<u64>,
    /// Classes that are known here, and whether each sounds. A class that is not named is masked: too little of it is in the
    /// window to count, or the annotator was not sure.
    pub known: Vec<(usize, bool)>,
}

impl Window {
    /// Whether no class is known to sound in it.
    pub fn is_background(&self) -> bool {
        self.known.iter().all(|(_, here)| !here)
    }
}

/// The events of a recording, to be asked what a window holds.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// By first sample.
    events: Vec<Event>,
    /// For each event, the furthest end of it and all before it.
    furthest: Vec<u64>,
    classes: usize,
    /// What a class is that no event of the window names: absent, or unknown where marks speak of one class each.
    others: Option<bool>,
}

impl Timeline {
    /// The events of one recording, of so many classes. `complete`: it was marked in full. `single`: each mark speaks of one
    /// class. Then, and where marks say of single classes that they are absent, nothing is known of the other classes, unless
    /// the recording was marked in full.
    pub fn new(events: &[Event], classes: usize, complete: bool, single: bool) -> Self {
        let mut events = events.to_vec();
        events.sort_by_key(|event| (event.span.start, event.span.end, event.class));
        let furthest = events
            .iter()
            .scan(0, |most, event| {
                *most = event.span.end.max(*most);
                Some(*most)
            })
            .collect();
        let single = single || events.iter().any(|event| event.presence == Presence::Absent);
        let others = if single && !complete { None } else { Some(false) };
        Self { events, furthest, classes, others }
    }

    /// Events that share something with a window.
    fn within<'t>(&'t self, window: &'t Range<u64>) -> impl Iterator<Item = (&'t Event, u64)> + 't {
        let end = self.events.partition_point(|event| event.span.start < window.end);
        // Ends grow along `furthest`, so everything before this ends before the window begins.
        let begin = self.furthest[..end].partition_point(|furthest| *furthest < window.start);
        self.events[begin..end]
            .iter()
            .map(move |event| (event, shared(window, &event.span)))
            .filter(|(_, overlap)| *overlap > 0)
    }

    /// What a window holds.
    pub fn holds(&self, window: &Range<u64>) -> Vec<(usize, bool)> {
        let mut state: Vec<Option<bool>> = vec![self.others; self.classes];
        let mut masked = BTreeSet::new();
        for (event, overlap) in self.within(window) {
            let counts = overlap >= needed(&event.span);
            match event.presence {
                Presence::Present if counts => state[event.class] = Some(true),
                Presence::Present | Presence::Uncertain => _ = masked.insert(event.class),
                Presence::Absent if counts && state[event.class] != Some(true) => state[event.class] = Some(false),
                Presence::Absent => {}
            }
        }
        for class in masked {
            if state[class] != Some(true) {
                state[class] = None;
            }
        }
        state.iter().enumerate().filter_map(|(class, state)| Some((class, (*state)?))).collect()
    }
}

/// Samples that a window has to share with an event so that its class counts.
fn needed(event: &Range<u64>) -> u64 {
    let half = ((event.end - event.start) as f64 * LEAST_SHARE).ceil() as u64;
    half.min((LEAST_OVERLAP_S * f64::from(SAMPLE_RATE)) as u64)
}

/// Samples that two stretches share; one where an instant is inside.
fn shared(window: &Range<u64>, event: &Range<u64>) -> u64 {
    if event.start == event.end {
        return u64::from(window.contains(&event.start));
    }
    window.end.min(event.end).saturating_sub(window.start.max(event.start))
}

/// The windows of one recording of `length` samples, `size` samples each: around every event, and between events where
/// all of the recording was marked. Shifts are drawn, and always the same for the same `name`. `complete` and `single` as
/// for [`Timeline::new`].
pub fn windows(
    name: &str,
    length: u64,
    size: u64,
    events: &[Event],
    (complete, single): (bool, bool),
    classes: usize,
) -> Vec<Window> {
    let last = length.saturating_sub(size);
    let mut starts = BTreeSet::new();
    for (index, event) in events.iter().enumerate() {
        if event.presence == Presence::Uncertain || event.span.start >= length {
            continue;
        }
        // One decision may say something of many classes.
        let mut before = events[..index].iter().rev().take_while(|other| other.span == event.span);
        if single && before.any(|other| other.presence != Presence::Uncertain) {
            continue;
        }
        let mut rng = KeyedRng::new(0, &format!("window {name}"), 0, index as u64);
        let (from, to) = (event.span.start, event.span.end.min(length));
        let long = to - from;
        if long <= size {
            // All of the event is inside, anywhere.
            starts.insert((to.saturating_sub(size) + draw(&mut rng, from - to.saturating_sub(size))).min(last));
            continue;
        }
        // As many as cover it about once, spread over it, each moved by up to half of what is left between them.
        let count = long.div_ceil(size);
        let room = long - size;
        for k in 0..count {
            let even = if count > 1 { room * k / (count - 1) } else { 0 };
            let shift = draw(&mut rng, (room / count.max(1)).min(size) / 2);
            starts.insert((from + even.saturating_sub(shift)).min(last));
        }
    }
    let with_events = starts.len();
    if complete {
        starts.extend(background(name, length, size, events, with_events));
    }
    let timeline = Timeline::new(events, classes, complete, single);
    // Two events may ask for windows that hold the same at nearly one place; each keeps its own.
    let mut all = Vec::with_capacity(starts.len());
    for start in starts {
        let known = timeline.holds(&(start..start + size));
        if !known.is_empty() {
            all.push(Window { starts: places(name, start, last, size, &known, &timeline), known });
        }
    }
    all
}

/// A window's place, and further ones where it holds the same.
fn places(name: &str, start: u64, last: u64, size: u64, known: &[(usize, bool)], timeline: &Timeline) -> Vec<u64> {
    let mut rng = KeyedRng::new(0, &format!("places {name}"), 0, start);
    let mut places = vec![start];
    for _ in 0..DRAWS * (PLACES - 1) {
        if places.len() == PLACES {
            break;
        }
        let place = (start + draw(&mut rng, size)).saturating_sub(size / 2).min(last);
        if !places.contains(&place) && timeline.holds(&(place..place + size)) == known {
            places.push(place);
        }
    }
    places
}

/// Uniform in `0..=most`.
fn draw(rng: &mut KeyedRng, most: u64) -> u64 {
    (f64::from(rng.unit()) * (most + 1) as f64) as u64
}

/// Beginnings of windows in which nothing is marked: of gaps that are long enough to keep a window's length from every event,
/// else as far away as they allow. A recording without events is all background.
fn background(name: &str, length: u64, size: u64, events: &[Event], with_events: usize) -> Vec<u64> {
    let mut marked: Vec<Range<u64>> = events.iter().map(|event| event.span.clone()).collect();
    marked.sort_by_key(|span| span.start);
    let (mut gaps, mut at) = (Vec::new(), 0);
    for span in marked.iter().chain(std::iter::once(&(length..length))) {
        if span.start > at {
            // No event within a window's length, where a gap is so long; beside the recording's ends nothing is.
            let inner = |keep: u64| {
                let from = if at == 0 { 0 } else { at + keep };
                let to = if span.start >= length { length } else { span.start.saturating_sub(keep) };
                (to >= from + size).then_some(from..to)
            };
            gaps.extend(inner(size).or_else(|| inner(0)));
        }
        at = at.max(span.end);
    }
    if events.is_empty() && length < size {
        return vec![0];
    }
    let mut starts = Vec::new();
    for gap in &gaps {
        let count = (gap.end - gap.start) / size;
        starts.extend((0..count).map(|k| gap.start + k * size));
    }
    if !events.is_empty() {
        let wanted = BACKGROUND * with_events.max(1);
        KeyedRng::new(0, &format!("background {name}"), 0, 0).shuffle(&mut starts);
        starts.truncate(wanted);
    }
    starts
}

/// Samples in which each class sounds, overlaps counted once.
pub fn covered(events: &[Event]) -> BTreeMap<usize, u64> {
    let mut spans: BTreeMap<usize, Vec<&Range<u64>>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.presence == Presence::Present) {
        spans.entry(event.class).or_default().push(&event.span);
    }
    let union = |mut spans: Vec<&Range<u64>>| {
        spans.sort_by_key(|span| span.start);
        let (mut total, mut at) = (0, 0);
        for span in spans {
            total += span.end.saturating_sub(span.start.max(at));
            at = at.max(span.end);
        }
        total
    };
    spans.into_iter().map(|(class, spans)| (class, union(spans))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = SAMPLE_RATE as u64;

    fn event(start: f64, end: f64, class: usize) -> Event {
        let samples = |seconds: f64| (seconds * S as f64) as u64;
        Event { span: samples(start)..samples(end), class, presence: Presence::Present }
    }

    fn holds(window: &Range<u64>, events: &[Event], classes: usize) -> Vec<(usize, bool)> {
        Timeline::new(events, classes, false, false).holds(window)
    }

    #[test]
    fn a_quarter_of_a_second_or_half_of_the_event_counts_and_a_sliver_is_masked() {
        let window = 0..3 * S;
        let held = |start: f64, end: f64| {
            let known = holds(&window, &[event(start, end, 0)], 2);
            assert!(known.contains(&(1, false)));
            known.iter().find(|(class, _)| *class == 0).map(|(_, here)| *here)
        };
        assert_eq!(held(1.0, 2.0), Some(true));
        assert_eq!(held(2.75, 9.0), Some(true));
        assert_eq!(held(2.76, 9.0), None);
        // Short: half of it is less than a quarter of a second.
        assert_eq!(held(2.9, 3.1), Some(true));
        assert_eq!(held(2.91, 3.11), None);
        assert_eq!(held(3.0, 4.0), Some(false));
        assert_eq!(held(2.0, 2.0), Some(true));
        assert_eq!(held(3.0, 3.0), Some(false));
        // One that counts beats a sliver of another of its class.
        assert!(holds(&window, &[event(2.9, 9.0, 0), event(1.0, 2.0, 0)], 1).contains(&(0, true)));
        let unsure = Event { presence: Presence::Uncertain, ..event(1.0, 2.0, 0) };
        assert_eq!(holds(&window, std::slice::from_ref(&unsure), 2), [(1, false)]);
        // A decision about a detection says nothing of other classes.
        let yes = [event(1.0, 2.0, 0)];
        assert_eq!(Timeline::new(&yes, 2, false, true).holds(&window), [(0, true)]);
        // A mark that says no speaks of its class alone, unless everything was marked.
        let absent = Event { presence: Presence::Absent, ..event(1.0, 2.0, 0) };
        assert_eq!(holds(&window, std::slice::from_ref(&absent), 2), [(0, false)]);
        assert_eq!(Timeline::new(&[absent], 2, true, false).holds(&window), [(0, false), (1, false)]);
    }

    #[test]
    fn events_are_found_however_they_lie_around_the_window() {
        // A long one that begins far before, short ones between, and every window against a plain search.
        let mut events = vec![event(0.0, 50.0, 0)];
        events.extend((0..40).map(|n| event(n as f64 * 1.5, n as f64 * 1.5 + 0.4, 1 + n % 3)));
        events.push(event(7.0, 7.0, 4));
        let timeline = Timeline::new(&events, 5, true, false);
        for start in (0..60 * S).step_by(7_919) {
            let window = start..start + 3 * S;
            let mut plain: Vec<usize> =
                events.iter().filter(|e| shared(&window, &e.span) > 0).map(|event| event.class).collect();
            let mut found: Vec<usize> = timeline.within(&window).map(|(event, _)| event.class).collect();
            plain.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, plain, "{start}");
        }
    }

    #[test]
    fn every_event_is_on_in_a_window_and_long_ones_give_several() {
        let events = [
            event(0.0, 0.1, 0),
            event(10.0, 10.0, 1),
            event(20.0, 33.0, 0),
            event(58.9, 59.9, 1),
            event(59.5, 70.0, 0),
        ];
        let all = windows("a.wav", 60 * S, 3 * S, &events, (false, false), 2);
        for (index, one) in events.iter().enumerate() {
            let on = all.iter().filter(|window| {
                let span = window.starts[0]..window.starts[0] + 3 * S;
                shared(&span, &one.span) > 0 && window.known.contains(&(one.class, true))
            });
            let on = on.count();
            assert!(on >= if index == 2 { 5 } else { 1 }, "{index}: {on}");
        }
        assert!(all.iter().flat_map(|window| &window.starts).all(|start| *start <= 57 * S));
        // Drawn, and the same each time; another for another recording.
        assert_eq!(all, windows("a.wav", 60 * S, 3 * S, &events, (false, false), 2));
        assert_ne!(all, windows("b.wav", 60 * S, 3 * S, &events, (false, false), 2));
        // Beyond the end there is no sound.
        assert!(windows("a.wav", 60 * S, 3 * S, &[event(61.0, 62.0, 0)], (false, false), 2).is_empty());
    }

    #[test]
    fn a_window_may_shift_only_where_it_holds_the_same() {
        let events = [event(20.0, 21.0, 0), event(24.5, 25.0, 1), event(40.0, 60.0, 0)];
        let timeline = Timeline::new(&events, 2, true, false);
        let all = windows("a.wav", 60 * S, 3 * S, &events, (true, false), 2);
        assert!(all.iter().any(|window| window.starts.len() == PLACES));
        for window in &all {
            let apart = window.starts.iter().map(|place| place.abs_diff(window.starts[0])).max();
            assert!(apart <= Some(3 * S / 2), "{window:?}");
            for place in &window.starts {
                assert_eq!(timeline.holds(&(*place..place + 3 * S)), window.known);
            }
        }
    }

    #[test]
    fn background_comes_from_recordings_that_were_marked_in_full_only() {
        let events = [event(20.0, 21.0, 0)];
        let none = windows("a.wav", 60 * S, 3 * S, &events, (false, false), 2);
        assert_eq!(none.iter().filter(|window| window.is_background()).count(), 0);
        let some = windows("a.wav", 60 * S, 3 * S, &events, (true, false), 2);
        let background: Vec<&Window> = some.iter().filter(|window| window.is_background()).collect();
        assert_eq!((some.len(), background.len()), (3, 2));
        for window in background {
            let start = window.starts[0];
            assert!(start + 6 * S <= 20 * S || start >= 24 * S, "{start}");
        }
        // A recording without events is all background.
        assert_eq!(windows("a.wav", 60 * S, 3 * S, &[], (true, false), 2).len(), 20);
        assert_eq!(windows("a.wav", 2 * S, 3 * S, &[], (true, false), 2).len(), 1);
        assert!(windows("a.wav", 60 * S, 3 * S, &[], (false, false), 2).is_empty());
    }

    #[test]
    fn seconds_of_a_class_count_overlaps_once() {
        let events = [event(0.0, 2.0, 0), event(1.0, 3.0, 0), event(5.0, 6.0, 0), event(1.0, 1.0, 1)];
        assert_eq!(covered(&events), BTreeMap::from([(0, 4 * S), (1, 0)]));
    }
}

//! The same work on many clips, on all cores, with progress and a way out.

use std::{
    ops::ControlFlow,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

/// Gets the number of clips done and of clips in all, and may break off.
pub type Progress<'a> = &'a mut dyn FnMut(usize, usize) -> ControlFlow<()>;

/// Does `work` for 0..count, each thread with a state of its own; results in order, or `None` when broken off.
pub(super) fn map<S, T: Send>(
    count: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> T + Sync,
    progress: Progress<'_>,
) -> Option<Vec<T>> {
    map_seen(count, state, work, progress, &mut |_, _| {})
}

/// The same; `seen` gets each result and its place as soon as it is there, in the order of their ends.
pub(super) fn map_seen<S, T: Send>(
    count: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> T + Sync,
    progress: Progress<'_>,
    seen: &mut dyn FnMut(usize, &T),
) -> Option<Vec<T>> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let workers = thread::available_parallelism().map_or(1, usize::from).min(count.max(1));
    let mut done = Vec::with_capacity(count);
    let outcome = thread::scope(|scope| {
        let (outbox, inbox) = mpsc::channel();
        for _ in 0..workers {
            let (outbox, next, stop, state, work) = (outbox.clone(), &next, &stop, &state, &work);
            scope.spawn(move || {
                let mut state = state();
                while !stop.load(Ordering::Relaxed) {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    if place >= count || outbox.send((place, work(&mut state, place))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(outbox);
        let mut outcome = progress(0, count);
        while outcome.is_continue()
            && let Ok((place, result)) = inbox.recv()
        {
            seen(place, &result);
            done.push((place, result));
            outcome = progress(done.len(), count);
        }
        stop.store(true, Ordering::Relaxed);
        outcome
    });
    if outcome.is_break() && done.len() < count {
        return None;
    }
    done.sort_by_key(|(place, _)| *place);
    Some(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_breaking_off_gives_none() {
        let mut seen = 0;
        let squares = map(100, || (), |(), n| n * n, &mut |done, total| {
            assert!(done >= seen && total == 100);
            seen = done;
            ControlFlow::Continue(())
        });
        assert_eq!(squares, Some((0..100).map(|n| n * n).collect()));
        assert_eq!(seen, 100);
        let broken = map(100, || (), |(), n| n, &mut |done, _| {
            if done < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        assert_eq!(broken, None);
        assert_eq!(map(0, || (), |(), n| n, &mut |_, _| ControlFlow::Continue(())), Some(vec![]));
    }
}

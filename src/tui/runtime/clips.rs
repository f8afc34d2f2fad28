//! Clips for the workbench: decodes them, and plays them.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::{inbox::Inbox, jobs::fault};
use crate::{
    audio::{
        Fbank, LogMel,
        playback::{self, Player, State},
    },
    data::{self, Excerpt, Source},
    panics,
    tui::{
        state::{clip_panel::Loaded, ticket::Ticket},
        update::{effect::Playback, message::Message},
    },
};

/// Frames of a spectrogram that are kept, at most: those of a longer clip are averaged. Twice the pixels of a wide screen.
const FRAMES: usize = 4096;
/// Stretches of a waveform that are kept, at most.
const STRETCHES: usize = 4096;
/// How often the playhead moves: as often as frames are drawn.
const PLAYHEAD: Duration = Duration::from_millis(33);

/// Decodes a clip and computes what is drawn of it; `None` once `stop` is set.
///
/// # Errors
/// A message to show.
fn load(source: &Source, stop: &AtomicBool) -> Result<Option<Arc<Loaded>>, String> {
    let go_on = || !stop.load(Ordering::Relaxed);
    let Some(excerpt) = data::excerpt(source, &go_on).map_err(|error| error.to_string())? else { return Ok(None) };
    let mut mel = Fbank::new().compute_wide(&excerpt.samples);
    if mel.frames > FRAMES {
        mel = fewer(&mel, FRAMES);
    }
    let Excerpt { original, rate, channels, samples, notes, is_shortened } = excerpt;
    let mut notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
    if is_shortened {
        notes.push("it is longer than ten minutes: its first ten are shown".to_owned());
    }
    let size = samples.len().div_ceil(STRETCHES).max(1);
    let least_and_greatest = |part: &[f32]| {
        part.iter().fold((f32::MAX, f32::MIN), |(low, high), sample| (low.min(*sample), high.max(*sample)))
    };
    Ok(Some(Arc::new(Loaded {
        extremes: samples.chunks(size).map(least_and_greatest).collect(),
        peak: samples.iter().fold(0.0, |peak, sample| sample.abs().max(peak)),
        original: playback::Sound { samples: original.into(), rate },
        channels,
        model: playback::Sound { samples: samples.into(), rate: crate::audio::SAMPLE_RATE },
        mel,
        notes,
    })))
}

/// So many frames, each the mean of as many neighbours.
fn fewer(mel: &LogMel, frames: usize) -> LogMel {
    let mut data = Vec::with_capacity(frames * mel.bins);
    for frame in 0..frames {
        let (from, to) = (frame * mel.frames / frames, (frame + 1) * mel.frames / frames);
        let scale = 1.0 / (to - from).max(1) as f32;
        data.extend((0..mel.bins).map(|bin| (from..to).map(|frame| mel.row(frame)[bin]).sum::<f32>() * scale));
    }
    LogMel { frames, bins: mel.bins, data }
}

/// Clips that wait to be decoded, and the one that is being decoded.
#[derive(Debug, Default)]
struct Queue {
    clips: Mutex<Clips>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Clips {
    /// The newest first.
    waiting: VecDeque<(Ticket, Source)>,
    /// With the flag that stops it.
    current: Option<(Ticket, Arc<AtomicBool>)>,
}

impl Clips {
    /// A clip that is not wanted any more: it is not decoded, or no further.
    fn forget(&mut self, ticket: Ticket) {
        self.waiting.retain(|(waiting, _)| *waiting != ticket);
        if let Some((_, stop)) = self.current.as_ref().filter(|(current, _)| *current == ticket) {
            stop.store(true, Ordering::Relaxed);
        }
    }
}

/// Decodes clips on a thread of its own, one after the other.
#[derive(Debug, Default)]
pub(super) struct ClipLoader {
    queue: Option<Arc<Queue>>,
}

impl ClipLoader {
    /// Decodes a clip and sends it; a clip that it replaces is not decoded any more.
    pub(super) fn load(
        &mut self,
        inbox: &Inbox,
        ticket: Ticket,
        source: Source,
        instead_of: Option<Ticket>,
    ) -> Vec<Message> {
        let queue = match &self.queue {
            Some(queue) => queue.clone(),
            None => {
                let (queue, inbox) = (Arc::<Queue>::default(), inbox.clone());
                let of_thread = queue.clone();
                let spawned = thread::Builder::new().name("clips".into()).spawn(move || work(&of_thread, &inbox));
                if let Err(error) = spawned {
                    return vec![Message::Clip(ticket, Err(format!("the system could not start a thread: {error}")))];
                }
                self.queue.insert(queue).clone()
            }
        };
        queue.push(ticket, source, instead_of);
        Vec::new()
    }

    /// A clip is not wanted any more.
    pub(super) fn forget(&self, ticket: Ticket) {
        if let Some(queue) = &self.queue {
            queue.lock().forget(ticket);
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Clips> {
        self.clips.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a clip in front, and removes or stops the one that it replaces.
    fn push(&self, ticket: Ticket, source: Source, instead_of: Option<Ticket>) {
        let mut clips = self.lock();
        instead_of.into_iter().for_each(|before| clips.forget(before));
        clips.waiting.push_front((ticket, source));
        self.changed.notify_one();
    }

    /// Waits for the next clip, and returns the flag that stops its decoding.
    fn next(&self) -> (Ticket, Source, Arc<AtomicBool>) {
        let mut clips = self.lock();
        loop {
            match clips.waiting.pop_front() {
                Some((ticket, source)) => {
                    let stop = Arc::<AtomicBool>::default();
                    clips.current = Some((ticket, stop.clone()));
                    return (ticket, source, stop);
                }
                None => {
                    clips.current = None;
                    clips = self.changed.wait(clips).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

fn work(queue: &Queue, inbox: &Inbox) {
    loop {
        let (ticket, source, stop) = queue.next();
        if !decode(inbox, ticket, || load(&source, &stop)) {
            return;
        }
    }
}

/// Decodes one clip and sends it, unless it is stopped. Returns whether anybody still reads what is sent.
fn decode(inbox: &Inbox, ticket: Ticket, load: impl FnOnce() -> Result<Option<Arc<Loaded>>, String>) -> bool {
    let loaded = panics::caught(load).unwrap_or_else(|words| Err(fault(&words)));
    let Some(loaded) = loaded.transpose() else { return true };
    inbox.send(Message::Clip(ticket, loaded)).is_ok()
}

/// The workbench's player.
#[derive(Debug, Default)]
pub(super) struct Speaker {
    player: Option<Arc<Player>>,
}

impl Speaker {
    /// Plays a sound; how it goes on is sent under this ticket.
    pub(super) fn play(&mut self, inbox: &Inbox, ticket: Ticket, sound: playback::Sound, from: u64) -> Vec<Message> {
        let failed = |error: std::io::Error| {
            let error = playback::PlaybackError::Thread(format!("the system could not start a thread: {error}"));
            vec![Message::Playing(ticket, playback::Status { state: State::Failed(error), ..Default::default() })]
        };
        let player = match self.player().map(Arc::clone) {
            Ok(player) => player,
            Err(error) => return failed(error),
        };
        let number = player.play(sound, from);
        let inbox = inbox.clone();
        let spawned = thread::Builder::new().name("playhead".into()).spawn(move || {
            let mut before = None;
            loop {
                let status = player.status();
                // Another sound has its own thread.
                if status.number != number {
                    return;
                }
                let goes_on = matches!(status.state, State::Opening | State::Playing);
                if before.as_ref() != Some(&status) {
                    if inbox.send(Message::Playing(ticket, status.clone())).is_err() {
                        return;
                    }
                    before = Some(status);
                }
                if !goes_on {
                    return;
                }
                thread::sleep(PLAYHEAD);
            }
        });
        match spawned {
            Ok(_) => Vec::new(),
            Err(error) => {
                // Nobody could see that it plays.
                if let Some(player) = &self.player {
                    player.stop();
                }
                failed(error)
            }
        }
    }

    /// Performs an order to whatever plays.
    pub(super) fn order(&mut self, order: Playback) {
        // Volume and loop are sent again before each sound: nothing is lost while there is no player. A thread that cannot be
        // started is reported with the sound.
        let player = if order == Playback::Prepare { self.player().ok() } else { self.player.as_ref() };
        let Some(player) = player else { return };
        match order {
            Playback::Prepare => player.prepare(),
            Playback::Stop => player.stop(),
            Playback::Seek(sample) => player.seek(sample),
            Playback::Volume(volume) => player.set_volume(volume),
            Playback::Loop(looped) => player.set_looped(looped),
        }
    }

    fn player(&mut self) -> std::io::Result<&Arc<Player>> {
        match &mut self.player {
            Some(player) => Ok(player),
            none => Ok(none.insert(Arc::new(Player::new()?))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::{audio::testing::wav, tui::runtime::inbox, tui::state::ticket::Tickets};

    #[test]
    fn a_clip_is_drawn_from_a_bounded_part_of_what_is_played() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        wav(&path, 50 * 16_000, |n| if n == 400_000 { -16_384 } else { (n % 100) as i16 });
        let go_on = AtomicBool::new(false);
        let loaded = load(&Source::File(path), &go_on).unwrap().unwrap();
        assert_eq!((loaded.mel.frames, loaded.model.samples.len()), (FRAMES, 800_000));
        assert_eq!(loaded.peak, 0.5);
        assert!(loaded.extremes.len() <= STRETCHES);
        let lowest = loaded.extremes.iter().position(|(low, _)| *low == -0.5).unwrap();
        assert!(lowest.abs_diff(loaded.extremes.len() / 2) < 2, "{lowest}");
        assert!(load(&Source::File(folder.path().join("b.wav")), &go_on).unwrap_err().contains("b.wav"));
    }

    #[test]
    fn a_clip_that_was_replaced_while_it_waited_is_not_decoded() {
        let (queue, mut tickets) = (Queue::default(), Tickets::default());
        let source = |n: u64| Source::Demo { class: 0, index: n };
        let other = tickets.draw();
        queue.push(other, source(99), None);
        let mut before = None;
        for n in 0..50 {
            let ticket = tickets.draw();
            queue.push(ticket, source(n), before.replace(ticket));
        }
        let next = || {
            let (ticket, source, _) = queue.next();
            (ticket, source)
        };
        assert_eq!(next(), (before.unwrap(), source(49)));
        assert_eq!(next(), (other, source(99)), "another panel's clip still waits");
    }

    #[test]
    fn a_clip_that_is_being_decoded_stops_when_another_one_takes_its_place_or_none() {
        let (queue, mut tickets) = (Queue::default(), Tickets::default());
        let source = Source::Demo { class: 0, index: 1 };
        let (first, second, other) = (tickets.draw(), tickets.draw(), tickets.draw());
        queue.push(first, source.clone(), None);
        let (_, _, stop) = queue.next();
        queue.lock().forget(other);
        assert!(!stop.load(Ordering::Relaxed), "another panel's clip does not stop it");
        queue.push(second, source.clone(), Some(first));
        assert!(stop.load(Ordering::Relaxed));
        let (_, _, stop) = queue.next();
        queue.lock().forget(second);
        assert!(stop.load(Ordering::Relaxed));
        let (sender, mut answers) = inbox::channel();
        assert!(decode(&sender, second, || load(&Source::File("none.wav".into()), &AtomicBool::new(false))));
        assert!(decode(&sender, first, || Ok(None)), "a stopped one is not answered");
        drop(sender);
        let Some(Message::Clip(of, Err(_))) = answers.blocking_recv() else { unreachable!() };
        assert_eq!((of, answers.blocking_recv().is_none()), (second, true));
    }

    #[test]
    fn a_decoder_that_panics_is_reported_and_the_next_clip_is_decoded() {
        let (sender, mut answers) = inbox::channel();
        let ticket = Tickets::default().draw();
        assert!(decode(&sender, ticket, || panic!("at frame {}", 7)));
        let Some(Message::Clip(_, Err(why))) = answers.blocking_recv() else { unreachable!() };
        assert!(why.contains("at frame 7") && why.contains("please report it"), "{why}");
    }

    #[test]
    fn clips_come_back_under_their_tickets() {
        let (sender, mut answers) = inbox::channel();
        let (mut loader, mut tickets) = (ClipLoader::default(), Tickets::default());
        let ticket = tickets.draw();
        assert!(loader.load(&sender, ticket, Source::Demo { class: 1, index: 2 }, None).is_empty());
        let Some(Message::Clip(of, Ok(loaded))) = answers.blocking_recv() else { unreachable!() };
        assert_eq!((of, loaded.model.rate), (ticket, 16_000));
    }
}

//! Clips for the workbench: decodes them, and plays them.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use super::inbox::Inbox;
use crate::{
    audio::{
        Fbank, LogMel,
        playback::{self, Player, State},
    },
    data::{self, Excerpt, Source},
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

/// Decodes a clip and computes what is drawn of it.
///
/// # Errors
/// A message to show.
pub(super) fn load(source: &Source) -> Result<Arc<Loaded>, String> {
    let excerpt = data::excerpt(source).map_err(|error| error.to_string())?;
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
    Ok(Arc::new(Loaded {
        extremes: samples.chunks(size).map(least_and_greatest).collect(),
        peak: samples.iter().fold(0.0, |peak, sample| sample.abs().max(peak)),
        original: playback::Sound { samples: original.into(), rate },
        channels,
        model: playback::Sound { samples: samples.into(), rate: crate::audio::SAMPLE_RATE },
        mel,
        notes,
    }))
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

/// Clips that wait to be decoded: the newest first.
#[derive(Debug, Default)]
struct Queue {
    wanted: Mutex<VecDeque<(Ticket, Source)>>,
    changed: Condvar,
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
}

impl Queue {
    /// Adds a clip in front, and removes the one that it replaces.
    fn push(&self, ticket: Ticket, source: Source, instead_of: Option<Ticket>) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.retain(|(waiting, _)| Some(*waiting) != instead_of);
        wanted.push_front((ticket, source));
        self.changed.notify_one();
    }

    /// Waits for the next clip.
    fn next(&self) -> (Ticket, Source) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match wanted.pop_front() {
                Some(next) => return next,
                None => wanted = self.changed.wait(wanted).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

fn work(queue: &Queue, inbox: &Inbox) {
    loop {
        let (ticket, source) = queue.next();
        if inbox.send(Message::Clip(ticket, load(&source))).is_err() {
            return;
        }
    }
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
        spawned.map_or_else(failed, |_| Vec::new())
    }

    /// Performs an order to whatever plays.
    pub(super) fn order(&mut self, order: Playback) {
        // Volume and loop are sent again before each sound: nothing is lost while there is no player.
        let Some(player) = &self.player else { return };
        match order {
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
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{audio::testing::wav, tui::runtime::inbox, tui::state::ticket::Tickets};

    #[test]
    fn a_clip_is_drawn_from_a_bounded_part_of_what_is_played() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        wav(&path, 50 * 16_000, |n| if n == 400_000 { -16_384 } else { (n % 100) as i16 });
        let loaded = load(&Source::File(path)).unwrap();
        assert_eq!((loaded.mel.frames, loaded.model.samples.len()), (FRAMES, 800_000));
        assert_eq!(loaded.peak, 0.5);
        assert!(loaded.extremes.len() <= STRETCHES);
        let lowest = loaded.extremes.iter().position(|(low, _)| *low == -0.5).unwrap();
        assert!(lowest.abs_diff(loaded.extremes.len() / 2) < 2, "{lowest}");
        assert!(load(&Source::File(folder.path().join("b.wav"))).unwrap_err().contains("b.wav"));
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
        assert_eq!(queue.next(), (before.unwrap(), source(49)));
        assert_eq!(queue.next(), (other, source(99)), "another panel's clip still waits");
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

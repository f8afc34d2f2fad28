//! Updates of clip panels: what is shown in them, decoded and played.

use std::sync::Arc;

use super::{Effect, notify};
use crate::{
    audio::playback::{self, State},
    tui::{
        input::action::Action,
        state::{
            app::App,
            clip_panel::{Clip, ClipPanel, Loaded, Played},
            ticket::{Ticket, Tickets},
        },
        update::effect::Playback,
    },
};

/// Shows a clip in a panel: its sound is decoded elsewhere, and played as soon as it is there if `play` says so. Whatever
/// the panel showed before ends. A clip that is on show already stays as it is.
pub fn show(panel: &mut ClipPanel, tickets: &mut Tickets, clip: Clip, play: bool) -> Vec<Effect> {
    let is_same = panel.clip.as_ref().is_some_and(|shown| shown.source == clip.source);
    if is_same && (panel.asked.is_some() || matches!(panel.sound, Some(Ok(_)))) {
        panel.clip = Some(clip);
        return if play && !panel.is_playing() { toggle(panel, tickets) } else { Vec::new() };
    }
    let mut effects = silence(panel);
    let ticket = tickets.draw();
    effects.push(Effect::LoadClip { ticket, source: clip.source.clone(), instead_of: panel.asked.replace(ticket) });
    (panel.clip, panel.sound, panel.play_next) = (Some(clip), None, play);
    effects
}

/// Shows nothing any more, and stops what plays.
pub fn clear(panel: &mut ClipPanel) -> Vec<Effect> {
    let mut effects = silence(panel);
    effects.extend(panel.asked.take().map(Effect::ForgetClip));
    (panel.clip, panel.sound, panel.play_next) = (None, None, false);
    effects
}

/// Stops what a panel plays: another screen is shown, or another clip.
pub fn silence(panel: &mut ClipPanel) -> Vec<Effect> {
    panel.play_next = false;
    let playing = panel.is_playing();
    panel.played = None;
    if playing { vec![Effect::Playback(Playback::Stop)] } else { Vec::new() }
}

/// Plays a panel's clip, or stops it.
pub fn toggle(panel: &mut ClipPanel, tickets: &mut Tickets) -> Vec<Effect> {
    if panel.is_playing() {
        return silence(panel);
    }
    if panel.asked.is_some() {
        panel.play_next = true;
        return Vec::new();
    }
    play(panel, tickets, 0)
}

/// Plays from this sample of the chosen sound on.
fn play(panel: &mut ClipPanel, tickets: &mut Tickets, from: u64) -> Vec<Effect> {
    let Some(sound) = panel.sound_to_play() else { return Vec::new() };
    let ticket = tickets.draw();
    let status = playback::Status { state: State::Opening, position: from, ..playback::Status::default() };
    panel.played = Some(Played { ticket, as_model: panel.as_model, status });
    let volume = Effect::Playback(Playback::Volume(panel.volume()));
    let looped = Effect::Playback(Playback::Loop(panel.looped));
    vec![volume, looped, Effect::Play { ticket, sound, from }]
}

/// Performs an action on the clip panel of the screen on show.
pub(super) fn act(app: &mut App, action: &Action) -> Vec<Effect> {
    let mut tickets = std::mem::take(&mut app.tickets);
    let effects = app.clip_panel_mut().map(|panel| on_panel(panel, &mut tickets, action));
    app.tickets = tickets;
    effects.unwrap_or_default()
}

/// Plays the clip on show from a share of what is shown of it.
pub(super) fn point(app: &mut App, share: f64) -> Vec<Effect> {
    let mut tickets = std::mem::take(&mut app.tickets);
    let effects = app.clip_panel_mut().map(|panel| {
        let length = panel.sound_to_play().map_or(0, |sound| sound.samples.len());
        to_sample(panel, &mut tickets, (share.clamp(0.0, 1.0) * length.saturating_sub(1) as f64) as u64)
    });
    app.tickets = tickets;
    effects.unwrap_or_default()
}

/// Goes on at this sample, or begins there.
fn to_sample(panel: &mut ClipPanel, tickets: &mut Tickets, sample: u64) -> Vec<Effect> {
    if !panel.is_playing() {
        return play(panel, tickets, sample);
    }
    if let Some(played) = &mut panel.played {
        played.status.position = sample;
    }
    vec![Effect::Playback(Playback::Seek(sample))]
}

fn on_panel(panel: &mut ClipPanel, tickets: &mut Tickets, action: &Action) -> Vec<Effect> {
    match action {
        Action::PlayClip => return toggle(panel, tickets),
        Action::SwitchSound => {
            panel.as_model = !panel.as_model;
            // What plays goes on as the other one, at the same time.
            if let (true, Some(seconds)) = (panel.is_playing() && panel.asked.is_none(), panel.playhead_s()) {
                let rate = panel.sound_to_play().map_or(0, |sound| sound.rate);
                return play(panel, tickets, (seconds * f64::from(rate)) as u64);
            }
        }
        Action::LoopClip => {
            panel.looped = !panel.looped;
            return vec![Effect::Playback(Playback::Loop(panel.looped))];
        }
        Action::Louder(steps) => {
            panel.louder(*steps);
            return vec![Effect::Playback(Playback::Volume(panel.volume()))];
        }
        Action::Scrub(steps) => {
            return panel.scrubbed(*steps).map(|sample| to_sample(panel, tickets, sample)).unwrap_or_default();
        }
        _ => {}
    }
    Vec::new()
}

/// A clip was decoded, or could not be.
pub(super) fn loaded(app: &mut App, ticket: Ticket, loaded: Result<Arc<Loaded>, String>) -> Vec<Effect> {
    let mut tickets = std::mem::take(&mut app.tickets);
    let mut effects = Vec::new();
    for panel in app.clip_panels() {
        if panel.asked == Some(ticket) {
            (panel.asked, panel.sound) = (None, Some(loaded));
            if std::mem::take(&mut panel.play_next) {
                effects = play(panel, &mut tickets, 0);
            }
            break;
        }
    }
    app.tickets = tickets;
    effects
}

/// What plays has gone on, ended or failed.
pub(super) fn playing(app: &mut App, ticket: Ticket, status: playback::Status) {
    let is_meant = |played: &Played| played.ticket == ticket;
    let panel = app.clip_panels().find(|panel| panel.played.as_ref().is_some_and(is_meant));
    let Some(played) = panel.and_then(|panel| panel.played.as_mut()) else { return };
    // A speaker that opens and takes no sound does not play.
    let plays = match status.state {
        State::Playing => status.position > played.status.position,
        State::Ended => true,
        _ => false,
    };
    let problem = match &status.state {
        State::Failed(error) => Some(error.to_string()),
        _ => None,
    };
    played.status = status;
    if plays {
        app.speaker_problem = None;
    }
    // Once for each failure: at every clip a notice would hide the footer all the time. The panel shows it each time.
    if let Some(problem) = problem.filter(|problem| app.speaker_problem.as_ref() != Some(problem)) {
        app.speaker_problem = Some(problem.clone());
        notify(app, problem, true);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::tui::testing::{data_fixture::clip_sound, fixture};

    fn clip(name: &str) -> Clip {
        Clip::file(format!("{name}.wav"), name)
    }

    fn ticket_of(effects: &[Effect]) -> Ticket {
        let asked = |effect: &Effect| match effect {
            Effect::LoadClip { ticket, .. } | Effect::Play { ticket, .. } => Some(*ticket),
            _ => None,
        };
        effects.iter().find_map(asked).unwrap_or_else(|| panic!("{effects:?}"))
    }

    /// Data with the panel of a clip, whose sound is awaited.
    fn asked(play: bool) -> (App, Ticket) {
        let mut app = fixture::app((120, 40));
        app.screen = crate::tui::input::action::Screen::Data;
        let (panel, tickets) = (&mut app.data.clip, &mut app.tickets);
        let effects = show(panel, tickets, clip("a"), play);
        let ticket = ticket_of(&effects);
        (app, ticket)
    }

    fn status(state: State, position: u64) -> playback::Status {
        playback::Status { number: 1, state, position, gaps: 0 }
    }

    #[test]
    fn a_clip_is_decoded_once_and_plays_when_it_is_there() {
        let (mut app, ticket) = asked(false);
        assert!(show(&mut app.data.clip, &mut app.tickets, clip("a"), false).is_empty(), "it is awaited already");
        assert!(act(&mut app, &Action::PlayClip).is_empty());
        assert!(app.data.clip.is_playing());
        let effects = loaded(&mut app, ticket, Ok(clip_sound()));
        let playing_ticket = ticket_of(&effects);
        assert!(matches!(effects.last(), Some(Effect::Play { from: 0, .. })));
        playing(&mut app, playing_ticket, status(State::Playing, 22_050));
        assert_eq!(app.data.clip.playhead_s(), Some(0.5));
        assert_eq!(act(&mut app, &Action::Scrub(1)), [Effect::Playback(Playback::Seek(22_050 + 4_410))]);
        playing(&mut app, playing_ticket, status(State::Ended, 88_200));
        assert!(!app.data.clip.is_playing());
        assert_eq!(app.data.clip.playhead_s(), None);
    }

    #[test]
    fn a_sound_that_is_not_awaited_any_more_changes_nothing() {
        let (mut app, first) = asked(true);
        let effects = show(&mut app.data.clip, &mut app.tickets, clip("b"), false);
        let [Effect::LoadClip { instead_of, .. }] = &effects[..] else { panic!("{effects:?}") };
        assert_eq!(*instead_of, Some(first));
        assert!(loaded(&mut app, first, Ok(clip_sound())).is_empty());
        assert!(app.data.clip.sound.is_none() && app.data.clip.asked.is_some());
        let second = ticket_of(&effects);
        loaded(&mut app, second, Err("b.wav: it is damaged".into()));
        assert!(act(&mut app, &Action::PlayClip).is_empty());
        // Asked for again, it is tried again: the file may have been replaced.
        assert!(!show(&mut app.data.clip, &mut app.tickets, clip("b"), false).is_empty());
    }

    #[test]
    fn a_panel_that_shows_nothing_any_more_has_nothing_decoded() {
        let (mut app, ticket) = asked(true);
        assert_eq!(clear(&mut app.data.clip), [Effect::ForgetClip(ticket)]);
        assert!(clear(&mut app.data.clip).is_empty());
    }

    #[test]
    fn the_other_sound_goes_on_at_the_same_time_and_a_stop_is_final() {
        let (mut app, ticket) = asked(true);
        let effects = loaded(&mut app, ticket, Ok(clip_sound()));
        let first = ticket_of(&effects);
        playing(&mut app, first, status(State::Playing, 44_100));
        let effects = act(&mut app, &Action::SwitchSound);
        let Some(Effect::Play { ticket: second, sound, from }) = effects.last() else { panic!("{effects:?}") };
        assert_eq!((sound.rate, *from), (16_000, 16_000));
        // Late news of the sound before.
        playing(&mut app, first, status(State::Ended, 88_200));
        assert!(app.data.clip.is_playing());
        playing(&mut app, *second, status(State::Playing, 17_000));
        assert_eq!(act(&mut app, &Action::PlayClip), [Effect::Playback(Playback::Stop)]);
        assert!(!app.data.clip.is_playing());
    }

    #[test]
    fn a_speaker_that_cannot_be_opened_is_named() {
        let (mut app, ticket) = asked(true);
        let effects = loaded(&mut app, ticket, Ok(clip_sound()));
        let error = playback::PlaybackError::Missing("ALSA lists none".into());
        playing(&mut app, ticket_of(&effects), status(State::Failed(error), 0));
        let notice = app.notice.unwrap();
        assert!(notice.trouble && notice.text.contains("no speaker was found"), "{}", notice.text);
        assert!(app.data.clip.playback_problem().is_some());
    }

    #[test]
    fn a_speaker_that_fails_is_named_again_only_after_a_sound_played() {
        let (mut app, ticket) = asked(false);
        loaded(&mut app, ticket, Ok(clip_sound()));
        let mut said = Vec::new();
        let failed = || State::Failed(playback::PlaybackError::Missing("ALSA lists none".into()));
        for states in [
            vec![status(failed(), 0)],
            vec![status(failed(), 0)],
            // It opens, and takes no sound.
            vec![status(State::Playing, 0), status(failed(), 0)],
            vec![status(State::Playing, 22_050), status(failed(), 22_050)],
            vec![status(failed(), 0)],
        ] {
            app.notice = None;
            let ticket = ticket_of(&act(&mut app, &Action::PlayClip));
            states.into_iter().for_each(|status| playing(&mut app, ticket, status));
            assert!(app.data.clip.playback_problem().is_some(), "the panel shows it each time");
            said.push(app.notice.is_some());
        }
        assert_eq!(said, [true, false, false, true, false]);
    }
}

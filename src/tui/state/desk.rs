//! The mixing desk: the cursor, and each session's faders.

use std::collections::BTreeMap;

use super::layers::AdapterSite;
use crate::{
    infer::{Channel, Fader, Mix},
    tui::input::action::Move,
};

/// The state of the mixing desk.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desk {
    /// The row of the cursor.
    pub adapter: AdapterSite,
    /// The block of the cursor.
    pub block: usize,
    /// The faders, by the session's name: they stay when listening stops.
    mixes: BTreeMap<String, Mix>,
}

impl Desk {
    /// A session's faders.
    pub fn mix(&self, session: &str) -> Mix {
        self.mixes.get(session).cloned().unwrap_or_default()
    }

    /// The fader under the cursor of a session's desk, to move.
    pub fn fader_mut(&mut self, session: &str) -> &mut Fader {
        let (adapter, block) = (self.adapter, self.block);
        let channel = self.mixes.entry(session.to_owned()).or_default().channel_mut(block);
        match adapter {
            AdapterSite::Spatial => &mut channel.spatial,
            AdapterSite::Mlp => &mut channel.mlp,
        }
    }

    /// Sets every fader of a session.
    pub fn set(&mut self, session: &str, mix: Mix) {
        self.mixes.insert(session.to_owned(), mix);
    }

    /// Moves the cursor over a desk of so many blocks.
    pub fn go(&mut self, to: Move, blocks: usize) {
        let last = blocks.saturating_sub(1);
        match to {
            Move::Left => self.block = self.block.min(last).saturating_sub(1),
            Move::Right => self.block = (self.block + 1).min(last),
            Move::Home => self.block = 0,
            Move::End => self.block = last,
            Move::Up => self.adapter = AdapterSite::Spatial,
            Move::Down => self.adapter = AdapterSite::Mlp,
            _ => {}
        }
    }
}

/// The fader of an adapter.
pub fn fader(channel: Channel, adapter: AdapterSite) -> Fader {
    match adapter {
        AdapterSite::Spatial => channel.spatial,
        AdapterSite::Mlp => channel.mlp,
    }
}

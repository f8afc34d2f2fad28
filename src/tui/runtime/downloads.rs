//! Downloads, as the workbench reports them.

use super::inbox::Inbox;
use crate::{model::hub, tui::update::message::Message};

/// Reports the progress of a download to the workbench, at every twentieth of a file.
pub(super) struct Downloads<'a> {
    /// Where it is reported.
    pub(super) inbox: &'a Inbox,
    /// The last reported file and twentieth.
    pub(super) reported: Option<(String, u64)>,
}

impl hub::Watcher for Downloads<'_> {
    fn downloaded(&mut self, file: &str, done: u64, total: u64) {
        const SMALL: u64 = 1 << 20;
        let step = 20 * done / total.max(1);
        if total < SMALL || self.reported.as_ref().is_some_and(|(name, at)| name == file && *at >= step) {
            return;
        }
        self.reported = Some((file.to_owned(), step));
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let text = format!("downloading {file}: {:.1} of {:.1} MB", megabytes(done), megabytes(total));
        let _ = self.inbox.send(Message::Notice(text.into()));
    }
}

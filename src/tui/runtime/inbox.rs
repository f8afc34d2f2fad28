//! The bounded queue of messages from all threads to the event loop.

use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::tui::update::message::Message;

/// Messages in the queue. A sender waits when it is full: a trainer's feed and the live pipeline have bounded queues of
/// their own, which merge events and never wait.
const CAPACITY: usize = 1024;

/// The sending end. Clones send to the same loop.
#[derive(Clone, Debug)]
pub struct Inbox(Sender<Message>);

/// The loop has ended, and takes no more messages.
#[derive(Debug)]
pub struct Ended;

/// Both ends of a new inbox.
pub fn channel() -> (Inbox, Receiver<Message>) {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    (Inbox(sender), receiver)
}

impl Inbox {
    /// Sends a message; waits while the inbox is full. Not for the loop's own thread, which would wait for itself.
    ///
    /// # Errors
    /// When the loop has ended.
    pub fn send(&self, message: Message) -> Result<(), Ended> {
        self.0.blocking_send(message).map_err(|_| Ended)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        thread,
        time::Duration,
    };

    use super::*;

    /// Fault 5: forwarders emptied the bounded queues of feed and pipeline into an inbox without bounds.
    #[test]
    fn a_loop_that_does_not_read_gets_no_more_than_the_inbox_holds() {
        let (inbox, mut answers) = channel();
        let sent = Arc::new(AtomicU64::new(0));
        let teller = thread::spawn({
            let sent = sent.clone();
            move || {
                for now in 0..10_000 {
                    if inbox.send(Message::Tick(now)).is_err() {
                        return;
                    }
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        while sent.load(Ordering::SeqCst) < CAPACITY as u64 {
            thread::sleep(Duration::from_millis(1));
        }
        // Time enough for one more, if it did not wait.
        thread::sleep(Duration::from_millis(50));
        assert_eq!((sent.load(Ordering::SeqCst), answers.len()), (CAPACITY as u64, CAPACITY));
        let mut seen = Vec::new();
        while let Some(message) = answers.blocking_recv() {
            if let Message::Tick(now) = message {
                seen.push(now);
            }
        }
        teller.join().unwrap();
        assert_eq!(seen, (0..10_000).collect::<Vec<_>>(), "nothing is lost and nothing overtakes");
    }
}

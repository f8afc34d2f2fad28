//! Writes bytes to the terminal on a thread of its own: a terminal that does not read blocks only that thread. The
//! event loop continues, and draws the next frame when the last one is written.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::sync::Notify;

/// Room for a whole frame of a large terminal.
const FRAME_BYTES: usize = 1 << 19;

#[derive(Debug, Default)]
struct State {
    /// What the writing thread takes next.
    waiting: Vec<u8>,
    writing: bool,
    /// Why writing ended.
    broken: Option<io::Error>,
    closed: bool,
}

impl State {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.writing
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    idle: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writing end. Never waits for the terminal.
#[derive(Debug)]
pub struct Outlet {
    buffer: Vec<u8>,
    watch: Watch,
}

/// Whether everything is written.
#[derive(Clone, Debug)]
pub struct Watch(Arc<Shared>);

impl Outlet {
    /// An outlet to this writer.
    ///
    /// # Errors
    /// When the system cannot start a thread.
    pub fn to(mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let watch = Watch(shared.clone());
        thread::Builder::new().name("outlet".into()).spawn(move || {
            let mut bytes = Vec::new();
            while next(&shared, &mut bytes) {
                let written = out.write_all(&bytes).and_then(|()| out.flush());
                bytes.clear();
                let mut state = shared.lock();
                state.writing = false;
                if let Err(error) = written {
                    state.broken = Some(error);
                    state.waiting.clear();
                }
                shared.changed.notify_all();
                shared.idle.notify_one();
            }
        })?;
        Ok(Self { buffer: Vec::with_capacity(FRAME_BYTES), watch })
    }

    /// Signals when everything is written.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }
}

/// Takes the bytes that wait; false when nothing more will come.
fn next(shared: &Shared, bytes: &mut Vec<u8>) -> bool {
    let nothing = |state: &mut State| state.waiting.is_empty() && !state.closed;
    let mut state = shared.changed.wait_while(shared.lock(), nothing).unwrap_or_else(PoisonError::into_inner);
    std::mem::swap(bytes, &mut state.waiting);
    state.writing = !bytes.is_empty();
    state.writing
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Submits the collected bytes.
    fn flush(&mut self) -> io::Result<()> {
        let shared = &self.watch.0;
        let mut state = shared.lock();
        if let Some(error) = &state.broken {
            return Err(io::Error::new(error.kind(), error.to_string()));
        }
        if !self.buffer.is_empty() {
            state.waiting.append(&mut self.buffer);
            shared.changed.notify_all();
        }
        Ok(())
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        let _ = self.flush();
        self.watch.0.lock().closed = true;
        self.watch.0.changed.notify_all();
    }
}

impl Watch {
    /// Whether everything submitted is written.
    pub fn is_idle(&self) -> bool {
        self.0.lock().is_idle()
    }

    /// Waits until everything is written.
    pub async fn idle(&self) {
        while !self.is_idle() {
            self.0.idle.notified().await;
        }
    }

    /// Waits until everything is written, or time is up; returns whether it is.
    pub fn settle(&self, patience: Duration) -> bool {
        let busy = |state: &mut State| !state.is_idle();
        let waited = self.0.changed.wait_timeout_while(self.0.lock(), patience, busy);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_idle()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A terminal that reads on command.
    struct Terminal {
        reads: Receiver<()>,
        read: Sender<Vec<u8>>,
    }

    impl Write for Terminal {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.reads.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            self.read.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_terminal_that_does_not_read_blocks_nothing_and_gets_everything_in_order() {
        let ((read_on, reads), (read, shown)) = (channel(), channel());
        let mut outlet = Outlet::to(Terminal { reads, read }).unwrap();
        let watch = outlet.watch();
        write!(outlet, "one ").unwrap();
        assert!(watch.is_idle(), "what was not handed over does not count");
        outlet.flush().unwrap();
        while !watch.0.lock().writing {
            thread::yield_now();
        }
        assert!(!watch.settle(Duration::from_millis(20)));
        write!(outlet, "two ").unwrap();
        outlet.flush().unwrap();
        (0..2).for_each(|_| read_on.send(()).unwrap());
        assert!(watch.settle(Duration::from_secs(60)));
        let shown: Vec<u8> = shown.try_iter().flatten().collect();
        assert_eq!(shown, b"one two ");
        // The terminal is gone.
        drop(read_on);
        write!(outlet, "three").unwrap();
        outlet.flush().unwrap();
        assert!(watch.settle(Duration::from_secs(60)));
        assert_eq!(outlet.flush().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}

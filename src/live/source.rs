//! Where the sound comes from, read through a [`RingReader`]; here, a microphone.

use std::{
    any::Any,
    fmt,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use crate::audio::{
    Note,
    capture::{CaptureError, Microphone},
    ring::RingReader,
    server::{Standing, Watch},
};

/// How long a microphone may take to open before that is an error: a sound server that hangs never responds.
const OPENING: Duration = Duration::from_secs(10);

/// An open source.
pub struct Line {
    /// Device or file, to show.
    pub name: String,
    /// Samples a second that it delivers.
    pub rate: u32,
    /// Its channels, averaged before they are read.
    pub channels: u16,
    /// What is odd about a file's sound, though it can be played.
    pub notes: Vec<Note>,
    /// Its samples.
    pub reader: RingReader,
    /// Whatever delivers the sound until it is dropped.
    pub kept: Box<dyn Any + Send>,
}

/// Something that can be listened to.
pub trait Source: Send {
    /// Opens it, or opens it again. May take long.
    ///
    /// # Errors
    /// A message to show, with a remedy.
    fn open(&mut self) -> Result<Line, String>;

    /// Whether to open it again after it failed, and whether silence or a late delivery is a problem.
    fn is_device(&self) -> bool;

    /// Why the open source is not the right one any more, if so: the system chose another default device. A whole
    /// sentence that names the device. Called about twice a second.
    fn superseded(&mut self, _line: &Line) -> Option<String> {
        None
    }
}

/// A microphone by name, or the default one.
#[derive(Debug)]
pub struct MicrophoneSource {
    /// A name or an id from [`capture::list`](crate::audio::capture::list); `None` for the default.
    device: Option<String>,
    /// The default may change; a device that is named does not.
    server: Option<Watch>,
    /// The server's default microphone when it was opened.
    behind: Option<Standing>,
    opening: Opening<Result<(Microphone, RingReader), CaptureError>>,
}

impl MicrophoneSource {
    /// This microphone, or the default one.
    pub fn new(device: Option<String>) -> Self {
        let server = device.is_none().then(Watch::start);
        Self { device, server, behind: None, opening: Opening(None) }
    }

    /// The message that the microphone in use is gone, while there is no other.
    fn unplugged(&self, now: &Standing) -> Option<String> {
        let before = self.behind.as_ref()?;
        let was_real = before.microphones.contains(&before.default);
        let gone = was_real && now.microphones.is_empty();
        gone.then(|| format!("{}: the microphone was unplugged; plug it in or connect another", before.description))
    }

    fn standing(&self) -> Option<Standing> {
        self.server.as_ref().and_then(Watch::newest)
    }
}

/// Something that opens on a thread of its own. One that takes too long is waited for again the next time, so that
/// threads that hang do not add up.
struct Opening<T>(Option<Receiver<T>>);

impl<T> fmt::Debug for Opening<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Opening").field(&self.0.is_some()).finish()
    }
}

impl<T: Send + 'static> Opening<T> {
    /// What `open` returns, or what the call before has begun to open.
    fn wait(&mut self, limit: Duration, open: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
        let answer = match self.0.take() {
            Some(answer) => answer,
            None => {
                let (sender, answer) = mpsc::channel();
                let work = move || drop(sender.send(open()));
                let started = thread::Builder::new().name("open-microphone".into()).spawn(work);
                started.map_err(|error| format!("the system could not start a thread: {error}"))?;
                answer
            }
        };
        match answer.recv_timeout(limit) {
            Ok(opened) => Ok(opened),
            Err(RecvTimeoutError::Timeout) => {
                self.0 = Some(answer);
                Err(CaptureError::Hung(limit.as_secs()).to_string())
            }
            Err(RecvTimeoutError::Disconnected) => Err("the microphone's driver ended without an answer".to_owned()),
        }
    }
}

impl Source for MicrophoneSource {
    fn open(&mut self) -> Result<Line, String> {
        let standing = self.standing();
        if let Some(reason) = standing.as_ref().and_then(|now| self.unplugged(now)) {
            return Err(reason);
        }
        let device = self.device.clone();
        let opened = self.opening.wait(OPENING, move || Microphone::open(device.as_deref()))?;
        let (microphone, reader) = opened.map_err(|error| error.to_string())?;
        let name = standing.as_ref().map_or_else(|| microphone.name.clone(), |now| now.description.clone());
        self.behind = standing;
        Ok(Line {
            name,
            rate: microphone.delivery.rate,
            channels: microphone.delivery.channels,
            notes: Vec::new(),
            reader,
            kept: Box::new(microphone),
        })
    }

    fn is_device(&self) -> bool {
        true
    }

    fn superseded(&mut self, line: &Line) -> Option<String> {
        let microphone = line.kept.downcast_ref::<Microphone>()?;
        if microphone.is_superseded() {
            return Some(format!("{}: another microphone became the default", line.name));
        }
        let now = self.standing()?;
        match &self.behind {
            None => self.behind = Some(now),
            Some(before) if before.default != now.default => {
                let changed = || format!("{}: the default microphone is now {}", before.description, now.description);
                return Some(self.unplugged(&now).unwrap_or_else(changed));
            }
            Some(_) => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_microphone_that_hangs_is_reported_and_opened_once() {
        let (answer, hang) = mpsc::channel::<u32>();
        let mut opening = Opening(None);
        let problem = opening.wait(Duration::from_millis(20), move || hang.recv().unwrap()).unwrap_err();
        assert!(problem.contains("has not opened for"), "{problem}");
        answer.send(7).unwrap();
        let again = opening.wait(Duration::from_secs(60), || unreachable!("it is being opened already"));
        assert_eq!(again, Ok(7));
        assert_eq!(opening.wait(Duration::from_secs(60), || 8), Ok(8));
        assert!(opening.wait(Duration::from_secs(60), || panic!("in the driver")).is_err());
    }
}

//! Queries the terminal for what it can draw.
//!
//! First for its primary attributes, which every terminal reports. Only one that replies in time gets the other
//! queries, followed by the same query again: after that reply, no other will come.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use super::graphics::Graphics;

/// How long the first reply may take; crossterm recognises and ignores a later one.
const FIRST: Duration = Duration::from_millis(400);
/// How long the others may take, from a terminal that replied to the first in time.
const REST: Duration = Duration::from_secs(1);

/// Primary attributes.
const ATTRIBUTES: &str = "\x1b[c";
/// Name and version (XTVERSION), then whether a picture of one pixel could be shown.
const NAME_AND_PICTURES: &str = "\x1b[>q\x1b_Gi=1,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\";

/// Terminals that draw octants themselves, whatever the font, by their reported name, and since which version.
const OCTANTS: [(&str, (u32, u32)); 4] =
    [("kitty", (0, 40)), ("ghostty", (1, 2)), ("foot", (1, 20)), ("WezTerm", (20_250_101, 0))];

/// The terminal's replies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replies {
    /// Name and version.
    name: Option<String>,
    /// Whether it supports kitty's graphics protocol.
    pictures: bool,
    /// Whether the primary attributes came.
    attributes: bool,
    /// Keys that were pressed meanwhile.
    pub typed: String,
}

impl Replies {
    fn read(bytes: &[u8]) -> Self {
        let mut replies = Self::default();
        let mut rest = bytes;
        while let Some((&first, after)) = rest.split_first() {
            rest = match (first, after.first()) {
                (0x1b, Some(b'[')) => {
                    let end = after.iter().skip(1).position(|byte| (0x40..0x7f).contains(byte)).map(|at| at + 1);
                    let Some(end) = end else { break };
                    replies.attributes |= after.starts_with(b"[?") && after[end] == b'c';
                    &after[end + 1..]
                }
                (0x1b, Some(b'P' | b'_')) => {
                    let Some(end) = after.windows(2).position(|pair| pair == b"\x1b\\") else { break };
                    let text = String::from_utf8_lossy(&after[..end]);
                    replies.pictures |= text.starts_with("_Gi=1") && text.ends_with(";OK");
                    if let Some(name) = text.strip_prefix("P>|") {
                        replies.name = Some(name.to_owned());
                    }
                    &after[end + 2..]
                }
                (0x1b, _) => after,
                (byte, _) => {
                    replies.typed.extend(byte.is_ascii().then_some(char::from(byte)));
                    after
                }
            };
        }
        replies
    }

    /// The finest graphics that it is known to support.
    pub fn graphics(&self) -> Graphics {
        let reported = self.name.as_deref().unwrap_or_default();
        let name_ends = reported.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(reported.len());
        let (name, version) = reported.split_at(name_ends);
        let mut numbers = version.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok());
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if self.pictures {
            Graphics::Kitty
        } else if OCTANTS.iter().any(|(known, since)| *known == name && version >= *since) {
            Graphics::Octant
        } else {
            Graphics::Half
        }
    }
}

/// Queries the terminal, which must be in raw mode and not be read elsewhere.
///
/// # Errors
/// When it cannot be written to or read.
pub fn ask(out: &mut impl Write) -> io::Result<Replies> {
    let mut bytes = Vec::new();
    write!(out, "{ATTRIBUTES}")?;
    out.flush()?;
    let first = read_replies(&mut bytes, FIRST)?;
    if !first.attributes {
        return Ok(first);
    }
    let before = std::mem::take(&mut bytes);
    write!(out, "{NAME_AND_PICTURES}{ATTRIBUTES}")?;
    out.flush()?;
    let rest = read_replies(&mut bytes, REST)?;
    tracing::info!(name = rest.name, pictures = rest.pictures, "the terminal");
    Ok(Replies { typed: Replies::read(&before).typed + &rest.typed, ..rest })
}

/// Reads until the primary attributes came, or time is up.
fn read_replies(bytes: &mut Vec<u8>, patience: Duration) -> io::Result<Replies> {
    let end = Instant::now() + patience;
    loop {
        let replies = Replies::read(bytes);
        let left = end.saturating_duration_since(Instant::now());
        if replies.attributes || left.is_zero() || !system::read(bytes, left)? {
            return Ok(replies);
        }
    }
}

#[cfg(unix)]
mod system {
    use std::{io, os::fd::AsFd, time::Duration};

    use nix::{
        errno::Errno,
        poll::{PollFd, PollFlags, PollTimeout, poll},
        unistd,
    };

    /// Appends what the terminal sends within this time; false when it is gone.
    pub(super) fn read(into: &mut Vec<u8>, patience: Duration) -> io::Result<bool> {
        let stdin = io::stdin();
        let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO);
        match poll(&mut [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)], patience) {
            Ok(0) | Err(Errno::EINTR) => return Ok(true),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut buffer = [0; 1024];
        let count = unistd::read(stdin.as_fd(), &mut buffer)?;
        into.extend(&buffer[..count]);
        Ok(count > 0)
    }
}

#[cfg(not(unix))]
mod system {
    pub(super) fn read(_: &mut Vec<u8>, _: std::time::Duration) -> std::io::Result<bool> {
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_known_by_what_they_answer() {
        let graphics = |bytes: &str| {
            let replies = Replies::read(bytes.as_bytes());
            assert!(replies.attributes && replies.typed.is_empty(), "{replies:?}");
            replies.graphics()
        };
        assert_eq!(graphics("\x1bP>|kitty(0.41.0)\x1b\\\x1b_Gi=1;OK\x1b\\\x1b[?62;c"), Graphics::Kitty);
        assert_eq!(graphics("\x1bP>|foot(1.22.3)\x1b\\\x1b[?62;4;22c"), Graphics::Octant);
        assert_eq!(graphics("\x1bP>|foot(1.13.1)\x1b\\\x1b[?62;4;22c"), Graphics::Half);
        assert_eq!(graphics("\x1bP>|WezTerm 20240203-110809-5046fc22\x1b\\\x1b[?65;4c"), Graphics::Half);
        assert_eq!(graphics("\x1bP>|tmux 3.5a\x1b\\\x1b[?1;2;4c"), Graphics::Half);
        assert_eq!(graphics("\x1b_Gi=1;ENOTSUPPORTED:no\x1b\\\x1b[?6c"), Graphics::Half);
    }

    #[test]
    fn keys_pressed_meanwhile_are_not_lost() {
        let replies = Replies::read(b"5j\x1b[A\x1b[?62;cq\x1bP>|cut");
        assert_eq!((replies.typed.as_str(), replies.attributes, replies.name), ("5jq", true, None));
    }
}

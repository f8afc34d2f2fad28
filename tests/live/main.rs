//! The live pipeline on a real sound server: PulseAudio with a virtual microphone, opened through cpal as ALSA's default
//! device.
//!
//! Skipped, saying so, where `../shared/tools/virtual-mic` or its packages (`pulseaudio`, `pulseaudio-utils`,
//! `libasound2-plugins`, `sox`; `virtual-mic install` brings them) are absent.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod listen;
mod pipeline;
mod playback;
mod sources;
mod virtual_mic;

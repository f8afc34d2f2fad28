//! `aat-tui devices`: microphones and compute devices, and what is wrong with each.

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::{CliError, Output, output::column};
use crate::{
    audio::capture::{self, Listed},
    model, stderr,
};

/// Lists microphones and compute devices, with what is wrong with each.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print one JSON object per line.
    #[arg(long, env = "AAT_TUI_JSON")]
    json: bool,
}

/// A device, as JSON.
#[derive(Debug, Serialize)]
struct Device {
    kind: &'static str,
    name: String,
    id: String,
    default: bool,
    ok: bool,
    detail: String,
}

/// Lists them. A machine without a microphone is not an error.
///
/// # Errors
/// When the output cannot be written.
pub fn run(args: &Args) -> Result<(), CliError> {
    let mut output = Output::stdout(args.json);
    let microphones = {
        let _quiet = stderr::discard();
        capture::list()
    };
    let mut devices = match microphones {
        Ok(listed) => listed.into_iter().map(microphone).collect(),
        Err(error) => vec![Device {
            kind: "microphone",
            name: "none".into(),
            id: String::new(),
            default: false,
            ok: false,
            detail: error.to_string(),
        }],
    };
    devices.extend(compute());

    for device in &devices {
        output.object(device)?;
    }
    let width = devices.iter().map(|device| device.name.width()).max().unwrap_or(0).min(48);
    let mut kind = "";
    for device in &devices {
        if device.kind != kind {
            kind = device.kind;
            output.line(kind)?;
        }
        let mark = if device.ok { "✓" } else { "✗" };
        let default = if device.default { " (default)" } else { "" };
        output.line(format!("  {mark} {}  {}{default}", column(&device.name, width), device.detail))?;
        // The id to type after --input where the name is not enough.
        if device.kind == "microphone" && !device.id.is_empty() && device.id != device.name {
            output.line(format!("      --input {}", device.id))?;
        }
    }
    Ok(())
}

fn microphone(listed: Listed) -> Device {
    let (ok, detail) = match listed.delivery {
        Ok(delivery) => (true, format!("{} Hz, {} channels, {}", delivery.rate, delivery.channels, delivery.format)),
        Err(error) => (false, error.to_string()),
    };
    Device { kind: "microphone", name: listed.name, id: listed.id, default: listed.is_default, ok, detail }
}

/// The processor, and every kind of accelerator.
fn compute() -> Vec<Device> {
    let device = |name: &str, outcome: Result<String, String>| {
        let (ok, detail) = outcome.map_or_else(|problem| (false, problem), |detail| (true, detail));
        Device { kind: "compute", name: name.into(), id: name.into(), default: false, ok, detail }
    };
    let tried = |kind: &str| {
        let found = model::accelerator(kind, 0)?;
        Ok(model::describe_device(&found).unwrap_or_else(|| "ready".to_owned()))
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut devices = vec![device("cpu", Ok(format!("{threads} threads, {}", std::env::consts::ARCH)))];
    devices.push(device("cuda", tried("cuda")));
    if cfg!(target_os = "macos") {
        devices.push(device("metal", tried("metal")));
    }
    // The default: an accelerator that works, else the processor.
    let default = devices.iter().rposition(|device| device.ok).unwrap_or(0);
    devices[default].default = true;
    devices
}

//! The process that trains one task: started, watched, asked to stop, and why it failed.

use std::{
    fs::OpenOptions,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::Claim;
use crate::{regular, train::SETTINGS};

/// Makes this process the one that a child watches: when it is gone, the child writes a checkpoint and ends.
pub const PARENT: &str = "AAT_TUI_PARENT";

/// How often a child is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// The text before each attempt's command line in a task's log.
const ATTEMPT: &str = "\n> aat-tui ";
/// Bytes at the end of a log in which the reason of a failure is looked for.
const TAIL: u64 = 4096;

/// The program that trains, and what a worker gives its children.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
}

/// Set when the tasks are to stop, each with a checkpoint.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    pub(super) asked: Arc<AtomicBool>,
}

impl Stop {
    /// Asks.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Starts `aat-tui` with these arguments; what it prints is appended to `log`.
pub(super) fn spawn(program: &Program, arguments: &[String], log: &Path) -> std::io::Result<Child> {
    let mut out = OpenOptions::new().create(true).append(true).open(log)?;
    // A full disk costs this line, not the run.
    let _ = writeln!(out, "{ATTEMPT}{}", arguments.join(" "));
    let mut command = Command::new(&program.path);
    command.args(arguments).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
    set_environment(&mut command, program);
    command.env(PARENT, std::process::id().to_string());
    command.spawn()
}

/// Gives a child the program's environment, without variables that set flags: they would change what it trains or measures.
pub(super) fn set_environment(command: &mut Command, program: &Program) {
    for name in SETTINGS.iter().chain(&["name", "sessions", "json", "repeats", "warmup"]) {
        command.env_remove(format!("AAT_TUI_{}", name.replace('-', "_").to_uppercase()));
    }
    command.envs(program.environment.iter().map(|(name, value)| (name, value)));
}

/// Waits for a child; stops it when that is asked. Returns how it ended, and whether it was asked to.
pub(super) fn watch(child: &mut Child, claim: &Claim, stop: &Stop) -> std::io::Result<(ExitStatus, bool)> {
    let mut asked = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, asked));
        }
        if claim.is_lost() {
            // Another runner writes this session from now on.
            child.kill()?;
            return Ok((child.wait()?, asked));
        }
        if stop.is_asked() && !asked {
            asked = true;
            ask(child);
        }
        thread::sleep(LOOK);
    }
}

/// Asks a child to write a checkpoint and end. SIGUSR1 means that however often it arrives: where the system, a terminal
/// or SLURM sent a signal of their own to all processes, this one is not taken for a second Ctrl-C.
fn ask(child: &mut Child) {
    #[cfg(unix)]
    {
        use nix::{
            sys::signal::{Signal, kill},
            unistd::Pid,
        };
        if let Ok(pid) = i32::try_from(child.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGUSR1);
        }
    }
    #[cfg(not(unix))]
    {
        // What the last checkpoint holds is kept.
        let _ = child.kill();
    }
}

/// Why a child failed: the signal that ended it, or the last message that it printed.
pub(super) fn why(status: ExitStatus, log: &Path) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        match status.signal() {
            Some(9) => return "it was killed (signal 9: `kill -9`, or the system ran out of memory)".to_owned(),
            Some(signal) => return format!("it was ended by signal {signal}"),
            None => {}
        }
    }
    let said = tail(log).and_then(|text| {
        // Of this attempt alone.
        let text = text.rsplit_once(ATTEMPT).map_or(text.as_str(), |(_, text)| text);
        let said = text.lines().rev().find_map(|line| line.strip_prefix("aat-tui: "));
        said.map(str::to_owned)
    });
    said.unwrap_or_else(|| match status.code() {
        Some(code) => format!("it ended with exit code {code}; its output is in {}", log.display()),
        None => format!("it ended without an exit code; its output is in {}", log.display()),
    })
}

fn tail(log: &Path) -> Option<String> {
    let mut file = regular::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
    let mut text = Vec::new();
    file.read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

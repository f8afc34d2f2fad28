//! Runs SLURM's commands.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::sweep::SweepError;

/// Longest time that a command of SLURM is waited for: a controller that restarts needs some of it.
const LIMIT: Duration = Duration::from_secs(100);

/// Runs a command of SLURM and returns what it prints.
///
/// # Errors
/// When it is missing, refuses, or does not answer in time: one sentence.
pub(super) fn answer(program: &str, arguments: &[&str], input: Option<&str>) -> Result<String, SweepError> {
    answer_within(LIMIT, program, arguments, input)
}

fn answer_within(
    limit: Duration,
    program: &str,
    arguments: &[&str],
    input: Option<&str>,
) -> Result<String, SweepError> {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => SweepError::Slurm(format!(
            "there is no {program} on this machine: run this where the cluster's commands are, or give --on local"
        )),
        _ => SweepError::Slurm(format!("{program} could not be started: {error}")),
    })?;
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        // A command that stops reading reports why itself.
        let _ = pipe.write_all(input.as_bytes());
    }
    let id = child.id();
    let (send, receive) = mpsc::channel();
    let waiting = thread::Builder::new().name("slurm".to_owned()).spawn(move || {
        let _ = send.send(child.wait_with_output());
    });
    waiting.map_err(|error| SweepError::Slurm(format!("the system could not start a thread: {error}")))?;
    let output = match receive.recv_timeout(limit) {
        Ok(output) => {
            output.map_err(|error| SweepError::Slurm(format!("{program} could not be waited for: {error}")))?
        }
        Err(_) => {
            end(id);
            // The controller may have taken the job before it was silent.
            let name = Path::new(program).file_name().and_then(|name| name.to_str());
            let unknown = match name {
                Some("sbatch") => {
                    "; whether the array is in the queue is unknown: `sweep status` shows it when the controller answers"
                }
                _ => "",
            };
            return Err(SweepError::Slurm(format!(
                "{program} did not answer within {} s; is the SLURM controller running?{unknown}",
                limit.as_secs()
            )));
        }
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let error = String::from_utf8_lossy(&output.stderr);
    let error = error.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    let error = error.replace(&format!("{program}: error: "), "");
    Err(SweepError::Slurm(format!(
        "{program} refused: {}",
        if error.is_empty() { "it gave no reason" } else { &error }
    )))
}

/// Ends a command that does not answer.
fn end(id: u32) {
    #[cfg(unix)]
    if let Ok(pid) = i32::try_from(id) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    }
    #[cfg(not(unix))]
    let _ = id;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_command_that_is_not_there_is_one_sentence() {
        let said = answer("sbatch-that-is-nowhere", &[], None).unwrap_err().to_string();
        assert!(said.contains("there is no sbatch-that-is-nowhere on this machine") && !said.contains('\n'), "{said}");
        let said = answer("sh", &["-c", "echo 'sh: error: Invalid account' >&2; echo more >&2; exit 1"], None);
        assert_eq!(said.unwrap_err().to_string(), "sh refused: Invalid account; more");
    }

    /// A controller that is silent may have taken the job.
    #[cfg(unix)]
    #[test]
    fn a_submission_without_an_answer_is_not_reported_as_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sbatch");
        std::fs::write(&path, "#!/bin/sh\nexec sleep 600\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let silent = |program: &str, arguments: &[&str]| {
            answer_within(Duration::from_millis(200), program, arguments, None).unwrap_err().to_string()
        };
        assert!(silent("sleep", &["600"]).ends_with("is the SLURM controller running?"));
        let said = silent(path.to_str().unwrap(), &[]);
        assert!(said.contains("whether the array is in the queue is unknown"), "{said}");
    }
}

//! Who holds a claim: a process of a machine, perhaps a job of SLURM.

use std::fs;

use serde::{Deserialize, Serialize};

/// Who holds a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The machine's name.
    pub host: String,
    /// The machine's boot and process namespace: a process number is unique only within these.
    #[serde(alias = "life")]
    pub(super) boot: String,
    /// The runner's process.
    pub pid: u32,
    /// When that process began, in ticks since the boot: its number may belong to another one later.
    pub(super) began: u64,
    /// The SLURM job and its index in the array: `12_3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// How often SLURM has restarted that job.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) restarts: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Holder {
    /// This process.
    pub fn this() -> Self {
        let pid = std::process::id();
        Self { host: host(), boot: boot(), pid, began: began(pid).unwrap_or(0), job: job(), restarts: restarts() }
    }

    /// Whether this holder is known to have ended, whatever the age of its claim: its process on this machine has ended, or SLURM has
    /// restarted its job since then, as the job that asks (SLURM ends all processes of a job before it restarts it).
    /// Several processes of one job may work at the same time, so the job's number alone decides nothing.
    pub(super) fn is_gone(&self, asking: &Self) -> bool {
        if self.job.is_some() && self.job == asking.job && self.restarts < asking.restarts {
            return true;
        }
        // Where the system does not report it, the age decides.
        self.boot == asking.boot
            && !self.boot.is_empty()
            && began(asking.pid).is_some()
            && began(self.pid) != Some(self.began)
    }

    /// For people: `node3`, or `node3 (job 12_3)`.
    pub fn described(&self) -> String {
        match &self.job {
            Some(job) => format!("{} (job {job})", self.host),
            None => self.host.clone(),
        }
    }
}

/// This machine's name.
pub(super) fn host() -> String {
    #[cfg(unix)]
    {
        nix::unistd::gethostname().map_or_else(|_| String::new(), |name| name.to_string_lossy().into_owned())
    }
    #[cfg(not(unix))]
    {
        std::env::var("COMPUTERNAME").unwrap_or_default()
    }
}

fn boot() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    if boot.is_empty() { String::new() } else { format!("{} {}", boot.trim(), space.display()) }
}

/// When a process of this machine began; `None` if there is none of that number, or the system does not report it. A process
/// that ended and was not waited for counts as gone.
fn began(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name, in brackets, may hold anything.
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// How often SLURM has restarted the job of this process: the variable is missing in a job's first run.
fn restarts() -> u32 {
    std::env::var("SLURM_RESTART_COUNT").ok().and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// The SLURM job of this process and its index in the array.
pub(super) fn job() -> Option<String> {
    let get = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (get("SLURM_ARRAY_JOB_ID"), get("SLURM_ARRAY_TASK_ID")) {
        (Some(job), Some(index)) => Some(format!("{job}_{index}")),
        _ => get("SLURM_JOB_ID"),
    }
}

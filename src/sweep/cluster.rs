//! The settings of a SLURM cluster in a sweep's file.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::values::{known, scalar, text_of, whole};

/// The settings of a SLURM cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Partition.
    pub partition: Option<String>,
    /// Account that is charged.
    pub account: Option<String>,
    /// Quality of service.
    pub qos: Option<String>,
    /// Time limit of a task, as sbatch takes it: `4:00:00`.
    pub time: Option<String>,
    /// Memory of a task: `8G`.
    pub memory: Option<String>,
    /// CPUs of a task.
    pub cpus: Option<u32>,
    /// GPUs of a task, as sbatch takes them: `1`, `a100:1`.
    pub gpus: Option<String>,
    /// Most tasks at once.
    pub at_once: Option<u32>,
    /// Seconds before the time limit at which a task writes its checkpoint and is queued again.
    pub grace: u32,
    /// Whether a task that is preempted or out of time goes back into the queue.
    pub requeue: bool,
    /// Most tasks of one array, below what the cluster itself allows.
    pub array_size: Option<u32>,
    /// Further options of sbatch, each as it is.
    pub options: Vec<String>,
    /// Lines of shell that run before a task: `module load cuda`.
    pub setup: Vec<String>,
    /// The program on the nodes, where it is not at the path that it has here.
    pub program: Option<PathBuf>,
}

/// Seconds before the time limit, unless the file gives another number: a checkpoint is written within one step.
const GRACE: u32 = 120;

const CLUSTER_KEYS: [&str; 14] = [
    "partition",
    "account",
    "qos",
    "time",
    "memory",
    "cpus",
    "gpus",
    "at-once",
    "grace",
    "requeue",
    "array-size",
    "options",
    "setup",
    "program",
];

impl Cluster {
    /// Reads the table `[slurm]`; a program's path is relative to the folder `beside`.
    pub(super) fn of(mut table: Table, beside: &Path) -> Result<Self, String> {
        known("key of [slurm]", table.keys(), &CLUSTER_KEYS)?;
        let mut texts = |key: &str| -> Result<Vec<String>, String> {
            match table.remove(key) {
                None => Ok(Vec::new()),
                Some(Value::Array(values)) => values.iter().map(|value| scalar(key, value)).collect(),
                Some(Value::String(one)) => Ok(vec![one]),
                Some(other) => Err(format!("`slurm.{key}` is {other}; write a list of texts")),
            }
        };
        let (options, setup) = (texts("options")?, texts("setup")?);
        if let Some(option) = options.iter().find(|option| !option.starts_with('-') || option.contains(['\n', '\r'])) {
            return Err(format!(
                "`slurm.options` has `{option}`; write each as one option of sbatch: \"--exclude=node3\""
            ));
        }
        let gpus = match table.remove("gpus") {
            None => None,
            Some(value) => Some(scalar("gpus", &value)?),
        };
        let requeue = match table.remove("requeue") {
            None => true,
            Some(Value::Boolean(yes)) => yes,
            Some(other) => return Err(format!("`slurm.requeue` is {other}; write true or false")),
        };
        let cluster = Self {
            cpus: whole(&mut table, "cpus")?,
            at_once: whole(&mut table, "at-once")?,
            grace: whole(&mut table, "grace")?.unwrap_or(GRACE),
            array_size: whole(&mut table, "array-size")?,
            partition: text_of(&mut table, "partition")?,
            account: text_of(&mut table, "account")?,
            qos: text_of(&mut table, "qos")?,
            time: text_of(&mut table, "time")?,
            memory: text_of(&mut table, "memory")?,
            program: text_of(&mut table, "program")?.map(|program| beside.join(program)),
            gpus,
            requeue,
            options,
            setup,
        };
        let words = [&cluster.partition, &cluster.account, &cluster.qos, &cluster.time, &cluster.memory, &cluster.gpus];
        if let Some(odd) = words.into_iter().flatten().find(|word| word.contains(char::is_whitespace)) {
            return Err(format!("a value of [slurm] has white space in it: `{odd}`"));
        }
        Ok(cluster)
    }
}

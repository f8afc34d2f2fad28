//! Runs a sweep on this machine: a number of workers, each with its share of cores, memory and GPUs.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use super::{Ended, Plan, Program, Standing, Stop, SweepError, run_task};
use crate::train::MEMORY;

/// How often the caller is asked whether to go on while nothing happens.
const PATIENCE: Duration = Duration::from_millis(100);

/// The parts of this machine that each worker gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Workers.
    pub workers: usize,
    /// Threads of each for arithmetic.
    pub threads: usize,
    /// Bytes that each may take, where the system reports what is free.
    pub memory: Option<u64>,
    /// GPUs, shared out one by one.
    pub gpus: Vec<String>,
}

impl Share {
    /// Shares of `cores` cores, `free` bytes and these GPUs among workers; by default one for each GPU, else one. There are
    /// no more workers than tasks, so that one task alone has the whole machine.
    pub fn new(workers: Option<usize>, tasks: usize, cores: usize, free: Option<u64>, gpus: Vec<String>) -> Self {
        let workers = workers.unwrap_or(gpus.len()).min(tasks).max(1);
        Self { workers, threads: (cores / workers).max(1), memory: free.map(|free| free / workers as u64), gpus }
    }

    /// The environment of a worker's children.
    pub fn environment(&self, worker: usize) -> Vec<(String, String)> {
        let mut environment = vec![("RAYON_NUM_THREADS".to_owned(), self.threads.to_string())];
        if let Some(memory) = self.memory {
            environment.push((MEMORY.to_owned(), memory.to_string()));
        }
        if !self.gpus.is_empty() {
            let gpu = self.gpus[worker % self.gpus.len()].clone();
            environment.push(("CUDA_VISIBLE_DEVICES".to_owned(), gpu));
        }
        environment
    }
}

/// What happened to a task.
#[derive(Clone, Debug)]
pub enum Report {
    /// A worker began it.
    Began {
        /// The task's place in the plan.
        task: usize,
        /// Whether its session is resumed.
        resume: bool,
    },
    /// The work on it ended.
    Ended {
        /// The task's place in the plan.
        task: usize,
        /// How.
        ended: Ended,
        /// Its state now.
        standing: Box<Standing>,
    },
}

/// Runs the tasks at these places of the plan. `report` gets every event as it happens, and `tick` is called
/// between reports: it asks `stop` where a person wants that. Returns when every worker is over.
///
/// # Errors
/// When the sweep's folder cannot be read or written; the other workers then stop with a checkpoint.
pub fn work_off<E: From<SweepError>>(
    plan: &Plan,
    tasks: &[usize],
    share: &Share,
    program: &Path,
    stop: &Stop,
    tick: &dyn Fn(),
    report: &mut dyn FnMut(Report) -> Result<(), E>,
) -> Result<(), E> {
    let queue: Mutex<VecDeque<usize>> = Mutex::new(tasks.iter().copied().collect());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    debug_assert!(share.workers <= tasks.len().max(1), "a worker without a task has a share of the machine");
    let (reports, inbox) = mpsc::channel::<Result<Report, SweepError>>();
    let mut outcome = Ok(());
    thread::scope(|scope| {
        for worker in 0..share.workers {
            let reports = reports.clone();
            let program = Program { path: program.to_owned(), environment: share.environment(worker) };
            let next = &next;
            scope.spawn(move || {
                while let Some(index) = next().filter(|_| !stop.is_asked()) {
                    let task = &plan.tasks[index];
                    let mut begun = |resume| drop(reports.send(Ok(Report::Began { task: index, resume })));
                    let ended = run_task(plan, task, &program, stop, &mut begun);
                    let failed = ended.is_err();
                    let _ = reports.send(ended.map(|(ended, standing)| Report::Ended {
                        task: index,
                        ended,
                        standing: Box::new(standing),
                    }));
                    if failed {
                        return;
                    }
                }
            });
        }
        drop(reports);
        loop {
            tick();
            match inbox.recv_timeout(PATIENCE) {
                Ok(Ok(what)) => {
                    if outcome.is_ok() {
                        outcome = report(what);
                    }
                }
                Ok(Err(error)) => {
                    if outcome.is_ok() {
                        outcome = Err(error.into());
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            if outcome.is_err() {
                stop.ask();
            }
        }
    });
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_memory_and_gpus_are_shared_out() {
        let share = Share::new(Some(4), 9, 2, Some(8 << 30), Vec::new());
        assert_eq!((share.workers, share.threads, share.memory), (4, 1, Some(2 << 30)));
        assert_eq!(Share::new(None, 9, 16, None, Vec::new()).workers, 1);
        let gpus = Share::new(None, 9, 16, None, vec!["0".into(), "3".into()]);
        assert_eq!((gpus.workers, gpus.threads), (2, 8));
        assert!(gpus.environment(1).contains(&("CUDA_VISIBLE_DEVICES".into(), "3".into())));
        // A worker without a task takes nothing away from the others.
        let two = Share::new(Some(8), 2, 16, Some(8 << 30), Vec::new());
        assert_eq!((two.workers, two.threads, two.memory), (2, 8, Some(4 << 30)));
        assert_eq!(Share::new(Some(8), 0, 16, None, Vec::new()).workers, 1);
        let more = Share { workers: 3, ..gpus };
        assert!(more.environment(2).contains(&("CUDA_VISIBLE_DEVICES".into(), "0".into())));
    }
}

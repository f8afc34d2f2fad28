//! Who works on a task: one claim file while it runs, for machines that share nothing but a folder.
//!
//! A claim is made with `O_EXCL`, which is atomic on local disks and on NFS since version 3. Its owner rewrites it every
//! few seconds. A claim that was not rewritten for a while is stale: another runner then makes the next generation's file
//! (`ID.2` after `ID.1`), again with `O_EXCL`, so that one of several wins. A runner removes the file of another runner
//! only when that one has ended or its claim is stale. Each file has a random number in it, and a runner owns only the file
//! that still has its own text. Ages are measured by the clock of the file system; the clocks of machines are not used.
//!
//! Guaranteed: at most one owner of a task, as long as a running owner reaches the folder at least once within
//! [`Patience::stale`]. An owner that was cut off for longer finds, when it reaches the folder again, that its file is gone,
//! is another runner's or has a later generation beside it, and kills its child. The session's own lock is a second barrier
//! wherever `flock` works across machines.

mod files;

use std::{
    fs::{self, OpenOptions},
    hash::{BuildHasher, Hasher, RandomState},
    io::{ErrorKind, Write},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
};

use serde::Serialize;

pub use self::files::Patience;
pub(super) use self::files::all;
use self::files::{generations, newest, path_of, remove_own, rewrite, seen};
use super::{Holder, Place, SweepError};

/// The right to work on a task; given back when dropped.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    text: Vec<u8>,
    lost: Arc<AtomicBool>,
    end: Option<mpsc::Sender<()>>,
    beats: Option<JoinHandle<()>>,
}

/// What a claim's file holds.
#[derive(Serialize)]
struct Text<'a> {
    #[serde(flatten)]
    holder: &'a Holder,
    /// A random number, so that no two claims have the same text: a file is its maker's as long as it has the maker's text.
    number: u64,
}

impl Claim {
    /// Takes a task's claim; returns its holder instead if another runner has it. `stop` is set when the sweep is
    /// cancelled.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn take(
        place: &Place,
        id: &str,
        patience: Patience,
        stop: &Arc<AtomicBool>,
    ) -> Result<Result<Self, Option<Holder>>, SweepError> {
        let me = Holder::this();
        let cancellations = place.cancellations();
        // Each turn that loses is one that another runner won.
        for _ in 0..3 {
            let top = newest(place, id)?;
            if let Some(seen) = &top {
                let now = place.now().map_err(SweepError::io(&place.claims(), "write"))?;
                if !seen.is_free(&me, patience, Some(now)) {
                    return Ok(Err(seen.holder.clone()));
                }
            }
            let generation = top.map_or(1, |seen| seen.generation + 1);
            let path = path_of(place, id, generation);
            let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(SweepError::io(&path, "create")(error)),
            };
            let text = serde_json::to_vec(&Text { holder: &me, number: random() }).unwrap_or_default();
            if let Err(error) = file.write_all(&text).and_then(|()| file.sync_all()) {
                drop(file);
                let _ = fs::remove_file(&path);
                return Err(SweepError::io(&path, "write")(error));
            }
            drop(file);
            match superseded(place, id, generation, &me, patience) {
                Ok(Rival::None) => {
                    let kept = Beat { place: place.clone(), id: id.to_owned(), generation, cancellations, patience };
                    return kept.begin(path, text, Arc::clone(stop)).map(Ok);
                }
                Ok(Rival::Newer(holder)) => {
                    remove_own(&path, &text);
                    return Ok(Err(holder));
                }
                // Another runner made the claim anew between the look and the new file.
                Ok(Rival::Older) => remove_own(&path, &text),
                Err(error) => {
                    remove_own(&path, &text);
                    return Err(error);
                }
            }
        }
        Ok(Err(newest(place, id)?.and_then(|seen| seen.holder)))
    }

    /// Whether another runner took the task because this one did not rewrite its claim in time, or the claim's file was removed.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(beats) = self.beats.take() {
            let _ = beats.join();
        }
        remove_own(&self.path, &self.text);
    }
}

/// A number that differs from process to process and from call to call.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Other claims of a task beside the one that was just made.
enum Rival {
    None,
    /// One of a later generation: it counts.
    Newer(Option<Holder>),
    /// One of an earlier generation whose holder works.
    Older,
}

/// Looks for other claims of a task, and removes earlier ones whose holders are gone. A list of a folder that changes
/// meanwhile may miss files, so every runner looks again after it has made its own: of two, at least one finds the other.
fn superseded(place: &Place, id: &str, own: u32, me: &Holder, patience: Patience) -> Result<Rival, SweepError> {
    let mut others: Vec<u32> = generations(place, Some(id))?.remove(id).unwrap_or_default();
    others.retain(|generation| *generation != own);
    if let Some(newer) = others.iter().copied().filter(|generation| *generation > own).max() {
        return Ok(Rival::Newer(seen(place, id, newer).and_then(|seen| seen.holder)));
    }
    for generation in others {
        let Some(older) = seen(place, id, generation) else { continue };
        let now = place.now().map_err(SweepError::io(&place.claims(), "write"))?;
        if !older.is_free(me, patience, Some(now)) {
            return Ok(Rival::Older);
        }
        let _ = fs::remove_file(path_of(place, id, generation));
    }
    Ok(Rival::None)
}

/// What rewrites a claim until it is dropped.
struct Beat {
    place: Place,
    id: String,
    generation: u32,
    cancellations: Option<String>,
    patience: Patience,
}

impl Beat {
    fn begin(self, path: PathBuf, text: Vec<u8>, stop: Arc<AtomicBool>) -> Result<Claim, SweepError> {
        let lost = Arc::new(AtomicBool::new(false));
        let (end, ended) = mpsc::channel::<()>();
        let beats = {
            let (lost, path, text) = (Arc::clone(&lost), path.clone(), text.clone());
            move || {
                while ended.recv_timeout(self.patience.beat) == Err(RecvTimeoutError::Timeout) {
                    if self.place.stop_is_asked(self.cancellations.as_deref()) {
                        stop.store(true, Ordering::Relaxed);
                    }
                    if !rewrite(&path, &text) || self.is_succeeded() {
                        lost.store(true, Ordering::Relaxed);
                    }
                }
            }
        };
        match thread::Builder::new().name("claim".to_owned()).spawn(beats) {
            Ok(beats) => Ok(Claim { path, text, lost, end: Some(end), beats: Some(beats) }),
            Err(error) => {
                remove_own(&path, &text);
                Err(SweepError::io(&path, "keep")(error))
            }
        }
    }

    /// Whether a claim of a later generation is there.
    fn is_succeeded(&self) -> bool {
        let all = generations(&self.place, Some(&self.id)).unwrap_or_default();
        all.get(&self.id).into_iter().flatten().any(|generation| *generation > self.generation)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{
        fs::File,
        path::Path,
        time::{Duration, SystemTime},
    };

    use super::*;

    fn place() -> (tempfile::TempDir, Place) {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::at(folder.path());
        place.prepare(Path::new("/x.toml")).unwrap();
        (folder, place)
    }

    const QUICK: Patience = Patience { beat: Duration::from_millis(20), stale: Duration::from_secs(3600) };

    fn take(place: &Place, patience: Patience) -> Result<Claim, Option<Holder>> {
        Claim::take(place, "ab12", patience, &Arc::default()).unwrap()
    }

    /// The claim of a process on another machine, rewritten so many seconds ago.
    fn foreign(place: &Place, generation: u32, seconds_ago: u64) -> Holder {
        let holder = Holder { host: "node7".into(), boot: "another".into(), pid: 1, began: 1, job: None, restarts: 0 };
        let path = path_of(place, "ab12", generation);
        fs::write(&path, serde_json::to_vec(&holder).unwrap()).unwrap();
        let then = SystemTime::now() - Duration::from_secs(seconds_ago);
        File::options().write(true).open(&path).unwrap().set_modified(then).unwrap();
        holder
    }

    #[test]
    fn one_runner_has_a_task_and_gives_it_back() {
        let (_folder, place) = place();
        let claim = take(&place, QUICK).unwrap();
        assert_eq!(take(&place, QUICK).unwrap_err(), Some(Holder::this()));
        drop(claim);
        assert_eq!(all(&place).unwrap(), []);
        take(&place, QUICK).unwrap();
    }

    /// Of many that try at once, one wins, also where there is a stale claim.
    #[test]
    fn of_many_that_try_at_once_one_wins() {
        for stale in [false, true] {
            let (_folder, place) = place();
            if stale {
                foreign(&place, 1, 7200);
            }
            let claims: Vec<_> = thread::scope(|scope| {
                let tries: Vec<_> = (0..16).map(|_| scope.spawn(|| take(&place, QUICK).ok())).collect();
                tries.into_iter().filter_map(|one| one.join().unwrap()).collect()
            });
            assert_eq!(claims.len(), 1, "stale {stale}");
        }
    }

    #[test]
    fn a_claim_of_another_machine_holds_until_it_is_stale() {
        let (_folder, place) = place();
        let holder = foreign(&place, 1, 60);
        assert_eq!(take(&place, QUICK).unwrap_err(), Some(holder));
        foreign(&place, 1, 4000);
        let claim = take(&place, QUICK).unwrap();
        assert_eq!(all(&place).unwrap()[0].1.generation, 2);
        assert!(!path_of(&place, "ab12", 1).exists());
        drop(claim);
        // One that is being written has no holder yet, and holds by its age.
        fs::write(path_of(&place, "ab12", 1), "").unwrap();
        assert_eq!(take(&place, QUICK).unwrap_err(), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_of_this_machine_that_is_gone_holds_nothing() {
        let (_folder, place) = place();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let gone = Holder { pid, began: 5, ..Holder::this() };
        fs::write(path_of(&place, "ab12", 4), serde_json::to_vec(&gone).unwrap()).unwrap();
        take(&place, QUICK).unwrap();
        // The same number, another process.
        let other = Holder { began: 1, ..Holder::this() };
        fs::write(path_of(&place, "ab12", 9), serde_json::to_vec(&other).unwrap()).unwrap();
        take(&place, QUICK).unwrap();
    }

    #[test]
    fn a_job_that_was_restarted_holds_nothing_and_its_other_processes_do() {
        let this = Holder { job: Some("12_3".into()), restarts: 1, ..Holder::this() };
        let before =
            Holder { host: "node7".into(), boot: "another".into(), pid: 9, began: 9, restarts: 0, ..this.clone() };
        assert!(before.is_gone(&this));
        assert!(!Holder { job: Some("12_4".into()), ..before.clone() }.is_gone(&this));
        // `srun -N4`, or a second sweep in one allocation: another process of the same run of the job.
        assert!(!Holder { restarts: 1, ..before.clone() }.is_gone(&this));
        assert!(!this.is_gone(&before));
    }

    /// Waits up to 30 s.
    fn until(what: &dyn Fn() -> bool) -> bool {
        for _ in 0..3000 {
            if what() {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }

    /// A runner that was cut off is succeeded, the successor finishes and gives its claim back: the first one still finds
    /// out, also when a third one has made the same generation again.
    #[test]
    fn a_claim_is_lost_when_its_file_is_gone_or_another_runners() {
        for again in [false, true] {
            let (_folder, place) = place();
            let claim = take(&place, QUICK).unwrap();
            let path = path_of(&place, "ab12", 1);
            if again {
                foreign(&place, 1, 0);
            } else {
                fs::remove_file(&path).unwrap();
            }
            assert!(until(&|| claim.is_lost()), "made again: {again}");
            drop(claim);
            assert_eq!(path.exists(), again, "another runner's claim stays");
        }
        // Before any beat.
        let (_folder, place) = place();
        let claim = take(&place, Patience { beat: Duration::from_secs(3600), ..QUICK }).unwrap();
        foreign(&place, 1, 0);
        drop(claim);
        assert!(path_of(&place, "ab12", 1).exists());
        // Any later generation counts.
        let claim = take(&place, QUICK);
        assert!(claim.is_err());
        fs::remove_file(path_of(&place, "ab12", 1)).unwrap();
        let claim = take(&place, QUICK).unwrap();
        foreign(&place, 3, 0);
        assert!(until(&|| claim.is_lost()));
    }

    /// A claim that was made anew with a low generation while this runner made a later one: the later one is taken back,
    /// and the other's stays.
    #[test]
    fn a_claim_of_an_earlier_generation_that_holds_is_not_removed() {
        let (_folder, place) = place();
        foreign(&place, 1, 0);
        let me = Holder::this();
        assert!(matches!(superseded(&place, "ab12", 2, &me, QUICK).unwrap(), Rival::Older));
        assert!(path_of(&place, "ab12", 1).exists());
        foreign(&place, 1, 7200);
        assert!(matches!(superseded(&place, "ab12", 2, &me, QUICK).unwrap(), Rival::None));
        assert!(!path_of(&place, "ab12", 1).exists());
    }

    /// Without the file system's time a claim is not stale by this machine's clock.
    #[test]
    fn an_age_that_is_unknown_is_not_stale() {
        let (_folder, place) = place();
        foreign(&place, 1, 7200);
        let seen = newest(&place, "ab12").unwrap().unwrap();
        let me = Holder::this();
        assert!(seen.is_free(&me, QUICK, place.now().ok()) && !seen.is_free(&me, QUICK, None));
    }

    #[test]
    fn a_claim_is_rewritten_and_notices_a_successor_and_a_cancellation() {
        let (_folder, place) = place();
        let stop: Arc<AtomicBool> = Arc::default();
        let claim = Claim::take(&place, "ab12", QUICK, &stop).unwrap().unwrap();
        let path = path_of(&place, "ab12", 1);
        let old = SystemTime::now() - Duration::from_secs(1000);
        File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        assert!(until(&|| fs::metadata(&path).unwrap().modified().unwrap() > old + Duration::from_secs(500)));
        assert!(!stop.load(Ordering::Relaxed) && !claim.is_lost());
        place.ask_to_stop().unwrap();
        assert!(until(&|| stop.load(Ordering::Relaxed)));
        foreign(&place, 2, 0);
        assert!(until(&|| claim.is_lost()));
        drop(claim);
        assert!(path_of(&place, "ab12", 2).exists(), "the successor's claim stays");
    }
}

//! Who works on a task: one claim file while it runs, for machines that share nothing but a folder.
//!
//! A claim is made with `O_EXCL`, which is atomic on local disks and on NFS since version 3. Its owner rewrites it every
//! few seconds. A claim that was not rewritten for a while is stale: another runner then makes the next generation's file
//! (`ID.2` after `ID.1`), again with `O_EXCL`, so that one of several wins, and nobody ever deletes or renames a file of
//! somebody else's that is still valid. Ages are measured by the clock of the file system; no clock of a machine counts.
//!
//! Promised: at most one owner of a task, as long as an owner that lives reaches the folder at least once within
//! [`Patience::stale`]. An owner that was cut off for longer finds the next generation when it is back and kills its
//! child. The session's own lock is a second barrier wherever `flock` holds across machines.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use super::{Holder, Place, SweepError};

/// How often a claim is rewritten, and when it is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Time between two rewritings.
    pub beat: Duration,
    /// Age at which a claim is stale. NFS may show a file's time up to a minute late.
    pub stale: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { beat: Duration::from_secs(10), stale: Duration::from_secs(120) }
    }
}

/// The right to work on a task; given back when dropped.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    lost: Arc<AtomicBool>,
    end: Option<mpsc::Sender<()>>,
    heart: Option<JoinHandle<()>>,
}

impl Claim {
    /// Takes a task's claim; returns its holder instead if another runner has it. `stop` is set when the sweep's stop file
    /// appears.
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
        // Each turn that loses is one that another runner won.
        for _ in 0..3 {
            let top = newest(place, id)?;
            if let Some(seen) = &top
                && !seen.is_free(&me, patience, place.now())
            {
                return Ok(Err(seen.holder.clone()));
            }
            let generation = top.map_or(1, |seen| seen.generation + 1);
            let path = path_of(place, id, generation);
            let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(SweepError::io(&path, "create")(error)),
            };
            let text = serde_json::to_vec(&me).unwrap_or_default();
            if let Err(error) = file.write_all(&text).and_then(|()| file.sync_all()) {
                drop(file);
                let _ = fs::remove_file(&path);
                return Err(SweepError::io(&path, "write")(error));
            }
            drop(file);
            // A list of a folder that changes meanwhile may miss files: a newer generation that is there now counts.
            if let Some(other) = newest(place, id)?.filter(|seen| seen.generation > generation) {
                let _ = fs::remove_file(&path);
                return Ok(Err(other.holder));
            }
            // Older generations are of runners that are gone; the newest one alone counts.
            (1..generation).for_each(|old| drop(fs::remove_file(path_of(place, id, old))));
            return Self::keep(place.clone(), id.to_owned(), generation, text, patience, Arc::clone(stop)).map(Ok);
        }
        Ok(Err(newest(place, id)?.and_then(|seen| seen.holder)))
    }

    /// Keeps a claim alive until it is dropped.
    fn keep(
        place: Place,
        id: String,
        generation: u32,
        text: Vec<u8>,
        patience: Patience,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, SweepError> {
        let path = path_of(&place, &id, generation);
        let lost = Arc::new(AtomicBool::new(false));
        let (end, ended) = mpsc::channel::<()>();
        let beat = {
            let (lost, path) = (Arc::clone(&lost), path.clone());
            move || {
                while ended.recv_timeout(patience.beat) == Err(RecvTimeoutError::Timeout) {
                    // A failed beat is made up for by the next one; the file keeps its size, so a full disk does not matter.
                    let _ = rewrite(&path, &text);
                    if place.stop_is_asked() {
                        stop.store(true, Ordering::Relaxed);
                    }
                    if path_of(&place, &id, generation + 1).exists() {
                        lost.store(true, Ordering::Relaxed);
                    }
                }
            }
        };
        match thread::Builder::new().name("claim".to_owned()).spawn(beat) {
            Ok(heart) => Ok(Self { path, lost, end: Some(end), heart: Some(heart) }),
            Err(error) => {
                let _ = fs::remove_file(&path);
                Err(SweepError::io(&path, "keep")(error))
            }
        }
    }

    /// Whether another runner took the task because this one seemed gone.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(heart) = self.heart.take() {
            let _ = heart.join();
        }
        if !self.is_lost() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Rewrites a claim in its place: the file server notes the time.
fn rewrite(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(text)?;
    file.sync_data()
}

/// A claim as another process sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    generation: u32,
    /// `None` while it is being written.
    pub(super) holder: Option<Holder>,
    /// When it was last rewritten, by the file system's clock.
    beat: SystemTime,
}

impl Seen {
    /// Whether the task may be taken: the holder is gone, or has not rewritten its claim for too long.
    pub(super) fn is_free(&self, asking: &Holder, patience: Patience, now: SystemTime) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.is_gone(asking))
            || now.duration_since(self.beat).is_ok_and(|age| age > patience.stale)
    }
}

fn path_of(place: &Place, id: &str, generation: u32) -> PathBuf {
    place.claims().join(format!("{id}.{generation}"))
}

/// The newest claim of a task.
fn newest(place: &Place, id: &str) -> Result<Option<Seen>, SweepError> {
    Ok(all(place)?.into_iter().find(|(of, _)| of == id).map(|(_, seen)| seen))
}

/// The newest claim of every task that has one.
///
/// # Errors
/// When the folder is there and cannot be read.
pub(super) fn all(place: &Place) -> Result<Vec<(String, Seen)>, SweepError> {
    let folder = place.claims();
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(SweepError::io(&folder, "read"))?,
    };
    let mut newest: std::collections::BTreeMap<String, u32> = std::collections::BTreeMap::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((id, generation)) = name.rsplit_once('.') else { continue };
        let (false, Ok(generation)) = (id.is_empty(), generation.parse::<u32>()) else { continue };
        let known = newest.entry(id.to_owned()).or_insert(generation);
        *known = (*known).max(generation);
    }
    let seen = |(id, generation): (String, u32)| {
        // Opened, not only looked up: NFS then asks the server for the file's time.
        let mut file = File::open(path_of(place, &id, generation)).ok()?;
        let mut text = Vec::new();
        Read::by_ref(&mut file).take(4096).read_to_end(&mut text).ok()?;
        let beat = file.metadata().and_then(|metadata| metadata.modified()).ok()?;
        Some((id, Seen { generation, holder: serde_json::from_slice(&text).ok(), beat }))
    };
    // One that is gone by now was given back.
    Ok(newest.into_iter().filter_map(seen).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
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
        let holder = Holder { host: "node7".into(), life: "another".into(), pid: 1, began: 1, job: None };
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

    /// Of many that try at once, one wins, also where a stale claim stands.
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
    fn an_earlier_life_of_the_same_job_holds_nothing() {
        let this = Holder { job: Some("12_3".into()), ..Holder::this() };
        let before = Holder { host: "node7".into(), life: "another".into(), pid: 9, began: 9, ..this.clone() };
        assert!(before.is_gone(&this));
        assert!(!Holder { job: Some("12_4".into()), ..before }.is_gone(&this));
    }

    #[test]
    fn the_heart_beats_and_notices_a_successor_and_the_stop_file() {
        let (_folder, place) = place();
        let stop: Arc<AtomicBool> = Arc::default();
        let claim = Claim::take(&place, "ab12", QUICK, &stop).unwrap().unwrap();
        let path = path_of(&place, "ab12", 1);
        let old = SystemTime::now() - Duration::from_secs(1000);
        File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        let until = |what: &dyn Fn() -> bool| {
            for _ in 0..3000 {
                if what() {
                    return true;
                }
                thread::sleep(Duration::from_millis(10));
            }
            false
        };
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

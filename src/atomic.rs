//! Files that are written whole or not at all.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
    time::Duration,
};

use tempfile::NamedTempFile;

/// How the names of unfinished files begin: those of `tempfile`, and those that this program gives.
const TEMPORARY: [&str; 3] = [".tmp", ".partial-", ".new-"];
/// An unfinished file that was not changed for this long was left over.
pub const LEFT_OVER: Duration = Duration::from_secs(3_600);

/// Whether a file of this name is an unfinished one.
pub fn is_temporary(name: &str) -> bool {
    TEMPORARY.iter().any(|start| name.starts_with(start))
}

/// Whether a process that was killed left this unfinished file; one that is being written is no older than its last write.
pub fn is_left_over(path: &Path) -> bool {
    let is_unfinished = path.file_name().is_some_and(|name| is_temporary(&name.to_string_lossy()));
    let changed = || fs::symlink_metadata(path).and_then(|metadata| metadata.modified()).ok();
    let age = || changed().and_then(|changed| changed.elapsed().ok());
    is_unfinished && age().is_some_and(|age| age > LEFT_OVER)
}

/// Writes a file so that `path` holds either its old contents or everything that `fill` wrote: a temporary file in the
/// same folder, flushed to the disk, then renamed.
///
/// # Errors
/// An error of `fill` or of the file system; `path` is then untouched.
pub fn write<E: From<io::Error>>(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> Result<(), E>,
) -> Result<(), E> {
    write_checked(path, fill, |_| Ok(()))
}

/// The same; `check` gets the complete temporary file before it is renamed, and may refuse it.
///
/// # Errors
/// An error of `fill`, `check` or the file system; `path` is then untouched and the temporary file is gone.
pub fn write_checked<E: From<io::Error>>(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> Result<(), E>,
    check: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let file = filled(path, fill)?;
    file.as_file().sync_all()?;
    check(file.path())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(sync_folder_of(path)?)
}

/// Makes a file's new name survive a power cut by flushing its folder to the disk. Windows cannot open a folder for
/// that.
///
/// # Errors
/// An error of the file system.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder_of(path))?.sync_all() } else { Ok(()) }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// As [`write()`], without waiting for the disk: for one of many files that can be made again. If this process is
/// killed, no half file is left; after a power cut one may be.
///
/// # Errors
/// As [`write()`].
pub fn write_unsynced<E: From<io::Error>>(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> Result<(), E>,
) -> Result<(), E> {
    let file = filled(path, fill)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// A temporary file beside `path` with everything that `fill` wrote.
fn filled<E: From<io::Error>>(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> Result<(), E>,
) -> Result<NamedTempFile, E> {
    let mut file = temporary(folder_of(path), ".partial-")?;
    let mut buffered = BufWriter::new(file.as_file_mut());
    fill(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    Ok(file)
}

/// A temporary file in `folder`, to be renamed when it is complete. The umask decides who may read it, as for any other
/// file; otherwise only the user could, even under its final name.
///
/// # Errors
/// An error of the file system.
pub fn temporary(folder: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.prefix(prefix).tempfile_in(folder)
}

/// Gives a file the mode that the umask allows, where something else made it for the user alone.
///
/// # Errors
/// An error of the file system.
pub fn usual_mode(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        // The umask cannot be read without changing it, and belongs to the whole process: the mode of a new file shows
        // it.
        static USUAL: std::sync::OnceLock<std::fs::Permissions> = std::sync::OnceLock::new();
        let usual = match USUAL.get() {
            Some(usual) => usual.clone(),
            None => {
                let made = temporary(folder_of(path), ".partial-")?.as_file().metadata()?.permissions();
                USUAL.get_or_init(|| made).clone()
            }
        };
        std::fs::set_permissions(path, usual)?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_failure_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        write::<io::Error>(&path, |file| file.write_all(b"good")).unwrap();
        let failed = write::<io::Error>(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("the disk is full"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"good");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_refused_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        let write = |text: &str, good: bool| {
            let check = |shown: &Path| match good && std::fs::read_to_string(shown)? == text {
                true => Ok(()),
                false => Err(io::Error::other("it answers differently")),
            };
            write_checked::<io::Error>(&path, |file| file.write_all(text.as_bytes()), check)
        };
        write("good", true).unwrap();
        assert!(write("bad", false).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"good");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_as_readable_as_any_other_of_this_user() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        write::<io::Error>(&ours, |file| file.write_all(b"x")).unwrap();
        std::fs::write(&plain, b"x").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
        std::fs::set_permissions(&ours, PermissionsExt::from_mode(0o600)).unwrap();
        usual_mode(&ours).unwrap();
        assert_eq!(mode(&ours), mode(&plain));
    }
}

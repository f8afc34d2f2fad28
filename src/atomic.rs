//! Files that are there whole or not at all.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use tempfile::NamedTempFile;

/// Writes a file so that `path` names either what it named before or everything `fill` wrote: a temporary file in
/// the same folder, flushed to the disk, then renamed.
///
/// # Errors
/// What `fill` or the file system says; `path` is then untouched.
pub fn write<E: From<io::Error>>(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&mut File>) -> Result<(), E>,
) -> Result<(), E> {
    let mut file = temporary(folder_of(path), ".partial-")?;
    let mut buffered = BufWriter::new(file.as_file_mut());
    fill(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(sync_folder_of(path)?)
}

/// Makes a file's new name survive a power cut: its folder is flushed to the disk. Windows cannot open a folder for that.
///
/// # Errors
/// What the file system says.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder_of(path))?.sync_all() } else { Ok(()) }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A temporary file in `folder`, to be renamed when it is whole. It is as readable as any file that this user makes (the
/// umask decides); a temporary file is the user's alone otherwise, and stays so under its final name.
///
/// # Errors
/// What the file system says.
pub fn temporary(folder: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.prefix(prefix).tempfile_in(folder)
}

/// Gives a file the mode that any file of this user has, where something else made it for the user alone.
///
/// # Errors
/// What the file system says.
pub fn usual_mode(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        // The umask cannot be asked for without changing it, and it is the process's own: a file made with it tells once.
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

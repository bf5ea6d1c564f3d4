//! The demo's folder: one demo at a time works in it.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The file whose lock stands for the folder; it holds the number of the process that has it.
const LOCK: &str = "demo.lock";

/// A folder that is locked until this is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be, and locks it.
    ///
    /// # Errors
    /// A sentence with the remedy.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        if path.is_file() {
            return Err(format!("{shown} is a file; --dir needs a folder"));
        }
        fs::create_dir_all(path).map_err(|error| {
            format!("cannot make the folder {shown}: {error}; choose another one with --dir")
        })?;
        let unusable = |error| {
            format!("cannot use the folder {shown}: {error}; choose another one with --dir")
        };
        let path = path.canonicalize().map_err(unusable)?;
        let mut options = File::options();
        let mut lock = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Who it is only helps to find it.
                let _ = lock.read_to_string(&mut owner);
                return Err(format!(
                    "another demo (process {}) uses the folder {shown}; stop it, or choose another folder with --dir",
                    owner.trim()
                ));
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let noted = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        noted.map_err(unusable)?;
        Ok(Folder { path, _lock: lock })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_c11_a_folder_is_for_one_demo() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("a/b");
        let first = Folder::open(&path).expect("nobody has it");
        let error = Folder::open(&path).expect_err("somebody has it");
        let own = format!("process {}", std::process::id());
        assert!(error.contains(&own) && error.contains("--dir"), "{error}");
        drop(first);
        Folder::open(&path).expect("it is free again");
    }

    #[test]
    fn report_message_22_a_file_is_no_folder() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let error = Folder::open(file.path()).expect_err("a file");
        assert!(error.contains("is a file; --dir needs a folder"), "{error}");
    }
}

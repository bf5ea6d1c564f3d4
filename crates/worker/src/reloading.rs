//! Reloading: something made of files, which is made anew when they change.

use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(5);

pub(crate) struct Reloading<T> {
    files: Vec<String>,
    make: Box<dyn Fn() -> Result<T, String> + Send + Sync>,
    loaded: Mutex<Loaded<T>>,
}

struct Loaded<T> {
    current: Arc<T>,
    versions: Vec<FileVersion>,
    looked: Instant,
}

/// What shows that a file has changed.
type FileVersion = Option<(SystemTime, u64)>;

impl<T> Reloading<T> {
    /// # Errors
    /// If it cannot be made of the files as they are.
    pub(crate) fn new(
        files: Vec<String>,
        make: impl Fn() -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let versions = versions(&files);
        let loaded = Loaded {
            current: Arc::new(make()?),
            versions,
            looked: Instant::now(),
        };
        Ok(Reloading {
            files,
            make: Box::new(make),
            loaded: Mutex::new(loaded),
        })
    }

    /// What the files make. Files that cannot be used leave what they made before.
    pub(crate) fn current(&self) -> Arc<T> {
        // Nothing between lock and unlock leaves it half changed.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now - loaded.looked >= LOOK_EVERY {
            loaded.looked = now;
            self.look(&mut loaded);
        }
        loaded.current.clone()
    }

    fn look(&self, loaded: &mut Loaded<T>) {
        let versions = versions(&self.files);
        if versions == loaded.versions {
            return;
        }
        loaded.versions = versions;
        match (self.make)() {
            Ok(new) => {
                loaded.current = Arc::new(new);
                tracing::info!(files = ?self.files, "files of the REST API have changed and were read again");
            }
            Err(error) => {
                tracing::warn!(
                    error,
                    files = ?self.files, "files of the REST API have changed and cannot be used; what was read before is used on"
                );
            }
        }
    }
}

fn versions(files: &[String]) -> Vec<FileVersion> {
    let version = |file: &String| {
        let found = fs::metadata(file).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    files.iter().map(version).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_changes_on_disk_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        fs::write(&path, "1").unwrap();
        let name = path.display().to_string();
        let read = move || {
            let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
            text.parse::<u32>().map_err(|error| error.to_string())
        };
        let reloading = Reloading::new(vec![name.clone()], read).unwrap();
        for (text, expected) in [("22", 22), ("broken", 22), ("333", 333)] {
            let before = *reloading.current();
            fs::write(&name, text).unwrap();
            assert_eq!(
                *reloading.current(),
                before,
                "it is not looked at each time"
            );
            tokio::time::advance(LOOK_EVERY).await;
            assert_eq!(*reloading.current(), expected);
        }
    }
}

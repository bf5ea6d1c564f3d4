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
    made: Mutex<Made<T>>,
}

struct Made<T> {
    current: Arc<T>,
    marks: Vec<Mark>,
    looked: Instant,
}

/// What shows that a file has changed.
type Mark = Option<(SystemTime, u64)>;

impl<T> Reloading<T> {
    /// # Errors
    /// If it cannot be made of the files as they are.
    pub(crate) fn new(
        files: Vec<String>,
        make: impl Fn() -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let marks = marks(&files);
        let made = Made {
            current: Arc::new(make()?),
            marks,
            looked: Instant::now(),
        };
        Ok(Reloading {
            files,
            make: Box::new(make),
            made: Mutex::new(made),
        })
    }

    /// What the files make. Files that cannot be used leave what they made before.
    pub(crate) fn current(&self) -> Arc<T> {
        // Nothing between lock and unlock leaves it half changed.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now - made.looked >= LOOK_EVERY {
            made.looked = now;
            self.look(&mut made);
        }
        made.current.clone()
    }

    fn look(&self, made: &mut Made<T>) {
        let marks = marks(&self.files);
        if marks == made.marks {
            return;
        }
        made.marks = marks;
        match (self.make)() {
            Ok(new) => {
                made.current = Arc::new(new);
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

fn marks(files: &[String]) -> Vec<Mark> {
    let mark = |file: &String| {
        let found = fs::metadata(file).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    files.iter().map(mark).collect()
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

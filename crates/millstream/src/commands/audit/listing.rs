//! The listing, by several requests at a time: a folder each, as long as there are few of them.

use millstream_s3::{Archive, ArchiveError, ListedObject};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

/// Folders that are listed at a time.
const LISTERS: usize = 8;
/// Pages that wait to be taken in: a thousand names each.
const WAITING: usize = 8;

type Page = Result<Vec<ListedObject>, ArchiveError>;

/// Starts to list what begins with these texts. The end of the channel is the end of the listing; dropping it ends the tasks.
pub(super) fn start(
    archive: &Arc<Archive>,
    prefixes: &[String],
    delimiter: &str,
    data: &Handle,
) -> mpsc::Receiver<Page> {
    let (pages, receiver) = mpsc::channel(WAITING);
    let lister = Lister {
        archive: Arc::clone(archive),
        delimiter: delimiter.to_owned(),
        pages,
        permits: Arc::new(Semaphore::new(LISTERS)),
    };
    let prefixes = prefixes.to_vec();
    data.spawn(async move { lister.run(prefixes).await });
    receiver
}

struct Lister {
    archive: Arc<Archive>,
    delimiter: String,
    pages: mpsc::Sender<Page>,
    permits: Arc<Semaphore>,
}

impl Lister {
    async fn run(self, prefixes: Vec<String>) {
        let mut folders = JoinSet::new();
        for prefix in prefixes {
            let Some(below) = self.folders(&prefix).await else {
                return;
            };
            for folder in below {
                let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
                    return;
                };
                let (archive, pages) = (Arc::clone(&self.archive), self.pages.clone());
                folders.spawn(async move {
                    let _permit = permit;
                    all(&archive, &folder, &pages).await;
                });
            }
        }
        while folders.join_next().await.is_some() {}
    }

    /// The folders below, once what stands beside them is told. Of more than fit on a page the whole is one: where each
    /// record has a folder of its own, each would cost a request. `None` if nobody listens any more.
    async fn folders(&self, prefix: &str) -> Option<Vec<String>> {
        match self.archive.list(prefix, Some(&self.delimiter), None).await {
            Ok(page) if page.next.is_some() => Some(vec![prefix.to_owned()]),
            Ok(page) => {
                self.pages.send(Ok(page.objects)).await.ok()?;
                Some(page.folders)
            }
            Err(error) => {
                let _ = self.pages.send(Err(error)).await;
                None
            }
        }
    }
}

async fn all(archive: &Archive, prefix: &str, pages: &mpsc::Sender<Page>) {
    let mut next: Option<String> = None;
    loop {
        let (page, more) = match archive.list(prefix, None, next.as_deref()).await {
            Ok(page) => (Ok(page.objects), page.next),
            Err(error) => (Err(error), None),
        };
        if pages.send(page).await.is_err() || more.is_none() {
            return;
        }
        next = more;
    }
}

//! Input: bytes of a file or of the standard input, read on a thread for blocking work, one read at a time.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use tokio::task::JoinHandle;

/// Bytes of one read.
const CHUNK: usize = 256 * 1024;

pub(super) struct Input {
    state: State,
}

enum State {
    Idle(Box<dyn Read + Send>, Vec<u8>),
    Reading(JoinHandle<Done>),
    /// The thread that read is gone, by a bug.
    Lost,
}

struct Done {
    source: Box<dyn Read + Send>,
    chunk: Vec<u8>,
    outcome: io::Result<usize>,
}

impl Input {
    fn new(source: Box<dyn Read + Send>) -> Self {
        Input {
            state: State::Idle(source, vec![0; CHUNK]),
        }
    }

    pub(super) fn stdin() -> Self {
        Input::new(Box::new(io::stdin()))
    }

    /// A file from a position on, even if that is behind its end: it may grow.
    pub(super) fn file(mut file: File, position: u64) -> io::Result<Self> {
        if position > 0 {
            file.seek(SeekFrom::Start(position))?;
        }
        Ok(Input::new(Box::new(file)))
    }

    /// The next bytes; none at the end of what there is. Cancel safe: a read that is not awaited to its end comes out of
    /// the next call.
    pub(super) async fn read<T>(&mut self, take: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
        if let State::Idle(..) = self.state
            && let State::Idle(mut source, mut chunk) =
                std::mem::replace(&mut self.state, State::Lost)
        {
            self.state = State::Reading(tokio::task::spawn_blocking(move || {
                let outcome = source.read(&mut chunk);
                Done {
                    source,
                    chunk,
                    outcome,
                }
            }));
        }
        let State::Reading(read) = &mut self.state else {
            return Err(io::Error::other("what was read is lost"));
        };
        let done = read.await;
        self.state = State::Lost;
        let Done {
            source,
            chunk,
            outcome,
        } = done.map_err(io::Error::other)?;
        let taken = outcome.map(|read| take(&chunk[..read]));
        self.state = State::Idle(source, chunk);
        taken
    }
}

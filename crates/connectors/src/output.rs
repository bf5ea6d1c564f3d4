//! Output: text on its way to a file or to the standard output, written on a thread for blocking work, one write at a time
//! and in order. What could not be written stays, and is tried again from where the write stopped.

use std::fs::OpenOptions;
use std::io::{self, Write};
use tokio::task::JoinHandle;

/// What a buffer may keep of its memory when it is empty.
const KEPT: usize = 2 * 1024 * 1024;

pub(crate) struct Output {
    state: State,
}

enum State {
    Idle(Job),
    Writing(JoinHandle<Job>),
    /// Some of the text is not written, for the reason in the job.
    Stuck(Job),
    /// The thread that wrote is gone, and what it had with it: a bug.
    Lost(io::Error),
}

/// What goes to the thread and comes back.
struct Job {
    target: Box<dyn Write + Send>,
    text: Vec<u8>,
    /// How much of the text is written.
    written: usize,
    error: Option<io::Error>,
}

impl Output {
    pub(crate) fn new(target: Box<dyn Write + Send>) -> Self {
        Output {
            state: State::Idle(Job {
                target,
                text: Vec::new(),
                written: 0,
                error: None,
            }),
        }
    }

    /// Opens a file to append to it; it is made if it is missing. `None` is the standard output.
    pub(crate) async fn open(path: Option<&str>) -> io::Result<Self> {
        let Some(path) = path.map(str::to_owned) else {
            return Ok(Output::new(Box::new(io::stdout())));
        };
        // Opening waits for the other end, where the file is a pipe.
        let opened = tokio::task::spawn_blocking(move || {
            OpenOptions::new().append(true).create(true).open(path)
        });
        let file = opened.await.map_err(io::Error::other)??;
        Ok(Output::new(Box::new(file)))
    }

    /// Room for text, unless earlier text is on its way or stuck.
    pub(crate) fn room(&mut self) -> Option<&mut Vec<u8>> {
        match &mut self.state {
            State::Idle(job) => Some(&mut job.text),
            State::Writing(_) | State::Stuck(_) | State::Lost(_) => None,
        }
    }

    /// Begins to write what is in the room, or what is stuck.
    pub(crate) fn begin(&mut self) {
        let lost = State::Lost(io::ErrorKind::Other.into());
        match std::mem::replace(&mut self.state, lost) {
            State::Idle(mut job) | State::Stuck(mut job) => {
                job.error = None;
                self.state = State::Writing(tokio::task::spawn_blocking(move || job.run()));
            }
            other => self.state = other,
        }
    }

    /// Returns when no write is under way. Cancel safe.
    ///
    /// # Errors
    /// Why text is not written.
    pub(crate) async fn settled(&mut self) -> Result<(), &io::Error> {
        if let State::Writing(write) = &mut self.state {
            self.state = match write.await {
                Ok(job) if job.error.is_some() => State::Stuck(job),
                Ok(job) => State::Idle(job),
                Err(bug) => State::Lost(io::Error::other(bug)),
            };
        }
        self.stuck().map_or(Ok(()), Err)
    }

    pub(crate) fn is_writing(&self) -> bool {
        matches!(self.state, State::Writing(_))
    }

    /// Whether `settled` has something to say at once.
    pub(crate) fn is_settled(&self) -> bool {
        match &self.state {
            State::Writing(write) => write.is_finished(),
            State::Idle(_) | State::Stuck(_) | State::Lost(_) => true,
        }
    }

    fn stuck(&self) -> Option<&io::Error> {
        match &self.state {
            State::Stuck(job) => job.error.as_ref(),
            State::Lost(bug) => Some(bug),
            State::Idle(_) | State::Writing(_) => None,
        }
    }
}

impl Job {
    fn run(mut self) -> Self {
        while let Some(rest) = self
            .text
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            match self.target.write(rest) {
                Ok(0) => self.error = Some(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.error = Some(error),
            }
            if self.error.is_some() {
                return self;
            }
        }
        // A file has no buffer of its own here, the standard output has.
        if let Err(error) = self.target.flush() {
            self.error = Some(error);
            return self;
        }
        self.text.clear();
        self.text.shrink_to(KEPT);
        self.written = 0;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// Takes so many bytes of each write, then fails once.
    struct Narrow {
        taken: Arc<Mutex<Vec<u8>>>,
        fails_at: usize,
    }

    impl Write for Narrow {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let mut taken = self.taken.lock().unwrap();
            if taken.len() >= self.fails_at {
                self.fails_at = usize::MAX;
                return Err(io::ErrorKind::StorageFull.into());
            }
            let most = text.len().min(3);
            taken.extend_from_slice(&text[..most]);
            Ok(most)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn goes_on_where_it_stopped() {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let mut output = Output::new(Box::new(Narrow {
            taken: Arc::clone(&taken),
            fails_at: 6,
        }));
        output
            .room()
            .unwrap()
            .extend_from_slice(b"one\ntwo\nthree\n");
        output.begin();
        let error = output.settled().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(output.room().is_none(), "nothing passes what is stuck");
        output.begin();
        output.settled().await.unwrap();
        output.room().unwrap().extend_from_slice(b"four\n");
        output.begin();
        output.settled().await.unwrap();
        assert_eq!(*taken.lock().unwrap(), b"one\ntwo\nthree\nfour\n");
    }
}

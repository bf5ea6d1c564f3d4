//! DocumentProxy: stands between a client and any document store, writes down the commands and breaks the
//! ones it is told to break: before they arrive, after they were applied, or by another answer.

use super::wire::{Message, read_message, write_answer};
use crate::listener::Listener;
use bson::Document;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// Commands written down at most; a test looks at a handful.
const MAX_RECORDED: usize = 10_000;

/// Commands that change what the store holds.
const WRITES: [&str; 4] = ["insert", "update", "delete", "findAndModify"];

/// What to do to the `nth` command (from 1) of a name, over all connections.
#[derive(Clone, Debug)]
pub struct DocumentFault {
    pub command: String,
    pub nth: usize,
    pub action: DocumentFaultAction,
}

#[derive(Clone, Debug)]
pub enum DocumentFaultAction {
    /// Close the connection; the store never sees the command.
    CloseBefore,
    /// Let the store apply it, then close instead of answering.
    CloseAfter,
    /// Answer this; the store never sees the command.
    ReplaceReply(Document),
    /// Put these fields into the store's answer.
    MergeReply(Document),
}

/// A command as it went over the wire: its body, and its document sequences by name.
#[derive(Clone, Debug)]
pub struct RecordedCommand {
    pub name: String,
    pub body: Document,
    pub sequences: Vec<(String, Vec<Document>)>,
}

/// A running proxy; dropping it closes its connections.
pub struct DocumentProxy {
    listener: Listener,
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    faults: Vec<DocumentFault>,
    /// What happens to every command of a name.
    lasting: Vec<(String, DocumentFaultAction)>,
    seen: HashMap<String, usize>,
    /// Writes that are still let through, and whether the last one is answered.
    writes_left: Option<(usize, bool)>,
    /// Writes that were let through.
    writes: usize,
    recorded: Vec<RecordedCommand>,
}

impl DocumentProxy {
    /// Listens on a free loopback port and forwards to `upstream`.
    pub async fn start(upstream: SocketAddr, faults: Vec<DocumentFault>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let script = Arc::new(Mutex::new(Script {
            faults,
            ..Script::default()
        }));
        let shared = Arc::clone(&script);
        let listener = Listener::start(listener, move |client| {
            let script = Arc::clone(&shared);
            async move {
                // However a connection ends, the client sees it closed.
                let _ = forward(client, upstream, &script).await;
            }
        })?;
        Ok(DocumentProxy { listener, script })
    }

    pub fn addr(&self) -> SocketAddr {
        self.listener.addr()
    }

    /// From now on does this to every command of a name, until `heal`.
    pub fn break_all(&self, command: &str, action: DocumentFaultAction) {
        lock(&self.script)
            .lasting
            .push((command.to_owned(), action));
    }

    /// Lets so many writes through, and closes the connection with every command after them, until `heal`; `answers_last`
    /// says whether the last one is answered.
    pub fn die_after(&self, writes: usize, answers_last: bool) {
        lock(&self.script).writes_left = Some((writes, answers_last));
    }

    /// How many writes have reached the store.
    pub fn writes(&self) -> usize {
        lock(&self.script).writes
    }

    /// Breaks nothing any more.
    pub fn heal(&self) {
        let mut script = lock(&self.script);
        script.writes_left = None;
        script.lasting.clear();
        script.faults.clear();
    }

    /// The commands so far, in the order they arrived.
    pub fn recorded(&self) -> Vec<RecordedCommand> {
        lock(&self.script).recorded.clone()
    }
}

fn lock(script: &Mutex<Script>) -> MutexGuard<'_, Script> {
    // A panic elsewhere leaves at worst one command uncounted.
    script.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Script {
    /// Writes a command down and returns what to do to it.
    fn note(&mut self, message: &Message) -> Option<DocumentFaultAction> {
        let command = &message.command;
        let count = self.seen.entry(command.name.clone()).or_default();
        *count += 1;
        let count = *count;
        if self.recorded.len() < MAX_RECORDED {
            let documents = |raw: &Vec<bson::RawDocumentBuf>| {
                raw.iter()
                    .filter_map(|one| Document::try_from(one.as_ref()).ok())
                    .collect()
            };
            self.recorded.push(RecordedCommand {
                name: command.name.clone(),
                body: Document::try_from(command.body.as_ref()).unwrap_or_default(),
                sequences: command
                    .sequences
                    .iter()
                    .map(|(name, raw)| (name.clone(), documents(raw)))
                    .collect(),
            });
        }
        let is_write = WRITES.contains(&command.name.as_str());
        match &mut self.writes_left {
            Some((0, _)) => return Some(DocumentFaultAction::CloseBefore),
            Some((left, answers_last)) if is_write => {
                *left -= 1;
                self.writes += 1;
                let is_answered = *left > 0 || *answers_last;
                return (!is_answered).then_some(DocumentFaultAction::CloseAfter);
            }
            _ => self.writes += usize::from(is_write),
        }
        self.faults
            .iter()
            .find(|fault| fault.command == command.name && fault.nth == count)
            .map(|fault| &fault.action)
            .or_else(|| {
                let lasting = self.lasting.iter();
                lasting
                    .filter(|(name, _)| *name == command.name)
                    .map(|(_, action)| action)
                    .next()
            })
            .cloned()
    }
}

async fn forward(
    mut client: TcpStream,
    upstream: SocketAddr,
    script: &Mutex<Script>,
) -> io::Result<()> {
    let mut store = TcpStream::connect(upstream).await?;
    store.set_nodelay(true)?;
    let (mut request, mut reply) = (Vec::new(), Vec::new());
    while read_message(&mut client, &mut request).await? {
        let message = Message::parse(&request)?;
        let action = lock(script).note(&message);
        let answer = |document: Document| {
            bson::RawDocumentBuf::try_from(&document).map_err(io::Error::other)
        };
        match &action {
            Some(DocumentFaultAction::CloseBefore) => return Ok(()),
            Some(DocumentFaultAction::ReplaceReply(document)) => {
                let answer = answer(document.clone())?;
                write_answer(
                    &mut client,
                    message.request_id,
                    message.form,
                    answer.as_bytes(),
                )
                .await?;
                continue;
            }
            _ => {}
        }
        store.write_all(&request).await?;
        if !message.form.wants_answer() {
            continue;
        }
        if !read_message(&mut store, &mut reply).await? {
            return Ok(());
        }
        match action {
            Some(DocumentFaultAction::CloseAfter) => return Ok(()),
            Some(DocumentFaultAction::MergeReply(fields)) => {
                let mut whole = Document::try_from(Message::parse(&reply)?.command.body.as_ref())
                    .map_err(io::Error::other)?;
                whole.extend(fields);
                let whole = answer(whole)?;
                write_answer(
                    &mut client,
                    message.request_id,
                    message.form,
                    whole.as_bytes(),
                )
                .await?;
            }
            _ => client.write_all(&reply).await?,
        }
    }
    Ok(())
}

//! A broker with one queue of texts, as far as a reader over STOMP sees it: what is not acknowledged comes again, marked, once
//! its connection is gone.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct StompBroker {
    address: SocketAddr,
    queue: Arc<Mutex<Queue>>,
    /// How many are settled.
    settled: watch::Receiver<usize>,
}

#[derive(Default)]
struct Queue {
    waiting: BTreeSet<u32>,
    /// Those that somebody has had.
    delivered: BTreeSet<u32>,
    settled: Vec<u32>,
}

impl StompBroker {
    /// One whose queue `orders` has messages with these numbers, from 1 on.
    pub(crate) async fn start(messages: u32) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let queue = Arc::new(Mutex::new(Queue {
            waiting: (1..=messages).collect(),
            ..Queue::default()
        }));
        let (count, settled) = watch::channel(0);
        let shared = Arc::clone(&queue);
        tokio::spawn(async move {
            // One reader at a time, as a task has one connection.
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &shared, &count).await;
            }
        });
        StompBroker {
            address,
            queue,
            settled,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was taken off the queue, in order.
    pub(crate) fn settled(&self) -> Vec<u32> {
        self.queue.lock().unwrap().settled.clone()
    }

    pub(crate) async fn until_settled(&self, messages: usize) {
        let mut settled = self.settled.clone();
        settled.wait_for(|count| *count >= messages).await.unwrap();
    }
}

/// Talks with one reader until it is gone.
async fn serve(stream: TcpStream, queue: &Mutex<Queue>, count: &watch::Sender<usize>) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut out: BTreeSet<u32> = BTreeSet::new();
    loop {
        let mut bytes = Vec::new();
        if read.read_until(0, &mut bytes).await.unwrap_or(0) == 0 {
            break;
        }
        let text = String::from_utf8(bytes).unwrap();
        let mut lines = text.trim_start().trim_end_matches('\0').lines();
        let command = lines.next().unwrap_or_default();
        let header = |name: &str| {
            let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let answer = match command {
            "CONNECT" => "CONNECTED\nversion:1.2\nserver:ActiveMQ/test\n\n\0".to_owned(),
            "SUBSCRIBE" => {
                assert_eq!(header("destination"), Some("/queue/orders"));
                assert_eq!(header("ack"), Some("client"));
                let most = header("activemq.prefetchSize").unwrap().parse().unwrap();
                let mut queue = queue.lock().unwrap();
                out = queue.waiting.iter().take(most).copied().collect();
                let frames = out.iter().map(|number| {
                    let again = queue.delivered.contains(number);
                    frame(*number, again)
                });
                let frames = frames.collect();
                queue.delivered.extend(&out);
                frames
            }
            "ACK" => {
                let last = header("id").unwrap().strip_prefix('a').unwrap();
                let last: u32 = last.parse().unwrap();
                let mut queue = queue.lock().unwrap();
                let gone: Vec<u32> = out.range(..=last).copied().collect();
                assert!(gone.contains(&last), "{last} was not out: {out:?}");
                for number in gone {
                    out.remove(&number);
                    queue.waiting.remove(&number);
                    queue.settled.push(number);
                }
                count.send_replace(queue.settled.len());
                String::new()
            }
            "DISCONNECT" => format!("RECEIPT\nreceipt-id:{}\n\n\0", header("receipt").unwrap()),
            "UNSUBSCRIBE" => String::new(),
            other => panic!("nobody says {other}"),
        };
        if write.write_all(answer.as_bytes()).await.is_err() {
            break;
        }
    }
}

fn frame(number: u32, again: bool) -> String {
    let again = if again { "redelivered:true\n" } else { "" };
    format!(
        "MESSAGE\nsubscription:0\nack:a{number}\nmessage-id:ID\\c{number}\ndestination:/queue/orders\ntimestamp:17\npersistent:true\ncolour:red\n{again}\ntext {number}\0\n"
    )
}

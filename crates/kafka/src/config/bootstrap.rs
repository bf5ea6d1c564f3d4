//! Bootstrap: brokers to begin with that may become others while clients run. A client that gets to none of the brokers it knows says
//! so; whoever made the list looks up where they are now, and answers with the list as it is then.

use super::servers;
use crate::address::Address;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long a client waits for the answer before it goes on with what it knows; the next attempt finds an answer that comes later.
const PATIENCE: Duration = Duration::from_secs(5);

/// Brokers of the clients whose `bootstrap.servers` are the ones that it began with. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    first: Arc<[Address]>,
    state: watch::Sender<State>,
}

#[derive(Debug)]
struct State {
    servers: Arc<[Address]>,
    /// The last question, and the last that was answered.
    asked: u64,
    answered: u64,
    evidence: String,
}

/// Somebody gets to none of the brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    number: u64,
    /// What the client saw.
    pub evidence: String,
}

impl Bootstrap {
    /// Begins with a list as `bootstrap.servers` has it.
    pub fn new(servers: &str) -> Self {
        let servers = addresses(servers);
        Bootstrap {
            first: Arc::clone(&servers),
            state: watch::Sender::new(State {
                servers,
                asked: 0,
                answered: 0,
                evidence: String::new(),
            }),
        }
    }

    /// Waits until a client gets to no broker. What several say before the answer is one question.
    pub async fn lost(&self) -> Lost {
        let mut state = self.state.subscribe();
        let asked = state.wait_for(|state| state.asked > state.answered).await;
        let lost = asked.map(|state| Lost {
            number: state.asked,
            evidence: state.evidence.clone(),
        });
        match lost {
            Ok(lost) => lost,
            // The sender lives as long as this.
            Err(_) => std::future::pending().await,
        }
    }

    /// Answers: clients begin with this list from now on, whether it is another one or not.
    pub fn answer(&self, lost: &Lost, servers: &str) {
        self.state.send_modify(|state| {
            state.servers = addresses(servers);
            state.answered = state.answered.max(lost.number);
        });
    }

    /// Clients begin with this list from now on, unasked.
    pub fn replace(&self, servers: &str) {
        let servers = addresses(servers);
        self.state.send_modify(|state| state.servers = servers);
    }

    /// Whether these brokers are the ones that this began with.
    pub(crate) fn is_of(&self, servers: &[Address]) -> bool {
        *self.first == *servers
    }

    pub(crate) fn servers(&self) -> Arc<[Address]> {
        Arc::clone(&self.state.borrow().servers)
    }

    /// Says that none of `known` takes this client, and whether others are known after the answer, or after waiting for one.
    pub(crate) async fn renewed(&self, known: &[Address], evidence: String) -> bool {
        if *self.servers() != *known {
            return true;
        }
        // Who comes before the answer takes part in the question.
        self.state.send_modify(|state| {
            state.asked = state.answered + 1;
            state.evidence = evidence;
        });
        let mut state = self.state.subscribe();
        let number = state.borrow().asked;
        let answered = state.wait_for(|state| state.answered >= number);
        // Without an answer in time, what is known goes on to count.
        let _ = tokio::time::timeout(PATIENCE, answered).await;
        *self.servers() != *known
    }
}

fn addresses(servers: &str) -> Arc<[Address]> {
    let list: Vec<String> = servers.split(',').map(|it| it.trim().to_owned()).collect();
    servers::addresses(&list).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_who_get_nowhere_ask_one_question() {
        let bootstrap = Bootstrap::new("a:1, b:2");
        let before = bootstrap.servers();
        assert!(bootstrap.is_of(&before));
        let ask = || bootstrap.renewed(&before, "away".to_owned());
        let mut questions = 0;
        let answers = async {
            loop {
                let lost = bootstrap.lost().await;
                assert_eq!(lost.evidence, "away");
                questions += 1;
                bootstrap.answer(&lost, "c:3");
            }
        };
        let asked = futures::future::join_all(std::iter::repeat_with(ask).take(50));
        tokio::select! {
            all = asked => assert!(all.into_iter().all(|renewed| renewed)),
            () = answers => {}
        }
        assert_eq!(questions, 1);
        // Those that began with the first list still belong to it.
        assert!(bootstrap.is_of(&before));
        assert_eq!(bootstrap.servers()[0].to_string(), "c:3");
    }

    #[tokio::test]
    async fn an_equal_answer_is_no_news() {
        let bootstrap = Bootstrap::new("a:1");
        let before = bootstrap.servers();
        let answer = async {
            let lost = bootstrap.lost().await;
            bootstrap.answer(&lost, "a:1");
        };
        let (renewed, ()) = tokio::join!(bootstrap.renewed(&before, "away".to_owned()), answer);
        assert!(!renewed);
        // A list that somebody else has put there is taken without a question.
        bootstrap.replace("b:2");
        assert!(bootstrap.renewed(&before, "away".to_owned()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_long() {
        let bootstrap = Bootstrap::new("a:1");
        let before = bootstrap.servers();
        assert!(!bootstrap.renewed(&before, "away".to_owned()).await);
        // The question stays until somebody takes it.
        assert_eq!(bootstrap.lost().await.evidence, "away");
    }
}

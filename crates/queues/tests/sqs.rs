//! The transport of SQS against a stand-in that checks what it is asked.
#![allow(clippy::unwrap_used)]

use millstream_core::Properties;
use millstream_embedded::aws::{ControlPlane, QueueSettings, Step};
use millstream_queues::input::{
    Connected, InputErrorKind, Message, QueueInput, Token, UnsettledReason,
};
use millstream_queues::queue_settings;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;

struct Stage {
    sqs: ControlPlane,
    properties: Properties,
    name: &'static str,
}

impl Stage {
    async fn new(name: &'static str, settings: QueueSettings) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let sqs = ControlPlane::start(any, "key", "secret").await.unwrap();
        let url = sqs.create_queue(name, settings);
        let properties = Properties::from_iter([
            ("input.type", "sqs"),
            ("sqs.queue.url", url.as_str()),
            ("sqs.endpoint.url", &sqs.endpoint()),
            ("sqs.waittime.seconds", "1"),
            ("aws.access.key.id", "key"),
            ("aws.secret.access.key", "secret"),
        ]);
        Stage {
            sqs,
            properties,
            name,
        }
    }

    fn send(&self, messages: usize) {
        let messages = (0..messages).map(|n| (n.to_string(), Some("g")));
        self.sqs.send(self.name, messages);
    }

    async fn connect(&self) -> Connected {
        let settings = queue_settings(&self.properties).unwrap();
        settings.connector.connect(100).await.unwrap()
    }
}

/// Receives so many messages, with room for no more.
async fn take(input: &mut Box<dyn QueueInput>, messages: usize) -> Vec<Message> {
    let mut taken = Vec::new();
    while taken.len() < messages {
        taken.extend(input.receive(messages - taken.len()).await.unwrap());
    }
    taken
}

fn tokens(messages: &[Message]) -> Vec<Token> {
    messages
        .iter()
        .map(|message| message.token.clone())
        .collect()
}

fn bodies(messages: &[Message]) -> Vec<String> {
    let bodies = messages.iter().map(|message| message.body.clone().unwrap());
    bodies
        .map(|body| String::from_utf8(body.to_vec()).unwrap())
        .collect()
}

#[tokio::test]
async fn knows_what_the_queue_says_of_itself() {
    let settings = QueueSettings {
        most_receives: Some(5),
        ..QueueSettings::default()
    };
    let stage = Stage::new("q", settings.clone()).await;
    stage.send(7);
    let Connected { mut input, facts } = stage.connect().await;
    assert_eq!((facts.delivery_limit, facts.is_ordered), (Some(5), false));
    assert_eq!(facts.lease, Some(Duration::from_secs(600)));
    assert!(facts.makes_ids);
    assert_eq!(input.backlog().await.unwrap(), Some(7));
    let fifo = Stage::new("q.fifo", settings).await;
    assert!(fifo.connect().await.facts.is_ordered);
}

#[tokio::test]
async fn receives_no_more_than_there_is_room_for_and_all_of_it() {
    let stage = Stage::new("q", QueueSettings::default()).await;
    stage.send(53);
    let mut input = stage.connect().await.input;
    let first = take(&mut input, 3).await;
    assert_eq!(stage.sqs.queue("q").in_flight, 3);
    let message = &first[0];
    assert_eq!(
        (message.id.as_deref(), message.group.as_deref()),
        (Some("message-1"), Some("g"))
    );
    assert_eq!((message.deliveries, message.redelivered), (Some(1), false));
    let names: Vec<&str> = message.headers.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["colour", "sqs.MessageGroupId"]);
    let mut all = bodies(&first);
    all.extend(bodies(&take(&mut input, 50).await));
    all.sort_by_key(|body| body.parse::<usize>().unwrap());
    assert_eq!(all, (0..53).map(|n| n.to_string()).collect::<Vec<_>>());
    // Nothing more is asked for than there is room for, whatever comes.
    stage.send(10);
    assert!(
        timeout(Duration::from_millis(200), input.receive(0))
            .await
            .is_err()
    );
    assert_eq!(stage.sqs.queue("q").in_flight, 53);
}

/// A future that is dropped loses nothing: what it had asked for comes with the next.
#[tokio::test]
async fn a_receive_that_is_given_up_loses_nothing() {
    let stage = Stage::new("q", QueueSettings::default()).await;
    let mut input = stage.connect().await.input;
    for _ in 0..5 {
        let waited = timeout(Duration::from_millis(20), input.receive(10)).await;
        assert!(waited.is_err());
    }
    stage.send(4);
    assert_eq!(take(&mut input, 4).await.len(), 4);
    let now = stage.sqs.queue("q");
    assert_eq!((now.most_receives, now.in_flight), (1, 4));
}

#[tokio::test]
async fn deletes_ten_at_a_time_and_tells_what_was_not() {
    let settings = QueueSettings {
        fails_every: Some(10),
        ..QueueSettings::default()
    };
    let stage = Stage::new("q", settings).await;
    stage.send(25);
    let mut input = stage.connect().await.input;
    let mut tokens = tokens(&take(&mut input, 25).await);
    tokens.push(Token::Handle("no handle".into()));
    let unsettled = input.settle(&tokens).await.unwrap();
    let of = |reason| unsettled.iter().filter(move |one| one.reason == reason);
    assert_eq!(of(UnsettledReason::TryAgain).count(), 2);
    assert_eq!(
        of(UnsettledReason::Lapsed)
            .map(|one| one.at)
            .collect::<Vec<_>>(),
        [25]
    );
    assert_eq!(stage.sqs.calls("DeleteMessageBatch"), 3);
    assert_eq!(stage.sqs.queue("q").deleted.len(), 23);
    // Once more is harmless, whatever was done before.
    stage.sqs.set_queue("q", QueueSettings::default());
    assert!(input.settle(&tokens[..25]).await.unwrap().is_empty());
    assert_eq!(stage.sqs.queue("q").deleted.len(), 25);
}

#[tokio::test]
async fn a_lease_that_ended_is_told_by_its_place() {
    let stage = Stage::new("q", QueueSettings::default()).await;
    stage.send(3);
    let mut input = stage.connect().await.input;
    let messages = take(&mut input, 3).await;
    assert!(input.extend(&tokens(&messages)).await.unwrap().is_empty());
    assert_eq!(stage.sqs.return_messages("q").len(), 3);
    let again = take(&mut input, 3).await;
    let mixed = [
        messages[0].token.clone(),
        again[1].token.clone(),
        messages[2].token.clone(),
    ];
    assert_eq!(input.extend(&mixed).await.unwrap(), [0, 2]);
    assert!(
        again
            .iter()
            .all(|message| message.redelivered && message.deliveries == Some(2))
    );
}

#[tokio::test]
async fn what_is_given_back_comes_at_once_and_in_its_order() {
    for name in ["q", "q.fifo"] {
        let stage = Stage::new(name, QueueSettings::default()).await;
        stage.send(30);
        let mut input = stage.connect().await.input;
        let messages = take(&mut input, 10).await;
        input.give_back(&tokens(&messages)).await.unwrap();
        assert_eq!(stage.sqs.queue(name).in_flight, 0);
        let again = take(&mut input, 10).await;
        assert_eq!(bodies(&again), bodies(&messages));
        assert!(stage.sqs.queue(name).violations.is_empty());
    }
}

/// The messages of a FIFO queue are taken off in order, by one call after the other.
#[tokio::test]
async fn a_fifo_queue_is_settled_in_order() {
    let stage = Stage::new("q.fifo", QueueSettings::default()).await;
    stage.send(10);
    let mut input = stage.connect().await.input;
    let messages = take(&mut input, 10).await;
    assert!(input.settle(&tokens(&messages)).await.unwrap().is_empty());
    let now = stage.sqs.queue("q.fifo");
    assert_eq!(
        now.deleted,
        (0..10).map(|n| n.to_string()).collect::<Vec<_>>()
    );
    assert!(now.violations.is_empty(), "{:?}", now.violations);
}

#[tokio::test]
async fn a_close_gives_everything_back() {
    let stage = Stage::new("q", QueueSettings::default()).await;
    stage.send(20);
    let mut input = stage.connect().await.input;
    let held = take(&mut input, 5).await;
    // Room for more lets a receive begin, whose answer nobody takes.
    let _ = timeout(Duration::ZERO, input.receive(10)).await;
    input.close(&tokens(&held)).await.unwrap();
    // However that went, what was held is there for others.
    let mut next = stage.connect().await.input;
    assert_eq!(bodies(&take(&mut next, 5).await), bodies(&held));
}

#[tokio::test]
async fn errors_say_whether_they_pass_and_what_to_do() {
    let stage = Stage::new("q", QueueSettings::default()).await;
    let denied = || Step::error(400, "AccessDeniedException", "not you");
    // Who may not ask about the queue may still read it.
    stage.sqs.script("GetQueueAttributes", [denied()]);
    let Connected { mut input, facts } = stage.connect().await;
    assert_eq!(facts.delivery_limit, None);
    stage.sqs.script("ReceiveMessage", [denied()]);
    let error = input.receive(10).await.unwrap_err();
    assert_eq!(error.kind, InputErrorKind::Fatal);
    assert_eq!(
        error.to_string(),
        "queue q: SQS ReceiveMessage: AccessDeniedException: not you; grant sqs:ReceiveMessage, sqs:DeleteMessage and \
         sqs:ChangeMessageVisibility"
    );
    let mut input = stage.connect().await.input;
    let full = Step::error(403, "com.amazonaws.sqs#OverLimit", "too many in flight");
    stage.sqs.script("ReceiveMessage", [full]);
    let error = input.receive(10).await.unwrap_err();
    assert_eq!(error.kind, InputErrorKind::Transient);
    // That it works again is told, though there is nothing.
    assert!(input.receive(10).await.unwrap().is_empty());
    let error = queue_settings(&Properties::from_iter([("input.type", "sqs")])).err();
    assert!(
        error
            .unwrap()
            .starts_with("sqs.queue.url: the queue is not named")
    );
}

/// What a call could not do for some of its messages is done again; where it could do nothing, that is an outage.
#[tokio::test]
async fn a_service_that_is_away_settles_nothing() {
    let stage = Stage::new("q", QueueSettings::default()).await;
    stage.send(2);
    let mut input = stage.connect().await.input;
    let tokens = tokens(&take(&mut input, 2).await);
    let failing = || Step::error(500, "InternalFailure", "");
    stage.sqs.script(
        "DeleteMessageBatch",
        std::iter::repeat_with(failing).take(5),
    );
    let error = input.settle(&tokens).await.unwrap_err();
    assert_eq!(error.kind, InputErrorKind::Transient);
    assert!(input.settle(&tokens).await.unwrap().is_empty());
}

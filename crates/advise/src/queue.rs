//! A message queue in the place of a topic, and what bounds its tasks. The figures were measured on a 2-core machine with
//! messages of 100 bytes, against brokers and a stand-in for SQS on the same machine, without TLS.

/// Kinds of queues, with the protocol that they are read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqs,
    SqsFifo,
    RabbitMq,
    ActiveMq,
    ActiveMqStomp,
}

/// A queue as its task reads it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Queue {
    pub kind: Kind,
    /// `input.max.held.messages`.
    pub held: f64,
    /// `input.idle.flush.ms` in seconds; 0 turns it off.
    pub idle: f64,
}

/// Seconds of `input.max.hold.ms` unless it is set, and the part of the time for which a queue lets a message be held that may
/// be used.
const HOLD: f64 = 300.0;
const HOLD_SHARE: f64 = 0.8;

/// Seconds for which SQS and RabbitMQ let a message be held, as they are set by default.
const SQS_LONGEST: f64 = 12.0 * 3600.0;
const RABBITMQ_LONGEST: f64 = 30.0 * 60.0;

/// Messages a second of a task with its receivers, and of one receiver: a receive of ten takes 13 ms.
pub(crate) const SQS_RATE: f64 = 3000.0;
const SQS_RECEIVERS: f64 = 4.0;
impl Kind {
    pub const ALL: [Kind; 5] = [
        Kind::Sqs,
        Kind::SqsFifo,
        Kind::RabbitMq,
        Kind::ActiveMq,
        Kind::ActiveMqStomp,
    ];

    /// As `--queue` has it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Sqs => "sqs",
            Kind::SqsFifo => "sqs-fifo",
            Kind::RabbitMq => "rabbitmq",
            Kind::ActiveMq => "activemq",
            Kind::ActiveMqStomp => "activemq-stomp",
        }
    }

    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Kind::Sqs => "a queue of SQS",
            Kind::SqsFifo => "a FIFO queue of SQS",
            Kind::RabbitMq => "a queue of RabbitMQ",
            Kind::ActiveMq => "a queue of ActiveMQ over AMQP",
            Kind::ActiveMqStomp => "a queue of ActiveMQ over STOMP",
        }
    }

    pub fn is_sqs(self) -> bool {
        matches!(self, Kind::Sqs | Kind::SqsFifo)
    }

    /// CPU seconds for a million messages that are received and acknowledged: SQS by its JSON protocol with the MD5 of bodies
    /// looked at, RabbitMQ by AMQP 0.9.1, ActiveMQ by AMQP 1.0 and STOMP; of several runs the most.
    pub fn cpu_seconds_per_million(self) -> f64 {
        match self {
            Kind::Sqs | Kind::SqsFifo => 13.0,
            Kind::RabbitMq => 7.1,
            Kind::ActiveMq => 10.0,
            Kind::ActiveMqStomp => 0.7,
        }
    }

    /// Messages a second of one task, where waiting for answers bounds it and not its CPU.
    pub fn task_rate(self) -> f64 {
        match self {
            Kind::Sqs => SQS_RATE,
            Kind::SqsFifo => SQS_RATE / SQS_RECEIVERS,
            Kind::RabbitMq | Kind::ActiveMq | Kind::ActiveMqStomp => f64::INFINITY,
        }
    }

    /// Messages a second of the whole queue, where the broker bounds it: the least and the most that were measured.
    pub fn broker_rate(self) -> Option<(f64, f64)> {
        match self {
            Kind::Sqs | Kind::SqsFifo => None,
            Kind::RabbitMq => Some((20_000.0, 40_000.0)),
            Kind::ActiveMq => Some((450.0, 1_800.0)),
            Kind::ActiveMqStomp => Some((6_000.0, 16_000.0)),
        }
    }

    /// `input.max.held.messages` where nobody sets it.
    pub fn usual_held(self) -> f64 {
        match self {
            Kind::Sqs | Kind::SqsFifo => 20_000.0,
            Kind::RabbitMq => 5_000.0,
            Kind::ActiveMq => 2_000.0,
            Kind::ActiveMqStomp => 200.0,
        }
    }

    /// `input.idle.flush.ms` in seconds, where nobody sets it.
    pub fn usual_idle(self) -> f64 {
        match self {
            Kind::SqsFifo => 0.2,
            Kind::Sqs | Kind::RabbitMq | Kind::ActiveMq | Kind::ActiveMqStomp => 5.0,
        }
    }

    /// How much waits, in the words of whoever counts it.
    pub fn backlog_metric(self) -> &'static str {
        match self {
            Kind::Sqs | Kind::SqsFifo => {
                "millstream_queue_backlog_messages, which is SQS's ApproximateNumberOfMessages"
            }
            Kind::RabbitMq => {
                "millstream_queue_backlog_messages, which is the queue's count of ready messages"
            }
            Kind::ActiveMq | Kind::ActiveMqStomp => {
                "the broker's own count of the queue, since neither AMQP nor STOMP tells it"
            }
        }
    }
}

impl Queue {
    pub fn usual(kind: Kind) -> Self {
        Queue {
            kind,
            held: kind.usual_held(),
            idle: kind.usual_idle(),
        }
    }

    /// Seconds of `input.max.hold.ms`: what is asked for, as far as the queue lets messages be held.
    pub fn hold(&self, delay: f64) -> f64 {
        let longest = match self.kind {
            Kind::Sqs | Kind::SqsFifo => SQS_LONGEST,
            Kind::RabbitMq => RABBITMQ_LONGEST,
            Kind::ActiveMq | Kind::ActiveMqStomp => f64::INFINITY,
        };
        delay.min(longest * HOLD_SHARE)
    }

    /// Whether `input.max.hold.ms` has to be set for that.
    pub fn sets_hold(&self, delay: f64) -> bool {
        self.hold(delay) != HOLD
    }
}

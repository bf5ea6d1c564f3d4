//! The flags of `millstream advise`. Each is read here and not by the parser of the command line, which would stop at the
//! first that is wrong.

use crate::Mistakes;
use crate::question::{Architecture, Files, Function, Job, Load, Question, Task};
use crate::queue::{Kind, Queue};
use crate::units::{count, duration, factor, plain, shown, size};
use clap::Args;

/// Flags about the load and what is compared. Those of a running topic or connector stand beside them, in the binary.
#[derive(Clone, Debug, Default, Args)]
pub struct Flags {
    /// Messages a day: 288, 10k, 1.5M.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub messages_per_day: Option<String>,
    /// Bytes of a message, key and value: 100, 2kB.
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub size: Option<String>,
    /// How many times the mean messages come at the busiest time; 1 unless set.
    #[arg(long, value_name = "FACTOR", allow_hyphen_values = true)]
    pub burst: Option<String>,
    /// Messages that wait already, such as those of an outage; 0 unless set.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub backlog: Option<String>,
    /// In what time those are to be done; 1h unless set.
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub drain: Option<String>,
    /// How late a message may be where it is stored: 1s, 5m; 5m unless set.
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub delay: Option<String>,
    /// What is done with them: archive (lines in S3), archive-json, hash (into a document store) or documents; archive unless
    /// set.
    #[arg(long, value_name = "JOB")]
    pub job: Option<String>,
    /// Partitions of the topic; 12 unless set, as deploy/ makes it.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub partitions: Option<String>,
    /// What is read in the place of a topic: sqs, sqs-fifo, rabbitmq, activemq or activemq-stomp.
    #[arg(long, value_name = "KIND")]
    pub queue: Option<String>,
    /// input.max.held.messages; 20000 for SQS, 5000 for RabbitMQ, 2000 for ActiveMQ and 200 for it over STOMP unless set.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub held_messages: Option<String>,
    /// input.idle.flush.ms, as a duration: 30s; 5s unless set, and 200ms for a FIFO queue.
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub idle_flush: Option<String>,
    /// flush.size of the archive. With neither this nor an interval: 100000, and closed by the clock after --delay.
    #[arg(long, value_name = "RECORDS", allow_hyphen_values = true)]
    pub flush_size: Option<String>,
    /// rotate.interval.ms of the archive, as a duration: 10m.
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub rotate_interval: Option<String>,
    /// rotate.schedule.interval.ms of the archive, as a duration: 5m.
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub rotate_schedule_interval: Option<String>,
    /// s3.part.size of the archive; 5MiB unless set.
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub part_size: Option<String>,
    /// Objects of one partition that are open at a time, such as values of a field partitioner; 1 unless set.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub buckets: Option<String>,
    /// arm64 or x86; arm64 unless set.
    #[arg(long, value_name = "NAME")]
    pub architecture: Option<String>,
    /// vCPU of a task; 0.25 unless set.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub vcpu: Option<String>,
    /// GB of a task; 0.5 unless set.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub memory_gb: Option<String>,
    /// The part of a task's capacity that the mean load may take; 0.6 unless set.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub utilisation: Option<String>,
    /// So many tasks run even if fewer would do; 1 unless set.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub least_tasks: Option<String>,
    /// MB of the Lambda function; 512 unless set.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub lambda_memory_mb: Option<String>,
    /// How long an invocation takes beside the work for each record: the write and its way. An assumption, 50ms unless set:
    /// measure yours.
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub lambda_invocation: Option<String>,
    /// Messages that an invocation is given at most; 10000 unless set, which is the most that Lambda has.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub lambda_batch: Option<String>,
}

/// vCPU with the least and the most GB that Fargate has for it.
const FARGATE: [(f64, f64, f64); 7] = [
    (0.25, 0.5, 2.0),
    (0.5, 1.0, 4.0),
    (1.0, 2.0, 8.0),
    (2.0, 4.0, 16.0),
    (4.0, 8.0, 30.0),
    (8.0, 16.0, 60.0),
    (16.0, 32.0, 120.0),
];

const MOST_MESSAGES: f64 = 1e15;
const LARGEST_MESSAGE: f64 = 1_073_741_824.0;
const LONGEST: f64 = 365.0 * 86_400.0;
const MOST_PARTITIONS: f64 = 200_000.0;
/// S3's own bounds of a part.
const PART_SIZES: (f64, f64) = (5_242_880.0, 5_368_709_120.0);
/// Lambda's own bounds.
const LAMBDA_MEMORY: (f64, f64) = (128.0, 10_240.0);
const LAMBDA_BATCH: f64 = 10_000.0;
const LAMBDA_LONGEST: f64 = 900.0;

/// What the flags say; what they leave out comes from a topic, a connector, or is a default.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    messages_per_day: Option<f64>,
    size: Option<f64>,
    burst: Option<f64>,
    backlog: Option<f64>,
    drain: f64,
    delay: f64,
    job: Option<Job>,
    partitions: Option<f64>,
    queue: Option<Queue>,
    flush_size: Option<f64>,
    rotate_interval: Option<f64>,
    rotate_schedule: Option<f64>,
    part_size: Option<f64>,
    pub buckets: f64,
    architecture: Architecture,
    task: Task,
    function: Function,
}

/// What was found out about a running topic or connector.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    pub load: Option<Load>,
    pub partitions: Option<f64>,
    pub job: Option<Job>,
    pub files: Option<Files>,
    /// How, in sentences.
    pub how: Vec<String>,
}

impl Flags {
    /// Reads all of them; `measures` says that a running topic or connector will tell the load.
    ///
    /// # Errors
    /// Everything that is wrong, each with its flag and a remedy.
    pub fn read(&self, measures: bool) -> Result<Asked, Mistakes> {
        let mut reader = Reader(Vec::new());
        for (flag, value) in [
            ("--messages-per-day", &self.messages_per_day),
            ("--size", &self.size),
        ] {
            if value.is_none() && !measures {
                reader.0.push(format!(
                    "{flag} is missing: give it, or --topic with --bootstrap-server, or --connector with --url, to have it measured"
                ));
            }
        }
        let asked = Asked {
            messages_per_day: reader.read(
                "--messages-per-day",
                &self.messages_per_day,
                count,
                (0.0, MOST_MESSAGES),
            ),
            size: reader.read("--size", &self.size, size, (1.0, LARGEST_MESSAGE)),
            burst: reader.read("--burst", &self.burst, factor, (1.0, 1e6)),
            backlog: reader.read("--backlog", &self.backlog, count, (0.0, MOST_MESSAGES)),
            drain: reader
                .read("--drain", &self.drain, duration, (1.0, LONGEST))
                .unwrap_or(3600.0),
            delay: reader
                .read("--delay", &self.delay, duration, (0.001, LONGEST))
                .unwrap_or(300.0),
            job: reader.choice("--job", &self.job, &Job::ALL.map(|job| (job.name(), job))),
            partitions: reader.whole("--partitions", &self.partitions, MOST_PARTITIONS),
            queue: self.queue(&mut reader),
            flush_size: reader.whole("--flush-size", &self.flush_size, f64::from(i32::MAX)),
            rotate_interval: reader.read(
                "--rotate-interval",
                &self.rotate_interval,
                duration,
                (0.001, LONGEST),
            ),
            rotate_schedule: reader.read(
                "--rotate-schedule-interval",
                &self.rotate_schedule_interval,
                duration,
                (0.001, LONGEST),
            ),
            part_size: reader.read("--part-size", &self.part_size, size, PART_SIZES),
            buckets: reader
                .whole("--buckets", &self.buckets, MOST_PARTITIONS)
                .unwrap_or(1.0),
            architecture: reader
                .choice(
                    "--architecture",
                    &self.architecture,
                    &[Architecture::Arm64, Architecture::X86].map(|it| (it.name(), it)),
                )
                .unwrap_or(Architecture::Arm64),
            task: self.task(&mut reader),
            function: Function {
                memory_mb: reader
                    .read(
                        "--lambda-memory-mb",
                        &self.lambda_memory_mb,
                        |text| plain(text, "512"),
                        LAMBDA_MEMORY,
                    )
                    .unwrap_or(512.0),
                invocation: reader
                    .read(
                        "--lambda-invocation",
                        &self.lambda_invocation,
                        duration,
                        (0.001, LAMBDA_LONGEST),
                    )
                    .unwrap_or(0.05),
                batch: reader
                    .whole("--lambda-batch", &self.lambda_batch, LAMBDA_BATCH)
                    .unwrap_or(LAMBDA_BATCH),
            },
        };
        match reader.0.is_empty() {
            true => Ok(asked),
            false => Err(Mistakes(reader.0)),
        }
    }

    fn queue(&self, reader: &mut Reader) -> Option<Queue> {
        let kinds = Kind::ALL.map(|kind| (kind.name(), kind));
        let kind = reader.choice("--queue", &self.queue, &kinds);
        let held = reader.whole("--held-messages", &self.held_messages, f64::from(i32::MAX));
        let idle = reader.read("--idle-flush", &self.idle_flush, duration, (0.0, LONGEST));
        for (flag, value) in [
            ("--held-messages", &self.held_messages),
            ("--idle-flush", &self.idle_flush),
        ] {
            if value.is_some() && self.queue.is_none() {
                reader.0.push(format!(
                    "{flag} is about a queue: give --queue, too, or leave it out"
                ));
            }
        }
        if self.queue.is_some() && self.partitions.is_some() {
            reader.0.push(
                "--partitions is about a topic, and a queue has none: leave it out".to_owned(),
            );
        }
        let usual = Queue::usual(kind?);
        Some(Queue {
            held: held.unwrap_or(usual.held),
            idle: idle.unwrap_or(usual.idle),
            ..usual
        })
    }

    fn task(&self, reader: &mut Reader) -> Task {
        let vcpu = reader.read(
            "--vcpu",
            &self.vcpu,
            |text| plain(text, "0.25 or 1"),
            (0.0, 16.0),
        );
        let memory = reader.read(
            "--memory-gb",
            &self.memory_gb,
            |text| plain(text, "0.5 or 2"),
            (0.0, 120.0),
        );
        let vcpu = vcpu.unwrap_or(0.25);
        let size = FARGATE.iter().find(|(known, ..)| *known == vcpu);
        let memory_gb = match (size, memory) {
            (Some((_, least, _)), None) => *least,
            (_, memory) => memory.unwrap_or(0.5),
        };
        match size {
            None => {
                let sizes: Vec<String> = FARGATE.iter().map(|size| size.0.to_string()).collect();
                let sizes = sizes.join(", ");
                reader.0.push(format!(
                    "--vcpu {vcpu}: Fargate has {sizes}: write one of them"
                ));
            }
            Some((_, least, most)) if !(*least..=*most).contains(&memory_gb) => {
                reader.0.push(format!(
                    "--memory-gb {memory_gb}: with {vcpu} vCPU Fargate has {least} to {most} GB: write one of these"
                ));
            }
            Some(_) => {}
        }
        let utilisation = reader.read(
            "--utilisation",
            &self.utilisation,
            |text| plain(text, "0.6"),
            (0.01, 1.0),
        );
        let least = reader.whole("--least-tasks", &self.least_tasks, 1000.0);
        Task {
            vcpu,
            memory_gb,
            utilisation: utilisation.unwrap_or(0.6),
            least: least.unwrap_or(1.0),
        }
    }
}

/// Goes on after a mistake, so that all are told.
struct Reader(Vec<String>);

impl Reader {
    fn read(
        &mut self,
        flag: &str,
        text: &Option<String>,
        of: impl Fn(&str) -> Result<f64, String>,
        (least, most): (f64, f64),
    ) -> Option<f64> {
        let text = text.as_ref()?;
        let range = || format!("write {} to {}", shown(least), shown(most));
        let told = match of(text) {
            Ok(value) if value < least => format!("is less than {}: {}", shown(least), range()),
            Ok(value) if value > most => format!("is more than {}: {}", shown(most), range()),
            Ok(value) => return Some(value),
            Err(told) => told,
        };
        self.0.push(format!("{flag} {text}: {told}"));
        None
    }

    fn whole(&mut self, flag: &str, text: &Option<String>, most: f64) -> Option<f64> {
        let value = self.read(flag, text, count, (1.0, most))?;
        if value.fract() == 0.0 {
            return Some(value);
        }
        let text = text.as_deref().unwrap_or_default();
        self.0.push(format!("{flag} {text}: write a whole number"));
        None
    }

    fn choice<T: Copy>(
        &mut self,
        flag: &str,
        text: &Option<String>,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let text = text.as_ref()?;
        let found = choices.iter().find(|(name, _)| name == text);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let names = names.join(", ");
            self.0.push(format!(
                "{flag} {text}: there are {names}: write one of them"
            ));
        }
        found.map(|(_, choice)| *choice)
    }
}

impl Asked {
    /// With what is known of a running topic or connector; a flag goes before that.
    ///
    /// # Errors
    /// If neither tells the load.
    pub fn question(&self, known: &Known) -> Result<Question, Mistakes> {
        let load = known.load;
        let messages = self
            .messages_per_day
            .or(load.map(|load| load.messages_per_day));
        let size = self.size.or(load.map(|load| load.size));
        let (Some(messages_per_day), Some(size)) = (messages, size) else {
            let told = "the load could not be measured: give --messages-per-day and --size";
            return Err(Mistakes(vec![told.to_owned()]));
        };
        Ok(Question {
            load: Load {
                messages_per_day,
                size,
                burst: self.burst.or(load.map(|load| load.burst)).unwrap_or(1.0),
                backlog: self
                    .backlog
                    .or(load.map(|load| load.backlog))
                    .unwrap_or(0.0),
            },
            job: self.job.or(known.job).unwrap_or(Job::Archive),
            delay: self.delay,
            drain: self.drain,
            partitions: match self.queue {
                Some(_) => f64::INFINITY,
                None => self.partitions.or(known.partitions).unwrap_or(12.0),
            },
            queue: self.queue,
            files: self.files(known.files),
            architecture: self.architecture,
            task: self.task,
            function: self.function,
            measured: known.how.clone(),
        })
    }

    /// The flags where there is one, else the connector's settings, else those of `deploy/`, closed in time.
    fn files(&self, known: Option<Files>) -> Files {
        let is_given = self.flush_size.is_some()
            || self.rotate_interval.is_some()
            || self.rotate_schedule.is_some();
        let closed = match known {
            _ if is_given => (
                self.flush_size.unwrap_or(f64::INFINITY),
                self.rotate_interval,
                self.rotate_schedule,
            ),
            Some(files) => (
                files.flush_size,
                files.rotate_interval,
                files.rotate_schedule,
            ),
            // What is open over a queue is closed by its hold.
            None if self.queue.is_some() => (100_000.0, None, None),
            None => (100_000.0, None, Some(self.delay)),
        };
        let part_size = self.part_size.or(known.map(|files| files.part_size));
        Files {
            flush_size: closed.0,
            rotate_interval: closed.1,
            rotate_schedule: closed.2,
            part_size: part_size.unwrap_or(PART_SIZES.0),
            buckets: self.buckets,
        }
    }
}

#[cfg(test)]
mod tests;

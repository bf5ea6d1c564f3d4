//! A queue named by one URL, for whoever has no settings of a connector: which kind reads it, and what the URL comes to in
//! that kind's keys.

use crate::activemq::Scheme;
use crate::address::{BrokerUrl, alternatives, decoded};
use crate::kinds::{INPUT_TYPE, inputs};
use millstream_aws::{Endpoints, Environment, Service};
use millstream_core::Properties;
use millstream_core::plugin::InputPlugin;

/// All that a queue's URL may be, each with an example.
const FORMS: &str = "write sqs://eu-west-1/123456789012/orders or the queue's own URL for SQS, amqps://USER:PASSWORD@HOST/VHOST?queue=orders for RabbitMQ, activemq+ssl://HOST?queue=orders, stomp+ssl://HOST?queue=orders or failover:(…)?queue=orders for ActiveMQ";

/// The option that names the queue of a broker.
const QUEUE: &str = "queue";

/// The kinds by what `input.type` says, and the keys of each that say where the queue is and which it is.
const SQS: (&str, &str) = ("sqs", "sqs.queue.url");
const RABBITMQ: (&str, &str, &str) = ("rabbitmq", "rabbitmq.host", "rabbitmq.queue");
const ACTIVEMQ: (&str, &str, &str) = ("activemq", "activemq.url", "jms.destination.name");

/// What a URL comes to.
#[derive(Debug)]
pub struct QueueOfUrl {
    /// The kind and its keys, `input.type` among them.
    pub properties: Properties,
    /// The key whose value is the place, and has a password in it where the URL has one.
    pub place: &'static str,
    pub has_password: bool,
    /// What has no effect, in sentences.
    pub warnings: Vec<String>,
}

impl QueueOfUrl {
    /// Reads a URL; `more` are keys of the kind that stand elsewhere, and that those of the URL go before.
    ///
    /// # Errors
    /// All that is wrong with the URL, in sentences that quote no password.
    pub fn read(url: &str, more: &Properties) -> Result<Self, Vec<String>> {
        let url = url.trim();
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        match scheme {
            "sqs" => Ok(QueueOfUrl::of_sqs(
                &sqs_url(rest).map_err(|why| vec![why])?,
                more,
            )),
            "http" | "https" => Ok(QueueOfUrl::of_sqs(url, more)),
            _ if url.starts_with("arn:") => Err(vec![of_arn(url)]),
            _ => QueueOfUrl::of_broker(url, more),
        }
    }

    fn of_sqs(url: &str, more: &Properties) -> Self {
        let (kind, place) = SQS;
        let mut properties = more.clone();
        properties.insert(INPUT_TYPE, kind);
        properties.insert(place, url);
        QueueOfUrl {
            properties,
            place,
            has_password: false,
            warnings: Vec::new(),
        }
    }

    fn of_broker(url: &str, more: &Properties) -> Result<Self, Vec<String>> {
        let (list, options) = split_options(url);
        let mut errors = Vec::new();
        let places: Vec<Place> = alternatives(list)
            .into_iter()
            .filter_map(|item| {
                let place = Place::read(item, list.starts_with("failover:"));
                place.map_err(|why| errors.push(why)).ok()
            })
            .collect();
        let is_activemq = match places.first() {
            Some(first) => first.is_activemq,
            None if errors.is_empty() => {
                return Err(vec![format!("no broker is named; {FORMS}")]);
            }
            None => return Err(errors),
        };
        if places.iter().any(|place| place.is_activemq != is_activemq) {
            errors.push(
                "the URLs are of two kinds: amqp:// and amqps:// are RabbitMQ, all others ActiveMQ"
                    .to_owned(),
            );
        }
        let (kind, place, queue_key) = if is_activemq { ACTIVEMQ } else { RABBITMQ };
        let mut properties = more.clone();
        properties.insert(INPUT_TYPE, kind);
        let mut warnings = Vec::new();
        let mut named = false;
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            if name != QUEUE {
                warnings.push(format!("the option {name} has no effect"));
                continue;
            }
            match decoded(value) {
                Ok(queue) => {
                    properties.insert(queue_key, queue);
                    named = true;
                }
                Err(why) => errors.push(format!("{QUEUE}={value}: {why}")),
            }
        }
        let queue = properties.get(queue_key).unwrap_or_default();
        if queue.is_empty() && errors.is_empty() {
            errors.push(no_queue(&places, options, named));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let urls: Vec<&str> = places.iter().map(|place| &*place.url).collect();
        properties.insert(place, urls.join(","));
        Ok(QueueOfUrl {
            properties,
            place,
            has_password: places.iter().any(|place| place.has_password),
            warnings,
        })
    }

    /// What its settings are refused for: key and sentence. Who reads a queue by its URL keeps no offsets, so a log is
    /// refused.
    pub fn check(&self) -> Vec<(String, String)> {
        let plugin = self.plugin();
        let values = plugin.map(|plugin| (plugin.validate)(&self.properties));
        let values = values.into_iter().flatten();
        let errors = values.flat_map(|value| {
            let errors = value.errors.into_iter();
            errors.map(move |error| (value.name.clone(), error))
        });
        let log = plugin.filter(|plugin| (plugin.is_log)(&self.properties));
        let log = log.map(|plugin| {
            let why = format!(
                "{INPUT_TYPE}: a stream of {} takes a place to keep its offset; read it by a connector of a worker",
                plugin.name
            );
            (INPUT_TYPE.to_owned(), why)
        });
        errors.chain(log).collect()
    }

    /// The keys that the kind knows.
    pub fn keys(&self) -> Vec<String> {
        let definition = self.plugin().map(|plugin| (plugin.config_def)());
        let keys = definition.iter().flat_map(|definition| definition.keys());
        keys.map(|key| key.name.to_string()).collect()
    }

    fn plugin(&self) -> Option<InputPlugin> {
        let kind = self.properties.get(INPUT_TYPE)?;
        inputs().into_iter().find(|plugin| plugin.name == kind)
    }
}

fn no_queue(places: &[Place], options: &str, named: bool) -> String {
    let shown = places.first().map_or("", |place| &place.shown);
    let others = match options {
        options if named || options.is_empty() => String::new(),
        options => format!(" (its options are {options})"),
    };
    let host = match places.iter().find_map(|place| place.path.as_deref()) {
        Some(path) => format!("; {path} behind the host is RabbitMQ's virtual host"),
        None => String::new(),
    };
    format!("{shown} names no queue{others}; write ?{QUEUE}=NAME at its end{host}")
}

/// Where a broker is.
struct Place {
    /// As the kind's key takes it.
    url: String,
    /// The same without who signs in.
    shown: String,
    is_activemq: bool,
    has_password: bool,
    path: Option<String>,
}

impl Place {
    fn read(item: &str, is_failover: bool) -> Result<Self, String> {
        let parsed = BrokerUrl::parse(item)?;
        let (_, rest) = item.split_once("://").unwrap_or(("", item));
        let is_rabbitmq = !is_failover && matches!(&*parsed.scheme, "amqp" | "amqps");
        let as_is = || format!("{}://{rest}", parsed.scheme);
        let url = match &*parsed.scheme {
            // Whatever the protocol is: at the usual ports of OpenWire its own take their place.
            "activemq" => match parsed.port {
                None | Some(61616) => format!("tcp://{rest}"),
                Some(_) => format!("amqp://{rest}"),
            },
            "activemq+ssl" | "activemqs" => match parsed.port {
                None | Some(61617) => format!("ssl://{rest}"),
                Some(_) => format!("amqp+ssl://{rest}"),
            },
            _ if is_rabbitmq => as_is(),
            scheme => match Scheme::of(scheme) {
                Ok(_) => as_is(),
                Err(_) => return Err(format!("{scheme}:// is no queue's; {FORMS}")),
            },
        };
        let shown = format!("{}://{}", parsed.scheme, parsed.host);
        if let Some(path) = parsed.path.as_deref().filter(|_| !is_rabbitmq) {
            return Err(format!(
                "{shown} has {path} behind the host, which ActiveMQ has no use for; write ?{QUEUE}={path} if that is the queue"
            ));
        }
        Ok(Place {
            url,
            shown,
            is_activemq: !is_rabbitmq,
            has_password: parsed.password.is_some(),
            path: parsed.path,
        })
    }
}

/// A URL or a list of them, and the options behind it. Options within the parentheses of a list are those of one URL.
fn split_options(url: &str) -> (&str, &str) {
    let behind = if url.starts_with("failover:") {
        url.rfind(')').unwrap_or(0)
    } else {
        0
    };
    match url[behind..].find('?') {
        Some(at) => (&url[..behind + at], &url[behind + at + 1..]),
        None => (url, ""),
    }
}

/// The queue's own URL from what stands behind `sqs://`.
fn sqs_url(rest: &str) -> Result<String, String> {
    let wrong = |why: &str| {
        format!(
            "sqs://{rest} {why}; write sqs://eu-west-1/123456789012/orders: region, account and queue"
        )
    };
    let fields: Vec<&str> = rest.split('/').collect();
    let [region, account, name] = fields[..] else {
        return Err(wrong("has no three parts"));
    };
    if region.contains(['.', ':']) {
        return Err(format!(
            "sqs://{rest}: {region} is a host and no region; write the queue's own URL, https://{rest}, or http:// for a stand-in"
        ));
    }
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    if !is_account {
        return Err(wrong(&format!(
            "has no account in its second part: {account} is not of 12 digits"
        )));
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(wrong(&format!("has no queue in its third part: {name}")));
    }
    // AWS's own host: what the environment says of endpoints is for who asks.
    let endpoints = Endpoints::new(region, Environment::default());
    let host = endpoints.and_then(|endpoints| endpoints.url(Service::Sqs, None));
    let host = host.map_err(|why| wrong(&format!("({})", why.trim_start_matches("REGION: "))))?;
    Ok(format!("{host}/{account}/{name}"))
}

/// What to write for an ARN.
fn of_arn(arn: &str) -> String {
    let fields: Vec<&str> = arn.split(':').collect();
    match fields[..] {
        ["arn", _, "sqs", region, account, name] => {
            format!("{arn} is an ARN; write sqs://{region}/{account}/{name}")
        }
        _ => format!("{arn} is no ARN of a queue of SQS; {FORMS}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> QueueOfUrl {
        QueueOfUrl::read(url, &Properties::new()).unwrap_or_else(|errors| panic!("{errors:?}"))
    }

    /// The kind, the place, the queue, and that the kind takes it.
    fn check(url: &str, kind: &str, place: &str, queue: Option<&str>) {
        let found = read(url);
        let get = |key| found.properties.get(key);
        assert_eq!(get(INPUT_TYPE), Some(kind), "{url}");
        assert_eq!(get(found.place), Some(place), "{url}");
        assert_eq!(
            get("rabbitmq.queue").or(get("jms.destination.name")),
            queue,
            "{url}"
        );
        assert_eq!(found.check(), [], "{url}");
    }

    #[test]
    fn a_stream_is_left_to_workers() {
        let stream = Properties::from_iter([("rabbitmq.stream.offset", "first")]);
        let found = QueueOfUrl::read("amqp://h?queue=q", &stream).unwrap();
        let errors = found.check();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].1.contains("takes a place to keep its offset"));
    }

    fn refused(url: &str, expected: &[&str]) {
        let errors = QueueOfUrl::read(url, &Properties::new()).unwrap_err();
        assert_eq!(errors.len(), expected.len(), "{errors:?}");
        for (error, expected) in errors.iter().zip(expected) {
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("hidden"), "{error}");
        }
    }

    #[test]
    fn a_queue_of_sqs_is_named_by_region_account_and_name_or_by_its_url() {
        let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo";
        check("sqs://eu-west-1/123456789012/orders.fifo", "sqs", url, None);
        check(url, "sqs", url, None);
        check(
            "sqs://cn-north-1/123456789012/orders",
            "sqs",
            "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/orders",
            None,
        );
        let local = "http://localhost:9324/000000000000/orders";
        check(local, "sqs", local, None);
    }

    #[test]
    fn brokers_of_rabbitmq_are_amqp() {
        let url = "amqps://u:p%40w@b-1.mq.example:5671/shop";
        let place = "amqps://u:p%40w@b-1.mq.example:5671/shop";
        check(
            &format!("{url}?queue=a%2Fb"),
            "rabbitmq",
            place,
            Some("a/b"),
        );
        assert!(read(&format!("{url}?queue=a")).has_password);
        check("amqp://h?queue=q", "rabbitmq", "amqp://h", Some("q"));
        let both = "amqps://a:5671,amqps://b:5671";
        check(&format!("{both}?queue=q"), "rabbitmq", both, Some("q"));
    }

    #[test]
    fn brokers_of_activemq_are_all_others() {
        for (url, place) in [
            ("activemq://h", "tcp://h"),
            ("activemq://h:61616", "tcp://h:61616"),
            ("activemq://h:5673", "amqp://h:5673"),
            ("activemq+ssl://u:p@h:61617", "ssl://u:p@h:61617"),
            ("activemq+ssl://h:5671", "amqp+ssl://h:5671"),
            ("amqp+ssl://h:5671", "amqp+ssl://h:5671"),
            ("stomp+ssl://h:61614", "stomp+ssl://h:61614"),
            ("STOMP://h", "stomp://h"),
            (
                "failover:(ssl://a:61617,ssl://b:61617)",
                "ssl://a:61617,ssl://b:61617",
            ),
            ("failover:(amqp://a,amqp://b)", "amqp://a,amqp://b"),
        ] {
            check(
                &format!("{url}?queue=orders"),
                "activemq",
                place,
                Some("orders"),
            );
        }
        let found = read("failover:(ssl://a:61617?x=1)?randomize=false&queue=orders");
        assert_eq!(found.warnings, ["the option randomize has no effect"]);
    }

    #[test]
    fn slips_are_answered_with_what_to_write() {
        refused("", &["no broker is named; write sqs://"]);
        refused("orders", &["a scheme such as amqps:// is missing"]);
        refused(
            "kafka://b:9092?queue=q",
            &["kafka:// is no queue's; write sqs://"],
        );
        refused("ampqs://h?queue=q", &["ampqs:// is no queue's"]);
        refused(
            "sqs://orders",
            &["has no three parts; write sqs://eu-west-1/"],
        );
        refused("sqs://eu-west-1/1234/orders", &["1234 is not of 12 digits"]);
        refused(
            "sqs://eu-west-1/123456789012/",
            &["has no queue in its third part"],
        );
        refused("sqs://EU!/123456789012/orders", &["is no region of AWS"]);
        refused(
            "sqs://localhost:9324/000000000000/orders",
            &["or http:// for a stand-in"],
        );
        refused(
            "arn:aws:sqs:eu-west-1:123456789012:orders",
            &["write sqs://eu-west-1/123456789012/orders"],
        );
        refused(
            "amqp://u:hidden@h/shop?qeue=orders",
            &[
                "amqp://h names no queue (its options are qeue=orders); write ?queue=NAME at its end; shop behind the host is RabbitMQ's virtual host",
            ],
        );
        refused(
            "stomp://h",
            &["stomp://h names no queue; write ?queue=NAME"],
        );
        refused(
            "activemq://h/orders",
            &["write ?queue=orders if that is the queue"],
        );
        refused(
            "failover:(ssl://u:hidden@a:port,wss://b)?queue=q",
            &["the port is no number", "wss:// is no queue's"],
        );
        refused("amqp://a,stomp://b?queue=q", &["the URLs are of two kinds"]);
        refused("failover:()?queue=q", &["no broker is named"]);
    }

    #[test]
    fn more_keys_stand_behind_those_of_the_url() {
        let more = Properties::from_iter([("rabbitmq.queue", "of-file"), ("rabbitmq.port", "0")]);
        let found = QueueOfUrl::read("amqp://h", &more).unwrap();
        assert_eq!(found.properties.get("rabbitmq.queue"), Some("of-file"));
        assert_eq!(found.check()[0].0, "rabbitmq.port");
        let found = QueueOfUrl::read("amqp://h?queue=q", &more).unwrap();
        assert_eq!(found.properties.get("rabbitmq.queue"), Some("q"));
        assert!(found.keys().iter().any(|key| key == "rabbitmq.port"));
    }
}

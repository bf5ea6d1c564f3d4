//! The queue that `stream` reads in place of a topic: one URL and perhaps a file, as the settings of its input.

use super::words::in_words;
use crate::cli::{StreamArgs, USUAL_TOPIC};
use millstream_core::Properties;
use millstream_environment::secret;
use millstream_queues::QueueOfUrl;
use millstream_worker::config::parse_properties;
use millstream_worker::spelling::closest;
use std::fs;

/// The flag and its variable.
const URL: &str = "INPUT_URL (--input)";
const FILE: &str = "INPUT_PROPERTIES (--input-properties)";

/// The name under which the place stands where a password is in it.
const PLACE: &str = "INPUT_URL";

/// A queue, as the connector reads it.
pub(super) struct Input {
    /// The settings of the input, with references in the place of secrets.
    pub(super) properties: Properties,
    /// What those references stand for.
    pub(super) secrets: Properties,
    pub(super) warnings: Vec<String>,
    /// Keys and what people call them here.
    pub(super) names: Vec<(String, String)>,
}

impl Input {
    /// The queue that was named, if one was.
    ///
    /// # Errors
    /// Everything that is wrong with it, and no password.
    pub(super) fn read(args: &StreamArgs, provider: &str) -> Result<Option<Self>, Vec<String>> {
        let Some(url) = &args.input else {
            return Ok(None);
        };
        let file = file(args).map_err(|why| vec![why])?;
        let of_url = |why: String| format!("{URL}: {why}");
        let queue = QueueOfUrl::read(url, &file);
        let queue =
            queue.map_err(|errors| errors.into_iter().map(of_url).collect::<Vec<String>>())?;
        let mut input = Input {
            properties: Properties::new(),
            secrets: Properties::new(),
            warnings: queue.warnings.iter().cloned().map(of_url).collect(),
            names: Vec::new(),
        };
        input.take_names(args, &queue, &file);
        let errors: Vec<String> = queue.check().into_iter().map(|(_, why)| why).collect();
        if !errors.is_empty() {
            return Err(errors
                .iter()
                .map(|why| in_words(&input.names, why))
                .collect());
        }
        let known = queue.keys();
        for (key, value) in queue.properties.iter() {
            if key != "input.type" && !known.iter().any(|name| name == key) {
                continue;
            }
            let is_place = key == queue.place && queue.has_password;
            let secret = match is_place {
                true => Some(PLACE),
                false => secret::is_secret(key).then_some(key),
            };
            match secret {
                Some(name) => {
                    input.secrets.insert(name, value);
                    let reference = format!("${{{provider}:{name}}}");
                    input.properties.insert(key, reference);
                }
                None => input.properties.insert(key, value),
            }
        }
        input.warnings.extend(without_effect(args));
        Ok(Some(input))
    }

    /// What keys are called: by the file where they stand there alone, else by the URL. What of the file nobody reads is
    /// warned of.
    fn take_names(&mut self, args: &StreamArgs, queue: &QueueOfUrl, file: &Properties) {
        let path = args.input_properties.as_deref();
        let path = path.map_or_else(String::new, |path| path.display().to_string());
        let known = queue.keys();
        for (key, value) in file.iter() {
            if !known.iter().any(|name| name == key) {
                let meant = closest(key, known.iter().map(String::as_str));
                let meant =
                    meant.map_or_else(String::new, |name| format!("; did you mean {name}?"));
                let what = format!("{key} in {path} is no setting of this queue, and not read");
                self.warnings.push(what + &meant);
            } else if queue.properties.get(key) != Some(value) {
                let what = format!("{key} in {path} has no effect: {URL} says it, and goes first");
                self.warnings.push(what);
            } else {
                let name = format!("{key} in {path}");
                self.names.push((key.to_owned(), name));
            }
        }
        for (key, value) in queue.properties.iter() {
            if key != "input.type" && file.get(key) != Some(value) {
                self.names.push((key.to_owned(), URL.to_owned()));
            }
        }
    }
}

fn file(args: &StreamArgs) -> Result<Properties, String> {
    let Some(path) = &args.input_properties else {
        return Ok(Properties::new());
    };
    let shown = path.display();
    let text = fs::read(path).map_err(|error| format!("{FILE}: cannot read {shown}: {error}"))?;
    parse_properties(&text).map_err(|error| format!("{FILE}: {shown}: {error}"))
}

/// What is set for a topic, in one sentence.
fn without_effect(args: &StreamArgs) -> Option<String> {
    let set = [
        ("TOPIC_NAME (--topic)", args.topic != USUAL_TOPIC),
        (
            "KAFKA_BOOTSTRAP_SERVERS (--bootstrap-servers)",
            args.bootstrap_servers.is_some(),
        ),
        (
            "KAFKA_PROPERTIES (--kafka-properties)",
            args.kafka_properties.is_some(),
        ),
        ("GROUP_ID (--group-id)", args.group_id.is_some()),
        (
            "AUTO_OFFSET_RESET (--auto-offset-reset)",
            args.auto_offset_reset.is_some(),
        ),
        ("MSK_SERVICE (--msk-service)", args.msk_service.is_some()),
    ];
    let set: Vec<&str> = set
        .iter()
        .filter(|(_, is_set)| *is_set)
        .map(|(name, _)| *name)
        .collect();
    (!set.is_empty()).then(|| {
        format!(
            "without effect, because records come from {URL}: {}",
            set.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};

    fn read(flags: &[&str]) -> Result<Option<Input>, Vec<String>> {
        let flags: Vec<&str> = ["stream"].iter().chain(flags).copied().collect();
        match Cli::of(&flags, &[]).expect("the flags are right").command {
            Command::Stream(args) => Input::read(&args, "stream"),
            other => panic!("{other:?} is not stream"),
        }
    }

    fn whole(flags: &[&str]) -> Input {
        let input = read(flags).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        input.expect("a queue is named")
    }

    #[test]
    fn a_place_with_a_password_is_a_reference() {
        let url = "amqps://u:pw@h:5671/shop?queue=orders";
        let input = whole(&["--input", url]);
        let place = input.properties.get("rabbitmq.host");
        assert_eq!(place, Some("${stream:INPUT_URL}"));
        let secret = input.secrets.get("INPUT_URL");
        assert_eq!(secret, Some("amqps://u:pw@h:5671/shop"));
        assert_eq!(input.properties.get("rabbitmq.queue"), Some("orders"));
        let open = whole(&["--input", "amqp://h?queue=q"]);
        assert_eq!(open.properties.get("rabbitmq.host"), Some("amqp://h"));
        assert!(open.secrets.iter().next().is_none());
        assert!(read(&[]).expect("a topic is read").is_none());
    }

    #[test]
    fn a_file_has_what_a_url_has_no_place_for() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let text = "rabbitmq.username=u\nrabbitmq.password=pw\nrabbitmq.queue=f\nrabbitmq.prefech.count=1\ninput.idle.flush.ms=-1\n";
        fs::write(file.path(), text).expect("written");
        let path = file.path().to_str().expect("a plain path");
        let flags = ["--input", "amqp://h?queue=q", "--input-properties", path];
        let Err(errors) = read(&flags) else {
            panic!("an idle flush of -1");
        };
        assert_eq!(errors.len(), 1, "{errors:?}");
        let name = format!("input.idle.flush.ms in {path}");
        assert!(errors[0].contains(&name), "{errors:?}");
        fs::write(file.path(), text.replace("=-1", "=7")).expect("written");
        let input = whole(&[&flags[..], &["--topic", "T", "--group-id", "g"]].concat());
        let get = |key| input.properties.get(key);
        assert_eq!(
            get("rabbitmq.password"),
            Some("${stream:rabbitmq.password}")
        );
        assert_eq!(get("rabbitmq.username"), Some("u"));
        assert_eq!(
            (get("rabbitmq.queue"), get("rabbitmq.prefech.count")),
            (Some("q"), None)
        );
        let warnings = input.warnings.join("\n");
        for part in [
            "rabbitmq.queue in ",
            "did you mean rabbitmq.prefetch.count?",
            "TOPIC_NAME (--topic), GROUP_ID (--group-id)",
        ] {
            assert!(warnings.contains(part), "{warnings}");
        }
    }
}

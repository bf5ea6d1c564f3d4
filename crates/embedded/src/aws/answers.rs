//! What the services answer when nothing is scripted.

use super::{Received, State, queues, signature};
use serde_json::{Map, Value as Json, json};
use std::time::Duration;

/// What is asked.
pub(super) enum Question {
    /// By a target of AWS JSON.
    Document { operation: String, members: Json },
    /// The brokers of the cluster with this ARN.
    Brokers(String),
    /// Whatever stands at a path.
    Path(String),
    /// An object of S3, at a path that is signed for that service.
    Object(String),
}

/// What an answer holds.
pub(super) enum Body {
    Document(Json),
    Text(String),
}

pub(super) type Answer = (u16, Vec<(&'static str, String)>, Body);

impl Question {
    pub(super) fn read(received: &Received) -> Self {
        let target = received.headers.get("x-amz-target");
        if let Some(target) = target.and_then(|target| target.to_str().ok()) {
            let operation = target.rsplit('.').next().unwrap_or_default();
            return Question::Document {
                operation: operation.to_owned(),
                members: serde_json::from_slice(&received.body).unwrap_or_default(),
            };
        }
        let path = received.target.split('?').next().unwrap_or_default();
        let arn = path
            .strip_prefix("/v1/clusters/")
            .and_then(|rest| rest.strip_suffix("/bootstrap-brokers"));
        match arn {
            Some(arn) => Question::Brokers(unescaped(arn)),
            None if is_for_s3(received) => Question::Object(path.to_owned()),
            None => Question::Path(path.to_owned()),
        }
    }

    pub(super) fn operation(&self) -> &str {
        match self {
            Question::Document { operation, .. } => operation,
            Question::Brokers(_) => "GetBootstrapBrokers",
            Question::Path(path) => path,
            Question::Object(_) => "GetObject",
        }
    }

    /// How long an answer waits for messages, and in which queue.
    pub(super) fn receive_wait(&self) -> Option<(String, Duration)> {
        match self {
            Question::Document { operation, members } => queues::receive_wait(operation, members),
            Question::Brokers(_) | Question::Path(_) | Question::Object(_) => None,
        }
    }

    /// As whom a signature has to be; nothing where none is asked for.
    fn service(&self) -> Option<&'static str> {
        match self {
            Question::Document { operation, .. } => Some(match operation.as_str() {
                "GetSecretValue" => "secretsmanager",
                "GetParameter" => "ssm",
                other if queues::is_operation(other) => "sqs",
                _ => "servicediscovery",
            }),
            Question::Brokers(_) => Some("kafka"),
            Question::Object(_) => Some("s3"),
            Question::Path(_) => None,
        }
    }
}

/// `now`: since the server started.
pub(super) fn answer(
    state: &mut State,
    question: &Question,
    received: &Received,
    now: Duration,
) -> Answer {
    if let Some(service) = question.service()
        && let Err(refusal) = signature::check(state, received, service)
    {
        let answer = error(refusal.status, refusal.name, &refusal.message);
        state.refusals.push(refusal);
        return answer;
    }
    match question {
        Question::Document { operation, members } => match operation.as_str() {
            "DiscoverInstances" => instances(state, members, true),
            "DiscoverInstancesRevision" => instances(state, members, false),
            "GetSecretValue" => secret(state, members),
            "GetParameter" => parameter(state, members),
            operation if queues::is_operation(operation) => {
                queues::answer(&mut state.queues, operation, members, now)
            }
            _ => error(400, "UnknownOperationException", ""),
        },
        Question::Brokers(arn) => match state.brokers.get(arn) {
            Some(answer) => document(200, answer.clone()),
            None => error(
                404,
                "NotFoundException",
                "The requested resource doesn't exist.",
            ),
        },
        Question::Object(path) => object(state, path),
        Question::Path(path) => at_path(state, path, received),
    }
}

fn instances(state: &State, members: &Json, in_full: bool) -> Answer {
    let text = |name: &str| members[name].as_str().unwrap_or_default().to_owned();
    let (namespace, service) = (text("NamespaceName"), text("ServiceName"));
    if !state.instances.keys().any(|(known, _)| *known == namespace) {
        return error(400, "NamespaceNotFound", "");
    }
    let place = (namespace.clone(), service.clone());
    let Some(instances) = state.instances.get(&place) else {
        return error(400, "ServiceNotFound", "");
    };
    if !in_full {
        return document(200, json!({"InstancesRevision": state.revision}));
    }
    let mut instances: Vec<Json> = instances
        .iter()
        .map(|(id, attributes)| {
            json!({
                "InstanceId": id,
                "NamespaceName": namespace,
                "ServiceName": service,
                "HealthStatus": "HEALTHY",
                "Attributes": attributes,
            })
        })
        .collect();
    // The service tells them in any order: in another one each time.
    if !instances.is_empty() {
        let turn = state.calls.len() % instances.len();
        instances.rotate_left(turn);
    }
    let answer = json!({"Instances": instances, "InstancesRevision": state.revision});
    document(200, answer)
}

fn secret(state: &State, members: &Json) -> Answer {
    let id = members["SecretId"].as_str().unwrap_or_default();
    let current = members["VersionStage"].as_str().unwrap_or("AWSCURRENT") == "AWSCURRENT";
    match state.secrets.get(id).filter(|_| current) {
        Some(text) => document(200, json!({"Name": id, "SecretString": text})),
        None => {
            let message = "Secrets Manager can't find the specified secret.";
            error(400, "ResourceNotFoundException", message)
        }
    }
}

fn parameter(state: &State, members: &Json) -> Answer {
    let name = members["Name"].as_str().unwrap_or_default();
    match state.parameters.get(name) {
        Some(value) => {
            let parameter =
                json!({"Name": name, "Type": "SecureString", "Value": value, "Version": 1});
            document(200, json!({"Parameter": parameter}))
        }
        None => error(400, "ParameterNotFound", ""),
    }
}

fn is_for_s3(received: &Received) -> bool {
    let signed = received.headers.get("authorization");
    let signed = signed.and_then(|value| value.to_str().ok());
    signed.is_some_and(|value| value.contains("/s3/aws4_request"))
}

fn object(state: &State, path: &str) -> Answer {
    let of_type = |name: &str| vec![("content-type", name.to_owned())];
    match state.objects.get(path) {
        Some(text) => (200, of_type("application/json"), Body::Text(text.clone())),
        None => {
            let why = "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>";
            (404, of_type("application/xml"), Body::Text(why.to_owned()))
        }
    }
}

fn at_path(state: &State, path: &str, received: &Received) -> Answer {
    let Some((found, token)) = state.documents.get(path) else {
        return document(404, Json::Object(Map::new()));
    };
    let brought = received.headers.get("authorization");
    let brought = brought.and_then(|token| token.to_str().ok());
    if token.is_some() && brought != token.as_deref() {
        return document(401, json!({"code": "InvalidToken", "message": "no"}));
    }
    document(200, found.clone())
}

pub(super) fn document(status: u16, document: Json) -> Answer {
    (status, Vec::new(), Body::Document(document))
}

pub(super) fn error(status: u16, name: &str, message: &str) -> Answer {
    (
        status,
        vec![("x-amzn-errortype", name.to_owned())],
        Body::Document(json!({"__type": name, "message": message})),
    )
}

fn unescaped(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| first == b'%');
        let byte = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

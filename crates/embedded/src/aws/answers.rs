//! What the services answer when nothing is scripted.

use super::signature;
use super::{Received, State};
use serde_json::{Map, Value as Json, json};

/// What is asked.
pub(super) enum Question {
    /// By a target of AWS JSON.
    Document { operation: String, members: Json },
    /// The brokers of the cluster with this ARN.
    Brokers(String),
    /// Whatever stands at a path.
    Path(String),
}

type Answer = (u16, Vec<(&'static str, String)>, Json);

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
            None => Question::Path(path.to_owned()),
        }
    }

    pub(super) fn operation(&self) -> &str {
        match self {
            Question::Document { operation, .. } => operation,
            Question::Brokers(_) => "GetBootstrapBrokers",
            Question::Path(path) => path,
        }
    }

    /// As whom a signature has to be; nothing where none is asked for.
    fn service(&self) -> Option<&'static str> {
        match self {
            Question::Document { operation, .. } => Some(match operation.as_str() {
                "GetSecretValue" => "secretsmanager",
                "GetParameter" => "ssm",
                _ => "servicediscovery",
            }),
            Question::Brokers(_) => Some("kafka"),
            Question::Path(_) => None,
        }
    }
}

pub(super) fn answer(state: &mut State, question: &Question, received: &Received) -> Answer {
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
            _ => error(400, "UnknownOperationException", ""),
        },
        Question::Brokers(arn) => match state.brokers.get(arn) {
            Some(answer) => (200, Vec::new(), answer.clone()),
            None => error(
                404,
                "NotFoundException",
                "The requested resource doesn't exist.",
            ),
        },
        Question::Path(path) => document(state, path, received),
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
        return (
            200,
            Vec::new(),
            json!({"InstancesRevision": state.revision}),
        );
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
    (200, Vec::new(), answer)
}

fn secret(state: &State, members: &Json) -> Answer {
    let id = members["SecretId"].as_str().unwrap_or_default();
    let current = members["VersionStage"].as_str().unwrap_or("AWSCURRENT") == "AWSCURRENT";
    match state.secrets.get(id).filter(|_| current) {
        Some(text) => (200, Vec::new(), json!({"Name": id, "SecretString": text})),
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
            (200, Vec::new(), json!({"Parameter": parameter}))
        }
        None => error(400, "ParameterNotFound", ""),
    }
}

fn document(state: &State, path: &str, received: &Received) -> Answer {
    let Some((document, token)) = state.documents.get(path) else {
        return (404, Vec::new(), Json::Object(Map::new()));
    };
    let brought = received.headers.get("authorization");
    let brought = brought.and_then(|token| token.to_str().ok());
    if token.is_some() && brought != token.as_deref() {
        return (
            401,
            Vec::new(),
            json!({"code": "InvalidToken", "message": "no"}),
        );
    }
    (200, Vec::new(), document.clone())
}

fn error(status: u16, name: &str, message: &str) -> Answer {
    (
        status,
        vec![("x-amzn-errortype", name.to_owned())],
        json!({"__type": name, "message": message}),
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

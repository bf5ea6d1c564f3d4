//! SSM's parameter store.

use super::document;
use crate::client::endpoint::region_of_arn;
use crate::client::{Asks, Call, Service};
use millstream_core::Password;
use serde_json::{Value as Json, json};

/// A parameter by its name, with `:version` or not, decrypted if need be.
pub fn get_parameter(name: &str) -> Call {
    let call = document(Service::Ssm, "AmazonSSM", "GetParameter", &[]);
    Call {
        region: region_of_arn(name).map(str::to_owned),
        asks: Asks::Document {
            target: "AmazonSSM.GetParameter".to_owned(),
            body: json!({"Name": name, "WithDecryption": true}).to_string(),
        },
        ..call
    }
}

/// The value, which may be a secret.
pub fn parse_parameter(answer: &Json) -> Result<Password, String> {
    let value = answer.pointer("/Parameter/Value").and_then(Json::as_str);
    value
        .map(Password::new)
        .ok_or_else(|| "the answer lacks Parameter.Value".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::any_json;
    use proptest::prelude::*;

    #[test]
    fn reads_parameters() {
        let answer = json!({"Parameter": {"Name": "/a", "Type": "SecureString", "Value": "v"}});
        assert_eq!(parse_parameter(&answer), Ok(Password::new("v")));
        assert!(parse_parameter(&json!({"Parameter": {}})).is_err());
        let Asks::Document { body, .. } = get_parameter("/a:3").asks else {
            panic!("no document");
        };
        assert_eq!(body, r#"{"Name":"/a:3","WithDecryption":true}"#);
    }

    proptest! {
        #[test]
        fn takes_any_answer(answer in any_json(&["Parameter", "Value"])) {
            let _ = parse_parameter(&answer);
        }
    }
}

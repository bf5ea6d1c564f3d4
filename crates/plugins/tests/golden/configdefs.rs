//! `transforms/configdefs.json`: every option of every plugin as Java documents it.

use millstream_core::ConfigDef;
use millstream_core::config::{Default, Key};
use millstream_golden::{Outcome, run};
use millstream_plugins::{CONVERTERS, HEADER_CONVERTERS, PREDICATES, TRANSFORMS};
use serde_json::{Value as Json, json};

#[test]
fn golden_configdefs() {
    run("plugin settings", |_, case| judge(case));
}

fn judge(case: &Json) -> Outcome {
    let ours: [(&str, Vec<(&str, fn() -> ConfigDef)>); 4] = [
        (
            "transformations",
            TRANSFORMS.iter().map(|p| (p.class, p.config_def)).collect(),
        ),
        (
            "predicates",
            PREDICATES.iter().map(|p| (p.class, p.config_def)).collect(),
        ),
        (
            "converters",
            CONVERTERS.iter().map(|p| (p.class, p.config_def)).collect(),
        ),
        (
            "header_converters",
            HEADER_CONVERTERS
                .iter()
                .map(|p| (p.class, p.config_def))
                .collect(),
        ),
    ];
    let mut differences = Vec::new();
    for (kind, plugins) in ours {
        for (class, recorded) in case[kind].as_object().unwrap() {
            let Some((_, config_def)) = plugins.iter().find(|(known, _)| known == class) else {
                differences.push(format!("{kind}: {class} is missing"));
                continue;
            };
            let actual: Vec<Json> = config_def().keys().iter().map(described).collect();
            for (actual, recorded) in actual.iter().zip(recorded.as_array().unwrap()) {
                let mut recorded = recorded.clone();
                // Validators are told by their messages, which other cases show.
                recorded.as_object_mut().unwrap().shift_remove("validator");
                recorded.as_object_mut().unwrap().shift_remove("internal");
                if *actual != recorded {
                    differences.push(format!("{class}\n   actual {actual}\n expected {recorded}"));
                }
            }
            if actual.len() != recorded.as_array().unwrap().len() {
                differences.push(format!("{class}: other keys"));
            }
        }
    }
    if differences.is_empty() {
        Outcome::Passed
    } else {
        Outcome::Failed(differences.join("\n"))
    }
}

fn described(key: &Key) -> Json {
    let mut described = json!({
        "name": key.name,
        "type": key.kind.name(),
        "required": key.default == Default::Required,
        "importance": key.importance.name(),
        "group": key.group,
        "order": key.order,
        "width": key.width.name(),
        "display_name": key.display_name,
        "documentation": key.doc,
    });
    match &key.default {
        Default::Required => {}
        Default::Null => described["default"] = Json::Null,
        Default::Text(text) => described["default"] = Json::from(text.as_ref()),
    }
    described
}

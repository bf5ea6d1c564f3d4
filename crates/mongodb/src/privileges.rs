//! Privileges: whether the user of a connection string may do in a collection what the sink does there, by what the server
//! tells of the user. The rules are the original's. It reads answers and asks nobody.

use bson::{Bson, Document};

/// What the sink does in a collection, in the order in which it is missed.
pub(crate) const ACTIONS: &[&str] = &["insert", "update", "remove"];
/// For a time series it looks at the collection first.
pub(crate) const ACTIONS_OF_SERIES: &[&str] = &["insert", "update", "remove", "collStats"];

/// A collection, and what is to be done there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) database: String,
    /// Empty where records alone know it: then all collections have to be granted.
    pub(crate) collection: String,
    pub(crate) actions: &'static [&'static str],
}

/// Actions that are granted on something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Privilege {
    resource: Resource,
    actions: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Resource {
    Everything,
    /// A name that is empty stands for all.
    Collections {
        database: String,
        collection: String,
    },
    Other,
}

/// A role as `connectionStatus` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) database: String,
}

/// What a server told that has another shape than MongoDB's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer's {0} is not as MongoDB has it")]
pub(crate) struct Odd(&'static str);

/// The user's own privileges and roles in an answer to `connectionStatus`.
///
/// # Errors
/// The answer has another shape.
pub(crate) fn of_user(status: &Document) -> Result<(Vec<Privilege>, Vec<Role>), Odd> {
    let nothing = Document::new();
    let told = match status.get("authInfo") {
        None => &nothing,
        Some(Bson::Document(told)) => told,
        Some(_) => return Err(Odd("authInfo")),
    };
    let roles = list(told, "authenticatedUserRoles")?.iter().map(|role| {
        let text = |name| role.as_document().and_then(|role| role.get_str(name).ok());
        let (name, database) = (text("role"), text("db"));
        name.zip(database).map(|(name, database)| Role {
            name: name.to_owned(),
            database: database.to_owned(),
        })
    });
    let roles: Option<Vec<Role>> = roles.collect();
    let roles = roles.ok_or(Odd("authenticatedUserRoles"))?;
    Ok((privileges(told, "authenticatedUserPrivileges")?, roles))
}

/// What a role grants, in an answer to `rolesInfo`.
///
/// # Errors
/// The answer has another shape.
pub(crate) fn of_role(info: &Document) -> Result<Vec<Privilege>, Odd> {
    let mut granted = Vec::new();
    for role in list(info, "roles")? {
        let role = role.as_document().ok_or(Odd("roles"))?;
        granted.extend(privileges(role, "inheritedPrivileges")?);
    }
    Ok(granted)
}

/// The actions that nobody grants, in their order. `source` is the database that knows the user; the original takes what is
/// granted on the whole of it for granted everywhere.
pub(crate) fn missing(granted: &[Privilege], source: &str, place: &Place) -> Vec<&'static str> {
    let actions = place.actions.iter().copied();
    actions
        .filter(|action| {
            !granted.iter().any(|privilege| {
                privilege.actions.iter().any(|one| one == action)
                    && privilege.resource.covers(source, place)
            })
        })
        .collect()
}

impl Resource {
    fn covers(&self, source: &str, place: &Place) -> bool {
        match self {
            Resource::Everything => true,
            Resource::Collections {
                database,
                collection,
            } => {
                let is_collection = collection.is_empty() || *collection == place.collection;
                let is_database = database.is_empty() || *database == place.database;
                is_collection && is_database || database == source && collection.is_empty()
            }
            Resource::Other => false,
        }
    }
}

/// A list that is not there is empty.
fn list<'a>(document: &'a Document, name: &'static str) -> Result<&'a [Bson], Odd> {
    match document.get(name) {
        None | Some(Bson::Null) => Ok(&[]),
        Some(Bson::Array(list)) => Ok(list),
        Some(_) => Err(Odd(name)),
    }
}

fn privileges(document: &Document, name: &'static str) -> Result<Vec<Privilege>, Odd> {
    let granted = list(document, name)?.iter();
    granted.map(|one| privilege(one).ok_or(Odd(name))).collect()
}

fn privilege(told: &Bson) -> Option<Privilege> {
    let told = told.as_document()?;
    let actions = list(told, "actions").ok()?.iter();
    let actions: Option<Vec<String>> = actions
        .map(|action| action.as_str().map(str::to_owned))
        .collect();
    let resource = match told.get("resource") {
        None => Resource::Other,
        Some(resource) => self::resource(resource.as_document()?)?,
    };
    Some(Privilege {
        resource,
        actions: actions?,
    })
}

fn resource(told: &Document) -> Option<Resource> {
    let is_set = |name| told.get_bool(name).unwrap_or(false);
    if is_set("cluster") || is_set("anyResource") {
        return Some(Resource::Everything);
    }
    match (told.get("db"), told.get("collection")) {
        (Some(database), Some(collection)) => Some(Resource::Collections {
            database: database.as_str()?.to_owned(),
            collection: collection.as_str()?.to_owned(),
        }),
        _ => Some(Resource::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    const NONE: &str = "insert, update, remove";

    /// What is missing in shop.orders for a user whom `admin` knows.
    fn check(granted: Bson, expected: Result<&str, Odd>) {
        let status = doc! {"authInfo": {"authenticatedUserPrivileges": granted.clone()}};
        let place = Place {
            database: "shop".to_owned(),
            collection: "orders".to_owned(),
            actions: ACTIONS,
        };
        let told = of_user(&status).map(|(granted, _)| missing(&granted, "admin", &place));
        let told = told.map(|missing| missing.join(", "));
        assert_eq!(told, expected.map(str::to_owned), "{granted}");
    }

    fn on(resource: Document) -> Bson {
        Bson::Array(vec![
            doc! {"resource": resource, "actions": ["find", "insert", "update", "remove"]}.into(),
        ])
    }

    /// The original's own answers, but for anyResource, which it overlooks.
    #[test]
    fn a_privilege_covers_what_the_original_says_it_does() {
        for (resource, expected) in [
            (doc! {"db": "", "collection": ""}, ""),
            (doc! {"db": "shop", "collection": ""}, ""),
            (doc! {"db": "shop", "collection": "orders"}, ""),
            (doc! {"db": "", "collection": "orders"}, ""),
            (doc! {"db": "admin", "collection": ""}, ""),
            (doc! {"db": "admin", "collection": "orders"}, NONE),
            (doc! {"db": "other", "collection": ""}, NONE),
            (doc! {"db": "shop", "collection": "other"}, NONE),
            (doc! {"cluster": true}, ""),
            (doc! {"cluster": false}, NONE),
            (doc! {"cluster": false, "db": "shop", "collection": ""}, ""),
            (doc! {"anyResource": true}, ""),
            (doc! {"db": "shop"}, NONE),
            (doc! {}, NONE),
        ] {
            check(on(resource), Ok(expected));
        }
    }

    #[test]
    fn what_several_grant_adds_up_and_what_is_missing_keeps_its_order() {
        let insert = doc! {"resource": {"db": "shop", "collection": ""}, "actions": ["insert"]};
        let remove = doc! {"resource": {"db": "", "collection": ""}, "actions": ["remove"]};
        check(Bson::Array(vec![]), Ok(NONE));
        check(
            Bson::Array(vec![insert.clone().into()]),
            Ok("update, remove"),
        );
        check(
            Bson::Array(vec![remove.into(), insert.into()]),
            Ok("update"),
        );
        let place = Place {
            database: "shop".to_owned(),
            collection: String::new(),
            actions: ACTIONS_OF_SERIES,
        };
        let told =
            doc! {"roles": [{"inheritedPrivileges": on(doc! {"db": "shop", "collection": ""})}]};
        let granted = of_role(&told).expect("a role");
        assert_eq!(missing(&granted, "admin", &place), ["collStats"]);
        let told =
            doc! {"roles": [{"inheritedPrivileges": on(doc! {"db": "shop", "collection": "a"})}]};
        let granted = of_role(&told).expect("a role");
        assert_eq!(missing(&granted, "admin", &place), ACTIONS_OF_SERIES);
        assert_eq!(of_role(&doc! {}), Ok(Vec::new()));
    }

    #[test]
    fn another_shape_is_no_missing_privilege() {
        const PRIVILEGES: Odd = Odd("authenticatedUserPrivileges");
        let all = ["insert", "update", "remove"];
        for told in [
            Bson::String("x".to_owned()),
            Bson::Array(vec![Bson::Int32(1)]),
            Bson::Array(vec![
                doc! {"resource": {"db": "", "collection": ""}, "actions": "x"}.into(),
            ]),
            Bson::Array(vec![
                doc! {"resource": {"db": 1, "collection": ""}, "actions": all.to_vec()}.into(),
            ]),
            Bson::Array(vec![doc! {"resource": "x", "actions": all.to_vec()}.into()]),
        ] {
            check(told, Err(PRIVILEGES));
        }
        check(
            Bson::Array(vec![doc! {"actions": all.to_vec()}.into()]),
            Ok(NONE),
        );
        assert_eq!(of_user(&doc! {"ok": 1}), Ok((Vec::new(), Vec::new())));
        assert_eq!(of_user(&doc! {"authInfo": 1}), Err(Odd("authInfo")));
        let roles = doc! {"authInfo": {"authenticatedUserRoles": [{"role": 1, "db": "shop"}]}};
        assert_eq!(of_user(&roles), Err(Odd("authenticatedUserRoles")));
    }
}

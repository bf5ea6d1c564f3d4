//! Each row of the tables of choices.

use super::*;
use proptest::prelude::*;

const ARN: &str = "arn:aws:kafka:eu-west-1:1:cluster/a/1";
const OTHER: &str = "arn:aws:kafka:eu-west-1:1:cluster/b/2";

fn instance(id: &str, attributes: &[(&str, &str)]) -> Instance {
    let attributes = attributes.iter();
    Instance {
        id: id.to_owned(),
        attributes: attributes
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

fn wrong<T: std::fmt::Debug>(result: Result<T, Unfit>) -> String {
    match result {
        Err(Unfit::Wrong(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_instance_is_not_yet() {
    assert!(matches!(choose_cluster(&[], None), Err(Unfit::NotYet(_))));
    assert!(matches!(choose_database(&[], None), Err(Unfit::NotYet(_))));
}

#[test]
fn one_cluster_is_taken() {
    let chosen = choose_cluster(&[instance("a", &[("broker_arn", ARN)])], None).unwrap();
    assert_eq!(chosen.value, ClusterPlace::Arn(ARN.to_owned()));
    assert!(chosen.warnings.is_empty());
}

#[test]
fn of_several_clusters_the_smallest_id_is_taken_in_any_order() {
    let mut instances = [
        instance("b", &[("broker_arn", OTHER)]),
        instance("a", &[("broker_arn", ARN)]),
        instance("0", &[("broker_arn", "")]),
    ];
    for _ in 0..3 {
        instances.rotate_left(1);
        let chosen = choose_cluster(&instances, None).unwrap();
        assert_eq!(chosen.instance, "a");
        let warning = &chosen.warnings[0];
        assert!(
            warning.contains("a, b") && warning.contains("MSK_INSTANCE_ID"),
            "{warning}"
        );
    }
    let chosen = choose_cluster(&instances, Some("b")).unwrap();
    assert_eq!(chosen.value, ClusterPlace::Arn(OTHER.to_owned()));
    let missing = choose_cluster(&instances, Some("c"));
    assert!(matches!(missing, Err(Unfit::NotYet(why)) if why.contains("0, a, b")));
    let blank = wrong(choose_cluster(&instances, Some("0")));
    assert!(blank.contains("broker_arn"), "{blank}");
}

#[test]
fn several_instances_of_one_cluster_are_no_matter() {
    let same = [
        instance("b", &[("broker_arn", ARN)]),
        instance("a", &[("broker_arn", ARN)]),
    ];
    assert!(choose_cluster(&same, None).unwrap().warnings.is_empty());
}

#[test]
fn a_missing_arn_tells_names_and_no_values() {
    let instances = [instance("a", &[("password", "hush"), ("arn", "x")])];
    let why = wrong(choose_cluster(&instances, None));
    assert_eq!(
        why,
        "no instance has the attribute broker_arn; there are arn, password"
    );
}

#[test]
fn brokers_may_be_registered_as_they_are() {
    let at = |text: &str| choose_cluster(&[instance("a", &[("broker_arn", text)])], None);
    let list = "b-1:9094,b-2:9094";
    assert_eq!(
        at(list).unwrap().value,
        ClusterPlace::Static(list.to_owned())
    );
    for text in [
        "nonsense",
        "b-1:0",
        "http://b:9094",
        "arn:aws:s3:::b:9094",
        "b:9094,",
    ] {
        let why = wrong(at(text));
        assert!(why.contains("host:port"), "{why}");
    }
}

#[test]
fn a_database_is_never_a_reader() {
    let secret = ("secret_arn", "arn:secret");
    let instances = [
        instance("xReadEndpoint1", &[("endpoint", "reader"), secret]),
        instance("xEndpoint2", &[("endpoint", "writer"), secret]),
    ];
    let chosen = choose_database(&instances, None).unwrap();
    assert_eq!(chosen.value.host.as_deref(), Some("writer"));
    assert!(chosen.warnings.is_empty());
    let why = wrong(choose_database(&instances[..1], None));
    assert!(
        why.contains("read endpoints alone (xReadEndpoint1)"),
        "{why}"
    );
    // The case counts, as in the workshop's script.
    let lower = [instance("xreadendpoint", &[("endpoint", "e"), secret])];
    assert!(choose_database(&lower, None).is_ok());
}

#[test]
fn of_several_databases_the_smallest_id_is_taken() {
    let secret = ("secret_arn", "arn:secret");
    let instances = [
        instance("b", &[("endpoint", "two"), secret]),
        instance("a", &[("endpoint", "one"), secret]),
    ];
    let chosen = choose_database(&instances, None).unwrap();
    assert_eq!(chosen.value.host.as_deref(), Some("one"));
    assert!(chosen.warnings[0].contains("a, b"));
}

#[test]
fn logins_are_a_secret_or_given() {
    let given = Login {
        user: "env".to_owned(),
        password: Password::new("secret"),
    };
    let with = |attributes: &[(&str, &str)], given: Option<&Login>| {
        choose_database(&[instance("a", attributes)], given)
    };
    let (endpoint, user) = (("endpoint", "e"), ("user", "u"));
    let password = ("password", " hush ");
    let secret = ("secret_arn", "arn:s");
    let chosen = with(&[endpoint, user, password, secret], Some(&given)).unwrap();
    assert_eq!(chosen.value.login, LoginPlace::Secret("arn:s".to_owned()));
    let chosen = with(&[endpoint, user, password], Some(&given)).unwrap();
    assert!(
        matches!(&chosen.value.login, LoginPlace::Given(login) if login.password.reveal() == " hush ")
    );
    assert!(chosen.warnings[0].contains("clear text") && !chosen.warnings[0].contains("hush"));
    let chosen = with(&[endpoint, user], Some(&given)).unwrap();
    assert_eq!(chosen.value.login, LoginPlace::Given(given));
    let why = wrong(with(&[endpoint, password], None));
    assert!(why.contains("DOCDB_USER") && !why.contains("hush"), "{why}");
    let why = wrong(with(&[user, password], None));
    assert!(why.contains("endpoint"), "{why}");
    // A secret may tell where the database is.
    assert_eq!(with(&[secret], None).unwrap().value.host, None);
}

#[test]
fn reads_hosts_and_ports() {
    let at = |attributes: &[(&str, &str)]| {
        let mut all = vec![("secret_arn", "arn:s")];
        all.extend(attributes);
        let chosen = choose_database(&[instance("a", &all)], None)?;
        Ok((chosen.value.host.unwrap(), chosen.value.port))
    };
    for (endpoint, host, port) in [
        ("h", "h", None),
        ("h:27018", "h", Some(27018)),
        ("[::1]:27018", "[::1]", Some(27018)),
        ("::1", "::1", None),
        ("h:x", "h:x", None),
    ] {
        assert_eq!(at(&[("endpoint", endpoint)]), Ok((host.to_owned(), port)));
    }
    assert_eq!(
        at(&[("endpoint", "h"), ("port", "1")]),
        Ok(("h".to_owned(), Some(1)))
    );
    assert!(wrong(at(&[("endpoint", "h"), ("port", "x")])).contains("no port"));
    assert_eq!(database_port(None, None), 27017);
    assert_eq!(database_port(Some(1), Some(2)), 1);
}

fn offered(listeners: &[(Network, SignIn)]) -> Brokers {
    let listeners = listeners.iter();
    listeners
        .map(|&(network, sign_in)| {
            let listener = Listener { network, sign_in };
            (listener, listener.member())
        })
        .collect()
}

const WISH: Wish = Wish {
    network: Network::Private,
    sign_in: None,
    has_scram_secret: false,
    allows_plaintext: false,
};

#[test]
fn prefers_iam_then_scram_then_tls_then_plaintext() {
    use SignIn::{Iam, Plaintext, Scram, Tls};
    let all = [Iam, Scram, Tls, Plaintext].map(|sign_in| (Network::Private, sign_in));
    let chosen = |listeners: &[(Network, SignIn)], wish: &Wish| {
        choose_listener(&offered(listeners), wish).map(|choice| choice.listener.sign_in)
    };
    let with_secret = Wish {
        has_scram_secret: true,
        ..WISH
    };
    let with_plaintext = Wish {
        allows_plaintext: true,
        ..WISH
    };
    assert_eq!(chosen(&all, &WISH), Ok(Iam));
    assert_eq!(chosen(&all[1..], &WISH), Ok(Tls));
    assert_eq!(chosen(&all[1..], &with_secret), Ok(Scram));
    assert_eq!(chosen(&all[3..], &with_plaintext), Ok(Plaintext));
    assert!(wrong(chosen(&all[3..], &WISH)).contains("ALLOW_PLAINTEXT"));
    assert!(wrong(chosen(&all[1..2], &WISH)).contains("MSK_SCRAM_SECRET"));
}

#[test]
fn takes_exactly_what_is_set() {
    use SignIn::{Iam, Plaintext, Scram, Tls};
    let all = [Iam, Scram, Tls, Plaintext].map(|sign_in| (Network::Private, sign_in));
    for sign_in in [Iam, Scram, Tls, Plaintext] {
        let wish = Wish {
            sign_in: Some(sign_in),
            ..WISH
        };
        let choice = choose_listener(&offered(&all), &wish).unwrap();
        assert_eq!(choice.listener.sign_in, sign_in);
    }
    let tls = Wish {
        sign_in: Some(Tls),
        ..WISH
    };
    let why = wrong(choose_listener(&offered(&all[..1]), &tls));
    assert_eq!(
        why,
        "the cluster has no bootstrapBrokerStringTls, which the settings ask for; it offers bootstrapBrokerStringSaslIam: set \
         CONNECT_SECURITY_PROTOCOL to SASL_SSL and CONNECT_SASL_MECHANISM to AWS_MSK_IAM"
    );
}

#[test]
fn stays_in_the_network_that_is_set() {
    let all = [
        (Network::Private, SignIn::Tls),
        (Network::Public, SignIn::Iam),
        (Network::Vpc, SignIn::Scram),
        (Network::Ipv6, SignIn::Plaintext),
    ];
    for network in [
        Network::Private,
        Network::Public,
        Network::Vpc,
        Network::Ipv6,
    ] {
        let wish = Wish {
            network,
            has_scram_secret: true,
            allows_plaintext: true,
            ..WISH
        };
        let choice = choose_listener(&offered(&all), &wish).unwrap();
        assert_eq!(choice.listener.network, network);
    }
    let why = wrong(choose_listener(&offered(&all[1..2]), &WISH));
    assert!(why.ends_with("set MSK_NETWORK to public"), "{why}");
}

#[test]
fn a_cluster_without_listeners_is_not_ready() {
    let chosen = choose_listener(&Brokers::new(), &WISH);
    assert!(matches!(chosen, Err(Unfit::NotYet(_))));
}

proptest! {
    #[test]
    fn chooses_alike_in_any_order(
        ids in prop::collection::hash_set("[a-c]{1,3}(ReadEndpoint)?", 0..6),
        texts in prop::collection::vec("(arn:aws:kafka:r:1:cluster/)?[a-z:0-9,]{0,9}", 6),
        turn in 0..6usize,
    ) {
        let instances: Vec<Instance> = ids
            .iter()
            .zip(&texts)
            .map(|(id, text)| instance(id, &[("broker_arn", text), ("endpoint", text), ("secret_arn", "s")]))
            .collect();
        let mut turned = instances.clone();
        if !turned.is_empty() {
            let turn = turn % turned.len();
            turned.rotate_left(turn);
        }
        prop_assert_eq!(choose_cluster(&instances, None), choose_cluster(&turned, None));
        prop_assert_eq!(choose_database(&instances, None), choose_database(&turned, None));
    }
}

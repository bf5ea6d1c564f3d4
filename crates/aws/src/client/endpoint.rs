//! Where services are asked: by region and partition, or where the environment says.

use crate::environment::Environment;

const DUAL_STACK: &str = "AWS_USE_DUALSTACK_ENDPOINT";
const FIPS: &str = "AWS_USE_FIPS_ENDPOINT";
const OVERRIDE: &str = "AWS_ENDPOINT_URL";

/// The services that are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    CloudMap,
    Msk,
    SecretsManager,
    Ssm,
    S3,
    Sqs,
}

/// What is different among them.
struct Names {
    /// For people.
    shown: &'static str,
    /// The first label of the host, and what a signature is for.
    host: &'static str,
    /// What stands before the host: Cloud Map's data plane has its own.
    prefix: &'static str,
    /// In the name of the variable that says where the service is.
    variable: &'static str,
    /// Whether the plain name is the FIPS one in us-gov-west-1.
    is_fips_in_gov_west: bool,
    /// Whether dual stack is a label before the region, as with the oldest services, and not another suffix.
    has_dual_stack_label: bool,
}

impl Service {
    fn names(self) -> Names {
        match self {
            Service::CloudMap => Names {
                shown: "Cloud Map",
                host: "servicediscovery",
                prefix: "data-",
                variable: "SERVICEDISCOVERY",
                is_fips_in_gov_west: false,
                has_dual_stack_label: false,
            },
            Service::Msk => Names {
                shown: "MSK",
                host: "kafka",
                prefix: "",
                variable: "KAFKA",
                is_fips_in_gov_west: true,
                has_dual_stack_label: false,
            },
            Service::SecretsManager => Names {
                shown: "Secrets Manager",
                host: "secretsmanager",
                prefix: "",
                variable: "SECRETS_MANAGER",
                is_fips_in_gov_west: false,
                has_dual_stack_label: false,
            },
            Service::Ssm => Names {
                shown: "SSM",
                host: "ssm",
                prefix: "",
                variable: "SSM",
                is_fips_in_gov_west: true,
                has_dual_stack_label: false,
            },
            Service::S3 => Names {
                shown: "S3",
                host: "s3",
                prefix: "",
                variable: "S3",
                is_fips_in_gov_west: false,
                has_dual_stack_label: true,
            },
            Service::Sqs => Names {
                shown: "SQS",
                host: "sqs",
                prefix: "",
                variable: "SQS",
                is_fips_in_gov_west: true,
                has_dual_stack_label: false,
            },
        }
    }

    pub fn shown(self) -> &'static str {
        self.names().shown
    }

    pub(crate) fn signing_name(self) -> &'static str {
        self.names().host
    }
}

/// Where a process asks.
#[derive(Clone, Debug)]
pub struct Endpoints {
    region: String,
    environment: Environment,
}

impl Endpoints {
    /// # Errors
    /// If the region can be no part of a host's name.
    pub fn new(region: &str, environment: Environment) -> Result<Self, String> {
        let is_label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if region.is_empty() || !region.chars().all(is_label) {
            return Err(format!(
                "REGION: {region:?} is no region of AWS; write for example eu-west-1"
            ));
        }
        Ok(Endpoints {
            region: region.to_owned(),
            environment,
        })
    }

    pub fn region(&self) -> &str {
        &self.region
    }

    /// The URL of a service, without a slash at its end.
    pub fn url(&self, service: Service, region: Option<&str>) -> Result<String, String> {
        let names = service.names();
        let own = format!("{OVERRIDE}_{}", names.variable);
        if let Some((name, url)) = [&*own, OVERRIDE]
            .iter()
            .find_map(|name| Some((*name, self.environment.get(name)?)))
        {
            let is_http = url.starts_with("http://") || url.starts_with("https://");
            return match is_http {
                true => Ok(url.trim_end_matches('/').to_owned()),
                false => Err(format!(
                    "{name}: {url} is no URL; write http:// or https://"
                )),
            };
        }
        let region = region.unwrap_or(&self.region);
        let is_fips = self.environment.is_on(FIPS);
        let is_plain = region == "us-gov-west-1" && names.is_fips_in_gov_west;
        let fips = if is_fips && !is_plain { "-fips" } else { "" };
        let is_dual_stack = self.environment.is_on(DUAL_STACK);
        let is_label = is_dual_stack && names.has_dual_stack_label;
        let label = if is_label { ".dualstack" } else { "" };
        let suffix = suffix(region, is_dual_stack && !is_label)?;
        let Names { prefix, host, .. } = names;
        Ok(format!(
            "https://{prefix}{host}{fips}{label}.{region}.{suffix}"
        ))
    }
}

/// What follows the region in a host's name.
fn suffix(region: &str, is_dual_stack: bool) -> Result<&'static str, String> {
    let (plain, dual) = if region.starts_with("cn-") {
        ("amazonaws.com.cn", Some("api.amazonwebservices.com.cn"))
    } else if region.starts_with("eusc-") {
        ("amazonaws.eu", Some("api.amazonwebservices.eu"))
    } else if region.starts_with("eu-isoe-") {
        ("cloud.adc-e.uk", None)
    } else {
        ("amazonaws.com", Some("api.aws"))
    };
    match (is_dual_stack, dual) {
        (false, _) => Ok(plain),
        (true, Some(dual)) => Ok(dual),
        (true, None) => Err(format!(
            "{DUAL_STACK} is true, and {region} has no such endpoints"
        )),
    }
}

/// The region of a process, and the variable that says so. A task of ECS knows its own, too.
pub fn region(environment: &Environment, task_arn: Option<&str>) -> Option<(String, &'static str)> {
    let variables = ["REGION", "AWS_REGION", "AWS_DEFAULT_REGION"];
    let named = variables
        .iter()
        .find_map(|name| Some((environment.get(name)?.to_owned(), *name)));
    named.or_else(|| Some((region_of_arn(task_arn?)?.to_owned(), "TaskARN")))
}

/// The region that an ARN names.
pub fn region_of_arn(arn: &str) -> Option<&str> {
    let mut fields = arn.split(':');
    let is_arn = fields.next() == Some("arn");
    let region = fields.nth(2).filter(|region| !region.is_empty())?;
    is_arn.then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let variables = variables.iter();
        variables
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn check(region: &str, variables: &[(&str, &str)], service: Service, expected: &str) {
        let endpoints = Endpoints::new(region, environment(variables)).unwrap();
        assert_eq!(
            endpoints.url(service, None).as_deref(),
            Ok(expected),
            "{region} {variables:?}"
        );
    }

    #[test]
    fn knows_partitions() {
        use Service::{CloudMap, Msk, SecretsManager, Ssm};
        for (region, service, expected) in [
            (
                "eu-west-1",
                CloudMap,
                "https://data-servicediscovery.eu-west-1.amazonaws.com",
            ),
            (
                "cn-north-1",
                Msk,
                "https://kafka.cn-north-1.amazonaws.com.cn",
            ),
            (
                "eusc-de-east-1",
                SecretsManager,
                "https://secretsmanager.eusc-de-east-1.amazonaws.eu",
            ),
            (
                "eu-isoe-west-1",
                Ssm,
                "https://ssm.eu-isoe-west-1.cloud.adc-e.uk",
            ),
        ] {
            check(region, &[], service, expected);
        }
    }

    #[test]
    fn knows_dual_stack_and_fips() {
        use Service::{CloudMap, Msk, S3, SecretsManager, Ssm};
        let (dual, fips) = ((DUAL_STACK, "true"), (FIPS, "TRUE"));
        for (region, variables, service, expected) in [
            (
                "us-east-1",
                &[dual][..],
                Ssm,
                "https://ssm.us-east-1.api.aws",
            ),
            (
                "cn-north-1",
                &[dual],
                Msk,
                "https://kafka.cn-north-1.api.amazonwebservices.com.cn",
            ),
            (
                "eusc-de-east-1",
                &[dual],
                Ssm,
                "https://ssm.eusc-de-east-1.api.amazonwebservices.eu",
            ),
            (
                "us-east-1",
                &[fips],
                CloudMap,
                "https://data-servicediscovery-fips.us-east-1.amazonaws.com",
            ),
            (
                "us-east-1",
                &[fips, dual],
                Msk,
                "https://kafka-fips.us-east-1.api.aws",
            ),
            (
                "us-east-1",
                &[fips, dual],
                S3,
                "https://s3-fips.dualstack.us-east-1.amazonaws.com",
            ),
            (
                "cn-north-1",
                &[dual],
                S3,
                "https://s3.dualstack.cn-north-1.amazonaws.com.cn",
            ),
            (
                "us-gov-west-1",
                &[fips],
                Msk,
                "https://kafka.us-gov-west-1.amazonaws.com",
            ),
            (
                "us-gov-west-1",
                &[fips],
                Ssm,
                "https://ssm.us-gov-west-1.amazonaws.com",
            ),
            (
                "us-gov-west-1",
                &[fips],
                SecretsManager,
                "https://secretsmanager-fips.us-gov-west-1.amazonaws.com",
            ),
        ] {
            check(region, variables, service, expected);
        }
        let isoe = Endpoints::new("eu-isoe-west-1", environment(&[dual])).unwrap();
        assert!(
            isoe.url(Ssm, None)
                .is_err_and(|why| why.contains(DUAL_STACK))
        );
    }

    #[test]
    fn asks_where_the_environment_says_without_a_prefix() {
        let own = ("AWS_ENDPOINT_URL_SERVICEDISCOVERY", "http://127.0.0.1:1/");
        let all = (OVERRIDE, "http://127.0.0.1:2");
        let map = Service::CloudMap;
        check("eu-west-1", &[own, all], map, "http://127.0.0.1:1");
        check("eu-west-1", &[all], map, "http://127.0.0.1:2");
        check("eu-west-1", &[own, all], Service::Ssm, "http://127.0.0.1:2");
        let wrong = environment(&[(OVERRIDE, "localhost:80")]);
        let wrong = Endpoints::new("eu-west-1", wrong).unwrap().url(map, None);
        assert!(wrong.is_err_and(|why| why.starts_with("AWS_ENDPOINT_URL: localhost:80")));
    }

    #[test]
    fn finds_the_region() {
        let arn = Some("arn:aws:ecs:eu-central-1:1:task/c/1");
        let found = |variables: &[(&str, &str)], arn| region(&environment(variables), arn);
        let both = [("AWS_REGION", "us-east-1"), ("REGION", "eu-west-1")];
        assert_eq!(found(&both, arn), Some(("eu-west-1".to_owned(), "REGION")));
        assert_eq!(
            found(&[], arn),
            Some(("eu-central-1".to_owned(), "TaskARN"))
        );
        assert_eq!(found(&[], None), None);
        assert_eq!(found(&[], Some("arn:aws:s3:::bucket")), None);
        assert!(Endpoints::new("evil.example/", Environment::default()).is_err());
    }

    proptest! {
        #[test]
        fn takes_any_arn(arn in ".{0,80}") {
            let _ = region_of_arn(&arn);
        }
    }
}

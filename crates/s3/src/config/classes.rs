//! The class names that the settings take. There is no class path here: a name is known or it is not.

use millstream_core::plugin::on_class_path;

pub(crate) const JSON_FORMAT: &str = "io.confluent.connect.s3.format.json.JsonFormat";
pub(crate) const BYTE_ARRAY_FORMAT: &str =
    "io.confluent.connect.s3.format.bytearray.ByteArrayFormat";
pub(crate) const AVRO_FORMAT: &str = "io.confluent.connect.s3.format.avro.AvroFormat";
pub(crate) const PARQUET_FORMAT: &str = "io.confluent.connect.s3.format.parquet.ParquetFormat";
pub(crate) const S3_STORAGE: &str = "io.confluent.connect.s3.storage.S3Storage";

pub(crate) const DEFAULT_PARTITIONER: &str =
    "io.confluent.connect.storage.partitioner.DefaultPartitioner";
pub(crate) const FIELD_PARTITIONER: &str =
    "io.confluent.connect.storage.partitioner.FieldPartitioner";
pub(crate) const HOURLY_PARTITIONER: &str =
    "io.confluent.connect.storage.partitioner.HourlyPartitioner";
pub(crate) const DAILY_PARTITIONER: &str =
    "io.confluent.connect.storage.partitioner.DailyPartitioner";
pub(crate) const TIME_BASED_PARTITIONER: &str =
    "io.confluent.connect.storage.partitioner.TimeBasedPartitioner";

pub(super) const FORMATS: [&str; 4] = [AVRO_FORMAT, JSON_FORMAT, BYTE_ARRAY_FORMAT, PARQUET_FORMAT];
pub(super) const HEADER_FORMATS: [&str; 3] = [AVRO_FORMAT, JSON_FORMAT, PARQUET_FORMAT];
pub(super) const PARTITIONERS: [&str; 5] = [
    DEFAULT_PARTITIONER,
    HOURLY_PARTITIONER,
    DAILY_PARTITIONER,
    TIME_BASED_PARTITIONER,
    FIELD_PARTITIONER,
];

/// Where credentials come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialsSource {
    /// Environment, profile, web identity, container, instance: whoever has some first.
    Chain,
    /// A role, taken on with what the chain or the static keys give.
    Role,
    Environment,
    Profile,
    WebIdentity,
    Container,
    Instance,
    /// Requests are not signed.
    Anonymous,
}

impl CredentialsSource {
    /// What to say when it has none.
    pub(crate) fn missing(self) -> &'static str {
        match self {
            CredentialsSource::Chain | CredentialsSource::Role | CredentialsSource::Anonymous => {
                "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or aws.access.key.id and \
                 aws.secret.access.key in the connector, or give the machine a role (tried: environment, profile, web \
                 identity, ECS, EC2)"
            }
            CredentialsSource::Environment => {
                "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (tried: environment alone, as \
                 s3.credentials.provider.class says)"
            }
            CredentialsSource::Profile => {
                "no AWS credentials: the profile has none; AWS_PROFILE names it, and AWS_SHARED_CREDENTIALS_FILE the file \
                 (tried: profile alone, as s3.credentials.provider.class says)"
            }
            CredentialsSource::WebIdentity => {
                "no AWS credentials: set AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN (tried: web identity alone, as \
                 s3.credentials.provider.class says)"
            }
            CredentialsSource::Container => {
                "no AWS credentials: give the container a role; AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI is not \
                 set (tried: ECS alone, as s3.credentials.provider.class says)"
            }
            CredentialsSource::Instance => {
                "no AWS credentials: give the machine a role (tried: EC2 alone, as s3.credentials.provider.class says)"
            }
        }
    }
}

/// A provider of Java's SDK, and what it is here: a source, or advice.
type Provider = (&'static str, Result<CredentialsSource, &'static str>);

const STATIC_KEYS: &str = "set aws.access.key.id and aws.secret.access.key";
const USE_DEFAULT: &str =
    "use software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider, which is the default";
const USE_ROLE: &str = "use io.confluent.connect.s3.auth.AwsAssumeRoleCredentialsProvider";
const USE_ENVIRONMENT: &str =
    "use software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider";
const USE_PROFILE: &str = "use software.amazon.awssdk.auth.credentials.ProfileCredentialsProvider";
const USE_INSTANCE: &str =
    "use software.amazon.awssdk.auth.credentials.InstanceProfileCredentialsProvider";
const USE_CONTAINER: &str =
    "use software.amazon.awssdk.auth.credentials.ContainerCredentialsProvider";
const USE_WEB_IDENTITY: &str =
    "use software.amazon.awssdk.auth.credentials.WebIdentityTokenFileCredentialsProvider";
const USE_ANONYMOUS: &str =
    "use software.amazon.awssdk.auth.credentials.AnonymousCredentialsProvider";

/// Providers that the original takes.
const PROVIDERS: [Provider; 14] = [
    (
        "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider",
        Ok(CredentialsSource::Chain),
    ),
    (ASSUME_ROLE_PROVIDER, Ok(CredentialsSource::Role)),
    (
        "software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider",
        Ok(CredentialsSource::Environment),
    ),
    (
        "software.amazon.awssdk.auth.credentials.ProfileCredentialsProvider",
        Ok(CredentialsSource::Profile),
    ),
    (
        "software.amazon.awssdk.auth.credentials.WebIdentityTokenFileCredentialsProvider",
        Ok(CredentialsSource::WebIdentity),
    ),
    (
        "software.amazon.awssdk.auth.credentials.ContainerCredentialsProvider",
        Ok(CredentialsSource::Container),
    ),
    (
        "software.amazon.awssdk.auth.credentials.InstanceProfileCredentialsProvider",
        Ok(CredentialsSource::Instance),
    ),
    (
        "software.amazon.awssdk.auth.credentials.AnonymousCredentialsProvider",
        Ok(CredentialsSource::Anonymous),
    ),
    (
        "software.amazon.awssdk.auth.credentials.SystemPropertyCredentialsProvider",
        Err(STATIC_KEYS),
    ),
    (
        "software.amazon.awssdk.auth.credentials.StaticCredentialsProvider",
        Err(STATIC_KEYS),
    ),
    (
        "software.amazon.awssdk.auth.credentials.ProcessCredentialsProvider",
        Err(USE_DEFAULT),
    ),
    (
        "software.amazon.awssdk.auth.credentials.AwsCredentialsProviderChain",
        Err(USE_DEFAULT),
    ),
    (
        "software.amazon.awssdk.services.sts.auth.StsAssumeRoleCredentialsProvider",
        Err(USE_ROLE),
    ),
    (
        "software.amazon.awssdk.services.sts.auth.StsWebIdentityTokenFileCredentialsProvider",
        Err(USE_WEB_IDENTITY),
    ),
];

/// Providers of the SDK before, which the original took before its version 11.
const OLD_PROVIDERS: [(&str, &str); 12] = [
    (
        "com.amazonaws.auth.DefaultAWSCredentialsProviderChain",
        USE_DEFAULT,
    ),
    (
        "com.amazonaws.auth.EnvironmentVariableCredentialsProvider",
        USE_ENVIRONMENT,
    ),
    (
        "com.amazonaws.auth.SystemPropertiesCredentialsProvider",
        STATIC_KEYS,
    ),
    (
        "com.amazonaws.auth.AWSStaticCredentialsProvider",
        STATIC_KEYS,
    ),
    (
        "com.amazonaws.auth.profile.ProfileCredentialsProvider",
        USE_PROFILE,
    ),
    (
        "com.amazonaws.auth.InstanceProfileCredentialsProvider",
        USE_INSTANCE,
    ),
    (
        "com.amazonaws.auth.EC2ContainerCredentialsProviderWrapper",
        USE_CONTAINER,
    ),
    (
        "com.amazonaws.auth.ContainerCredentialsProvider",
        USE_CONTAINER,
    ),
    (
        "com.amazonaws.auth.WebIdentityTokenCredentialsProvider",
        USE_WEB_IDENTITY,
    ),
    (
        "com.amazonaws.auth.STSAssumeRoleWithWebIdentitySessionCredentialsProvider",
        USE_WEB_IDENTITY,
    ),
    (
        "com.amazonaws.auth.STSAssumeRoleSessionCredentialsProvider",
        USE_ROLE,
    ),
    ("com.amazonaws.auth.AnonymousAWSCredentials", USE_ANONYMOUS),
];

pub(crate) const ASSUME_ROLE_PROVIDER: &str =
    "io.confluent.connect.s3.auth.AwsAssumeRoleCredentialsProvider";

/// The source that a provider's name stands for.
pub(crate) fn credentials_source(class: &str) -> Option<CredentialsSource> {
    let (_, source) = PROVIDERS.iter().find(|(name, _)| *name == class)?;
    source.ok()
}

/// Whether the original would take the class for a provider.
pub(super) fn is_provider(class: &str) -> bool {
    PROVIDERS.iter().any(|(name, _)| *name == class)
}

/// What to use instead of a provider that is known elsewhere, but not here.
pub(crate) fn credentials_advice(class: &str) -> Option<&'static str> {
    if let Some((_, source)) = PROVIDERS.iter().find(|(name, _)| *name == class) {
        return source.err();
    }
    let old = OLD_PROVIDERS.iter().find(|(name, _)| *name == class);
    let is_old = class.starts_with("com.amazonaws.");
    old.map(|(_, advice)| *advice)
        .or_else(|| is_old.then_some(USE_DEFAULT))
}

/// Classes that come with the original without being meant for its settings: such a name passes validation and fails when
/// the task starts.
const USELESS: [&str; 3] = [
    "io.confluent.connect.s3.util.DelegatingPartitioner",
    "io.confluent.connect.s3.util.SchemaPartitioner",
    "io.confluent.connect.s3.util.TombstoneSupportedPartitioner",
];

/// The classes that come with the original and that a setting may name.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    let providers = PROVIDERS.iter().map(|(name, _)| *name);
    let named = FORMATS.into_iter().chain(PARTITIONERS).chain(USELESS);
    named.chain([S3_STORAGE]).chain(providers)
}

/// Whether the original would find the class.
pub(crate) fn exists(name: &str) -> bool {
    on_class_path(name).is_some() || all().any(|class| class == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_a8_providers_of_the_sdk() {
        let v2 = |name: &str| format!("software.amazon.awssdk.auth.credentials.{name}");
        for (name, source) in [
            ("DefaultCredentialsProvider", CredentialsSource::Chain),
            (
                "EnvironmentVariableCredentialsProvider",
                CredentialsSource::Environment,
            ),
            ("ProfileCredentialsProvider", CredentialsSource::Profile),
            (
                "WebIdentityTokenFileCredentialsProvider",
                CredentialsSource::WebIdentity,
            ),
            ("ContainerCredentialsProvider", CredentialsSource::Container),
            (
                "InstanceProfileCredentialsProvider",
                CredentialsSource::Instance,
            ),
            ("AnonymousCredentialsProvider", CredentialsSource::Anonymous),
        ] {
            assert_eq!(credentials_source(&v2(name)), Some(source));
            assert_eq!(credentials_advice(&v2(name)), None);
        }
        for refused in [
            v2("SystemPropertyCredentialsProvider"),
            v2("StaticCredentialsProvider"),
            "com.amazonaws.auth.DefaultAWSCredentialsProviderChain".to_owned(),
            "com.amazonaws.auth.profile.ProfileCredentialsProvider".to_owned(),
            "com.amazonaws.auth.SomethingElse".to_owned(),
        ] {
            assert_eq!(credentials_source(&refused), None);
            assert!(credentials_advice(&refused).is_some(), "{refused}");
        }
        // What is advised works.
        for (_, advice) in OLD_PROVIDERS {
            let Some(class) = advice.strip_prefix("use ") else {
                continue;
            };
            let class = class.split(',').next().unwrap_or(class);
            assert!(credentials_source(class).is_some(), "{class}");
        }
        assert_eq!(credentials_advice("no.such.Provider"), None);
    }
}

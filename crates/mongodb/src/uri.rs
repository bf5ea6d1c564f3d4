//! Connection strings: checked as the Java driver does, then rewritten to what the Rust driver takes. Java
//! ignores options it does not know and accepts some that Rust refuses; a string that works there works here.

use mongodb::options::{
    Acknowledgment, ClientOptions, DriverInfo, ServerApi, ServerApiVersion, Tls, WriteConcern,
};
use std::fmt;
use std::time::Duration;

/// A connection string that cannot be used; the message never shows it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct UriError {
    pub(crate) message: String,
}

/// The setting that holds one.
pub(crate) const URI: &str = "connection.uri";

const SRV: &str = "mongodb+srv://";

/// A connection string in its parts, all as written.
#[derive(Clone)]
pub(crate) struct ConnectionString {
    scheme: &'static str,
    credentials: Option<String>,
    hosts: Vec<String>,
    database: String,
    options: Vec<(String, String)>,
}

impl ConnectionString {
    pub(crate) fn parse(uri: &str) -> Result<Self, UriError> {
        let (scheme, rest) = if let Some(rest) = uri.strip_prefix("mongodb://") {
            ("mongodb://", rest)
        } else if let Some(rest) = uri.strip_prefix(SRV) {
            (SRV, rest)
        } else {
            return refuse(
                "The connection string is invalid. Connection strings must start with either 'mongodb://' or 'mongodb+srv://",
            );
        };
        // Without a slash the options may follow the hosts.
        let (authority, tail) = match rest.split_once('/') {
            Some((authority, tail)) => (authority, tail),
            None => match rest.find('?') {
                Some(at) => rest.split_at(at),
                None => (rest, ""),
            },
        };
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (Some(credentials.to_owned()), hosts),
            None => (None, authority),
        };
        if let Some(credentials) = &credentials {
            let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
            if [user, password]
                .iter()
                .any(|part| part.contains([':', '@']))
            {
                return refuse(
                    "The connection string contains invalid user information. If the username or password contains a \
                     colon (:) or an at-sign (@) then it must be urlencoded",
                );
            }
        }
        let hosts: Vec<String> = hosts.split(',').map(str::to_owned).collect();
        for host in &hosts {
            check_host(host)?;
        }
        let (database, options) = tail.split_once('?').unwrap_or((tail, ""));
        // A password with a slash ends the hosts too early.
        if database.contains('@') {
            return refuse(
                "The connection string contains invalid user information: user and password must be percent-encoded (@ is \
                 %40, / is %2F, : is %3A)",
            );
        }
        let mut pairs = Vec::new();
        for option in options
            .split(['&', ';'])
            .filter(|option| !option.is_empty())
        {
            let Some((name, value)) = option.split_once('=') else {
                return refuse(&format!(
                    "The connection string contains an invalid option '{option}'. '{option}' is missing the value delimiter eg '{option}=value'"
                ));
            };
            pairs.push((name.to_owned(), value.to_owned()));
        }
        Ok(ConnectionString {
            scheme,
            credentials,
            hosts,
            database: database.to_owned(),
            options: pairs,
        })
    }

    /// The first server, as error texts name it.
    pub(crate) fn first_host(&self) -> &str {
        self.hosts.first().map_or("", String::as_str)
    }

    /// All servers as written.
    pub(crate) fn hosts(&self) -> &[String] {
        &self.hosts
    }

    pub(crate) fn has_credentials(&self) -> bool {
        self.credentials.is_some() || self.option("authmechanism").is_some()
    }

    /// The database that knows the user, as Java's driver finds it.
    pub(crate) fn auth_source(&self) -> &str {
        if self.option("authmechanism") == Some("MONGODB-X509") {
            return "$external";
        }
        match (self.option("authsource"), self.database.as_str()) {
            (Some(source), _) => source,
            (None, "") => "admin",
            (None, database) => database,
        }
    }

    /// An option's value; `name` in lower case.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .rev()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// How long an answer may take; zero means the default here, too.
    pub(crate) fn answer_timeout(&self) -> Option<Duration> {
        let millis = self.option("sockettimeoutms")?.parse().ok()?;
        (millis > 0).then(|| Duration::from_millis(millis))
    }

    /// What the string asks for that this build cannot do.
    pub(crate) fn unsupported(&self) -> Option<String> {
        if self.scheme == SRV {
            let host = self.first_host();
            return Some(format!(
                "mongodb+srv:// is not supported yet; write the servers that the DNS records of {host} name (dig +short \
                 SRV _mongodb._tcp.{host}, and the options of TXT {host}): mongodb://server1:27017,server2:27017/?tls=true"
            ));
        }
        match self.option("authmechanism") {
            Some(mechanism @ ("MONGODB-AWS" | "GSSAPI" | "MONGODB-OIDC")) => {
                Some(format!("authMechanism={mechanism} is not supported yet"))
            }
            _ => None,
        }
    }

    /// The string as the Rust driver takes it, and what had to be left out.
    fn rewritten(&self) -> (String, Vec<String>) {
        let mut kept = Vec::new();
        let mut left_out = Vec::new();
        for (name, value) in &self.options {
            match rewrite(&name.to_ascii_lowercase(), value) {
                Some((name, value)) => kept.push(format!("{name}={value}")),
                None => left_out.push(name.clone()),
            }
        }
        let credentials = self
            .credentials
            .as_ref()
            .map_or_else(String::new, |user| format!("{user}@"));
        let uri = format!(
            "{}{credentials}{}/{}{}{}",
            self.scheme,
            self.hosts.join(","),
            self.database,
            if kept.is_empty() { "" } else { "?" },
            kept.join("&")
        );
        (uri, left_out)
    }

    /// The driver's options. Its own retries are off: they need `txnNumber`, which DocumentDB refuses, and we
    /// retry ourselves with the same ids.
    pub(crate) async fn client_options(
        &self,
        api: Option<ServerApi>,
    ) -> Result<ClientOptions, UriError> {
        let (uri, left_out) = self.rewritten();
        if !left_out.is_empty() {
            tracing::warn!(options = ?left_out, "connection string options without effect here");
        }
        let mut options = ClientOptions::parse(&uri).await.map_err(|error| UriError {
            message: format!("the connection string is not usable: {}", error.kind),
        })?;
        check_files(&options)?;
        options.retry_writes = Some(false);
        options.max_pool_size = options.max_pool_size.or(Some(DEFAULT_POOL));
        options.server_api = api;
        options.driver_info = Some(
            DriverInfo::builder()
                .name("mongo-kafka|sink|millstream".to_owned())
                .build(),
        );
        if let Some(concern) = &mut options.write_concern
            && concern.w == Some(Acknowledgment::Nodes(0))
        {
            tracing::warn!("w=0 is treated as w=1: what is not acknowledged cannot be committed");
            concern.w = Some(Acknowledgment::Nodes(1));
        }
        Ok(options)
    }
}

/// Whether the files of the TLS options are there and hold what they are for; the driver takes a bundle without a
/// certificate and then trusts nobody. It has decoded their names, which a connection string may escape.
fn check_files(options: &ClientOptions) -> Result<(), UriError> {
    let Some(Tls::Enabled(tls)) = &options.tls else {
        return Ok(());
    };
    let authority = tls.ca_file_path.as_deref();
    let own = tls.cert_key_file_path.as_deref();
    for (option, path, needed) in [
        ("tlsCAFile", authority, "CERTIFICATE-----"),
        ("tlsCertificateKeyFile", own, "CERTIFICATE-----"),
        ("tlsCertificateKeyFile", own, "PRIVATE KEY-----"),
    ] {
        let Some(path) = path else { continue };
        let (bytes, path) = (std::fs::read(path), path.display());
        let problem = match bytes {
            Err(error) => format!("cannot read {path}: {error}"),
            Ok(bytes) if !String::from_utf8_lossy(&bytes).contains(needed) => {
                let wanted = needed.trim_end_matches('-').to_lowercase();
                format!(
                    "{path} is no PEM file with a {wanted}; convert a PKCS#12 store with: openssl pkcs12 -in {path} -out \
                     store.pem -nodes"
                )
            }
            Ok(_) => continue,
        };
        return refuse(&format!("{option} in connection.uri: {problem}"));
    }
    Ok(())
}

/// Commands in flight and a reserve; each connection is a login, and small instances have few.
const DEFAULT_POOL: u32 = 16;

/// The server API that the settings ask for.
pub(crate) fn server_api(
    version: &str,
    strict: bool,
    deprecation_errors: bool,
) -> Option<ServerApi> {
    (version == "1").then(|| {
        ServerApi::builder()
            .version(ServerApiVersion::V1)
            .strict(strict)
            .deprecation_errors(deprecation_errors)
            .build()
    })
}

/// A write concern as commands carry it; the driver adds none to raw commands.
pub(crate) fn concern_document(concern: &WriteConcern) -> Option<bson::Document> {
    let mut document = bson::Document::new();
    match &concern.w {
        Some(Acknowledgment::Nodes(nodes)) => {
            document.insert("w", *nodes as i32);
        }
        Some(Acknowledgment::Majority) => {
            document.insert("w", "majority");
        }
        Some(Acknowledgment::Custom(name)) => {
            document.insert("w", name);
        }
        Some(_) | None => {}
    }
    if let Some(journal) = concern.journal {
        document.insert("j", journal);
    }
    if let Some(timeout) = concern.w_timeout {
        document.insert("wtimeout", timeout.as_millis() as i64);
    }
    (!document.is_empty()).then_some(document)
}

fn rewrite(name: &str, value: &str) -> Option<(&'static str, String)> {
    let plain = |name| Some((name, value.to_owned()));
    let boolean = |name| match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Some((name, "true".to_owned())),
        "false" | "no" | "0" => Some((name, "false".to_owned())),
        _ => None,
    };
    let number = |name| value.parse::<u64>().ok().map(|_| (name, value.to_owned()));
    match name {
        "tls" | "ssl" => boolean("tls"),
        "tlscafile" | "ssl_ca_certs" => plain("tlsCAFile"),
        "tlscertificatekeyfile" => plain("tlsCertificateKeyFile"),
        "replicaset" => plain("replicaSet"),
        "directconnection" => boolean("directConnection"),
        "loadbalanced" => boolean("loadBalanced"),
        "authsource" => plain("authSource"),
        "authmechanism" => plain("authMechanism"),
        "authmechanismproperties" => plain("authMechanismProperties"),
        "appname" => plain("appName"),
        "connecttimeoutms" => number("connectTimeoutMS"),
        "serverselectiontimeoutms" => number("serverSelectionTimeoutMS"),
        "localthresholdms" => number("localThresholdMS"),
        // Below half a second the Rust driver refuses.
        "heartbeatfrequencyms" => {
            number("heartbeatFrequencyMS").filter(|_| value.parse().is_ok_and(|v: u64| v >= 500))
        }
        "maxidletimems" => number("maxIdleTimeMS").filter(|_| value != "0"),
        // Zero means no bound in Java; the default bound serves as well.
        "maxpoolsize" => number("maxPoolSize").filter(|_| value != "0"),
        "minpoolsize" => number("minPoolSize"),
        "maxconnecting" => number("maxConnecting").filter(|_| value != "0"),
        "readpreference" => plain("readPreference"),
        "readpreferencetags" => plain("readPreferenceTags"),
        "maxstalenessseconds" => plain("maxStalenessSeconds").filter(|_| value != "-1"),
        "readconcernlevel" => plain("readConcernLevel"),
        "w" => plain("w"),
        "journal" | "j" => boolean("journal"),
        "wtimeoutms" | "wtimeout" => number("wTimeoutMS"),
        "srvservicename" => plain("srvServiceName"),
        "srvmaxhosts" => number("srvMaxHosts"),
        // Ours, whatever it says.
        "retrywrites" => boolean("retryWrites"),
        "retryreads" => boolean("retryReads"),
        _ => None,
    }
}

fn check_host(host: &str) -> Result<(), UriError> {
    if host.is_empty() {
        return refuse("The connection string contains an empty host '[]'. ");
    }
    // An IPv6 address is in brackets; only what follows can be a port.
    let after = host.rsplit_once(']').map_or(host, |(_, after)| after);
    let Some((_, port)) = after.split_once(':') else {
        return Ok(());
    };
    let why = if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        "The port contains non-digit characters, it must be an integer between 0 and 65535. Hint: username and password \
         must be escaped according to RFC 3986."
    } else if port.parse::<u16>().is_err() {
        "The port must be an integer between 0 and 65535."
    } else {
        return Ok(());
    };
    refuse(&format!(
        "The connection string contains an invalid host and port. {why}"
    ))
}

fn refuse<T>(message: &str) -> Result<T, UriError> {
    Err(UriError {
        message: message.to_owned(),
    })
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionString")
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(uri: &str, rewritten: &str) {
        assert_eq!(
            ConnectionString::parse(uri).unwrap().rewritten().0,
            rewritten
        );
    }

    #[test]
    fn options_are_rewritten_for_the_driver() {
        check("mongodb://h", "mongodb://h/");
        check(
            "mongodb://u:p%40@h:1,i:2/db?ssl=TRUE&ssl_ca_certs=b.pem&socketTimeoutMS=1&wtimeout=5&maxPoolSize=0&uuidRepresentation=standard",
            "mongodb://u:p%40@h:1,i:2/db?tls=true&tlsCAFile=b.pem&wTimeoutMS=5",
        );
        check(
            "mongodb://h/?tls=true&replicaSet=rs0&readPreference=secondaryPreferred&retryWrites=false&timeoutMS=9",
            "mongodb://h/?tls=true&replicaSet=rs0&readPreference=secondaryPreferred&retryWrites=false",
        );
        check(
            "mongodb://[::1]:27017/?compressors=zstd&waitQueueMultiple=3",
            "mongodb://[::1]:27017/",
        );
    }

    #[tokio::test]
    async fn names_of_files_may_be_escaped() {
        let uri = "mongodb://h/?tls=true&tlsCAFile=%2Fnowhere%2Fthe%20ca.pem";
        let parsed = ConnectionString::parse(uri).unwrap();
        let error = parsed.client_options(None).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("cannot read /nowhere/the ca.pem: "), "{text}");
    }

    #[tokio::test]
    async fn strings_that_java_takes_parse_here() {
        for uri in [
            "mongodb://h/?socketTimeoutMS=0&uuidRepresentation=standard&maxLifeTimeMS=1&tlsAllowInvalidHostnames=true",
            "mongodb://h/?sslInvalidHostNameAllowed=true&timeoutMS=5&maxPoolSize=0&wtimeout=1&waitQueueMultiple=2&w=0",
            "mongodb://h/?tls=True&compressors=zstd,zlib&heartbeatFrequencyMS=10&nosuchoption=1",
            "mongodb://u:p@h1:27017,h2/admin?replicaSet=rs0&authMechanism=SCRAM-SHA-1&authSource=admin",
        ] {
            let options = ConnectionString::parse(uri)
                .unwrap()
                .client_options(None)
                .await
                .unwrap();
            assert_eq!(options.retry_writes, Some(false));
        }
    }

    #[test]
    fn a_user_is_known_to_one_database() {
        for (rest, source) in [
            ("", "admin"),
            ("?tls=true", "admin"),
            ("shop", "shop"),
            ("shop?authSource=own", "own"),
            ("shop?authMechanism=MONGODB-X509", "$external"),
        ] {
            let uri = ConnectionString::parse(&format!("mongodb://u:p@h/{rest}")).unwrap();
            assert_eq!(uri.auth_source(), source, "{rest}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let uri = ConnectionString::parse("mongodb://u:secret@h/").unwrap();
        assert!(!format!("{uri:?}").contains("secret"));
    }
}

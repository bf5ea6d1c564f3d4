//! `bootstrap.servers`: `host:port` pairs, read and refused as Java's clients do.

use crate::address::Address;

/// Everything that is wrong with the list.
pub(super) fn errors(servers: &[String]) -> Vec<String> {
    if servers.is_empty() {
        return vec![
            "Configuration 'bootstrap.servers' must not be empty. Valid values include: any non-empty value"
                .to_owned(),
        ];
    }
    // Java says no more where the list as such is wrong.
    if servers.iter().any(String::is_empty) {
        return vec!["Configuration 'bootstrap.servers' values must not be empty.".to_owned()];
    }
    servers
        .iter()
        .filter_map(|server| parse(server).err())
        .collect()
}

/// The addresses, each once.
pub(super) fn addresses(servers: &[String]) -> Vec<Address> {
    let mut addresses: Vec<Address> = Vec::new();
    for address in servers.iter().filter_map(|server| parse(server).ok()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

/// `host:port`, `[v6]:port`, each also with a listener's name and `://` before it. Java's sentences, with the remedy.
fn parse(server: &str) -> Result<Address, String> {
    let invalid = |remedy: String| format!("Invalid url in bootstrap.servers: {server}{remedy}");
    let rest = server.rsplit_once("://").map_or(server, |(_, rest)| rest);
    if rest.contains(';') {
        return Err(invalid("; brokers are separated by commas".to_owned()));
    }
    let no_port = || invalid(format!("; it has no port, write {server}:9092"));
    let (host, port) = rest.rsplit_once(':').ok_or_else(no_port)?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let may_stand = |c: char| c.is_ascii_alphanumeric() || "-%._:".contains(c);
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if host.is_empty() || !host.chars().all(may_stand) || !is_number {
        return Err(invalid("; write host:port".to_owned()));
    }
    match port.parse() {
        Ok(port) if port > 0 => Ok(Address {
            host: host.to_owned(),
            port,
        }),
        Ok(_) | Err(_) => Err(format!("Invalid port in bootstrap.servers: {server}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.split(',').map(|item| item.trim().to_owned()).collect()
    }

    #[test]
    fn reads_addresses_as_java_does() {
        let shown = |text| {
            let addresses = addresses(&list(text)).into_iter();
            addresses.map(|a| a.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(shown("broker:9092"), ["broker:9092"]);
        assert_eq!(shown("[::1]:9092"), ["[::1]:9092"]);
        assert_eq!(shown("PLAINTEXT://b:1, b:2, b:1"), ["b:1", "b:2"]);
    }

    /// Asked of Java's consumer 4.3.1; the parts behind the semicolon are ours.
    #[test]
    fn report_a18_the_list_is_refused_as_java_does() {
        let first = |text: &str| errors(&list(text)).into_iter().next();
        let empty_item = "Configuration 'bootstrap.servers' values must not be empty.";
        for text in ["h:1,", ",h:1", ",", "h:1,,h:2"] {
            assert_eq!(first(text).as_deref(), Some(empty_item), "{text}");
        }
        assert!(errors(&[])[0].starts_with("Configuration 'bootstrap.servers' must not be empty."));
        assert_eq!(
            first("localhost").as_deref(),
            Some(
                "Invalid url in bootstrap.servers: localhost; it has no port, write localhost:9092"
            )
        );
        for text in ["h:abc", "http://localhost:1/x", ":1", "h:", "b ad:1"] {
            let error = first(text).unwrap_or_default();
            let wanted = format!("Invalid url in bootstrap.servers: {text}; ");
            assert!(error.starts_with(&wanted), "{error}");
        }
        assert_eq!(
            first("h:99999").as_deref(),
            Some("Invalid port in bootstrap.servers: h:99999")
        );
        let separated = first("localhost:1;localhost:2").unwrap_or_default();
        assert!(separated.ends_with("separated by commas"), "{separated}");
        assert_eq!(first("localhost:1, localhost:2"), None);
    }
}

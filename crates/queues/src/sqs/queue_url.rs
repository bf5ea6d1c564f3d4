//! What the URL of a queue says: where it is asked, in which region, and what it is called.

/// The parts of a queue's URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QueueUrl {
    /// As it was given; calls name the queue by it.
    pub(super) url: String,
    pub(super) name: String,
    /// If the host is one of AWS's.
    pub(super) region: Option<String>,
    /// Where the service is asked; `None` for the region's own endpoint, because the host is of the old form, which does not
    /// take the protocol of today.
    pub(super) endpoint: Option<String>,
}

impl QueueUrl {
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let what = "is no URL of a queue; write for example https://sqs.eu-west-1.amazonaws.com/123456789012/orders";
        let wrong = || what.to_owned();
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        if !matches!(scheme, "http" | "https") {
            return Err(wrong());
        }
        let (authority, path) = rest.split_once('/').ok_or_else(wrong)?;
        let name = path.rsplit('/').next().filter(|name| !name.is_empty());
        let name = name.ok_or_else(wrong)?;
        if authority.is_empty() || authority.contains('@') || path.contains(['?', '#']) {
            return Err(wrong());
        }
        let host = authority.split(':').next().unwrap_or(authority);
        let (region, is_old) = region_of(host);
        Ok(QueueUrl {
            url: url.to_owned(),
            name: name.to_owned(),
            region: region.map(str::to_owned),
            endpoint: (!is_old).then(|| format!("{scheme}://{authority}")),
        })
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }
}

/// The region that a host of AWS names, and whether the host is of the old form.
fn region_of(host: &str) -> (Option<&str>, bool) {
    if host == "queue.amazonaws.com" {
        return (Some("us-east-1"), true);
    }
    if let Some((region, rest)) = host.split_once('.')
        && rest.starts_with("queue.amazonaws.com")
    {
        return (Some(region), true);
    }
    let is_of_aws = host.contains(".amazonaws.") || host.ends_with(".api.aws");
    let mut labels = host.split('.').filter(|_| is_of_aws);
    // Before it an endpoint of one's own network may have labels.
    let is_service = |label: &str| matches!(label, "sqs" | "sqs-fips");
    let region = labels.any(is_service).then(|| labels.next()).flatten();
    (region, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, region: Option<&str>, endpoint: Option<&str>) {
        let parsed = QueueUrl::parse(url).unwrap();
        assert_eq!(
            (parsed.region.as_deref(), parsed.endpoint.as_deref()),
            (region, endpoint),
            "{url}"
        );
        assert_eq!((&*parsed.name, &*parsed.url), ("orders", url));
    }

    #[test]
    fn knows_where_a_queue_is() {
        let ireland = Some("eu-west-1");
        let of = |host: &str| format!("https://{host}/123456789012/orders");
        for host in [
            "sqs.eu-west-1.amazonaws.com",
            "sqs-fips.eu-west-1.amazonaws.com",
            "sqs.eu-west-1.amazonaws.com.cn",
            "sqs.eu-west-1.api.aws",
            "vpce-0a1b-c2d3.sqs.eu-west-1.vpce.amazonaws.com",
        ] {
            check(&of(host), ireland, Some(&format!("https://{host}")));
        }
        check(&of("eu-west-1.queue.amazonaws.com"), ireland, None);
        check(&of("queue.amazonaws.com"), Some("us-east-1"), None);
        check(
            "http://localhost:9324/queue/orders",
            None,
            Some("http://localhost:9324"),
        );
        check(
            "http://sqs.example.org/orders",
            None,
            Some("http://sqs.example.org"),
        );
    }

    #[test]
    fn refuses_what_is_no_url_of_a_queue() {
        for url in [
            "",
            "orders",
            "sqs://host/orders",
            "https://host",
            "https://host/",
            "https:///orders",
            "https://u:p@host/orders",
            "https://host/orders?x",
            "arn:aws:sqs:eu-west-1:1:orders",
        ] {
            assert!(QueueUrl::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_name_tells_a_fifo_queue() {
        let is_fifo = |name: &str| {
            QueueUrl::parse(&format!("http://h/1/{name}"))
                .unwrap()
                .is_fifo()
        };
        assert!(is_fifo("orders.fifo") && !is_fifo("orders"));
    }
}

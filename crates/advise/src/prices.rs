//! Prices: a JSON file that says of each where it is from. The one that is built in is `prices.json` beside this crate's
//! manifest; whoever lives in another region, or reads this later, gives one of their own of the same form.

use crate::Mistakes;
use serde_json::{Map, Value};

const BUILT_IN: &str = include_str!("../prices.json");

/// A price and what it is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// US dollars, or the file's currency, for one unit.
    pub price: f64,
    pub unit: String,
    /// The document that tells it.
    pub source: String,
    /// The document's own date, if it has one.
    pub published: Option<String>,
}

impl Price {
    /// For so many of the things that a unit has one, a thousand or a million of.
    pub fn of(&self, amount: f64) -> f64 {
        self.price * amount / self.per()
    }

    fn per(&self) -> f64 {
        let number = self.unit.split(' ').next().unwrap_or_default();
        number.replace(',', "").parse().unwrap_or(1.0)
    }
}

/// Every price that a comparison needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Prices {
    pub region: String,
    pub currency: String,
    /// The day on which the documents were read.
    pub read: String,
    pub hours_per_month: f64,
    pub fargate_x86_vcpu_hour: Price,
    pub fargate_x86_gb_hour: Price,
    pub fargate_arm64_vcpu_hour: Price,
    pub fargate_arm64_gb_hour: Price,
    pub lambda_requests: Price,
    pub lambda_x86_gb_second: Price,
    pub lambda_arm64_gb_second: Price,
    pub s3_put_requests: Price,
    pub sqs_requests: Price,
    pub load_balancer_hour: Price,
    pub interface_endpoint_hour: Price,
    pub nat_gateway_hour: Price,
    pub nat_gateway_gb: Price,
}

/// Each name with the unit that the formulas reckon with.
const UNITS: [(&str, &str); 13] = [
    ("fargate_x86_vcpu_hour", "vCPU-hour"),
    ("fargate_x86_gb_hour", "GB-hour"),
    ("fargate_arm64_vcpu_hour", "vCPU-hour"),
    ("fargate_arm64_gb_hour", "GB-hour"),
    ("lambda_requests", "1,000,000 requests"),
    ("lambda_x86_gb_second", "GB-second"),
    ("lambda_arm64_gb_second", "GB-second"),
    ("s3_put_requests", "1,000 requests"),
    ("sqs_requests", "1,000,000 requests"),
    ("load_balancer_hour", "hour"),
    ("interface_endpoint_hour", "hour"),
    ("nat_gateway_hour", "hour"),
    ("nat_gateway_gb", "GB"),
];

impl Prices {
    /// Those of `prices.json`.
    pub fn built_in() -> Result<Self, Mistakes> {
        Prices::read(BUILT_IN)
    }

    /// A file of the same form.
    ///
    /// # Errors
    /// Everything that is missing, unknown or no price.
    pub fn read(text: &str) -> Result<Self, Mistakes> {
        let file: Value = serde_json::from_str(text)
            .map_err(|error| Mistakes(vec![format!("is no JSON: {error}")]))?;
        let mut reader = Reader {
            mistakes: Vec::new(),
        };
        let empty = Map::new();
        let prices = file["prices"].as_object().unwrap_or(&empty);
        for name in prices.keys() {
            if !UNITS.iter().any(|(known, _)| known == name) {
                let known: Vec<&str> = UNITS.iter().map(|(known, _)| *known).collect();
                let known = known.join(", ");
                reader.tell(format!("prices.{name} is unknown: there are {known}"));
            }
        }
        let mut price = |name: &str| reader.price(prices, name);
        let read = Prices {
            fargate_x86_vcpu_hour: price("fargate_x86_vcpu_hour"),
            fargate_x86_gb_hour: price("fargate_x86_gb_hour"),
            fargate_arm64_vcpu_hour: price("fargate_arm64_vcpu_hour"),
            fargate_arm64_gb_hour: price("fargate_arm64_gb_hour"),
            lambda_requests: price("lambda_requests"),
            lambda_x86_gb_second: price("lambda_x86_gb_second"),
            lambda_arm64_gb_second: price("lambda_arm64_gb_second"),
            s3_put_requests: price("s3_put_requests"),
            sqs_requests: price("sqs_requests"),
            load_balancer_hour: price("load_balancer_hour"),
            interface_endpoint_hour: price("interface_endpoint_hour"),
            nat_gateway_hour: price("nat_gateway_hour"),
            nat_gateway_gb: price("nat_gateway_gb"),
            region: reader.text(&file, "region"),
            currency: reader.text(&file, "currency"),
            read: reader.text(&file, "read"),
            hours_per_month: reader.hours(&file),
        };
        match reader.mistakes.is_empty() {
            true => Ok(read),
            false => Err(Mistakes(reader.mistakes)),
        }
    }
}

/// Goes on after a mistake, so that all are told.
struct Reader {
    mistakes: Vec<String>,
}

impl Reader {
    fn tell(&mut self, mistake: String) {
        self.mistakes.push(mistake);
    }

    fn text(&mut self, value: &Value, name: &str) -> String {
        match value[name].as_str() {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => {
                self.tell(format!("{name} is missing: a text"));
                String::new()
            }
        }
    }

    fn hours(&mut self, file: &Value) -> f64 {
        match file["hours_per_month"].as_f64() {
            Some(hours) if (1.0..=744.0).contains(&hours) => hours,
            _ => {
                self.tell("hours_per_month is a number up to 744, such as 730".to_owned());
                0.0
            }
        }
    }

    fn price(&mut self, prices: &Map<String, Value>, name: &str) -> Price {
        let unit = UNITS.iter().find(|(known, _)| *known == name);
        let unit = unit.map_or("", |(_, unit)| *unit).to_owned();
        let entry = &prices.get(name).cloned().unwrap_or(Value::Null);
        let price = entry["price"].as_f64().filter(|price| *price >= 0.0);
        let published = entry["published"].as_str().map(str::to_owned);
        if price.is_none() {
            self.tell(format!(
                "prices.{name}.price is missing: a number of at least 0 for one {unit}"
            ));
        } else if entry["unit"] != *unit {
            self.tell(format!(
                "prices.{name}.unit is to be \"{unit}\": write the price for that"
            ));
        } else if entry["source"].as_str().is_none_or(str::is_empty) {
            self.tell(format!(
                "prices.{name}.source is missing: the document that tells the price"
            ));
        }
        Price {
            price: price.unwrap_or(0.0),
            unit,
            source: entry["source"].as_str().unwrap_or_default().to_owned(),
            published,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_prices_that_are_built_in_have_a_date_a_region_and_sources() {
        let prices = Prices::built_in().unwrap();
        assert_eq!(prices.region, "us-east-1");
        assert_eq!(prices.read.len(), "2026-12-01".len());
        let file: Value = serde_json::from_str(BUILT_IN).unwrap();
        for (name, price) in file["prices"].as_object().unwrap() {
            let source = price["source"].as_str().unwrap();
            assert!(source.starts_with("https://"), "{name}: {source}");
            let published = price["published"].as_str().unwrap();
            // A year and a month at least, none after the day of reading.
            assert!(published.len() >= "2026-12".len(), "{name}: {published}");
            assert!(published <= prices.read.as_str(), "{name}: {published}");
        }
        // Five dollars for a million.
        assert!((prices.s3_put_requests.of(1e6) - 5.0).abs() < 1e-9);
        assert!((prices.lambda_requests.of(1e6) - 0.2).abs() < 1e-9);
        assert!((prices.fargate_x86_vcpu_hour.of(730.0) - 29.5504).abs() < 1e-9);
    }

    #[test]
    fn all_that_is_wrong_with_a_file_is_told_at_once() {
        let file = BUILT_IN
            .replace("\"price\": 0.2,", "\"price\": -0.2,")
            .replace("\"1,000 requests\"", "\"1,000,000 requests\"")
            .replace("\"nat_gateway_gb\"", "\"nat_gatway_gb\"")
            .replace("\"region\": \"us-east-1\",", "")
            .replace("730", "7300");
        let told = Prices::read(&file).unwrap_err().to_string();
        for expected in [
            "prices.nat_gatway_gb is unknown",
            "prices.lambda_requests.price is missing: a number of at least 0",
            "prices.s3_put_requests.unit is to be \"1,000 requests\"",
            "prices.nat_gateway_gb.price is missing",
            "region is missing",
            "hours_per_month is a number up to 744",
        ] {
            assert!(told.contains(expected), "{expected} in {told}");
        }
        assert_eq!(told.lines().count(), 6, "{told}");
        assert!(
            Prices::read("{")
                .unwrap_err()
                .to_string()
                .starts_with("is no JSON")
        );
        assert!(Prices::read("[]").is_err());
    }
}

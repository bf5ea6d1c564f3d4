//! An advice as sentences for people and as JSON for machines.

use crate::advice::{Advice, Crossover, Offer, Way};
use crate::objects::Objects;
use crate::prices::Prices;
use crate::question::Question;
use crate::queue_use;
use crate::units::{bytes, money, shown, time};
use serde_json::{Value, json};

/// The text of an answer.
pub fn text(question: &Question, advice: &Advice, prices: &Prices) -> String {
    let mut parts = question.measured.clone();
    parts.push(load(question));
    parts.push(tasks(question, advice));
    parts.extend(of_queue(question, advice));
    parts.push(String::new());
    let currency = &prices.currency;
    for offer in &advice.offers {
        let month = money(offer.month);
        let title = offer.way.title();
        parts.push(format!("{title}: {month} {currency} a month"));
        for item in &offer.items {
            let (what, amount, unit) = (item.what, shown(item.amount), unit(&item.price.unit));
            parts.push(format!("  {what}: {amount} {unit}, {}", money(item.cost)));
        }
        parts.push(format!("  {}", punctuality(question, offer)));
        if let Some(objects) = &offer.objects {
            parts.push(format!("  {}", written(objects)));
        }
    }
    parts.push(String::new());
    parts.push(choice(question, advice, prices));
    parts.extend(advice.warnings.iter().cloned());
    parts.push(String::new());
    parts.push(format!(
        "Prices: {}, read {}; free tiers, storage and traffic are not counted, nor are {} and the document store. Lambda is reckoned with this program's own CPU time for a record: a script needs more.",
        prices.region,
        prices.read,
        match question.queue {
            None => "Kafka",
            Some(queue) if queue.kind.is_sqs() => "what is sent to the queue",
            Some(_) => "the broker",
        }
    ));
    let beside = advice.beside.iter();
    let beside: Vec<String> = beside
        .map(|(what, cost)| format!("{what}, {}", money(*cost)))
        .collect();
    parts.push(format!("Beside it, a month: {}.", beside.join("; ")));
    let mut text = parts.join("\n");
    text.push('\n');
    text
}

/// What an amount counts: a price for a million requests is for requests.
fn unit(of_price: &str) -> &str {
    let (number, unit) = of_price.split_once(' ').unwrap_or(("", of_price));
    let is_number = number.starts_with(|c: char| c.is_ascii_digit());
    let unit = if is_number { unit } else { of_price };
    match unit {
        "vCPU-hour" => "vCPU-hours",
        "GB-hour" => "GB-hours",
        "GB-second" => "GB-seconds",
        unit => unit,
    }
}

fn load(question: &Question) -> String {
    let load = &question.load;
    let burst = match load.burst {
        1.0 => String::new(),
        _ => format!(", {} at the busiest time", shown(load.peak())),
    };
    let backlog = match load.backlog {
        0.0 => String::new(),
        waiting => format!(" {} wait already.", shown(waiting)),
    };
    format!(
        "{} messages a day of {} are {} a second{burst}, {} a second.{backlog}",
        shown(load.messages_per_day),
        bytes(load.size),
        shown(load.rate()),
        bytes(load.bytes())
    )
}

fn tasks(question: &Question, advice: &Advice) -> String {
    let (task, tasks) = (&question.task, &advice.tasks);
    let used = question.load.rate() / (tasks.capacity * tasks.running.max(1.0)) * 100.0;
    let what = match (tasks.needed, tasks.running) {
        (1.0, 1.0) => "1 task is enough".to_owned(),
        (_, 1.0) => "1 task runs".to_owned(),
        (_, running) => format!("{} tasks run", shown(running)),
    };
    let drain = match advice.drain {
        Some(drain) if question.load.backlog > 0.0 => {
            format!(" The backlog is gone after {}.", time(drain))
        }
        _ => String::new(),
    };
    format!(
        "A task of {} vCPU and {} GB {} {} of them a second ({}, {}): {what}, busy for {} % of the time on average.{drain}",
        task.vcpu,
        task.memory_gb,
        match question.queue {
            Some(queue) if tasks.capacity >= queue.kind.task_rate() => "receives",
            Some(_) | None => "has CPU for",
        },
        shown(tasks.capacity),
        question.job.name(),
        match question.queue {
            None => "with TLS to the brokers".to_owned(),
            Some(queue) => format!(
                "from {}, measured on a 2-core machine without TLS",
                queue.kind.title()
            ),
        },
        shown(used.min(100.0)),
    )
}

/// What a task holds of a queue, and by what it is scaled.
fn of_queue(question: &Question, advice: &Advice) -> Option<String> {
    let queue = question.queue?;
    let tasks = &advice.tasks;
    let held = queue_use::held(question, &queue, tasks.running).ceil();
    let in_memory = match question.job.writes_objects() {
        true => format!(", {} in open objects,", bytes(held * question.load.size)),
        false => String::new(),
    };
    Some(format!(
        "A task holds up to {} messages{in_memory} that are not settled (input.max.held.messages: {}). Scale by the backlog for each task, {}: above {} they wait longer than {}.",
        shown(held),
        shown(queue.held),
        queue.kind.backlog_metric(),
        shown((tasks.capacity * question.delay).floor()),
        time(question.delay)
    ))
}

fn punctuality(question: &Question, offer: &Offer) -> String {
    let limit = time(question.delay);
    match (&offer.obstacle, offer.delay) {
        (Some(why), _) => format!("it cannot be done that way: {why}"),
        (None, None) => format!("late: nothing bounds the delay, and it may be {limit}"),
        (None, Some(delay)) if !offer.is_in_time => {
            format!("late: up to {}, and it may be {limit}", time(delay))
        }
        (None, Some(0.0)) => "stored as it comes".to_owned(),
        (None, Some(delay)) => format!("stored within {}", time(delay)),
    }
}

fn written(objects: &Objects) -> String {
    format!(
        "{} objects a day of {} records and {}, {} requests each",
        shown(objects.per_day()),
        shown(objects.records),
        bytes(objects.bytes),
        shown(objects.requests)
    )
}

fn choice(question: &Question, advice: &Advice, prices: &Prices) -> String {
    let Some(best) = advice.best else {
        return format!(
            "None of these stores every message within {}.",
            time(question.delay)
        );
    };
    let month = |way: Way| {
        let offer = advice.offers.iter().find(|offer| offer.way == way);
        offer.map_or(0.0, |offer| offer.month)
    };
    let ways = Way::of(question);
    if ways.len() == 1 {
        return format!(
            "Take {}: {} {} a month. Lambda is not reckoned for {}.",
            best.title(),
            money(month(best)),
            prices.currency,
            question.queue.map_or("it", |queue| queue.kind.title())
        );
    }
    let others: Vec<String> = ways
        .iter()
        .filter(|way| **way != best)
        .map(|way| format!("{} for {}", money(month(*way)), way.title()))
        .collect();
    let on = match question.queue {
        None => "the topic",
        Some(_) => "the queue",
    };
    let change = match advice.crossover {
        Some(Crossover {
            messages_per_day, ..
        }) => format!(
            "Tasks become cheaper than Lambda on {on} at about {} messages a day of this size.",
            shown(round(messages_per_day))
        ),
        None => format!(
            "Tasks and Lambda on {on} do not change places at any number of messages of this size."
        ),
    };
    format!(
        "Take {}: {} {} a month against {}. {change}",
        best.title(),
        money(month(best)),
        prices.currency,
        others.join(" and ")
    )
}

/// Two digits are all that the formulas are good for.
fn round(number: f64) -> f64 {
    let step = 10f64.powf(number.log10().floor() - 1.0);
    (number / step).round() * step
}

/// The same as one JSON object. Durations are in seconds, amounts for a month.
pub fn json(question: &Question, advice: &Advice, prices: &Prices) -> Value {
    let (load, tasks) = (&question.load, &advice.tasks);
    let offers: Vec<Value> = advice.offers.iter().map(offer).collect();
    let beside = advice.beside.iter();
    let beside: Vec<Value> = beside
        .map(|(what, cost)| json!({"what": what, "cost": cost}))
        .collect();
    json!({
        "load": {
            "messages_per_day": load.messages_per_day, "size": load.size, "burst": load.burst, "backlog": load.backlog,
            "per_second": load.rate(), "peak_per_second": load.peak(), "bytes_per_second": load.bytes(),
            "measured": question.measured,
        },
        "job": question.job.name(), "delay": question.delay,
        "partitions": question.queue.is_none().then_some(question.partitions),
        "queue": question.queue.map(|queue| json!({
            "kind": queue.kind.name(), "max_held": queue.held, "idle": queue.idle, "hold": queue.hold(question.delay),
            "held": queue_use::held(question, &queue, tasks.running),
            "backlog_per_task": tasks.capacity * question.delay,
        })),
        "tasks": {
            "vcpu": question.task.vcpu, "memory_gb": question.task.memory_gb, "architecture": question.architecture.name(),
            "records_per_second": tasks.capacity, "for_rate": tasks.for_rate, "for_peak": tasks.for_peak,
            "for_backlog": tasks.for_backlog, "needed": tasks.needed, "running": tasks.running,
            "partitions": tasks.partitions, "drain": advice.drain,
        },
        "offers": offers,
        "best": advice.best.map(Way::name),
        "crossover": advice.crossover.map(|found| json!({
            "messages_per_day": found.messages_per_day, "below": found.below.name(), "above": found.above.name(),
        })),
        "warnings": advice.warnings,
        "beside": beside,
        "prices": {"region": prices.region, "currency": prices.currency, "read": prices.read},
    })
}

fn offer(offer: &Offer) -> Value {
    let items = offer.items.iter().map(|item| {
        json!({
            "what": item.what, "amount": item.amount, "price": item.price.price, "unit": item.price.unit,
            "source": item.price.source, "published": item.price.published, "cost": item.cost,
        })
    });
    json!({
        "way": offer.way.name(), "month": offer.month, "items": items.collect::<Vec<Value>>(),
        "delay": offer.delay, "in_time": offer.is_in_time, "obstacle": offer.obstacle,
        "objects": offer.objects.map(|objects| json!({
            "per_day": objects.per_day(), "records": objects.records, "bytes": objects.bytes, "requests": objects.requests,
        })),
        "invocations": offer.invocations.map(|found| json!({
            "per_second": found.per_second, "window": found.window, "at_a_time": found.at_a_time,
        })),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::advice::advise;
    use crate::question::tests::workshop;

    fn both(question: &Question) -> (String, Value) {
        let prices = Prices::built_in().unwrap();
        let advice = advise(question, &prices);
        (
            text(question, &advice, &prices),
            json(question, &advice, &prices),
        )
    }

    #[test]
    fn people_and_machines_are_told_the_same() {
        let (text, json) = both(&workshop());
        assert!(
            text.starts_with("288 messages a day of 40 bytes are 0.0033 a second"),
            "{text}"
        );
        assert!(
            text.contains("Take Lambda on the Kafka topic: 0.02 USD"),
            "{text}"
        );
        assert!(
            text.contains("Prices: us-east-1, read 2026-12-01"),
            "{text}"
        );
        assert_eq!(json["best"], "lambda-kafka");
        let month = json["offers"][1]["month"].as_f64().unwrap();
        assert!(text.contains(&money(month)), "{text}");
        let source = json["offers"][0]["items"][0]["source"].as_str().unwrap();
        assert!(source.starts_with("https://"), "{source}");
    }

    #[test]
    fn what_does_not_do_is_told_as_such() {
        let mut question = workshop();
        question.files.rotate_schedule = None;
        question.delay = 0.1;
        question.load.backlog = 1000.0;
        question.load.burst = 2.0;
        let (text, json) = both(&question);
        assert!(text.contains("late: nothing bounds the delay"), "{text}");
        assert!(
            text.contains("late: up to 500 ms, and it may be 100 ms"),
            "{text}"
        );
        assert!(
            text.contains("None of these stores every message within 100 ms."),
            "{text}"
        );
        assert!(text.contains("1,000 wait already."), "{text}");
        assert!(json["best"].is_null() && json["offers"][0]["delay"].is_null());
    }
}

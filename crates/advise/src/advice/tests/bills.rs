//! The formulas beside bills and examples that others have worked out: the same usage at the same prices comes to the same money.
use super::*;

fn at(price: &Price, usd: f64) -> Price {
    Price {
        price: usd,
        ..price.clone()
    }
}

fn cost(offer: &Offer, what: &str) -> i64 {
    let item = offer.items.iter().find(|item| item.what == what);
    cents(item.unwrap().cost)
}

/// Tasks that run for so many hours of a month.
fn tasks(tasks: f64, vcpu: f64, memory_gb: f64, hours: f64, prices: &Prices) -> Offer {
    let mut question = workshop();
    question.job = Job::Hash;
    question.architecture = Architecture::X86;
    question.task.least = tasks;
    question.task.vcpu = vcpu;
    question.task.memory_gb = memory_gb;
    let prices = Prices {
        hours_per_month: hours,
        ..prices.clone()
    };
    offer(Way::Tasks, &question, &prices)
}

/// aws.amazon.com/fargate/pricing, examples 1 to 3. The first two also have 10 GB of storage beyond the 20 that are free, for 0.03.
#[test]
fn fargates_examples() {
    let built_in = prices();
    let of = |vcpu_second: f64, gb_second: f64| Prices {
        fargate_x86_vcpu_hour: at(&built_in.fargate_x86_vcpu_hour, vcpu_second * 3600.0),
        fargate_x86_gb_hour: at(&built_in.fargate_x86_gb_hour, gb_second * 3600.0),
        ..built_in.clone()
    };
    let (x86, arm64) = (
        of(0.000_011_244, 0.000_001_235),
        of(0.000_008_994_4, 0.000_000_988_9),
    );
    let ten_minutes_a_day = 600.0 * 30.0 / 3600.0;
    let found = tasks(5.0, 1.0, 2.0, ten_minutes_a_day, &x86);
    assert_eq!(cost(&found, "tasks, processor"), 101);
    assert_eq!(cost(&found, "tasks, memory"), 22);
    let found = tasks(5.0, 1.0, 2.0, ten_minutes_a_day, &arm64);
    assert_eq!(cost(&found, "tasks, processor"), 81);
    assert_eq!(cost(&found, "tasks, memory"), 18);
    let an_hour_a_day = 30.0;
    let found = tasks(10.0, 0.25, 1.0, an_hour_a_day, &x86);
    assert_eq!(cost(&found, "tasks, processor"), 304);
    assert_eq!(cost(&found, "tasks, memory"), 133);
    assert_eq!(cents(found.month), 437);
    // And the prices of a second there are those of an hour here.
    for (theirs, ours) in [
        (&x86.fargate_x86_vcpu_hour, &built_in.fargate_x86_vcpu_hour),
        (&x86.fargate_x86_gb_hour, &built_in.fargate_x86_gb_hour),
        (
            &arm64.fargate_x86_vcpu_hour,
            &built_in.fargate_arm64_vcpu_hour,
        ),
        (&arm64.fargate_x86_gb_hour, &built_in.fargate_arm64_gb_hour),
    ] {
        assert!((theirs.price / ours.price - 1.0).abs() < 1e-3, "{ours:?}");
    }
}

/// A bill of December 2025: one task of 0.25 vCPU and 0.5 GB on x86 in us-east-1 from the 28th on, 23.524 vCPU-hours and 47.049
/// GB-hours (github.com/dataappengineer/mlops-cloud-demo, docs/AWS_COST_REFERENCE.md, 2026-01-05).
#[test]
fn a_bill_of_fargate() {
    let found = tasks(1.0, 0.25, 0.5, 94.097, &prices());
    let hours = |what: &str| {
        let item = found.items.iter().find(|item| item.what == what);
        item.unwrap().amount
    };
    assert!((hours("tasks, processor") - 23.524).abs() < 1e-3);
    assert!((hours("tasks, memory") - 47.049).abs() < 1e-3);
    assert_eq!(cost(&found, "tasks, processor"), 95);
    assert_eq!(cost(&found, "tasks, memory"), 21);
}

/// aws.amazon.com/lambda/pricing, example 1 as the page had it: 3,000,000 invocations a month of a second each with 512 MB, less a
/// million of them and 400,000 GB-seconds, which are free. Those are not counted here, so they are taken off.
#[test]
fn lambdas_example() {
    let built_in = prices();
    let prices = Prices {
        lambda_x86_gb_second: at(&built_in.lambda_x86_gb_second, 0.000_016_67),
        ..built_in
    };
    let days = prices.hours_per_month / 24.0;
    let mut question = workshop().with_messages(3e6 / days);
    question.job = Job::Hash;
    question.architecture = Architecture::X86;
    question.function.invocation = 1.0;
    question.function.batch = 1.0;
    let found = offer(Way::LambdaOnKafka, &question, &prices);
    let free = (
        prices.lambda_x86_gb_second.of(400_000.0),
        prices.lambda_requests.of(1e6),
    );
    let of = |what: &str| {
        let item = found.items.iter().find(|item| item.what == what);
        item.unwrap().cost
    };
    assert_eq!(cents(of("duration") - free.0), 1834);
    assert_eq!(cents(of("invocations") - free.1), 40);
    assert_eq!(cents(found.month - free.0 - free.1), 1874);
}

/// aws.amazon.com/s3/faqs, "Data request example": 10,000 files a day, in March, are 310,000 PUT requests for 1.55.
#[test]
fn s3s_example() {
    let prices = Prices {
        hours_per_month: 31.0 * 24.0,
        ..prices()
    };
    let mut question = workshop().with_messages(10_000.0);
    // A function writes an object for each invocation, in one request.
    question.function.batch = 1.0;
    let found = offer(Way::LambdaOnKafka, &question, &prices);
    let requests = found
        .items
        .iter()
        .find(|item| item.what == "requests to S3");
    assert!((requests.unwrap().amount - 310_000.0).abs() < 1e-3);
    assert_eq!(cost(&found, "requests to S3"), 155);
}

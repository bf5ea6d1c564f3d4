//! `millstream advise`: what a load needs and costs. It asks a topic or a connector for numbers; `millstream_advise` decides.

mod connector;
mod topic;

use super::kafka_tool::{ToolError, print, print_line};
use super::{CommandResult, Exit};
use crate::cli::AdviseArgs;
use millstream_advise::Mistakes;
use millstream_advise::advice::advise;
use millstream_advise::flags::Known;
use millstream_advise::prices::Prices;
use millstream_advise::report::{json, text};
use millstream_advise::units::duration;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// How long a connector is looked at, unless told.
const OVER: Duration = Duration::from_secs(60);
/// And the longest: whoever wants to know more looks at a topic.
const LONGEST: f64 = 86_400.0;

pub(crate) async fn run(args: AdviseArgs) -> CommandResult {
    let measures = args.topic.is_some() || args.connector.is_some();
    let mut mistakes = Vec::new();
    let asked = kept(args.flags.read(measures), "", &mut mistakes);
    let prices = kept(prices(args.prices.as_deref()), "--prices ", &mut mistakes);
    let over = kept(over(args.over.as_deref()), "--over ", &mut mistakes);
    let (Some(asked), Some(prices), Some(over), []) = (asked, prices, over, &mistakes[..]) else {
        return Err(Exit::usage(mistakes.join("\n")).into());
    };
    let known = known(&args, over, asked.buckets).await?;
    let question = asked.question(&known).map_err(Exit::usage)?;
    let advice = advise(&question, &prices);
    match args.json {
        true => print_line(json(&question, &advice, &prices))?,
        false => print(text(&question, &advice, &prices))?,
    }
    Ok(())
}

/// What was read; what was wrong with it goes to the others.
fn kept<T>(read: Result<T, Mistakes>, flag: &str, mistakes: &mut Vec<String>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(wrong) => {
            let told = wrong.0.iter().map(|mistake| format!("{flag}{mistake}"));
            mistakes.extend(told);
            None
        }
    }
}

fn prices(file: Option<&Path>) -> Result<Prices, Mistakes> {
    let Some(file) = file else {
        return Prices::built_in();
    };
    let name = file.display();
    let text = fs::read_to_string(file)
        .map_err(|error| Mistakes(vec![format!("{name}: cannot be read: {error}")]))?;
    Prices::read(&text).map_err(|Mistakes(wrong)| {
        let told = wrong.iter().map(|mistake| format!("{name}: {mistake}"));
        Mistakes(told.collect())
    })
}

fn over(text: Option<&str>) -> Result<Duration, Mistakes> {
    let Some(text) = text else {
        return Ok(OVER);
    };
    let wrong = |told: String| Mistakes(vec![format!("{text}: {told}")]);
    match duration(text) {
        Ok(seconds) if (0.1..=LONGEST).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        Ok(_) => Err(wrong("write 100ms to 1d".to_owned())),
        Err(told) => Err(wrong(told)),
    }
}

async fn known(args: &AdviseArgs, over: Duration, buckets: f64) -> Result<Known, ToolError> {
    if let Some(name) = &args.topic {
        return topic::measure(&args.connection, name).await;
    }
    match (&args.connector, &args.url) {
        (Some(name), Some(url)) => Ok(connector::measure(url, name, over, buckets).await?),
        (Some(_), None) | (None, _) => Ok(Known::default()),
    }
}

#[cfg(test)]
mod tests {
    use millstream_advise::capacity::memory_for_open_objects;
    use millstream_runtime::Budgets;
    use millstream_runtime::memory::for_records;

    /// The crate imports nothing of ours, so its figures are held to the runtime's here. A process takes half of its container.
    #[test]
    fn open_objects_have_what_the_runtime_gives_them() {
        for (gb, process) in [(0.25, 128), (0.5, 256), (8.0, 256)] {
            let given = Budgets::new(for_records(process << 20)).open.total() as f64;
            // The runtime's shares are whole bytes.
            let found = memory_for_open_objects(gb);
            assert!((found - given).abs() < 10.0, "{gb} GB: {found}, {given}");
        }
    }
}

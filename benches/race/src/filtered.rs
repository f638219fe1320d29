//! Searches under random filters, at the setting that is cheapest without one.

use std::error::Error;

use serde::Serialize;

use crate::engine::Files;
use crate::engine::Setting;
use crate::engine::file;
use crate::engine::read;
use crate::filter;
use crate::filter::FilteredTruth;
use crate::measure;
use crate::measure::Task;
use crate::measure::recall_digits;
use crate::search::Args;

/// The recall that the setting reaches without a filter.
const TARGET: f64 = 0.98;

/// One line of the record.
#[derive(Debug, Serialize)]
struct Row<'a> {
    engine: String,
    version: &'static str,
    runtime: &'a str,
    n: usize,
    dims: usize,
    queries: usize,
    setting: Setting,
    /// Share of the rows that the filter admits on average; 1 without a filter.
    share: f64,
    /// Rows that it admits.
    admitted: usize,
    recall: f64,
    p50_us: f64,
    p99_us: f64,
}

pub fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let truth: Vec<Vec<u32>> = serde_json::from_slice(&read(&args.index, file::TRUTH)?)?;
    let filtered: Vec<FilteredTruth> = serde_json::from_slice(&read(&args.index, file::FILTERED)?)?;
    let mut index = Files::read(&args.index, args.engine)?.open()?;
    let n = index.n;
    let mut queries = args.queries(index.dims())?;
    let count = filtered.iter().map(|filtered| filtered.truth.len()).min();
    queries.rows.truncate(count.unwrap_or(0) * queries.dims);

    let task = Task {
        queries: &queries,
        truth: &truth,
        allowed: None,
    };
    let tried = measure::sweep(task, &mut index)?;
    let Some(chosen) = measure::cheapest(&tried, TARGET) else {
        return Err("no setting was tried".into());
    };
    let mut measure = |share: f64, admitted: usize, task: Task<'_>| -> Result<(), Box<dyn Error>> {
        let timing = measure::time(task, &mut index, chosen.setting)?;
        let row = Row {
            engine: args.engine.name(),
            version: env!("CARGO_PKG_VERSION"),
            runtime: &args.runtime,
            n,
            dims: index.dims(),
            queries: queries.len(),
            setting: chosen.setting,
            share,
            admitted,
            recall: recall_digits(timing.recall),
            p50_us: timing.p50_us,
            p99_us: timing.p99_us,
        };
        println!("{}", serde_json::to_string(&row)?);
        Ok(())
    };
    measure(1.0, n, task)?;
    for FilteredTruth { share, truth } in &filtered {
        let words = filter::random(n, *share);
        let admitted = filter::admitted(&words);
        let allowed = Some(words.as_slice());
        measure(
            *share,
            admitted,
            Task {
                truth,
                allowed,
                ..task
            },
        )?;
    }
    Ok(())
}

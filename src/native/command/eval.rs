//! `coracle eval`: how good the answers of an index are.

use crate::answering;
use crate::answering::Answering;
use crate::cli::EvalArgs;
use crate::error::Failure;
use crate::evaluate;
use crate::evaluate::Figures;
use crate::evaluate::Ranked;
use crate::evaluate::Report;
use crate::evaluate::answers::Judged;
use crate::evaluate::headings;
use crate::evaluate::judged;
use crate::evaluate::picture;
use crate::report::Reporter;
use crate::transport;
use std::fmt::Write;
use std::path::Path;

/// Judges the index and writes the picture, if one is wanted.
///
/// # Errors
/// [`Failure`].
pub fn eval(args: &EvalArgs, reporter: &Reporter) -> Result<Report, Failure> {
    let fusion = args.fusion.choice()?;
    let place = &args.index;
    let engine = evaluate::open(place)?;
    let (source, mut questions) = match (&args.queries, &args.qrels) {
        (Some(queries), Some(qrels)) => ("qrels", judged::read(queries, qrels)?),
        (Some(_), None) => {
            return Err(Failure::Usage {
                flag: "--queries",
                problem: "needs --qrels, the judgements; or --answers, to judge answers".into(),
            });
        }
        _ => {
            let _stage = reporter.stage("headings", 0);
            (
                "headings",
                pollster::block_on(headings::questions(&engine))?,
            )
        }
    };
    if questions.is_empty() {
        return Err(Failure::Usage {
            flag: "--queries",
            problem: "is needed, with --qrels: the index has no headings or titles to ask for"
                .into(),
        });
    }
    let is_embedded = {
        let _stage = reporter.stage("embed questions", 0);
        evaluate::embed(engine.root(), &mut questions)?
    };
    let mut runs = Vec::new();
    for run in &args.run {
        let Some((name, path)) = run.split_once('=') else {
            return Err(Failure::Usage {
                flag: "--run",
                problem: format!("{run:?} is not NAME=FILE"),
            });
        };
        let found = judged::read_run(Path::new(path), &questions)?;
        let found: Vec<Ranked> = found
            .into_iter()
            .map(|hundred| Ranked {
                page: hundred.clone(),
                hundred,
            })
            .collect();
        runs.push(Figures::of(name, &questions, &found));
    }
    let ways = evaluate::ways(engine.root(), is_embedded);
    let mut modes = {
        let stage = reporter.stage("search", 0);
        evaluate::measure(|| evaluate::open(place), &questions, &ways, fusion, &stage)?
    };
    modes.extend(runs);
    let report = {
        let _stage = reporter.stage("compare", 0);
        Report::new(source, questions.len(), modes)
    };
    if let Some(path) = &args.picture {
        // Whole or not at all.
        let unfinished = path.with_extension("svg.unfinished");
        std::fs::write(&unfinished, picture::svg(&report))
            .and_then(|()| std::fs::rename(&unfinished, path))
            .map_err(Failure::io("write", path))?;
    }
    Ok(report)
}

/// Has the questions of `--queries` answered and judges the answers.
///
/// # Errors
/// [`Failure`].
pub fn answers(args: &EvalArgs, reporter: &Reporter) -> Result<Judged, Failure> {
    let questions = match &args.queries {
        Some(path) => judged::questions(path)?,
        None => Vec::new(),
    };
    if questions.is_empty() {
        return Err(Failure::Usage {
            flag: "--queries",
            problem: "holds no question".into(),
        });
    }
    let config = answering::config(&args.models)?;
    let stage = reporter.stage("answer", questions.len() as u64);
    transport::run(async {
        let answering = Answering::open(&args.index, None, config).await?;
        let mut judged = Judged::default();
        for question in questions {
            let question = coracle::answer::Question {
                text: question.text,
                ..Default::default()
            };
            judged.add(&answering.collect(&question).await?);
            stage.advance(1);
        }
        Ok(judged)
    })
}

/// The report as a table.
#[must_use]
pub fn to_text(report: &Report) -> String {
    let mut out = String::new();
    let widest = report.modes.iter().map(|mode| mode.mode.chars().count());
    let width = widest.max().unwrap_or(0).max(4);
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "{} questions from {}\n\n{:width$}  nDCG@10  MRR@10  found@5  recall@10  recall@100  to keyword       p",
        report.questions, report.source, "mode"
    );
    for mode in &report.modes {
        let _ = write!(
            out,
            "{:width$}   {:.4}  {:.4}   {:.4}     {:.4}      {:.4}",
            mode.mode, mode.ndcg10, mode.mrr10, mode.found5, mode.recall10, mode.recall100
        );
        let first = report.modes.first().map_or("", |first| &first.mode);
        if let Some(to) = report.comparison(&mode.mode, first) {
            let _ = write!(out, "     {:+.4}  {:.4}", to.difference, to.p);
        }
        out.push('\n');
    }
    out.push_str(
        "\nnDCG@10 with linear gains; p: paired randomisation test of nDCG@10 against the first mode\n",
    );
    out
}

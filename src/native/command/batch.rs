//! `coracle ask --batch`: a file of questions → a file of answers.
//!
//! With `--write`, finished answers are kept in `FILE.unfinished`, which becomes `FILE` when all are
//! there: a run that is stopped goes on where it was, and `FILE` is never half of something.

use crate::answering::Answer;
use crate::answering::Answering;
use crate::error::ExitCode;
use crate::error::Failure;
use crate::report::Stage;
use coracle::answer::Question;
use coracle::filter::Filter;
use futures_util::StreamExt;
use futures_util::stream;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use std::collections::HashSet;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

/// Questions under way at a time: models' servers work side by side, and few allow many.
const PARALLEL: usize = 4;

/// One line of the file.
#[derive(Debug, Deserialize)]
struct Line {
    /// Text or number; without one, the number of the line.
    #[serde(default, alias = "_id")]
    id: Option<Value>,
    #[serde(alias = "text")]
    question: String,
}

/// Answers all questions of `path`, in their order.
///
/// # Errors
/// [`Failure`]; answers that are there by then stay.
pub async fn batch(
    answering: &Answering,
    path: &Path,
    out: Option<&Path>,
    filter: Option<&Filter>,
    stage: &Stage<'_>,
) -> Result<ExitCode, Failure> {
    let questions = read(path)?;
    stage.set_total(questions.len() as u64);
    let mut output = Output::open(out)?;
    let left = questions.into_iter().filter(|(id, _)| !output.has(id));
    let left: Vec<_> = left.collect();
    let answers = left.iter().map(async |(id, text)| {
        let question = Question {
            text: text.clone(),
            filter: filter.cloned(),
            ..Question::default()
        };
        let answer = answering.collect(&question).await?;
        Ok::<_, Failure>(line(id, text, &answer))
    });
    let mut answers = std::pin::pin!(stream::iter(answers).buffered(PARALLEL));
    while let Some(line) = answers.next().await {
        output.write(&line?)?;
        stage.advance(1);
    }
    output.finish()?;
    Ok(ExitCode::Done)
}

fn read(path: &Path) -> Result<Vec<(Value, String)>, Failure> {
    let text = fs::read_to_string(path).map_err(Failure::io("read", path))?;
    let mut known = HashSet::new();
    let mut questions = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let bad = |problem: String| Failure::Usage {
            flag: "--batch",
            problem: format!("{}:{}: {problem}", path.display(), at + 1),
        };
        let line: Line = serde_json::from_str(line).map_err(|error| {
            bad(format!(
                "{error}; expected a line like {{\"id\": \"1\", \"question\": \"…\"}}"
            ))
        })?;
        let id = line.id.unwrap_or_else(|| json!(at + 1));
        if !known.insert(id.to_string()) {
            return Err(bad(format!(
                "id {id} stands there twice; give each its own"
            )));
        }
        questions.push((id, line.question));
    }
    Ok(questions)
}

/// The line of one answer.
fn line(id: &Value, question: &str, answer: &Answer) -> Value {
    let source = |source: &coracle::answer::Reference| {
        json!({
            "number": source.number, "id": source.id, "title": source.title,
            "url": source.address(), "headings": source.headings,
        })
    };
    let citation = |citation: &coracle::answer::Citation| {
        json!({
            "start": citation.sentence.start, "end": citation.sentence.end,
            "sources": citation.numbers, "support": citation.support,
            "supported": citation.is_supported(),
        })
    };
    let mut out = json!({
        "id": id,
        "question": question,
        "answer": answer.text,
        "outcome": answer.outcome.map(coracle::answer::Outcome::name),
        "sources": answer.sources.iter().map(source).collect::<Vec<_>>(),
        "citations": answer.citations.iter().map(citation).collect::<Vec<_>>(),
    });
    if !answer.degraded.is_empty() {
        let degraded = answer.degraded.iter();
        let degraded = degraded.map(|(part, code)| json!({ "part": part, "code": code }));
        out["degraded"] = degraded.collect();
    }
    if let Some((code, message)) = &answer.error {
        out["error"] = json!({ "code": code, "message": message });
    }
    if let Some(usage) = answer.usage {
        out["usage"] = json!({ "input": usage.input, "output": usage.output });
    }
    out
}

/// Where answers go.
enum Output {
    /// Standard output, as they come.
    Standard,
    /// A file that takes its name at the end.
    File {
        path: PathBuf,
        unfinished: PathBuf,
        file: File,
        /// Questions whose answers are there already.
        done: HashSet<String>,
    },
}

impl Output {
    fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self::Standard);
        };
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".unfinished");
        let unfinished = PathBuf::from(unfinished);
        let old = match fs::read_to_string(&unfinished) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Failure::io("read", &unfinished)(error)),
        };
        // The last line may have been cut in two.
        let whole = old.rfind('\n').map_or(0, |end| end + 1);
        let ids = old[..whole].lines().filter_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            Some(line.get("id")?.to_string())
        });
        let done = ids.collect();
        let mut options = File::options();
        let options = options.create(true).truncate(false).write(true);
        let open = options.open(&unfinished).and_then(|mut file| {
            file.set_len(whole as u64)?;
            io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
            Ok(file)
        });
        let file = open.map_err(Failure::io("write", &unfinished))?;
        Ok(Self::File {
            path: path.into(),
            unfinished,
            file,
            done,
        })
    }

    fn has(&self, id: &Value) -> bool {
        matches!(self, Self::File { done, .. } if done.contains(&id.to_string()))
    }

    fn write(&mut self, line: &Value) -> Result<(), Failure> {
        match self {
            Self::Standard => {
                let mut out = io::stdout().lock();
                let written = writeln!(out, "{line}").and_then(|()| out.flush());
                written.map_err(Failure::io("write", "standard output".as_ref()))
            }
            Self::File {
                unfinished, file, ..
            } => writeln!(file, "{line}").map_err(Failure::io("write", unfinished)),
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Standard => Ok(()),
            Self::File {
                path,
                unfinished,
                file,
                ..
            } => {
                let named = file
                    .sync_all()
                    .and_then(|()| fs::rename(&unfinished, &path));
                named.map_err(Failure::io("write", &path))
            }
        }
    }
}

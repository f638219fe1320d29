//! `coracle ask` and `coracle chat`: answers in a terminal.

use crate::answering::Answer;
use crate::answering::Answering;
use crate::error::ExitCode;
use crate::error::Failure;
use coracle::answer::Event;
use coracle::answer::Gone;
use coracle::answer::Outcome;
use coracle::answer::Question;
use coracle::answer::Reference;
use coracle::answer::Sink;
use coracle::filter::Filter;
use coracle::provider::chat::Message;
use coracle::provider::chat::Role;
use std::io;
use std::io::BufRead;
use std::io::IsTerminal;
use std::io::Write;

/// How an answer is printed.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// Events as JSON, one a line.
    pub is_json: bool,
    /// No notes beside the answer.
    pub is_quiet: bool,
}

/// Prints an answer as it comes.
struct Printer {
    form: Form,
    answer: Answer,
}

impl Printer {
    fn print(&mut self, event: &Event) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.form.is_json {
            writeln!(out, "{}", event.to_json())?;
            return out.flush();
        }
        match event {
            Event::Delta(text) => {
                out.write_all(plain(text).as_bytes())?;
                out.flush()
            }
            Event::Search { query } if !self.answer.sources.is_empty() => {
                self.note(&format!("searched further: {}", plain(query)))
            }
            Event::Degraded { part, code } => {
                self.note(&format!("{} did less than it should: {code}", part.name()))
            }
            Event::Error { message, .. } => {
                self.note(&format!("the answer broke off: {}", plain(message)))
            }
            Event::Done(outcome) => {
                if !self.answer.text.is_empty() {
                    out.write_all(b"\n")?;
                }
                let mut cited: Vec<&Reference> = self.answer.cited().collect();
                if cited.is_empty() && *outcome == Outcome::Extractive {
                    cited.extend(&self.answer.sources);
                }
                if !cited.is_empty() {
                    out.write_all(b"\n")?;
                }
                for source in cited {
                    let (title, address) = (plain(&source.title), plain(&source.address()));
                    writeln!(out, "[{}] {title} — {address}", source.number)?;
                }
                out.flush()?;
                match note_on(*outcome) {
                    Some(note) => self.note(note),
                    None => Ok(()),
                }
            }
            Event::Similar { .. }
            | Event::Search { .. }
            | Event::Sources(_)
            | Event::Citation(_)
            | Event::Usage(_) => Ok(()),
        }
    }

    /// Tells what is not part of the answer, beside it.
    fn note(&self, text: &str) -> io::Result<()> {
        if self.form.is_quiet {
            return Ok(());
        }
        writeln!(io::stderr(), "coracle: {text}")
    }
}

impl Sink for Printer {
    async fn event(&mut self, event: Event) -> Result<(), Gone> {
        // Whoever read standard output has gone.
        self.print(&event).map_err(|_| Gone)?;
        self.answer.add(event);
        Ok(())
    }
}

/// What a reader must know to judge an answer that ended so.
fn note_on(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Answered | Outcome::NotCovered => None,
        Outcome::Uncited => Some("the answer cites nothing; it may not be from the documents"),
        Outcome::Extractive => Some("no model wrote this: these are sentences of the documents"),
        Outcome::Length => Some("the answer is cut off: the model wrote as much as it may"),
        Outcome::Refused => Some("the model refused to answer"),
        Outcome::Broken => Some("the answer is not complete"),
    }
}

/// Text without what a terminal would obey.
fn plain(text: &str) -> String {
    text.replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), "")
}

/// Answers one question on standard output.
///
/// # Errors
/// [`Failure`].
pub async fn ask(
    answering: &Answering,
    question: &Question,
    form: Form,
) -> Result<ExitCode, Failure> {
    let answer = print(answering, question, form).await?;
    Ok(exit_code(&answer))
}

fn exit_code(answer: &Answer) -> ExitCode {
    match answer.outcome {
        Some(Outcome::NotCovered) => ExitCode::NothingFound,
        Some(Outcome::Broken) | None => ExitCode::Endpoint,
        Some(_) => ExitCode::Done,
    }
}

async fn print(answering: &Answering, question: &Question, form: Form) -> Result<Answer, Failure> {
    let mut printer = Printer {
        form,
        answer: Answer::default(),
    };
    answering.answer(question, &mut printer).await?;
    Ok(printer.answer)
}

/// Answers what stands on the lines of standard input, each question after those before it, until its
/// end or `/quit`.
///
/// # Errors
/// [`Failure`].
pub async fn chat(
    answering: &Answering,
    filter: Option<Filter>,
    form: Form,
) -> Result<ExitCode, Failure> {
    let mut history = Vec::new();
    loop {
        if io::stdin().is_terminal() && !form.is_json {
            let mut err = io::stderr();
            // Where standard error is closed there is no prompt.
            let _ = write!(err, "> ").and_then(|()| err.flush());
        }
        let Some(line) = next_line().await? else {
            return Ok(ExitCode::Done);
        };
        let text = line.trim();
        match text {
            "" => continue,
            "/quit" => return Ok(ExitCode::Done),
            "/new" => {
                history.clear();
                continue;
            }
            _ => {}
        }
        let question = Question {
            text: text.into(),
            history: history.clone(),
            filter: filter.clone(),
        };
        let answer = print(answering, &question, form).await?;
        let said = |role, text: &str| Message {
            role,
            text: text.into(),
        };
        history.push(said(Role::User, text));
        history.push(said(Role::Assistant, &answer.text));
    }
}

/// Waits on a thread of its own, so that Ctrl-C is heard meanwhile.
async fn next_line() -> Result<Option<String>, Failure> {
    let read = || {
        let mut line = String::new();
        let count = io::stdin().lock().read_line(&mut line)?;
        Ok((count > 0).then_some(line))
    };
    let read = tokio::task::spawn_blocking(read).await;
    let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
    read.map_err(Failure::io("read", "standard input".as_ref()))
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn terminals_are_told_nothing() {
        assert_eq!(plain("a\x1b[31mb\r\n\tc\u{9b}d"), "a[31mb\n\tcd");
    }
}

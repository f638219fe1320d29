//! Files of questions, judgements and rankings → questions with the grades of their documents.
//!
//! | file | lines |
//! |---|---|
//! | queries | `{"_id": "7", "text": "…", "embedding": […]}` as BEIR has them (the embedding is ours), or `7<tab>…` |
//! | qrels | `query document grade` (BEIR, with or without a line of headings) or `query 0 document grade` (TREC) |
//! | run | `query Q0 document rank score tag` (TREC) |

use crate::ingest::jsonl;
use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

/// A question and what is known about its answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    /// Its name in the judgements.
    pub id: String,
    /// What is searched for.
    pub text: String,
    /// Its embedding by the embedder of the documents, where it came with one.
    pub embedding: Option<Vec<f32>>,
    /// Grades by identifier of the document; above 0 is relevant.
    pub grades: HashMap<String, f64>,
}

/// Why a file of questions, judgements or rankings is unusable.
#[derive(Debug)]
#[non_exhaustive]
pub enum JudgedError {
    /// The file cannot be read.
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A line that is not of its format.
    Line {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// No question has a relevant document.
    NothingJudged {
        /// The file of judgements.
        path: PathBuf,
    },
}

impl fmt::Display for JudgedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            Self::Line {
                path,
                line,
                problem,
            } => write!(f, "{}:{line}: {problem}", path.display()),
            Self::NothingJudged { path } => write!(
                f,
                "{}: no question has a document of a grade above 0; check that the identifiers of \
                 questions are those of the queries file",
                path.display()
            ),
        }
    }
}

impl std::error::Error for JudgedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Line { .. } | Self::NothingJudged { .. } => None,
        }
    }
}

/// A file and its text, for messages that name the line.
struct Text<'a> {
    path: &'a Path,
    text: String,
}

impl<'a> Text<'a> {
    fn read(path: &'a Path) -> Result<Self, JudgedError> {
        let text = fs::read_to_string(path).map_err(|source| JudgedError::Io {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self { path, text })
    }

    /// Lines that are not empty and their indices.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let text = self.text.strip_prefix('\u{FEFF}').unwrap_or(&self.text);
        let lines = text.lines().enumerate();
        lines.filter(|(_, line)| !line.trim().is_empty())
    }

    fn bad(&self, at: usize, problem: impl Into<String>) -> JudgedError {
        JudgedError::Line {
            path: self.path.to_owned(),
            line: at + 1,
            problem: problem.into(),
        }
    }
}

/// Fields between tabs, or between any space where there is no tab.
fn fields(line: &str) -> Vec<&str> {
    if line.contains('\t') {
        line.split('\t').map(str::trim).collect()
    } else {
        line.split_whitespace().collect()
    }
}

/// Questions that have a relevant document, in the order of their file.
///
/// # Errors
/// [`JudgedError`].
pub fn read(queries: &Path, qrels: &Path) -> Result<Vec<Question>, JudgedError> {
    let mut judged = read_qrels(qrels)?;
    let file = Text::read(queries)?;
    let mut questions = Vec::new();
    for (at, line) in file.lines() {
        let mut question = question(line).map_err(|problem| file.bad(at, problem))?;
        // A question that stands twice is asked once.
        question.grades = judged.remove(&question.id).unwrap_or_default();
        if question.grades.values().any(|&grade| grade > 0.0) {
            questions.push(question);
        }
    }
    if questions.is_empty() {
        let path = qrels.to_owned();
        return Err(JudgedError::NothingJudged { path });
    }
    Ok(questions)
}

/// All questions of a file, judged or not.
///
/// # Errors
/// [`JudgedError`].
pub fn questions(path: &Path) -> Result<Vec<Question>, JudgedError> {
    let file = Text::read(path)?;
    let lines = file.lines();
    let read = lines.map(|(at, line)| question(line).map_err(|problem| file.bad(at, problem)));
    read.collect()
}

fn question(line: &str) -> Result<Question, String> {
    if line.trim_start().starts_with('{') {
        let record = jsonl::record(line.as_bytes()).map_err(|reason| reason.to_string())?;
        return Ok(Question {
            id: record.id,
            text: record.text,
            embedding: record.vector,
            ..Question::default()
        });
    }
    let (id, text) = line
        .split_once('\t')
        .ok_or("expected a JSON object, or an identifier, a tab and the question")?;
    Ok(Question {
        id: id.trim().into(),
        text: text.trim().into(),
        ..Question::default()
    })
}

/// Grades by question and document.
fn read_qrels(path: &Path) -> Result<HashMap<String, HashMap<String, f64>>, JudgedError> {
    let file = Text::read(path)?;
    let mut judged: HashMap<String, HashMap<String, f64>> = HashMap::new();
    for (at, line) in file.lines() {
        let (query, document, grade) = match fields(line)[..] {
            [query, document, grade] | [query, _, document, grade] => (query, document, grade),
            _ => {
                let problem = "expected query, document and grade, or query, 0, document and grade";
                return Err(file.bad(at, problem));
            }
        };
        match grade.parse::<f64>() {
            Ok(grade) if grade.is_finite() => {
                let grades = judged.entry(query.into()).or_default();
                grades.insert(document.into(), grade);
            }
            // The headings of BEIR's files.
            _ if at == 0 => {}
            _ => return Err(file.bad(at, format!("the grade {grade:?} is no number"))),
        }
    }
    Ok(judged)
}

/// The documents that a run file ranks for each of the questions, best first.
///
/// The score decides, not the rank, and among equal scores the later identifier comes first, both as
/// in trec_eval.
///
/// # Errors
/// [`JudgedError`].
pub fn read_run(path: &Path, questions: &[Question]) -> Result<Vec<Vec<String>>, JudgedError> {
    let file = Text::read(path)?;
    let mut ranked: HashMap<&str, Vec<(f64, &str)>> = HashMap::new();
    for (at, line) in file.lines() {
        let [query, _, document, _, score, ..] = fields(line)[..] else {
            let problem = "expected query, Q0, document, rank, score and tag";
            return Err(file.bad(at, problem));
        };
        let score = score.parse::<f64>().ok().filter(|score| !score.is_nan());
        let score = score.ok_or_else(|| file.bad(at, "the score is no number"))?;
        ranked.entry(query).or_default().push((score, document));
    }
    let found = |question: &Question| {
        let mut found = ranked.remove(question.id.as_str()).unwrap_or_default();
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(a.1)));
        let mut documents: Vec<String> = Vec::with_capacity(found.len());
        for (_, document) in found {
            // Once found is found: a second time would count twice.
            if !documents.iter().any(|known| known == document) {
                documents.push(document.into());
            }
        }
        documents
    };
    Ok(questions.iter().map(found).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path
    }

    #[test]
    fn both_layouts_of_judgements_say_the_same() {
        let folder = tempfile::tempdir().expect("folder");
        let queries = file(
            &folder,
            "queries.jsonl",
            "{\"_id\": \"1\", \"text\": \"canoe\"}\n\n{\"_id\": \"2\", \"text\": \"kayak\", \"embedding\": [1, 0]}\n{\"_id\": \"3\", \"text\": \"raft\"}\n",
        );
        let tab = file(&folder, "topics.tsv", "1\tcanoe\n2\tkayak\n3\traft\n");
        let beir = file(
            &folder,
            "qrels.tsv",
            "query-id\tcorpus-id\tscore\n1\ta b\t2\n1\tc\t0\n2\td\t1\n3\te\t0\n",
        );
        let trec = file(&folder, "qrels.txt", "1\t0\ta b\t2\n1 0 c 0\n2 0 d 1\n");
        let read = |queries: &Path, qrels: &Path| read(queries, qrels).expect("readable");
        let questions = read(&queries, &beir);
        assert_eq!(questions.len(), 2, "the third has nothing relevant");
        assert_eq!(questions[0].grades["a b"], 2.0);
        assert_eq!(questions[1].embedding, Some(vec![1.0, 0.0]));
        assert_eq!(read(&queries, &trec), questions);
        let texts = |questions: &[Question]| -> Vec<String> {
            questions.iter().map(|q| q.text.clone()).collect()
        };
        assert_eq!(texts(&read(&tab, &beir)), texts(&questions));
    }

    #[test]
    fn bad_lines_are_named() {
        let folder = tempfile::tempdir().expect("folder");
        let queries = file(&folder, "q", "1\tcanoe\n");
        let good = file(&folder, "good", "1 0 a 1\n");
        let table = [
            ("1 a 1\n1 b many\n", ":2: the grade \"many\" is no number"),
            ("1 a 1\n1 b\n", ":2: expected query"),
            ("1 a 0\n", "no question has a document"),
            ("9 a 1\n", "no question has a document"),
        ];
        for (text, expected) in table {
            let error = read(&queries, &file(&folder, "bad", text)).expect_err(text);
            assert!(error.to_string().contains(expected), "{error}");
        }
        for text in ["no tab\n", "{\"_id\": 1\n"] {
            let error = read(&file(&folder, "bad", text), &good).expect_err(text);
            assert!(error.to_string().contains(":1: "), "{error}");
        }
        let missing = read(&folder.path().join("missing"), &good).expect_err("missing");
        assert!(matches!(missing, JudgedError::Io { .. }));
    }

    #[test]
    fn run_is_ordered_by_score_and_names_a_document_once() {
        let folder = tempfile::tempdir().expect("folder");
        let question = |id: &str| Question {
            id: id.into(),
            ..Question::default()
        };
        let run = file(
            &folder,
            "run",
            "1 Q0 a 1 0.5 x\n1 Q0 b 2 0.9 x\n1 Q0 c 3 0.5 x\n1 Q0 b 4 0.1 x\n3 Q0 a 1 1 x\n",
        );
        let found = read_run(&run, &[question("1"), question("2")]).expect("readable");
        assert_eq!(found, [vec!["b", "c", "a"], vec![]]);
        let bad = file(&folder, "bad", "1 Q0 a 1 best x\n");
        assert!(read_run(&bad, &[question("1")]).is_err());
    }
}

//! The synonyms file → terms that are added to documents.
//!
//! ```text
//! # one group a line: each of them finds all
//! car, automobile, motor vehicle
//! # one way: a search for what stands before finds what stands behind
//! js => javascript
//! ```
//!
//! Documents get the terms of the other members at build, counted as related
//! ([`coracle::postings::Field::Related`]): so a search costs nothing more, and a document with the
//! word itself comes before one with its synonym.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::path::PathBuf;

use coracle::text::Analyzer;
use coracle::text::StopWords;

/// Largest file.
const MAX_BYTES: u64 = 16 << 20;

/// What is wrong with a synonyms file.
#[derive(Debug)]
#[non_exhaustive]
pub enum SynonymsError {
    /// It cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A line is no group.
    Line {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        problem: &'static str,
    },
}

impl fmt::Display for SynonymsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => {
                write!(
                    f,
                    "cannot read {}: {source}; check --synonyms",
                    path.display()
                )
            }
            Self::Line {
                path,
                line,
                problem,
            } => write!(
                f,
                "{}:{line}: {problem}; write a group as \"car, automobile\" or \"js => javascript\"",
                path.display()
            ),
        }
    }
}

impl std::error::Error for SynonymsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::Line { .. } => None,
        }
    }
}

/// One line: a document that has one of `found` is found by all of `by`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    by: Vec<String>,
    found: Vec<String>,
}

/// Reads a synonyms file.
///
/// # Errors
/// [`SynonymsError`], naming the line.
pub fn read(path: &Path) -> Result<Vec<Group>, SynonymsError> {
    let error = |source| SynonymsError::Read {
        path: path.to_owned(),
        source,
    };
    let bytes = std::fs::metadata(path).map_err(error)?.len();
    if bytes > MAX_BYTES {
        let kind = std::io::ErrorKind::FileTooLarge;
        return Err(error(std::io::Error::new(kind, "larger than 16 MiB")));
    }
    let text = std::fs::read_to_string(path).map_err(error)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut groups = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        groups.push(group(line).map_err(|problem| SynonymsError::Line {
            path: path.to_owned(),
            line: at + 1,
            problem,
        })?);
    }
    Ok(groups)
}

fn group(line: &str) -> Result<Group, &'static str> {
    let members = |side: &str| {
        let members: Vec<String> = side.split(',').map(|m| m.trim().to_owned()).collect();
        match members.iter().any(String::is_empty) {
            true => Err("a member is empty"),
            false => Ok(members),
        }
    };
    match line.split_once("=>") {
        Some((_, found)) if found.contains("=>") => Err("there are two arrows"),
        Some((by, found)) => Ok(Group {
            by: members(by)?,
            found: members(found)?,
        }),
        None => {
            let all = members(line)?;
            match all.len() {
                1 => Err("a group needs two members"),
                _ => Ok(Group {
                    by: all.clone(),
                    found: all,
                }),
            }
        }
    }
}

/// Terms of a language with what they are synonyms of.
#[derive(Debug, Default)]
pub struct Synonyms {
    /// By first term: the terms that must follow, and what is added then.
    by_first: HashMap<String, Vec<(Vec<String>, Vec<String>)>>,
}

impl Synonyms {
    /// The groups as an analyzer cuts them.
    #[must_use]
    pub fn new(analyzer: &Analyzer, groups: &[Group]) -> Self {
        let mut all = Self::default();
        for group in groups {
            let by: Vec<Vec<String>> = group.by.iter().map(|m| terms(analyzer, m)).collect();
            for member in &group.found {
                let mut sequence = terms(analyzer, member).into_iter();
                let Some(first) = sequence.next() else {
                    continue;
                };
                let rest: Vec<String> = sequence.collect();
                let is_other =
                    |by: &&Vec<String>| by.first() != Some(&first) || by[1..] != rest[..];
                let added: Vec<String> = by.iter().filter(is_other).flatten().cloned().collect();
                if !added.is_empty() {
                    all.by_first.entry(first).or_default().push((rest, added));
                }
            }
        }
        all
    }

    /// Passes on the synonyms of these terms, which stand in the order of the text.
    pub fn relate(&self, terms: &[&str], add: &mut dyn FnMut(&str)) {
        if self.by_first.is_empty() {
            return;
        }
        for (at, first) in terms.iter().enumerate() {
            for (rest, added) in self.by_first.get(*first).into_iter().flatten() {
                let follows = terms.get(at + 1..).unwrap_or_default();
                if follows.len() >= rest.len() && follows.iter().zip(rest).all(|(a, b)| a == b) {
                    added.iter().for_each(|term| add(term));
                }
            }
        }
    }
}

/// The terms of a member as texts have them.
fn terms(analyzer: &Analyzer, member: &str) -> Vec<String> {
    let mut out = Vec::new();
    for stop_words in [StopWords::Drop, StopWords::Keep] {
        analyzer.analyze(member, stop_words, &mut |token| {
            out.push(token.term.to_owned())
        });
        if !out.is_empty() {
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use coracle::text::Language;

    fn related(file: &str, text: &str) -> Vec<String> {
        let analyzer = Analyzer::new(Language::English);
        let groups: Vec<Group> = file.lines().map(|line| group(line).unwrap()).collect();
        let synonyms = Synonyms::new(&analyzer, &groups);
        let terms = terms(&analyzer, text);
        let terms: Vec<&str> = terms.iter().map(String::as_str).collect();
        let mut out = Vec::new();
        synonyms.relate(&terms, &mut |term| out.push(term.to_owned()));
        out
    }

    #[test]
    fn groups_hold_both_ways_and_arrows_one() {
        let file = "car, automobile, motor vehicle\njs => javascript";
        assert_eq!(
            related(file, "Old cars rust"),
            ["automobil", "motor", "vehicl"]
        );
        assert_eq!(related(file, "a motor vehicle"), ["car", "automobil"]);
        assert_eq!(related(file, "a motor boat"), Vec::<String>::new());
        assert_eq!(related(file, "JavaScript"), ["js"]);
        assert_eq!(related(file, "js"), Vec::<String>::new());
    }

    #[test]
    fn bad_lines_are_named() {
        for (line, problem) in [
            ("car", "a group needs two members"),
            ("car,, auto", "a member is empty"),
            ("a => ", "a member is empty"),
            ("a => b => c", "there are two arrows"),
        ] {
            assert_eq!(group(line).unwrap_err(), problem, "{line}");
        }
    }
}

//! Answers → figures about them that need no judge: whether they cite, and whether what they cite
//! bears them out as far as words can tell.

use std::fmt;

use coracle::answer::Outcome;
use serde::Serialize;

use crate::answering::Answer;

/// Figures about answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Judged {
    /// Questions asked.
    pub questions: usize,
    /// Answers that cite something.
    pub cited: usize,
    /// Sentences that cite something.
    pub sentences: usize,
    /// Of these, sentences whose references say what they say.
    pub supported: usize,
    /// Questions that the documents hold no answer to.
    pub not_covered: usize,
    /// Answers that no model wrote.
    pub extractive: usize,
    /// Answers that broke off, were cut or refused.
    pub incomplete: usize,
    /// Answers for which a part did less than it should.
    pub degraded: usize,
}

impl Judged {
    /// Counts one more answer.
    pub fn add(&mut self, answer: &Answer) {
        self.questions += 1;
        self.cited += usize::from(!answer.citations.is_empty());
        self.sentences += answer.citations.len();
        let supported = answer.citations.iter();
        self.supported += supported.filter(|citation| citation.is_supported()).count();
        self.degraded += usize::from(!answer.degraded.is_empty());
        match answer.outcome {
            Some(Outcome::NotCovered) => self.not_covered += 1,
            Some(Outcome::Extractive) => self.extractive += 1,
            Some(Outcome::Answered | Outcome::Uncited) => {}
            Some(Outcome::Length | Outcome::Refused | Outcome::Broken) | None => {
                self.incomplete += 1;
            }
        }
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} questions", self.questions)?;
        for (what, part, all) in [
            ("answers that cite", self.cited, self.questions),
            ("cited sentences borne out", self.supported, self.sentences),
            ("not covered", self.not_covered, self.questions),
            ("without a model", self.extractive, self.questions),
            ("incomplete", self.incomplete, self.questions),
            ("degraded", self.degraded, self.questions),
        ] {
            match all {
                0 => writeln!(f, "{what:26}      –")?,
                _ => writeln!(
                    f,
                    "{what:26} {:.4}  ({part} of {all})",
                    part as f64 / all as f64
                )?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use coracle::answer::Citation;
    use coracle::answer::Outcome;

    use super::Judged;
    use crate::answering::Answer;

    #[test]
    fn figures_are_shares_of_what_they_name() {
        let citation = |support| Citation {
            sentence: 0..1,
            numbers: vec![1],
            support,
        };
        let mut judged = Judged::default();
        judged.add(&Answer {
            citations: vec![citation(1.0), citation(0.0)],
            outcome: Some(Outcome::Answered),
            ..Answer::default()
        });
        judged.add(&Answer {
            outcome: Some(Outcome::NotCovered),
            ..Answer::default()
        });
        let text = judged.to_string();
        for line in [
            "2 questions",
            "answers that cite          0.5000  (1 of 2)",
            "cited sentences borne out  0.5000  (1 of 2)",
            "not covered                0.5000  (1 of 2)",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(Judged::default().to_string().contains("–"));
    }
}

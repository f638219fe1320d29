//! An answer's events into bytes to keep, and back.
//!
//! Only what an answer without faults tells is kept, so neither errors nor degraded parts come back.

use crate::answer::Citation;
use crate::answer::Event;
use crate::answer::Outcome;
use crate::answer::Reference;
use crate::json::Json;
use crate::provider::chat::Usage;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;

/// Longest answer that is read back, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// An answer and all that decides it: keys of different ones may be the same.
pub fn to_bytes(of: &str, events: &[Event]) -> Vec<u8> {
    let mut told: Vec<Json> = Vec::new();
    let mut text = String::new();
    for event in events {
        if let Event::Delta(delta) = event {
            text.push_str(delta);
            continue;
        }
        if !text.is_empty() {
            told.push(Event::Delta(core::mem::take(&mut text)).to_json());
        }
        told.push(event.to_json());
    }
    let kept = Json::object([("of", of.into()), ("events", Json::Array(told))]);
    kept.to_string().into_bytes()
}

/// The events of an answer that was kept; nothing where it is another one's, or damaged.
pub fn from_bytes(of: &str, bytes: &[u8]) -> Option<Vec<Event>> {
    let json = Json::parse_within(str::from_utf8(bytes).ok()?, MAX_BYTES).ok()?;
    if json.get("of")?.as_str()? != of {
        return None;
    }
    let events = json.get("events")?.as_array()?.iter();
    events.map(event).collect()
}

fn event(json: &Json) -> Option<Event> {
    let text = |name: &str| Some(String::from(json.get(name)?.as_str()?));
    let number = |name: &str| json.get(name)?.as_u64();
    Some(match json.get("type")?.as_str()? {
        "search" => Event::Search {
            query: text("query")?,
        },
        "sources" => {
            let references = json.get("sources")?.as_array()?.iter();
            Event::Sources(references.map(reference).collect::<Option<_>>()?)
        }
        "delta" => Event::Delta(text("text")?),
        "citation" => {
            let numbers = json.get("sources")?.as_array()?.iter();
            let number_of = |number: &Json| u32::try_from(number.as_u64()?).ok();
            let start = usize::try_from(number("start")?).ok()?;
            let end = usize::try_from(number("end")?).ok()?;
            Event::Citation(Citation {
                sentence: start..end,
                numbers: numbers.map(number_of).collect::<Option<_>>()?,
                support: json.get("support")?.as_f64()? as f32,
            })
        }
        "usage" => Event::Usage(Usage {
            input: number("input")?,
            output: number("output")?,
        }),
        "done" => {
            let name = json.get("outcome")?.as_str()?;
            let kept = [Outcome::Answered, Outcome::Extractive, Outcome::NotCovered];
            let outcome = kept.into_iter().find(|outcome| outcome.name() == name);
            Event::Done(outcome?)
        }
        _ => return None,
    })
}

/// Without its length in tokens, which matters to prompts alone.
fn reference(json: &Json) -> Option<Reference> {
    let text = |name: &str| Some(String::from(json.get(name)?.as_str()?));
    let number = |name: &str| u32::try_from(json.get(name)?.as_u64()?).ok();
    let headings = json.get("headings")?.as_array()?.iter();
    let heading = |heading: &Json| Some(String::from(heading.as_str()?));
    let chunk = number("chunk")?;
    Some(Reference {
        number: number("number")?,
        id: text("id")?,
        title: text("title")?,
        url: text("url")?,
        anchor: text("anchor")?,
        headings: headings.map(heading).collect::<Option<_>>()?,
        chunks: chunk..chunk.checked_add(1)?,
        tokens: 0,
        text: text("text")?,
    })
}

#[cfg(test)]
mod tests {
    use super::from_bytes;
    use super::to_bytes;
    use crate::answer::Citation;
    use crate::answer::Event;
    use crate::answer::Outcome;
    use crate::answer::Reference;
    use crate::provider::chat::Usage;
    use alloc::vec::Vec;

    #[test]
    fn what_is_kept_is_told_again() {
        let reference = Reference {
            number: 1,
            id: "a".into(),
            title: "A \"title\"".into(),
            url: "/a".into(),
            anchor: "x".into(),
            headings: Vec::from(["H".into()]),
            chunks: 7..8,
            tokens: 0,
            text: "Text.".into(),
        };
        let citation = Citation {
            sentence: 0..9,
            numbers: Vec::from([1]),
            support: 0.7,
        };
        let mut events = Vec::from([
            Event::Search { query: "q".into() },
            Event::Sources(Vec::from([reference])),
            Event::Delta("It is ".into()),
            Event::Delta("so [1].".into()),
            Event::Citation(citation),
            Event::Usage(Usage {
                input: 10,
                output: 3,
            }),
            Event::Done(Outcome::Answered),
        ]);
        let kept = to_bytes("of", &events);
        assert_eq!(from_bytes("another", &kept), None);
        assert_eq!(from_bytes("of", &kept[1..]), None);
        events.splice(2..4, [Event::Delta("It is so [1].".into())]);
        assert_eq!(from_bytes("of", &kept), Some(events));
    }
}

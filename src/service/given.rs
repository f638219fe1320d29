//! What a request gives, checked by tables of parameters. Every refusal names the parameter and what it
//! may be; the same tables make the description of the service (`openapi.rs`).

use super::Refusal;
use super::Request;
use crate::filter::Filter;
use crate::filter::MAX_BYTES as MAX_FILTER_BYTES;
use crate::json::Json;
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use percent_encoding::percent_decode_str;

/// Longest question, in UTF-16 units.
pub const MAX_QUERY: usize = 1000;

/// Most components of an embedding.
pub const MAX_COMPONENTS: usize = 8192;

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A question: text of 1 to [`MAX_QUERY`] UTF-16 units that are not all white space.
    Query,
    /// Text of at most so many UTF-16 units.
    Text(usize),
    /// True or false.
    Flag,
    /// A whole number between two others.
    Whole(u32, u32),
    /// A number from 0 to 1.
    Share,
    /// One of some names.
    Choice(&'static [&'static str]),
    /// At most so many names.
    Names(usize),
    /// An embedding.
    Numbers,
    /// A condition on metadata.
    Filter,
    /// What was said before, checked where it is read.
    Messages,
}

/// A parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What it is for.
    pub about: &'static str,
}

/// A row of a table.
pub const fn parameter(name: &'static str, kind: Kind, about: &'static str) -> Parameter {
    Parameter { name, kind, about }
}

/// Checked parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Given(Vec<(String, Json)>);

impl Given {
    /// Out of what stands after the `?` of an address.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn from_address(query: &str, table: &[Parameter]) -> Result<Self, Refusal> {
        let mut given: Vec<(String, Json)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, text) = (decoded(name), decoded(text));
            let known = table.iter().find(|known| known.name == name);
            let kind = known.ok_or_else(|| unknown(&name, table))?.kind;
            let before = given.iter_mut().find(|(known, _)| *known == name);
            let value = of_text(&name, kind, text)?;
            match (before, value) {
                // A list may come in several parts.
                (Some((_, Json::Array(names))), Json::Array(more)) if is_names(kind) => {
                    names.extend(more);
                }
                (Some(_), _) => return Err(Refusal::parameter(&name, "is given twice")),
                (None, value) => given.push((name, value)),
            }
        }
        Self::checked(given, table)
    }

    /// Out of a JSON body, which may hold nothing but these parameters.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn from_body(request: &Request, table: &[Parameter]) -> Result<Self, Refusal> {
        Self::checked(object(&request.body, table)?, table)
    }

    /// Out of members that were read already.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn checked(given: Vec<(String, Json)>, table: &[Parameter]) -> Result<Self, Refusal> {
        for (name, _) in &given {
            if !table.iter().any(|known| known.name == name) {
                return Err(unknown(name, table));
            }
        }
        let given = Self(given);
        for one in table {
            check(one, given.get(one.name))?;
        }
        Ok(given)
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&Json> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }

    /// A text; empty where it is not given.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).and_then(Json::as_str).unwrap_or_default()
    }

    /// Whether a flag is set.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(Json::as_bool).unwrap_or(false)
    }

    /// A whole number.
    pub fn whole(&self, name: &str) -> Option<usize> {
        usize::try_from(self.get(name)?.as_u64()?).ok()
    }

    /// A number.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.get(name)?.as_f64()
    }

    /// The elements of a list.
    pub fn list(&self, name: &str) -> Option<&[Json]> {
        self.get(name)?.as_array()
    }

    /// The condition on metadata.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn filter(&self) -> Result<Option<Filter>, Refusal> {
        let Some(filter) = self.get("filter") else {
            return Ok(None);
        };
        let filter = Filter::from_json(filter);
        let filter = filter.map_err(|bad| Refusal::new(400, "filter", bad.to_string()))?;
        Ok(Some(filter))
    }
}

/// The members of a JSON body. `table` gives the example in refusals.
///
/// # Errors
/// [`Refusal`].
pub fn object(body: &[u8], table: &[Parameter]) -> Result<Vec<(String, Json)>, Refusal> {
    let text = str::from_utf8(body);
    let text = text.map_err(|_| Refusal::new(400, "bad-request", "the body is not UTF-8"))?;
    // Hosts that know no bound of bodies are bounded by the guard.
    let json = Json::parse_within(text, usize::MAX);
    let json =
        json.map_err(|bad| Refusal::new(400, "bad-request", format!("the body is not {bad}")))?;
    match json {
        Json::Object(members) => Ok(members),
        _ => {
            let name = table.first().map_or("q", |first| first.name);
            let message = format!("the body must be a JSON object such as {{\"{name}\": …}}");
            Err(Refusal::new(400, "bad-request", message))
        }
    }
}

/// UTF-16 units, as JavaScript counts.
pub fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn is_names(kind: Kind) -> bool {
    matches!(kind, Kind::Names(_))
}

fn unknown(name: &str, table: &[Parameter]) -> Refusal {
    let name: String = name.chars().take(40).collect();
    let known: Vec<&str> = table.iter().map(|known| known.name).collect();
    let claim = format!("is not known; known are {}", known.join(", "));
    Refusal::parameter(&name, &claim)
}

fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

/// What the text in an address stands for.
fn of_text(name: &str, kind: Kind, text: String) -> Result<Json, Refusal> {
    Ok(match kind {
        Kind::Query | Kind::Text(_) | Kind::Choice(_) => text.into(),
        Kind::Flag => match &*text {
            "" | "1" | "true" => true.into(),
            "0" | "false" => false.into(),
            _ => return Err(Refusal::parameter(name, "must be true or false")),
        },
        Kind::Whole(..) | Kind::Share => Json::parse(&text).unwrap_or(Json::Null),
        Kind::Names(_) => Json::Array(text.split(',').map(Json::from).collect()),
        Kind::Numbers | Kind::Filter | Kind::Messages => {
            Json::parse(&text).map_err(|bad| Refusal::parameter(name, &format!("is not {bad}")))?
        }
    })
}

fn check(parameter: &Parameter, value: Option<&Json>) -> Result<(), Refusal> {
    let name = parameter.name;
    if parameter.kind == Kind::Query {
        return check_query(name, value);
    }
    let Some(value) = value else {
        return Ok(());
    };
    let must: Cow<'_, str> = match parameter.kind {
        Kind::Text(most) => match value.as_str() {
            Some(text) if units(text) <= most => return Ok(()),
            _ => format!("must be text of at most {most} characters").into(),
        },
        Kind::Flag if value.as_bool().is_some() => return Ok(()),
        Kind::Flag => "must be true or false".into(),
        Kind::Whole(least, most) => match value.as_u64() {
            Some(number) if (u64::from(least)..=u64::from(most)).contains(&number) => return Ok(()),
            _ => format!("must be a whole number from {least} to {most}").into(),
        },
        Kind::Share => match value.as_f64() {
            Some(share) if (0.0..=1.0).contains(&share) => return Ok(()),
            _ => "must be a number from 0 to 1".into(),
        },
        Kind::Choice(names) => match value.as_str() {
            Some(text) if names.contains(&text) => return Ok(()),
            _ => format!("must be one of {}", names.join(", ")).into(),
        },
        Kind::Names(most) => {
            let is_name = |name: &Json| name.as_str().is_some_and(|name| !name.is_empty());
            match value.as_array() {
                Some(names) if !names.iter().all(is_name) => "must be a list of field names".into(),
                Some(names) if names.len() <= most => return Ok(()),
                Some(names) => {
                    let got = names.len();
                    format!("names {got} fields; at most {most} are counted").into()
                }
                None => "must be a list of field names".into(),
            }
        }
        Kind::Numbers => match value.as_array() {
            Some(numbers)
                if numbers.len() <= MAX_COMPONENTS
                    && numbers.iter().all(|number| number.as_f64().is_some()) =>
            {
                return Ok(());
            }
            _ => format!("must be a list of at most {MAX_COMPONENTS} numbers").into(),
        },
        Kind::Filter => {
            let message = match value {
                Json::Object(_) if value.to_string().len() <= MAX_FILTER_BYTES => return Ok(()),
                Json::Object(_) => format!("`{name}` is longer than {MAX_FILTER_BYTES} bytes"),
                _ => format!("`{name}` must be a JSON object such as {{\"lang\": \"en\"}}"),
            };
            return Err(Refusal::new(400, "filter", message));
        }
        Kind::Query | Kind::Messages => return Ok(()),
    };
    Err(Refusal::parameter(name, &must))
}

fn check_query(name: &str, value: Option<&Json>) -> Result<(), Refusal> {
    let text = value.and_then(Json::as_str).unwrap_or_default();
    let length = units(text);
    if text.trim().is_empty() {
        let message = format!("the query is missing: give `{name}`, as in {{\"{name}\": \"…\"}}");
        return Err(Refusal::new(400, "missing-query", message));
    }
    if length > MAX_QUERY {
        let message = format!("the query has {length} characters; at most {MAX_QUERY} are taken");
        return Err(Refusal::new(400, "query-too-long", message));
    }
    Ok(())
}

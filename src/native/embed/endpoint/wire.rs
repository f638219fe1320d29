//! The bodies: texts into a request, a response into checked rows.

use core::fmt;
use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde::Serialize;

use super::Encoding;
use super::EndpointOptions;

/// Longest explanation of a server that is passed on, in characters.
const MESSAGE_LEN: usize = 300;

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding_format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<usize>,
}

/// The body that asks for the embeddings of `texts`.
pub(super) fn request(options: &EndpointOptions, texts: &[&str]) -> Vec<u8> {
    let input = texts.iter().map(|&text| match options.prefix.as_str() {
        "" => Cow::Borrowed(text),
        prefix => Cow::Owned(format!("{prefix}{text}")),
    });
    let request = Request {
        model: &options.model,
        input: input.collect(),
        encoding_format: match options.encoding {
            Encoding::Base64 => Some("base64"),
            Encoding::Float => Some("float"),
            Encoding::Unsaid => None,
        },
        dimensions: options.dimensions,
    };
    serde_json::to_vec(&request).expect("strings and numbers are always JSON")
}

/// What is wrong with a response.
#[derive(Debug)]
#[non_exhaustive]
pub enum ResponseProblem {
    /// Not JSON, or not of the documented form.
    Form(serde_json::Error),
    /// Not one embedding per text.
    Count {
        /// Texts sent.
        expected: usize,
        /// Embeddings received.
        got: usize,
    },
    /// An index beyond the texts, or one that occurs twice.
    Index {
        /// Place in `data`.
        at: usize,
        /// The index found there.
        index: usize,
    },
    /// Not base64 of whole `f32` numbers.
    Base64 {
        /// Place in `data`.
        at: usize,
    },
    /// Another number of components.
    Dim {
        /// Place in `data`.
        at: usize,
        /// Components wanted.
        expected: usize,
        /// Components received.
        got: usize,
    },
    /// A component that is no finite number.
    NotFinite {
        /// Place in `data`.
        at: usize,
        /// Which component.
        component: usize,
    },
    /// Nothing but zeros, which has no direction.
    Zero {
        /// Place in `data`.
        at: usize,
    },
}

impl fmt::Display for ResponseProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(error) => write!(f, "not an embeddings response: {error}; check the URL"),
            Self::Count { expected, got } => {
                write!(
                    f,
                    "data has {got} entries for {expected} texts; send smaller batches"
                )
            }
            Self::Index { at, index } => {
                write!(
                    f,
                    "data[{at}].index is {index}, which is too large or a repetition"
                )
            }
            Self::Base64 { at } => {
                write!(
                    f,
                    "data[{at}].embedding is not base64 of f32 numbers; ask for float"
                )
            }
            Self::Dim { at, expected, got } => write!(
                f,
                "data[{at}].embedding has {got} components, expected {expected}; check model and \
                 dimensions"
            ),
            Self::NotFinite { at, component } => {
                write!(
                    f,
                    "data[{at}].embedding[{component}] is not a finite number; report it to the server's maker"
                )
            }
            Self::Zero { at } => {
                write!(
                    f,
                    "data[{at}].embedding is all zeros; report it to the server's maker"
                )
            }
        }
    }
}

impl core::error::Error for ResponseProblem {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Form(error) => Some(error),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    data: Vec<Item<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    index: Option<usize>,
    #[serde(borrow)]
    embedding: Numbers<'a>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "embedding is neither a list of numbers nor base64"
)]
enum Numbers<'a> {
    Base64(#[serde(borrow)] Cow<'a, str>),
    // Some servers write NaN as null.
    Float(Vec<Option<f32>>),
}

/// The rows of a response to `texts` texts, in the order of the texts. Without `dim` the first row
/// sets it.
pub(super) fn response(
    body: &[u8],
    texts: usize,
    mut dim: Option<usize>,
) -> Result<Vec<f32>, ResponseProblem> {
    let response: Response<'_> = serde_json::from_slice(body).map_err(ResponseProblem::Form)?;
    let got = response.data.len();
    if got != texts {
        return Err(ResponseProblem::Count {
            expected: texts,
            got,
        });
    }
    let mut rows = vec![Vec::new(); texts];
    for (at, item) in response.data.into_iter().enumerate() {
        let index = item.index.unwrap_or(at);
        let row = match item.embedding {
            Numbers::Base64(text) => floats(&text).ok_or(ResponseProblem::Base64 { at })?,
            Numbers::Float(numbers) => numbers
                .into_iter()
                .map(|x| x.unwrap_or(f32::NAN))
                .collect::<Vec<_>>(),
        };
        let expected = *dim.get_or_insert(row.len());
        if row.len() != expected || row.is_empty() {
            return Err(ResponseProblem::Dim {
                at,
                expected,
                got: row.len(),
            });
        }
        if let Some(component) = row.iter().position(|x| !x.is_finite()) {
            return Err(ResponseProblem::NotFinite { at, component });
        }
        if row.iter().all(|&x| x == 0.0) {
            return Err(ResponseProblem::Zero { at });
        }
        match rows.get_mut(index) {
            Some(place) if place.is_empty() => *place = row,
            _ => return Err(ResponseProblem::Index { at, index }),
        }
    }
    Ok(rows.concat())
}

fn floats(text: &str) -> Option<Vec<f32>> {
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    let (floats, []) = bytes.as_chunks() else {
        return None;
    };
    Some(floats.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

/// Why a server refused.
pub(super) struct Refusal {
    pub(super) message: String,
    /// The account has nothing left; waiting does not help.
    pub(super) quota: bool,
}

/// Reads an error body: `{"error": {"message", "code"}}`, `{"error": "…"}`, or plain text.
pub(super) fn refusal(body: &[u8]) -> Refusal {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let error = &json["error"];
    let message = [&error["message"], error, &json["message"], &json["detail"]]
        .into_iter()
        .find_map(|value| value.as_str().map(Cow::Borrowed))
        .unwrap_or_else(|| String::from_utf8_lossy(body));
    let quota = [&error["code"], &error["type"]]
        .into_iter()
        .any(|value| value.as_str() == Some("insufficient_quota"));
    let message = message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c });
    Refusal {
        message: message.take(MESSAGE_LEN).collect(),
        quota,
    }
}

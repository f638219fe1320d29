//! Texts into a request for their embeddings, a response into checked rows.
//!
//! | API | request | response |
//! |---|---|---|
//! | OpenAI, Azure | `{model, input, encoding_format, dimensions}` | `{data: [{index, embedding}]}` |
//! | Voyage | `{model, input, input_type, output_dimension}` | the same |
//! | Jina | `{model, input, task, dimensions, embedding_type}` | the same |
//! | Cohere | `{model, texts, input_type, embedding_types, output_dimension}` | `{embeddings: {float}}` |
//! | Ollama | `{model, input, dimensions}` | `{embeddings}` |
//! | TEI | `{inputs, truncate, dimensions}` | `[[…]]` |
//! | Workers AI | `{text, pooling}` | `{result: {data}}`, through a binding `{data}` |
//!
//! Sources: `openai-openapi` v2.3.0; the API references of the others as of November 2026.

use super::Call;
use super::CallError;
use super::Request;
use super::Server;
use super::Transport;
use super::UrlProblem;
use crate::json::Json;
use crate::json::JsonError;
use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use core::fmt;

/// Longest response that is read: 2,048 embeddings of 8,192 numbers as decimal text.
pub const MAX_RESPONSE_BYTES: usize = 512 << 20;

/// Longest response to a single query: 8,192 numbers as decimal text.
const MAX_QUERY_RESPONSE_BYTES: usize = 1 << 20;

/// What kind of server embeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Api {
    /// OpenAI's, and what is compatible with it; Azure's v1 as well, and its deployments with the
    /// address up to `/deployments/NAME` and `?api-version=…`.
    #[default]
    OpenAi,
    /// Voyage.
    Voyage,
    /// Jina.
    Jina,
    /// Cohere, version 2.
    Cohere,
    /// Ollama's own.
    Ollama,
    /// Hugging Face's Text Embeddings Inference.
    Tei,
    /// Cloudflare's `…/accounts/ID/ai/run/MODEL`.
    WorkersAi,
}

impl Api {
    /// Most texts that such a server takes in one request.
    pub fn most_texts(self) -> usize {
        match self {
            Self::OpenAi | Self::Ollama | Self::Jina => 2048,
            Self::Voyage => 128,
            Self::WorkersAi => 100,
            Self::Cohere => 96,
            Self::Tei => 32,
        }
    }
}

/// What a text is embedded for. Some models embed questions and passages differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be found.
    Document,
    /// To find.
    Query,
}

/// How the server is asked to write numbers. Either form is understood in any response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Little-endian `f32` in base64: a quarter of the bytes of decimal text.
    #[default]
    Base64,
    /// Decimal text.
    Float,
    /// Whatever the server does unasked, for servers that refuse the field.
    Unsaid,
}

/// A model that embeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// What it speaks.
    pub api: Api,
    /// Where it is.
    pub server: Server,
    /// The model's name at its server.
    pub model: String,
    /// Components to ask for; nothing takes the model's own number.
    pub dimensions: Option<usize>,
    /// Form of the numbers to ask for.
    pub encoding: Encoding,
    /// Text put before every document, such as `passage: `, where the model was trained with one.
    pub document_prefix: String,
    /// Text put before every query.
    pub query_prefix: String,
}

impl Model {
    /// The usual settings for a model at an address.
    pub fn new(api: Api, url: &str, model: &str) -> Self {
        Self {
            api,
            server: Server::new(url),
            model: model.into(),
            dimensions: None,
            encoding: Encoding::default(),
            document_prefix: String::new(),
            query_prefix: String::new(),
        }
    }

    /// The request for the embeddings of `texts`.
    ///
    /// # Errors
    /// [`UrlProblem`].
    pub fn request(&self, texts: &[&str], purpose: Purpose) -> Result<Request, UrlProblem> {
        let is_query = purpose == Purpose::Query;
        let prefix = if is_query {
            &self.query_prefix
        } else {
            &self.document_prefix
        };
        let one = |&text: &&str| Json::from([prefix.as_str(), text].concat());
        let input = Json::Array(texts.iter().map(one).collect());
        let choose =
            |query: &str, document: &str| Json::from(if is_query { query } else { document });
        let format = match self.encoding {
            Encoding::Base64 => Some("base64"),
            Encoding::Float => Some("float"),
            Encoding::Unsaid => None,
        };
        let mut body: Vec<(&str, Json)> = Vec::new();
        let mut path = String::from("/embeddings");
        let mut dimensions = "dimensions";
        if !matches!(self.api, Api::Tei | Api::WorkersAi) {
            body.push(("model", self.model.as_str().into()));
        }
        match self.api {
            Api::OpenAi => {
                body.push(("input", input));
                body.extend(format.map(|format| ("encoding_format", format.into())));
            }
            Api::Voyage => {
                body.push(("input", input));
                body.push(("input_type", choose("query", "document")));
                // It knows base64 alone; lists are what it sends unasked.
                let base64 = format.filter(|&format| format == "base64");
                body.extend(base64.map(|format| ("encoding_format", format.into())));
                dimensions = "output_dimension";
            }
            Api::Jina => {
                body.push(("input", input));
                body.push(("task", choose("retrieval.query", "retrieval.passage")));
                body.extend(format.map(|format| ("embedding_type", format.into())));
            }
            Api::Cohere => {
                body.push(("texts", input));
                body.push(("input_type", choose("search_query", "search_document")));
                body.push(("embedding_types", Json::Array(Vec::from(["float".into()]))));
                dimensions = "output_dimension";
                path = "/embed".into();
            }
            Api::Ollama => {
                body.push(("input", input));
                path = "/api/embed".into();
            }
            Api::Tei => {
                body.push(("inputs", input));
                body.push(("truncate", true.into()));
                path = "/embed".into();
            }
            Api::WorkersAi => {
                body.push(("text", input));
                // Both kinds of pooling are one model by name and two spaces.
                if self.model.contains("/bge-") && !self.model.ends_with("/bge-m3") {
                    body.push(("pooling", "cls".into()));
                }
                path = alloc::format!("/ai/run/{}", self.model);
            }
        }
        if self.api != Api::WorkersAi {
            let number = self.dimensions.map(|number| Json::from(number as f64));
            body.extend(number.map(|number| (dimensions, number)));
        }
        self.server.post(&path, &Json::object(body))
    }

    /// The rows of a response to `texts` texts, one after the other in the order of the texts. Without
    /// `dim` the first row sets their length.
    ///
    /// # Errors
    /// [`ResponseProblem`].
    pub fn response(
        &self,
        body: &[u8],
        texts: usize,
        dim: Option<usize>,
    ) -> Result<Vec<f32>, ResponseProblem> {
        let body = str::from_utf8(body).map_err(|_| ResponseProblem::Form { wanted: "UTF-8" })?;
        let json = Json::parse_within(body, MAX_RESPONSE_BYTES).map_err(ResponseProblem::Json)?;
        let (list, wanted) = match self.api {
            Api::OpenAi | Api::Voyage | Api::Jina => (json.get("data"), "data, a list"),
            Api::Cohere => {
                let by_type = json.get("embeddings");
                (
                    by_type.and_then(|all| all.get("float")),
                    "embeddings.float, a list",
                )
            }
            Api::Ollama => (json.get("embeddings"), "embeddings, a list"),
            Api::Tei => (Some(&json), "a list"),
            Api::WorkersAi => {
                let result = json.get("result").unwrap_or(&json);
                (result.get("data"), "result.data, a list")
            }
        };
        let list = list
            .and_then(Json::as_array)
            .ok_or(ResponseProblem::Form { wanted })?;
        rows(list, texts, dim)
    }
}

impl Model {
    /// The embedding of a query, of `dim` components where they are known.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn embed_query<T: Transport>(
        &self,
        call: &Call<'_, T>,
        query: &str,
        dim: Option<usize>,
    ) -> Result<Vec<f32>, QueryError> {
        let request = self.request(&[query], Purpose::Query);
        let request = request.map_err(QueryError::Url)?;
        let body = call.fetch(&request, MAX_QUERY_RESPONSE_BYTES).await;
        let body = body.map_err(QueryError::Call)?;
        self.response(&body, 1, dim).map_err(QueryError::Response)
    }
}

/// Why a query has no embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryError {
    /// The address is not used.
    Url(UrlProblem),
    /// The server did not answer.
    Call(CallError),
    /// Its answer is of no use.
    Response(ResponseProblem),
}

impl QueryError {
    /// A stable name of the kind of error, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url(_) => "url",
            Self::Call(error) => error.code(),
            Self::Response(_) => "response",
        }
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(problem) => problem.fmt(f),
            Self::Call(error) => error.fmt(f),
            Self::Response(problem) => problem.fmt(f),
        }
    }
}

impl core::error::Error for QueryError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(match self {
            Self::Url(problem) => problem,
            Self::Call(error) => error,
            Self::Response(problem) => problem,
        })
    }
}

/// Rows out of a list of embeddings, or of objects with `embedding` and perhaps `index`.
fn rows(list: &[Json], texts: usize, mut dim: Option<usize>) -> Result<Vec<f32>, ResponseProblem> {
    if list.len() != texts {
        return Err(ResponseProblem::Count {
            expected: texts,
            got: list.len(),
        });
    }
    let mut rows = alloc::vec![Vec::new(); texts];
    for (at, item) in list.iter().enumerate() {
        let index = item.get("index").and_then(Json::as_u64);
        let index = index.map_or(at, |index| usize::try_from(index).unwrap_or(usize::MAX));
        let row = match item.get("embedding").unwrap_or(item) {
            Json::String(text) => floats(text).ok_or(ResponseProblem::Base64 { at })?,
            Json::Array(numbers) => {
                // Some servers write NaN as null.
                let number =
                    |number: &Json| number.as_f64().map_or(f32::NAN, |number| number as f32);
                numbers.iter().map(number).collect()
            }
            _ => {
                return Err(ResponseProblem::Form {
                    wanted: "embeddings, as lists or base64",
                });
            }
        };
        let expected = *dim.get_or_insert(row.len());
        if row.len() != expected || row.is_empty() {
            let got = row.len();
            return Err(ResponseProblem::Dim { at, expected, got });
        }
        if let Some(component) = row.iter().position(|x: &f32| !x.is_finite()) {
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
    Some(
        floats
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect(),
    )
}

/// What is wrong with a response.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseProblem {
    /// Not JSON.
    Json(JsonError),
    /// Not of the documented form.
    Form {
        /// What is missing.
        wanted: &'static str,
    },
    /// Not one embedding per text.
    Count {
        /// Texts sent.
        expected: usize,
        /// Embeddings received.
        got: usize,
    },
    /// An index beyond the texts, or one that occurs twice.
    Index {
        /// Place in the list.
        at: usize,
        /// The index found there.
        index: usize,
    },
    /// Not base64 of whole `f32` numbers.
    Base64 {
        /// Place in the list.
        at: usize,
    },
    /// Another number of components.
    Dim {
        /// Place in the list.
        at: usize,
        /// Components wanted.
        expected: usize,
        /// Components received.
        got: usize,
    },
    /// A component that is no finite number.
    NotFinite {
        /// Place in the list.
        at: usize,
        /// Which component.
        component: usize,
    },
    /// Nothing but zeros, which has no direction.
    Zero {
        /// Place in the list.
        at: usize,
    },
}

impl fmt::Display for ResponseProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "not JSON: {error}; check the URL"),
            Self::Form { wanted } => write!(
                f,
                "not an embeddings response: {wanted} is missing; check the URL and the kind of API"
            ),
            Self::Count { expected, got } => {
                write!(
                    f,
                    "it has {got} embeddings for {expected} texts; send smaller batches"
                )
            }
            Self::Index { at, index } => write!(
                f,
                "embedding {at} has the index {index}, which is too large or a repetition"
            ),
            Self::Base64 { at } => {
                write!(
                    f,
                    "embedding {at} is not base64 of f32 numbers; ask for float"
                )
            }
            Self::Dim { at, expected, got } => write!(
                f,
                "embedding {at} has {got} components, expected {expected}; check model and dimensions"
            ),
            Self::NotFinite { at, component } => write!(
                f,
                "component {component} of embedding {at} is not a finite number; report it to the \
                 server's maker"
            ),
            Self::Zero { at } => {
                write!(
                    f,
                    "embedding {at} is all zeros; report it to the server's maker"
                )
            }
        }
    }
}

impl core::error::Error for ResponseProblem {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Json(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Api;
    use super::Encoding;
    use super::Model;
    use super::Purpose;
    use super::ResponseProblem;
    use alloc::vec::Vec;

    const URL: &str = "https://h";

    #[test]
    fn requests_and_responses_are_those_of_the_documentation() {
        let list = r#"{"object":"list","data":[{"object":"embedding","index":1,"embedding":[0.5,-1]},{"object":"embedding","index":0,"embedding":"AACAPwAAAEA="}],"model":"m","usage":{"prompt_tokens":2,"total_tokens":2}}"#;
        for (api, url, body, response) in [
            (
                Api::OpenAi,
                "https://h/embeddings",
                r#"{"model":"m","input":["d: a","d: b"],"encoding_format":"base64","dimensions":2}"#,
                list,
            ),
            (
                Api::Voyage,
                "https://h/embeddings",
                r#"{"model":"m","input":["d: a","d: b"],"input_type":"document","encoding_format":"base64","output_dimension":2}"#,
                list,
            ),
            (
                Api::Jina,
                "https://h/embeddings",
                r#"{"model":"m","input":["d: a","d: b"],"task":"retrieval.passage","embedding_type":"base64","dimensions":2}"#,
                list,
            ),
            (
                Api::Cohere,
                "https://h/embed",
                r#"{"model":"m","texts":["d: a","d: b"],"input_type":"search_document","embedding_types":["float"],"output_dimension":2}"#,
                r#"{"id":"x","embeddings":{"float":[[1,2],[0.5,-1]]},"texts":["a","b"]}"#,
            ),
            (
                Api::Ollama,
                "https://h/api/embed",
                r#"{"model":"m","input":["d: a","d: b"],"dimensions":2}"#,
                r#"{"model":"m","embeddings":[[1,2],[0.5,-1]],"prompt_eval_count":2}"#,
            ),
            (
                Api::Tei,
                "https://h/embed",
                r#"{"inputs":["d: a","d: b"],"truncate":true,"dimensions":2}"#,
                "[[1,2],[0.5,-1]]",
            ),
            (
                Api::WorkersAi,
                "https://h/ai/run/m",
                r#"{"text":["d: a","d: b"]}"#,
                r#"{"result":{"shape":[2,2],"data":[[1,2],[0.5,-1]]},"success":true,"errors":[]}"#,
            ),
        ] {
            let mut model = Model::new(api, URL, "m");
            model.document_prefix = "d: ".into();
            model.dimensions = Some(2);
            let request = model
                .request(&["a", "b"], Purpose::Document)
                .expect("a good address");
            assert_eq!((&*request.url, &*request.body), (url, body), "{api:?}");
            let rows = model.response(response.as_bytes(), 2, None);
            assert_eq!(rows, Ok(Vec::from([1.0, 2.0, 0.5, -1.0])), "{api:?}");
            assert!(matches!(
                model.response(b"{}", 2, None),
                Err(ResponseProblem::Form { .. })
            ));
            let wrong = model.response(response.as_bytes(), 2, Some(3));
            assert!(
                matches!(
                    wrong,
                    Err(ResponseProblem::Dim {
                        expected: 3,
                        got: 2,
                        ..
                    })
                ),
                "{api:?}"
            );
            let query = model
                .request(&["a"], Purpose::Query)
                .expect("a good address")
                .body;
            assert!(query.contains(r#"["a"]"#), "{query}");
            let tells = matches!(api, Api::Voyage | Api::Jina | Api::Cohere);
            assert_eq!(query.contains("query"), tells, "{query}");
        }
    }

    #[test]
    fn numbers_are_asked_for_as_told() {
        let mut model = Model::new(Api::OpenAi, URL, "m");
        let mut body = |encoding| {
            model.encoding = encoding;
            model
                .request(&["a"], Purpose::Document)
                .expect("a good address")
                .body
        };
        assert!(body(Encoding::Float).contains(r#""encoding_format":"float""#));
        assert!(!body(Encoding::Unsaid).contains("encoding_format"));
        let bge = Model::new(Api::WorkersAi, URL, "@cf/baai/bge-base-en-v1.5");
        let body = bge
            .request(&["a"], Purpose::Query)
            .expect("a good address")
            .body;
        assert!(body.contains(r#""pooling":"cls""#), "{body}");
    }

    #[test]
    fn bad_responses_are_named() {
        let model = Model::new(Api::OpenAi, URL, "m");
        let item = |index: &str, embedding: &str| {
            alloc::format!(r#"{{"index":{index},"embedding":{embedding}}}"#)
        };
        let read = |items: &[alloc::string::String]| {
            let body = alloc::format!(r#"{{"data":[{}]}}"#, items.join(","));
            model.response(body.as_bytes(), 2, None)
        };
        let good = item("0", "[1,2]");
        let other = |other| read(&[good.clone(), other]);
        assert_eq!(
            read(&[good.clone()]),
            Err(ResponseProblem::Count {
                expected: 2,
                got: 1
            })
        );
        assert_eq!(
            other(good.clone()),
            Err(ResponseProblem::Index { at: 1, index: 0 })
        );
        assert_eq!(
            other(item("7", "[1,2]")),
            Err(ResponseProblem::Index { at: 1, index: 7 })
        );
        assert_eq!(
            other(item("1", "[1]")),
            Err(ResponseProblem::Dim {
                at: 1,
                expected: 2,
                got: 1
            })
        );
        assert_eq!(
            other(item("1", "[1,null]")),
            Err(ResponseProblem::NotFinite {
                at: 1,
                component: 1
            })
        );
        assert_eq!(
            other(item("1", "[0,0]")),
            Err(ResponseProblem::Zero { at: 1 })
        );
        assert_eq!(
            other(item("1", "\"AAA=\"")),
            Err(ResponseProblem::Base64 { at: 1 })
        );
        assert!(matches!(
            model.response(b"<html>", 2, None),
            Err(ResponseProblem::Json(_))
        ));
        assert!(matches!(
            model.response(&[0xff], 2, None),
            Err(ResponseProblem::Form { .. })
        ));
    }
}

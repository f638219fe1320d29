//! Passages into a request to rank them anew, a response into scores.
//!
//! | API | request | response |
//! |---|---|---|
//! | Cohere, Jina, and the many that copied them | `{model, query, documents, top_n}` | `{results: [{index, relevance_score}]}` |
//! | Voyage | `{model, query, documents, top_k}` | `{data: [{index, relevance_score}]}` |
//! | TEI | `{query, texts, truncate}` | `[{index, score}]` |
//! | Workers AI | `{query, contexts: [{text}], top_k}` | `{result: {response: [{id, score}]}}`, through a binding `{response}` |

use super::Request;
use super::Server;
use super::UrlProblem;
use crate::json::Json;
use alloc::string::String;
use alloc::vec::Vec;

/// What kind of server ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Api {
    /// Cohere, version 2; Jina; vLLM, llama.cpp, Infinity and others.
    #[default]
    Cohere,
    /// Voyage.
    Voyage,
    /// Hugging Face's Text Embeddings Inference.
    Tei,
    /// Cloudflare's `…/accounts/ID/ai/run/MODEL`.
    WorkersAi,
}

/// A model that says how well passages answer a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// What it speaks.
    pub api: Api,
    /// Where it is.
    pub server: Server,
    /// The model's name at its server.
    pub model: String,
}

impl Model {
    /// The request for scores of all `passages`.
    ///
    /// # Errors
    /// [`UrlProblem`].
    pub fn request(&self, query: &str, passages: &[&str]) -> Result<Request, UrlProblem> {
        let texts = || Json::Array(passages.iter().map(|&text| text.into()).collect());
        let count = || Json::from(passages.len() as f64);
        let model = || ("model", Json::from(self.model.as_str()));
        let query = ("query", Json::from(query));
        let (path, body) = match self.api {
            Api::Cohere => {
                let body = [model(), query, ("documents", texts()), ("top_n", count())];
                ("/rerank".into(), Vec::from(body))
            }
            Api::Voyage => {
                let body = [model(), query, ("documents", texts()), ("top_k", count())];
                ("/rerank".into(), Vec::from(body))
            }
            Api::Tei => {
                let body = [query, ("texts", texts()), ("truncate", true.into())];
                ("/rerank".into(), Vec::from(body))
            }
            Api::WorkersAi => {
                let context = |&text: &&str| Json::object([("text", text.into())]);
                let contexts = Json::Array(passages.iter().map(context).collect());
                let body = [query, ("contexts", contexts), ("top_k", count())];
                (alloc::format!("/ai/run/{}", self.model), Vec::from(body))
            }
        };
        self.server.post(&path, &Json::object(body))
    }

    /// The score of each of `passages` passages, larger is better; a passage that the server left out
    /// has none. Nothing where the response is not of the documented form, names a passage that was
    /// not sent, or one twice.
    pub fn response(&self, body: &[u8], passages: usize) -> Option<Vec<Option<f32>>> {
        let json = Json::parse(str::from_utf8(body).ok()?).ok()?;
        let (list, index, score) = match self.api {
            Api::Cohere => (json.get("results"), "index", "relevance_score"),
            Api::Voyage => (json.get("data"), "index", "relevance_score"),
            Api::Tei => (Some(&json), "index", "score"),
            Api::WorkersAi => {
                let result = json.get("result").unwrap_or(&json);
                (result.get("response"), "id", "score")
            }
        };
        let mut scores = alloc::vec![None; passages];
        for entry in list?.as_array()? {
            let at = usize::try_from(entry.get(index)?.as_u64()?).ok()?;
            let place: &mut Option<f32> = scores.get_mut(at)?;
            let score = entry.get(score)?.as_f64()? as f32;
            if place.replace(score).is_some() {
                return None;
            }
        }
        Some(scores)
    }
}

#[cfg(test)]
mod tests {
    use super::Api;
    use super::Model;
    use crate::provider::Server;
    use alloc::string::String;

    fn model(api: Api) -> Model {
        let (server, model) = (
            Server::new("https://h"),
            "@cf/baai/bge-reranker-base".into(),
        );
        Model { api, server, model }
    }

    #[test]
    fn requests_and_responses_are_those_of_the_documentation() {
        for (api, url, body, response) in [
            (
                Api::Cohere,
                "https://h/rerank",
                r#"{"model":"@cf/baai/bge-reranker-base","query":"q","documents":["a","b","c"],"top_n":3}"#,
                r#"{"id":"x","results":[{"index":2,"relevance_score":0.5},{"index":0,"relevance_score":0.25}],"meta":{}}"#,
            ),
            (
                Api::Voyage,
                "https://h/rerank",
                r#"{"model":"@cf/baai/bge-reranker-base","query":"q","documents":["a","b","c"],"top_k":3}"#,
                r#"{"object":"list","data":[{"index":2,"relevance_score":0.5},{"index":0,"relevance_score":0.25}]}"#,
            ),
            (
                Api::Tei,
                "https://h/rerank",
                r#"{"query":"q","texts":["a","b","c"],"truncate":true}"#,
                r#"[{"index":2,"score":0.5},{"index":0,"score":0.25}]"#,
            ),
            (
                Api::WorkersAi,
                "https://h/ai/run/@cf/baai/bge-reranker-base",
                r#"{"query":"q","contexts":[{"text":"a"},{"text":"b"},{"text":"c"}],"top_k":3}"#,
                r#"{"result":{"response":[{"id":2,"score":0.5},{"id":0,"score":0.25}]},"success":true}"#,
            ),
        ] {
            let model = model(api);
            let request = model
                .request("q", &["a", "b", "c"])
                .expect("a good address");
            assert_eq!((&*request.url, &*request.body), (url, body));
            let scores = model.response(response.as_bytes(), 3);
            assert_eq!(
                scores.as_deref(),
                Some(&[Some(0.25), None, Some(0.5)][..]),
                "{api:?}"
            );
            assert_eq!(
                model.response(response.as_bytes(), 2),
                None,
                "a passage not sent"
            );
            let twice = response.replace(":2,", ":0,");
            assert_eq!(model.response(twice.as_bytes(), 3), None, "{twice}");
            assert_eq!(model.response(b"{}", 3), None);
            assert_eq!(model.response(&[0xff], 3), None);
        }
        let bare = r#"{"response":[{"id":0,"score":1}]}"#;
        let scores = model(Api::WorkersAi).response(String::from(bare).as_bytes(), 1);
        assert_eq!(scores.as_deref(), Some(&[Some(1.0)][..]));
    }
}

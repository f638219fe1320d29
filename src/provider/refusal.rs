//! Error bodies: what a server says when it refuses.

use super::request::Secret;
use crate::json::Json;
use alloc::string::String;
use core::fmt;

/// Longest explanation that is passed on, in characters.
const MESSAGE_CHARS: usize = 300;

/// What a server says when it refuses, in its response or in the middle of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// Its explanation, shortened and on one line.
    pub message: String,
    /// Its own name of the problem, empty if it gave none.
    pub code: String,
}

impl Refusal {
    /// Reads an error body of any kind that servers send:
    ///
    /// - `{"error": {"message", "code", "type"}}` and a list of that (OpenAI, Azure, Anthropic,
    ///   Gemini, vLLM)
    /// - `{"error": "…"}` (Ollama, TEI), `{"message", "code"}` (Cohere, TEI), `{"detail"}` (Voyage, Jina)
    /// - `{"errors": [{"message", "code"}]}` (Cloudflare)
    /// - plain text
    ///
    /// Whatever key the request had is blotted out.
    pub fn read(body: &[u8], key: Option<&Secret>) -> Self {
        let text = String::from_utf8_lossy(body);
        let json = Json::parse(&text).ok();
        let refusal = json.and_then(|json| Self::from_json(&json));
        let mut refusal = refusal.unwrap_or_else(|| Self {
            message: text.into_owned(),
            code: String::new(),
        });
        if let Some(key) = key {
            refusal.message = key.redact(&refusal.message);
        }
        let plain = refusal
            .message
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c });
        refusal.message = plain.take(MESSAGE_CHARS).collect();
        refusal
    }

    /// Reads an error object; nothing where it is none.
    pub fn from_json(json: &Json) -> Option<Self> {
        let json = json.as_array().and_then(|all| all.first()).unwrap_or(json);
        let errors = json.get("errors").and_then(Json::as_array);
        let listed = errors.and_then(|errors| errors.first());
        let inner = json.get("error").or(listed).unwrap_or(json);
        let texts = [
            inner.get("message"),
            Some(inner),
            inner.get("detail"),
            json.get("message"),
        ];
        let message = texts.into_iter().flatten().find_map(Json::as_str)?;
        let code = ["code", "type", "error_type", "status"]
            .into_iter()
            .find_map(|name| {
                let value = inner.get(name)?;
                let number = || value.as_u64().map(|number| alloc::format!("{number}"));
                value.as_str().map(String::from).or_else(number)
            });
        Some(Self {
            message: message.into(),
            code: code.unwrap_or_default(),
        })
    }

    /// Whether the account has nothing left, so that waiting does not help: `insufficient_quota` of
    /// OpenAI, 3036 of Workers AI.
    pub fn is_quota(&self) -> bool {
        matches!(&*self.code, "insufficient_quota" | "3036")
    }

    /// Whether what was sent or asked for did not pass the server's content filter.
    pub fn is_filtered(&self) -> bool {
        self.code == "content_filter"
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.code {
            "" => f.write_str(&self.message),
            code => write!(f, "{} ({code})", self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Refusal;
    use super::Secret;

    #[test]
    fn every_known_form_is_understood() {
        for (body, message, code) in [
            (
                r#"{"error":{"message":"no","type":"t","param":null,"code":"c"}}"#,
                "no",
                "c",
            ),
            (
                r#"{"error":{"message":"no","type":"t","code":null}}"#,
                "no",
                "t",
            ),
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"},"request_id":"r"}"#,
                "busy",
                "overloaded_error",
            ),
            (
                r#"[{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}]"#,
                "slow",
                "429",
            ),
            (r#"{"error":"model not found"}"#, "model not found", ""),
            (
                r#"{"error":"batch too large","error_type":"Validation"}"#,
                "batch too large",
                "",
            ),
            (
                r#"{"message":"bad","code":413,"error_type":"Validation"}"#,
                "bad",
                "413",
            ),
            (
                r#"{"message":"invalid api token","id":"x"}"#,
                "invalid api token",
                "",
            ),
            (
                r#"{"detail":"Provided API key is invalid."}"#,
                "Provided API key is invalid.",
                "",
            ),
            (
                r#"{"result":null,"success":false,"errors":[{"code":3036,"message":"used up"}],"messages":[]}"#,
                "used up",
                "3036",
            ),
            ("<h1>Bad\nGateway</h1>", "<h1>Bad Gateway</h1>", ""),
            ("", "", ""),
        ] {
            let read = Refusal::read(body.as_bytes(), None);
            assert_eq!((&*read.message, &*read.code), (message, code), "{body}");
        }
        assert!(
            Refusal::read(
                br#"{"error":{"message":"m","code":"insufficient_quota"}}"#,
                None
            )
            .is_quota()
        );
    }

    #[test]
    fn key_is_blotted_out_and_length_bounded() {
        let key = Secret::new("sk-secret").expect("a key");
        let body = alloc::format!("{{\"error\":\"key sk-secret is bad {}\"}}", "x".repeat(999));
        let read = Refusal::read(body.as_bytes(), Some(&key));
        assert!(read.message.starts_with("key … is bad"));
        assert_eq!(read.message.chars().count(), 300);
    }
}

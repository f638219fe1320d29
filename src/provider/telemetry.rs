//! Names of providers, as logs tell them.
//!
//! Source: `gen_ai.provider.name` in OpenTelemetry's conventions for generative AI. It names the provider
//! as far as it is known, and by its API where it is not; values of others are allowed.

use super::KeyHeader;
use super::Server;
use super::chat;
use super::embeddings;

/// Hosts of providers that have a name, by how they end.
const HOSTS: [(&str, &str); 12] = [
    (".amazonaws.com", "aws.bedrock"),
    (".openai.azure.com", "azure.ai.openai"),
    ("api.anthropic.com", "anthropic"),
    ("api.cohere.com", "cohere"),
    ("api.deepseek.com", "deepseek"),
    ("api.groq.com", "groq"),
    ("api.mistral.ai", "mistral_ai"),
    ("api.openai.com", "openai"),
    ("api.perplexity.ai", "perplexity"),
    ("api.x.ai", "x_ai"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
];

impl Server {
    fn provider(&self, by_api: &'static str) -> &'static str {
        let host = self.host().unwrap_or_default();
        let known = HOSTS.iter().find(|(end, _)| host.ends_with(end));
        match known {
            Some((_, name)) => name,
            None if self.key_header == KeyHeader::ApiKey => "azure.ai.openai",
            None => by_api,
        }
    }
}

impl chat::Model {
    /// Its provider's name in logs.
    pub fn provider(&self) -> &'static str {
        use chat::Api;
        self.server.provider(match self.api {
            Api::Completions | Api::Responses => "openai",
            Api::Anthropic => "anthropic",
            Api::Ollama => "ollama",
            Api::WorkersAi => "cloudflare.workers_ai",
        })
    }
}

impl embeddings::Model {
    /// Its provider's name in logs.
    pub fn provider(&self) -> &'static str {
        use embeddings::Api;
        self.server.provider(match self.api {
            Api::OpenAi => "openai",
            Api::Voyage => "voyage_ai",
            Api::Jina => "jina_ai",
            Api::Cohere => "cohere",
            Api::Ollama => "ollama",
            Api::Tei => "huggingface.tei",
            Api::WorkersAi => "cloudflare.workers_ai",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::KeyHeader;
    use super::chat::Api;
    use super::chat::Model;

    #[test]
    fn providers_are_known_by_host_then_by_api() {
        for (api, url, name) in [
            (Api::Completions, "https://api.groq.com/openai/v1", "groq"),
            (Api::Completions, "https://models.example.com/v1", "openai"),
            (
                Api::Completions,
                "https://api.groq.com.evil.example",
                "openai",
            ),
            (
                Api::Responses,
                "https://x.openai.azure.com/v1",
                "azure.ai.openai",
            ),
            (Api::Anthropic, "https://proxy.example.com", "anthropic"),
            (Api::WorkersAi, "binding:AI", "cloudflare.workers_ai"),
        ] {
            assert_eq!(Model::new(api, url, "m").provider(), name, "{url}");
        }
        let mut proxied = Model::new(Api::Completions, "https://proxy.example.com", "");
        proxied.server.key_header = KeyHeader::ApiKey;
        assert_eq!(proxied.provider(), "azure.ai.openai");
    }
}

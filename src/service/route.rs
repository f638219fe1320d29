//! The table of routes: what there is, how it is asked, what it costs.

use super::Config;

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Hits of a search.
    Search,
    /// An answer, in the service's own words.
    Query,
    /// An answer, as OpenAI's chat completions.
    Completions,
    /// The one model that these know.
    Models,
    /// An answer, as a message stream of the AI SDK.
    Ui,
    /// Tools of the Model Context Protocol.
    Mcp,
    /// The embedding of a query.
    Embed,
    /// A token of a visitor.
    Session,
    /// What readers think of an answer.
    Feedback,
    /// Whether the index can be read, and what is in it.
    Health,
    /// Whether requests can be answered.
    Ready,
    /// What runs here.
    Version,
    /// Counters for Prometheus.
    Metrics,
    /// The description of all this.
    OpenApi,
}

impl Route {
    /// All routes.
    pub const ALL: [Self; 14] = [
        Self::Search,
        Self::Query,
        Self::Completions,
        Self::Models,
        Self::Ui,
        Self::Mcp,
        Self::Embed,
        Self::Session,
        Self::Feedback,
        Self::Health,
        Self::Ready,
        Self::Version,
        Self::Metrics,
        Self::OpenApi,
    ];

    /// The route of a path, if this service has it.
    pub fn of(path: &str, config: &Config) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|route| route.path() == path && route.is_there(config))
    }

    /// Its path.
    pub fn path(self) -> &'static str {
        match self {
            Self::Search => "/search",
            Self::Query => "/query",
            Self::Completions => "/v1/chat/completions",
            Self::Models => "/v1/models",
            Self::Ui => "/ui",
            Self::Mcp => "/mcp",
            Self::Embed => "/embed",
            Self::Session => "/session",
            Self::Feedback => "/feedback",
            Self::Health => "/health",
            Self::Ready => "/ready",
            Self::Version => "/version",
            Self::Metrics => "/metrics",
            Self::OpenApi => "/openapi.json",
        }
    }

    /// What it is for.
    pub fn about(self) -> &'static str {
        match self {
            Self::Search => "Hits of a search",
            Self::Query => "A cited answer, whole or as it comes",
            Self::Completions => "A cited answer in the form of OpenAI's chat completions",
            Self::Models => "The model that chat completions know",
            Self::Ui => "A cited answer as a UI message stream of the AI SDK",
            Self::Mcp => "Tools of the Model Context Protocol (Streamable HTTP, without sessions)",
            Self::Embed => "The embedding of a query",
            Self::Session => "A token by which a page's visitor may ask for answers",
            Self::Feedback => "What a reader thinks of an answer",
            Self::Health => "Whether the index can be read, and what is in it",
            Self::Ready => "Whether requests can be answered",
            Self::Version => "What runs here",
            Self::Metrics => "Counters for Prometheus",
            Self::OpenApi => "This description",
        }
    }

    /// Methods that it answers, beside `OPTIONS`.
    pub fn methods(self) -> &'static [&'static str] {
        match self {
            Self::Search => &["GET", "HEAD", "POST"],
            Self::Query
            | Self::Completions
            | Self::Ui
            | Self::Mcp
            | Self::Embed
            | Self::Session
            | Self::Feedback => &["POST"],
            _ => &["GET", "HEAD"],
        }
    }

    /// Whether only pages of allowed origins and programs with tokens may ask it.
    pub fn is_guarded(self) -> bool {
        matches!(
            self,
            Self::Query
                | Self::Completions
                | Self::Models
                | Self::Ui
                | Self::Mcp
                | Self::Embed
                | Self::Session
                | Self::Feedback
        )
    }

    /// Whether who asks it without a token must have a session, where there are sessions: routes that
    /// cost money whatever is asked.
    pub fn wants_session(self) -> bool {
        matches!(
            self,
            Self::Query | Self::Completions | Self::Ui | Self::Embed
        )
    }

    /// What a request costs its client, in searches: about what it costs whoever pays for the models.
    pub fn cost(self) -> u32 {
        match self {
            Self::Query | Self::Completions | Self::Ui => 20,
            Self::Embed | Self::Session | Self::Feedback => 5,
            Self::Search | Self::Mcp => 1,
            _ => 0,
        }
    }

    fn is_there(self, config: &Config) -> bool {
        match self {
            Self::Embed => config.models.embeddings.is_some(),
            Self::Session => config.sessions.is_some(),
            Self::Metrics => config.metrics,
            _ => true,
        }
    }
}

//! The grammar of the command line.
//!
//! Every flag can be given in three places; the first one that says something counts: the flag,
//! the variable `CORACLE_<FLAG>`, the key `<flag>` in `coracle.toml` (see `config.rs`).

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use clap::Parser;
use clap::Subcommand;
use clap::ValueEnum;
use clap::builder::FalseyValueParser;
use coracle::provider::KeyHeader;
use coracle::provider::embeddings::Api;
use coracle::search::DEFAULT_RRF_K;
use coracle::search::Fusion;
use coracle::search::MAX_SECTIONS;

use crate::error::Failure;
use crate::ingest::IngestOptions;
use crate::ingest::address::UrlStyle;
use crate::ingest::chunk::ChunkOptions;
use crate::projection::VectorDims;
use crate::report::Verbosity;
use crate::signing::PublicKeys;
use crate::vectors::AccessChoice;
use crate::vectors::DEFAULT_RECALL;
use crate::vectors::Target;
use crate::vectors::VectorOptions;

/// The exit codes as the help text shows them; `error.rs` has the same list as a type.
const EXIT_CODES: &str = "Exit codes:
  0  done; for search: something was found
  1  search found nothing; for ask: the documents hold no answer
  2  the command line or coracle.toml is wrong
  3  the documents are unusable
  4  the index is damaged, or belongs to another format, build or embedder
  5  a file or folder could not be read or written
  6  a remote endpoint failed or refused; for ask: the answer broke off
  7  a limit that was set is exceeded
  8  the index is not signed by a key that was given
  130  stopped with Ctrl-C

Every flag can also be set as CORACLE_<FLAG> in the environment, or in coracle.toml under
[build], [search], [ask], [chat], [serve], [deploy] or [eval]; the command line comes first, then the
environment, then the file.";

/// Hybrid search from static files: builds, searches, serves and checks indexes.
#[derive(Debug, Clone, Parser)]
#[command(name = "coracle", version, after_long_help = EXIT_CODES)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub struct GlobalArgs {
    /// Print results, the summary and errors as JSON, and no progress
    #[arg(long, global = true, env = "CORACLE_JSON", value_parser = FalseyValueParser::new())]
    pub json: bool,
    /// Print nothing but results and errors
    #[arg(long, short, global = true, env = "CORACLE_QUIET", value_parser = FalseyValueParser::new())]
    pub quiet: bool,
    /// Read settings from FILE instead of ./coracle.toml
    #[arg(long, global = true, value_name = "FILE", env = "CORACLE_CONFIG")]
    pub config: Option<PathBuf>,
}

impl GlobalArgs {
    /// How much to tell on the way.
    #[must_use]
    pub fn verbosity(&self) -> Verbosity {
        if self.json || self.quiet {
            Verbosity::Quiet
        } else {
            Verbosity::Normal
        }
    }
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Build an index from documents
    Build(Box<BuildArgs>),
    /// Search an index
    Search(SearchArgs),
    /// Answer a question from an index, or a file of questions
    Ask(AskArgs),
    /// Answer questions from an index, one after the other
    Chat(ChatArgs),
    /// Serve a folder on this machine, with byte ranges; or search and answers
    Serve(ServeArgs),
    /// Send an index to the place that it is served from
    Deploy(DeployArgs),
    /// Show what an index consists of
    Inspect(InspectArgs),
    /// Check every byte of an index
    Verify(IndexArgs),
    /// Measure how good the answers of an index are
    Eval(EvalArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

/// `coracle build`
#[derive(Debug, Clone, Args)]
pub struct BuildArgs {
    /// Folders and files: Markdown, MDX, HTML, text, JSON lines (also .gz)
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Folder for the index (with --layout bundle a file); an index that is there is replaced once
    /// the new one is complete
    #[arg(long, short, value_name = "DIR", env = "CORACLE_OUT")]
    pub out: PathBuf,
    /// Leave out what this glob names, as in .gitignore; may be repeated
    #[arg(
        long,
        value_name = "GLOB",
        env = "CORACLE_EXCLUDE",
        value_delimiter = ','
    )]
    pub exclude: Vec<String>,
    /// What stands before the path of every file in its address
    #[arg(
        long,
        value_name = "URL",
        env = "CORACLE_BASE_URL",
        default_value = "/"
    )]
    pub base_url: String,
    /// How file names become addresses
    #[arg(
        long,
        value_name = "STYLE",
        env = "CORACLE_URL_STYLE",
        value_enum,
        default_value_t
    )]
    pub url_style: UrlStyle,
    /// Language of the documents (ISO 639-1), for stemming and stop words; auto takes what each of them
    /// says, or finds it out
    #[arg(
        long,
        value_name = "CODE",
        env = "CORACLE_LANGUAGE",
        default_value = "auto"
    )]
    pub language: String,
    /// File of synonyms: a group a line, as in "car, automobile" or, one way, "js => javascript"
    #[arg(long, value_name = "FILE", env = "CORACLE_SYNONYMS")]
    pub synonyms: Option<PathBuf>,
    /// Stop when an input has to be left out
    #[arg(long, env = "CORACLE_STRICT", value_parser = FalseyValueParser::new())]
    pub strict: bool,

    /// Most tokens of a chunk's text
    #[arg(
        long,
        value_name = "N",
        env = "CORACLE_CHUNK_TOKENS",
        default_value_t = 200,
        help_heading = "Chunks"
    )]
    pub chunk_tokens: usize,
    /// Merge neighbouring sections while one has fewer tokens
    #[arg(
        long,
        value_name = "N",
        env = "CORACLE_CHUNK_MIN_TOKENS",
        default_value_t = 50,
        help_heading = "Chunks"
    )]
    pub chunk_min_tokens: usize,
    /// Tokens repeated where a section is cut
    #[arg(
        long,
        value_name = "N",
        env = "CORACLE_CHUNK_OVERLAP",
        default_value_t = 0,
        help_heading = "Chunks"
    )]
    pub chunk_overlap: usize,

    /// Where vectors come from
    #[arg(
        long,
        env = "CORACLE_EMBEDDER",
        value_enum,
        default_value_t,
        help_heading = "Embedding"
    )]
    pub embedder: EmbedderChoice,
    /// What the endpoint speaks
    #[arg(
        long,
        value_name = "API",
        env = "CORACLE_ENDPOINT_API",
        value_enum,
        default_value_t,
        help_heading = "Embedding"
    )]
    pub endpoint_api: EndpointApi,
    /// Address of the endpoint's API, such as https://api.openai.com/v1
    #[arg(
        long,
        value_name = "URL",
        env = "CORACLE_ENDPOINT_URL",
        help_heading = "Embedding"
    )]
    pub endpoint_url: Option<String>,
    /// Model to ask the endpoint for
    #[arg(
        long,
        value_name = "NAME",
        env = "CORACLE_ENDPOINT_MODEL",
        help_heading = "Embedding"
    )]
    pub endpoint_model: Option<String>,
    /// Variable that holds the endpoint's key
    #[arg(
        long,
        value_name = "VAR",
        env = "CORACLE_ENDPOINT_KEY_ENV",
        default_value = "OPENAI_API_KEY",
        help_heading = "Embedding"
    )]
    pub endpoint_key_env: String,
    /// Ask the endpoint for vectors of this many components
    #[arg(long, value_name = "N", env = "CORACLE_DIMENSIONS", help_heading = "Embedding",
          value_parser = clap::value_parser!(u32).range(1..=8192))]
    pub dimensions: Option<u32>,
    /// Folder that keeps vectors between builds [default: the user's cache folder]
    #[arg(
        long,
        value_name = "DIR",
        env = "CORACLE_CACHE",
        help_heading = "Embedding"
    )]
    pub cache: Option<PathBuf>,
    /// Compute every vector anew
    #[arg(long, env = "CORACLE_NO_CACHE", value_parser = FalseyValueParser::new(), help_heading = "Embedding")]
    pub no_cache: bool,

    /// What finds the near vectors of a query
    #[arg(
        long,
        value_name = "HOW",
        env = "CORACLE_VECTORS",
        value_enum,
        default_value_t,
        help_heading = "Search by meaning"
    )]
    pub vectors: AccessChoice,
    /// Dimensions of embeddings to keep: auto, all, or how many; the fewer, the smaller the index and
    /// what searches read
    #[arg(
        long,
        value_name = "DIMS",
        env = "CORACLE_VECTOR_DIMS",
        default_value = "auto",
        help_heading = "Search by meaning"
    )]
    pub vector_dims: VectorDims,
    /// What an index with cells is to be good at
    #[arg(
        long,
        value_name = "GOAL",
        env = "CORACLE_TARGET",
        value_enum,
        default_value_t,
        help_heading = "Search by meaning"
    )]
    pub target: Target,
    /// Share of the true ten nearest that searches are to find, 0.5 to 0.995; the build measures it
    /// and chooses how far searches look
    #[arg(long, value_name = "SHARE", env = "CORACLE_RECALL", value_parser = parse_recall,
          default_value_t = DEFAULT_RECALL, help_heading = "Search by meaning")]
    pub recall: f64,

    /// Judge the finished index by these questions and keep nDCG@10 in it; as in eval
    #[arg(
        long,
        value_name = "FILE",
        env = "CORACLE_QUERIES",
        requires = "qrels",
        help_heading = "Figures"
    )]
    pub queries: Option<PathBuf>,
    /// The judgements of these questions
    #[arg(
        long,
        value_name = "FILE",
        env = "CORACLE_QRELS",
        requires = "queries",
        help_heading = "Figures"
    )]
    pub qrels: Option<PathBuf>,

    /// How the index is laid out in files
    #[arg(
        long,
        env = "CORACLE_LAYOUT",
        value_enum,
        default_value_t,
        help_heading = "Files"
    )]
    pub layout: LayoutChoice,
    /// Largest file: 256MiB in the range layout, 64KiB in the split layout where nothing is said
    #[arg(long, value_name = "BYTES", env = "CORACLE_PART_BYTES", value_parser = parse_bytes, help_heading = "Files")]
    pub part_bytes: Option<u64>,
    /// Sign the index with the Ed25519 key in FILE, as openssl genpkey -algorithm ed25519 writes it
    #[arg(
        long,
        value_name = "FILE",
        env = "CORACLE_SIGN",
        help_heading = "Files"
    )]
    pub sign: Option<PathBuf>,
    /// Fail when a cold query is predicted to read more, for example 300kB
    #[arg(long, value_name = "BYTES", env = "CORACLE_MAX_COLD_BYTES", value_parser = parse_bytes, help_heading = "Files")]
    pub max_cold_bytes: Option<u64>,
    /// Threads to use [default: all cores]; the index is the same for any number
    #[arg(long, value_name = "N", env = "CORACLE_THREADS")]
    pub threads: Option<NonZeroUsize>,
}

impl BuildArgs {
    /// How vectors are stored and searched.
    #[must_use]
    pub fn vector_options(&self) -> VectorOptions {
        VectorOptions {
            access: self.vectors,
            target: self.target,
            recall: self.recall,
        }
    }

    /// What ingest needs to know. `window_tokens` is what the embedder's model reads at most.
    #[must_use]
    pub fn ingest_options(&self, window_tokens: Option<usize>) -> IngestOptions {
        IngestOptions {
            exclude: self.exclude.clone(),
            base_url: self.base_url.clone(),
            url_style: self.url_style,
            chunk: ChunkOptions {
                max_tokens: self.chunk_tokens,
                min_tokens: self.chunk_min_tokens,
                overlap_tokens: self.chunk_overlap,
                window_tokens,
            },
            ..IngestOptions::default()
        }
    }
}

/// Where vectors come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum EmbedderChoice {
    /// The embedded model; no key, no network
    #[default]
    Default,
    /// A table of English word vectors: hundreds of times as fast, and less good
    Static,
    /// No vectors: keyword search only
    None,
    /// The "embedding" or "vector" field of every record
    Provided,
    /// An OpenAI-compatible API
    Endpoint,
}

/// How the index is laid out in files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LayoutChoice {
    /// Few big files, read in byte ranges
    #[default]
    Range,
    /// Small files, for hosts that ignore byte ranges
    Split,
    /// One file, read whole
    Bundle,
}

/// `coracle search`
#[derive(Debug, Clone, Args)]
pub struct SearchArgs {
    /// Folder or http(s) address of the index
    pub index: String,
    /// What to look for
    pub query: String,
    /// What to search with
    #[arg(long, env = "CORACLE_MODE", value_enum, default_value_t)]
    pub mode: ModeChoice,
    /// Most hits to show
    #[arg(long, short = 'n', value_name = "N", env = "CORACLE_LIMIT", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    pub limit: u32,
    /// Only hits whose metadata match, as JSON: '{"lang": "en", "year": {"gte": 2020}}'
    #[arg(long, value_name = "JSON", env = "CORACLE_FILTER")]
    pub filter: Option<String>,
    /// Count the values of this field; may be repeated
    #[arg(
        long,
        value_name = "FIELD",
        env = "CORACLE_FACET",
        value_delimiter = ','
    )]
    pub facet: Vec<String>,
    /// Show how each score came about, and what was read for it
    #[arg(long, env = "CORACLE_EXPLAIN", value_parser = FalseyValueParser::new())]
    pub explain: bool,
    /// Read all cells of a large index and search as far as its build measured to be necessary
    #[arg(long, env = "CORACLE_EXACT", value_parser = FalseyValueParser::new())]
    pub exact: bool,
    /// How two rankings become one.
    #[command(flatten)]
    pub fusion: FusionArgs,
    /// What one hit stands for
    #[arg(long, env = "CORACLE_GROUP", value_enum, default_value_t)]
    pub group: GroupChoice,
    /// Further sections of its document that each hit shows at most, up to 5
    #[arg(long, value_name = "N", env = "CORACLE_SECTIONS", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(0..=MAX_SECTIONS as i64))]
    pub sections: u32,
    /// How much hits are to differ from those above them, 0 to 1; needs vectors
    #[arg(long, value_name = "SHARE", env = "CORACLE_DIVERSITY", default_value_t = 0.0,
          value_parser = parse_share)]
    pub diversity: f32,
    /// Refuse what the owner of this key did not sign; several keys with commas between them
    #[arg(long, value_name = "KEY", env = "CORACLE_PUBLIC_KEY")]
    pub public_key: Option<PublicKeys>,
}

/// What to search with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ModeChoice {
    /// Keywords and vectors
    #[default]
    Hybrid,
    /// Keywords only
    Keyword,
    /// Vectors only
    Vector,
}

/// What an endpoint speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum EndpointApi {
    /// OpenAI's /v1/embeddings, and what is compatible with it
    #[default]
    Openai,
    /// The same on Azure: the key goes into the header api-key
    Azure,
    /// Cohere's /v2/embed
    Cohere,
    /// Jina's /v1/embeddings
    Jina,
    /// Ollama's /api/embed
    Ollama,
    /// Text Embeddings Inference's /embed
    Tei,
    /// Voyage's /v1/embeddings
    Voyage,
    /// Cloudflare's accounts/ID/ai/run/MODEL
    WorkersAi,
}

impl EndpointApi {
    /// The API, and the header that carries the key.
    pub fn api(self) -> (Api, KeyHeader) {
        let api = match self {
            Self::Openai | Self::Azure => Api::OpenAi,
            Self::Cohere => Api::Cohere,
            Self::Jina => Api::Jina,
            Self::Ollama => Api::Ollama,
            Self::Tei => Api::Tei,
            Self::Voyage => Api::Voyage,
            Self::WorkersAi => Api::WorkersAi,
        };
        let header = match self {
            Self::Azure => KeyHeader::ApiKey,
            _ => KeyHeader::Bearer,
        };
        (api, header)
    }
}

/// What one hit stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum GroupChoice {
    /// A document, shown by its best chunk
    #[default]
    Document,
    /// A chunk
    Chunk,
}

/// How keyword and vector hits become one list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FusionChoice {
    /// Convex combination of normalised scores
    Convex,
    /// Reciprocal rank fusion
    Rrf,
}

/// Models that take part in answers.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Models (keys and further settings: variables, see the guide)")]
pub struct ModelArgs {
    /// Address of the chat model's API, such as http://127.0.0.1:11434/v1 [default: the variable
    /// CHAT_URL; without it answers are sentences of the documents]
    #[arg(long, value_name = "URL", env = "CORACLE_CHAT_URL")]
    pub chat_url: Option<String>,
    /// Name of the chat model [default: the variable CHAT_MODEL]
    #[arg(long, value_name = "NAME", env = "CORACLE_CHAT_MODEL")]
    pub chat_model: Option<String>,
    /// What the chat model's server speaks [default: the variable CHAT_API]
    #[arg(long, value_name = "API", env = "CORACLE_CHAT_API")]
    pub chat_api: Option<String>,
}

/// What answers come from.
#[derive(Debug, Clone, Args)]
pub struct AnswerArgs {
    /// Answer only from documents whose metadata match, as JSON: '{"lang": "en"}'
    #[arg(long, value_name = "JSON", env = "CORACLE_FILTER")]
    pub filter: Option<String>,
    /// Models that take part.
    #[command(flatten)]
    pub models: ModelArgs,
    /// Refuse what the owner of this key did not sign; several keys with commas between them
    #[arg(long, value_name = "KEY", env = "CORACLE_PUBLIC_KEY")]
    pub public_key: Option<PublicKeys>,
}

/// `coracle ask`
#[derive(Debug, Clone, Args)]
pub struct AskArgs {
    /// Folder or http(s) address of the index
    pub index: String,
    /// The question
    #[arg(required_unless_present = "batch", conflicts_with = "batch")]
    pub question: Option<String>,
    /// Answer the questions of FILE instead: JSON lines with id and question
    #[arg(long, value_name = "FILE", env = "CORACLE_BATCH")]
    pub batch: Option<PathBuf>,
    /// Write the answers of --batch to FILE once all are there, and go on where a run was stopped
    #[arg(long, value_name = "FILE", env = "CORACLE_WRITE", requires = "batch")]
    pub write: Option<PathBuf>,
    /// What answers come from.
    #[command(flatten)]
    pub answer: AnswerArgs,
}

/// `coracle chat`
#[derive(Debug, Clone, Args)]
pub struct ChatArgs {
    /// Folder or http(s) address of the index
    pub index: String,
    /// What answers come from.
    #[command(flatten)]
    pub answer: AnswerArgs,
}

/// `coracle serve`
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Folder to serve; with --api the index: a folder, a bundle or an http(s) address
    #[arg(value_name = "DIR")]
    pub place: String,
    /// Port; 0 takes a free one
    #[arg(long, short, env = "CORACLE_PORT", default_value_t = 8787)]
    pub port: u16,
    /// Open the browser
    #[arg(long, env = "CORACLE_OPEN", value_parser = FalseyValueParser::new(), conflicts_with = "api")]
    pub open: bool,
    /// Serve search and answers from an index, by the routes of the worker
    #[arg(long, env = "CORACLE_API", value_parser = FalseyValueParser::new())]
    pub api: bool,
    /// Address to serve at, beyond this machine only where you say so [default: 127.0.0.1:PORT]
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "CORACLE_LISTEN",
        requires = "api",
        help_heading = "With --api"
    )]
    pub listen: Option<SocketAddr>,
    /// Threads that search; 0 takes as many as there are cores
    #[arg(
        long,
        value_name = "N",
        env = "CORACLE_THREADS",
        default_value_t = 0,
        help_heading = "With --api"
    )]
    pub threads: usize,
    /// Megabytes for answers and embeddings that are asked for again
    #[arg(
        long,
        value_name = "MB",
        env = "CORACLE_CACHE",
        default_value_t = 64,
        help_heading = "With --api"
    )]
    pub cache: u64,
    /// Redis that shares them between servers, such as redis://127.0.0.1/ [default: the variable
    /// REDIS_URL]
    #[arg(
        long,
        value_name = "URL",
        env = "CORACLE_REDIS",
        requires = "api",
        hide_env_values = true,
        help_heading = "With --api"
    )]
    pub redis: Option<String>,
    /// Tell clients apart by the last address in x-forwarded-for; only behind a proxy that sets it
    #[arg(long, env = "CORACLE_TRUST_FORWARDED", value_parser = FalseyValueParser::new(),
          requires = "api", help_heading = "With --api")]
    pub trust_forwarded: bool,
    /// Refuse what the owner of this key did not sign; several keys with commas between them
    #[arg(
        long,
        value_name = "KEY",
        env = "CORACLE_PUBLIC_KEY",
        help_heading = "With --api"
    )]
    pub public_key: Option<PublicKeys>,
    /// Models that take part.
    #[command(flatten)]
    pub models: ModelArgs,
}

/// `coracle deploy`
#[derive(Debug, Clone, Args)]
pub struct DeployArgs {
    /// Folder of the index
    #[arg(value_name = "DIR")]
    pub index: PathBuf,
    /// A folder, or s3://BUCKET/PREFIX with keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    #[arg(long, value_name = "PLACE", env = "CORACLE_TO")]
    pub to: String,
    /// Address of a store that is compatible with S3, such as https://ID.r2.cloudflarestorage.com
    #[arg(long, value_name = "URL", env = "CORACLE_ENDPOINT")]
    pub endpoint: Option<String>,
    /// Region of the bucket [default: the variable AWS_REGION; else auto with --endpoint, us-east-1
    /// without]
    #[arg(long, value_name = "NAME", env = "CORACLE_REGION")]
    pub region: Option<String>,
    /// Say what would be sent, and send nothing
    #[arg(long, env = "CORACLE_DRY_RUN", value_parser = FalseyValueParser::new())]
    pub dry_run: bool,
}

/// `coracle eval`
#[derive(Debug, Clone, Args)]
pub struct EvalArgs {
    /// Folder or http(s) address of the index
    pub index: String,
    /// Questions: JSON lines with _id and text (BEIR), or lines of identifier, tab, question; without
    /// them the headings of the index are asked for
    #[arg(long, value_name = "FILE", env = "CORACLE_QUERIES")]
    pub queries: Option<PathBuf>,
    /// Judgements: lines of query, document, grade (BEIR) or query, 0, document, grade (TREC)
    #[arg(long, value_name = "FILE", env = "CORACLE_QRELS", requires = "queries")]
    pub qrels: Option<PathBuf>,
    /// Judge a ranking of another program beside the index, a TREC run file; may be repeated
    #[arg(
        long,
        value_name = "NAME=FILE",
        env = "CORACLE_RUN",
        value_delimiter = ',',
        requires = "qrels"
    )]
    pub run: Vec<String>,
    /// Judge the answers to --queries instead: how many cite something, and whether it bears them out
    #[arg(long, env = "CORACLE_ANSWERS", value_parser = FalseyValueParser::new(),
          requires = "queries", conflicts_with_all = ["qrels", "picture"])]
    pub answers: bool,
    /// Models that take part in answers.
    #[command(flatten)]
    pub models: ModelArgs,
    /// Draw the figures into this file, as SVG
    #[arg(long, value_name = "FILE", env = "CORACLE_PICTURE")]
    pub picture: Option<PathBuf>,
    /// How two rankings become one.
    #[command(flatten)]
    pub fusion: FusionArgs,
}

/// How the rankings by words and by meaning become one.
#[derive(Debug, Clone, Copy, Args)]
pub struct FusionArgs {
    /// How keyword and vector hits become one list [default: convex]
    #[arg(long, env = "CORACLE_FUSION", value_enum)]
    pub fusion: Option<FusionChoice>,
    /// Weight of the vector side in the convex combination, 0 to 1 [default: that of the index, up to 0.8]
    #[arg(long, value_name = "WEIGHT", env = "CORACLE_ALPHA", value_parser = parse_share)]
    pub alpha: Option<f32>,
}

impl FusionArgs {
    /// What they choose.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a weight that reciprocal ranks do not have.
    pub fn choice(&self) -> Result<Fusion, Failure> {
        match (self.fusion, self.alpha) {
            (Some(FusionChoice::Rrf), Some(_)) => Err(Failure::Usage {
                flag: "--alpha",
                problem: "belongs to --fusion convex".into(),
            }),
            (Some(FusionChoice::Rrf), None) => Ok(Fusion::Rrf { k: DEFAULT_RRF_K }),
            (_, Some(alpha)) => Ok(Fusion::Convex { alpha }),
            (_, None) => Ok(Fusion::Auto),
        }
    }
}

/// `coracle inspect` and `coracle verify`
#[derive(Debug, Clone, Args)]
pub struct IndexArgs {
    /// Folder or http(s) address of the index
    pub index: String,
    /// Refuse what the owner of this key did not sign; several keys with commas between them
    #[arg(long, value_name = "KEY", env = "CORACLE_PUBLIC_KEY")]
    pub public_key: Option<PublicKeys>,
}

/// `coracle inspect`
#[derive(Debug, Clone, Args)]
pub struct InspectArgs {
    /// The index.
    #[command(flatten)]
    pub index: IndexArgs,
    /// Instead, write a map of the index to this file, as JSON: a point for every chunk, near those
    /// of like meaning; the playground shows it
    #[arg(long, value_name = "FILE", env = "CORACLE_MAP")]
    pub map: Option<PathBuf>,
}

/// `coracle completions`
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// A number of bytes: `300000`, `300kB`, `24MiB`.
fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '_')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        unit => {
            return Err(format!(
                "unit {unit:?} is none of B, kB, MB, GB, KiB, MiB, GiB"
            ));
        }
    };
    number
        .replace('_', "")
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .filter(|&bytes| bytes > 0)
        .ok_or_else(|| "expected a number of bytes such as 300000, 300kB or 24MiB".to_owned())
}

fn parse_share(text: &str) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

fn parse_recall(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|recall| (0.5..=0.995).contains(recall))
        .ok_or_else(|| "expected a share from 0.5 to 0.995".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_has_its_variable() {
        for command in Cli::command().get_subcommands() {
            for arg in command.get_arguments() {
                let Some(long) = arg.get_long().filter(|long| *long != "help") else {
                    continue;
                };
                let expected = format!("CORACLE_{}", long.to_uppercase().replace('-', "_"));
                let found = arg.get_env().map(|env| env.to_string_lossy().into_owned());
                assert_eq!(found, Some(expected), "{} --{long}", command.get_name());
            }
        }
    }

    #[test]
    fn sizes_are_read_with_units() {
        assert_eq!(parse_bytes("300kB"), Ok(300_000));
        assert_eq!(parse_bytes("24 MiB"), Ok(24 << 20));
        assert_eq!(parse_bytes("1_000"), Ok(1000));
        for bad in ["", "0", "12 parsecs", "-1", "99999999999GB"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn recall_stays_where_it_can_be_measured() {
        assert_eq!(parse_recall("0.98"), Ok(0.98));
        assert_eq!(parse_recall("0.5"), Ok(0.5));
        assert_eq!(parse_recall("0.995"), Ok(0.995));
        for bad in ["", "0.49", "0.996", "1", "98%", "NaN"] {
            assert!(parse_recall(bad).is_err(), "{bad}");
        }
    }
}

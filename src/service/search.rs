//! `/search`: hits of a search.

use super::Host;
use super::Refusal;
use super::Reply;
use super::Service;
use super::exchange::Exchange;
use super::exchange::Response;
use super::given::Given;
use super::given::Kind;
use super::given::Parameter;
use super::given::parameter;
use super::given::units;
use super::kept::trouble;
use super::record::Record;
use super::result::result_json;
use crate::search::DEFAULT_RRF_K;
use crate::search::Engine;
use crate::search::Fusion;
use crate::search::Group;
use crate::search::MAX_SECTIONS;
use crate::search::Mode;
use crate::search::SearchError;
use crate::search::SearchOptions;
use crate::search::SearchResult;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;

/// What a search may be asked.
pub const PARAMETERS: [Parameter; 15] = [
    parameter("q", Kind::Query, "The query."),
    parameter(
        "mode",
        Kind::Choice(&["hybrid", "keyword", "vector"]),
        "By words and meaning, by words alone, by meaning alone.",
    ),
    parameter("limit", Kind::Whole(1, 100), "Hits to return; default 10."),
    parameter("offset", Kind::Whole(0, 99), "Hits to skip."),
    parameter(
        "filter",
        Kind::Filter,
        "A condition on the documents' metadata.",
    ),
    parameter(
        "facets",
        Kind::Names(16),
        "Metadata fields whose values are counted.",
    ),
    parameter(
        "fusion",
        Kind::Choice(&["convex", "rrf"]),
        "How two rankings become one.",
    ),
    parameter("alpha", Kind::Share, "Weight of meaning in convex fusion."),
    parameter(
        "explain",
        Kind::Flag,
        "Whether hits say how their score came about.",
    ),
    parameter(
        "group",
        Kind::Choice(&["document", "chunk"]),
        "What one hit stands for.",
    ),
    parameter(
        "sections",
        Kind::Whole(0, MAX_SECTIONS as u32),
        "Further sections of its document that a hit carries at most; default 0.",
    ),
    parameter("prefix", Kind::Flag, "Whether the last word is unfinished."),
    parameter(
        "diversity",
        Kind::Share,
        "How much hits differ from those above them.",
    ),
    parameter(
        "vector",
        Kind::Numbers,
        "The query's embedding by the index's own model.",
    ),
    parameter(
        "text",
        Kind::Flag,
        "Whether hits carry their chunk's whole text.",
    ),
];

/// The options of a search out of checked parameters.
pub fn options(given: &Given) -> Result<SearchOptions, Refusal> {
    let defaults = SearchOptions::default();
    let facets = given.list("facets").unwrap_or_default().iter();
    let alpha = given.number("alpha").map(|alpha| alpha as f32);
    let numbers = given.list("vector");
    let embedding = numbers.map(|numbers| {
        let numbers = numbers.iter();
        numbers
            .filter_map(|number| Some(number.as_f64()? as f32))
            .collect()
    });
    Ok(SearchOptions {
        mode: match given.text("mode") {
            "keyword" => Mode::Keyword,
            "vector" => Mode::Vector,
            _ => Mode::Hybrid,
        },
        limit: given.whole("limit").unwrap_or(defaults.limit),
        offset: given.whole("offset").unwrap_or(defaults.offset),
        filter: given.filter()?,
        facets: facets
            .filter_map(|name| Some(name.as_str()?.into()))
            .collect(),
        fusion: match (given.text("fusion"), alpha) {
            ("rrf", _) => Fusion::Rrf { k: DEFAULT_RRF_K },
            (_, Some(alpha)) => Fusion::Convex { alpha },
            _ => Fusion::Auto,
        },
        explain: given.flag("explain"),
        embedding,
        group: match given.text("group") {
            "chunk" => Group::Chunk,
            _ => Group::Document,
        },
        sections: given.whole("sections").unwrap_or_default(),
        prefix: given.flag("prefix"),
        diversity: given.number("diversity").unwrap_or_default() as f32,
        ..defaults
    })
}

/// What a search found.
#[derive(Debug)]
pub struct Found {
    /// The result.
    pub result: SearchResult,
    /// Whole texts of the hits, where they were asked for.
    pub texts: Vec<String>,
    /// What less than the asked mode was done; empty if nothing.
    pub degraded: &'static str,
}

impl<H: Host> Service<H> {
    pub(super) async fn search<R: Reply>(
        &self,
        exchange: &Exchange<'_, H, R>,
    ) -> Result<Response, Refusal> {
        let request = exchange.request;
        let is_post = request.method == "POST";
        let given = match is_post {
            true => Given::from_body(request, &PARAMETERS)?,
            false => Given::from_address(&request.query, &PARAMETERS)?,
        };
        let query = given.text("q");
        let mut options = options(&given)?;
        let with_text = given.flag("text");
        let found = self.find(exchange, query, &mut options, with_text).await?;
        let Found {
            result,
            texts,
            degraded,
        } = &found;
        let mut response = Response::json(200, &result_json(query, result, texts, degraded));
        response.headers.clear();
        // What an embedder that is down for a moment left behind is not for others.
        let cached = match is_post || *degraded == EMBEDDING {
            true => "no-store".into(),
            false => format!("public, max-age={}", self.config.max_age),
        };
        response.headers.push(("cache-control", cached));
        if !degraded.is_empty() {
            let header = ("coracle-degraded", String::from(*degraded));
            response.headers.push(header);
        }
        let timing = exchange.record.timing();
        response.headers.push(("server-timing", timing));
        Ok(response)
    }

    /// Searches, with an embedding by the index's own model if the service has it and the caller may use
    /// it.
    pub(super) async fn find<R: Reply>(
        &self,
        exchange: &Exchange<'_, H, R>,
        query: &str,
        options: &mut SearchOptions,
        with_text: bool,
    ) -> Result<Found, Refusal> {
        let record = &exchange.record;
        record.note(|note| note.query = Some(units(query)));
        let may_embed = exchange.is_admitted && options.embedding.is_none();
        let mut degraded = "";
        if may_embed && options.mode != Mode::Keyword {
            let since = record.elapsed();
            if let Some(embedded) = self
                .embed_noted(record, query, self.config.search_timeout / 2)
                .await
            {
                record.stage("embed", since);
                match embedded {
                    Ok(embedding) => options.embedding = Some(embedding),
                    Err(code) => {
                        degraded = EMBEDDING;
                        record.note(|note| note.degraded.push(format!("embedding: {code}")));
                    }
                }
            }
        }
        let since = record.elapsed();
        let refresh = u64::from(self.config.refresh);
        let (options, misfit) = (&*options, Cell::new(false));
        let work = async |engine: &Engine<H::Source>| {
            record.note(|note| note.build = Some(engine.root().build_id));
            let result = match engine.search(query, options).await {
                // The service's model is not the index's: its operator has to know, not its client.
                Err(SearchError::Embedding(error)) if may_embed => {
                    misfit.set(true);
                    record.note(|note| note.error = format!("{error}; check EMBED_MODEL"));
                    let embedding = None;
                    let options = SearchOptions {
                        embedding,
                        ..options.clone()
                    };
                    engine.search(query, &options).await?
                }
                found => found?,
            };
            let mut texts = Vec::new();
            if with_text {
                let chunks: Vec<_> = result.hits.iter().map(|hit| hit.chunk).collect();
                let passages = engine.passages(&chunks).await?;
                texts.extend(passages.into_iter().map(|(passage, _)| passage.text));
            }
            Ok((result, texts))
        };
        let searched = self.kept.with(&self.host, refresh, work);
        let searched = self.within(self.config.search_timeout, searched).await;
        record.stage("search", since);
        let (result, texts) = match searched {
            None => return Err(Refusal::timeout()),
            Some(Err(error)) => return Err(self.unable(record, &error)),
            Some(Ok(found)) => found,
        };
        if misfit.get() {
            degraded = EMBEDDING;
            record.note(|note| note.degraded.push("embedding: dimensions".into()));
        }
        if result.mode != options.mode {
            degraded = "keyword-only";
            record.note(|note| note.degraded.push("search: keyword-only".into()));
        }
        record.note(|note| note.reads.add(&result.stats));
        Ok(Found {
            result,
            texts,
            degraded,
        })
    }

    /// The refusal for an index that cannot be searched; the log is told why.
    pub(super) fn unable(&self, record: &Record<'_, H>, error: &SearchError) -> Refusal {
        let refusal = Refusal::from(error);
        if refusal.status >= 500 {
            record.note(|note| note.error = format!("{error}"));
            self.host.log(&trouble("search", error));
        }
        refusal
    }
}

/// The query was not embedded by its model.
const EMBEDDING: &str = "embedding";

//! What models may do with an index through the Model Context Protocol: search it, read it.

use super::Host;
use super::Refusal;
use super::Reply;
use super::Service;
use super::exchange::Exchange;
use super::given::Given;
use super::given::Kind;
use super::given::Parameter;
use super::given::parameter;
use super::openapi::table_schema;
use super::result::texts_json;
use super::search::Found;
use crate::document::ChunkId;
use crate::document::address;
use crate::index::DocumentRecord;
use crate::json::Json;
use crate::search::Engine;
use crate::search::Group;
use crate::search::MAX_LIMIT;
use crate::search::Mode;
use crate::search::SearchError;
use crate::search::SearchOptions;
use crate::store::Source;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Their names.
pub const NAMES: [&str; 3] = ["search_docs", "get_page", "list_pages"];

/// Chunks of a page in one answer: some 8,000 tokens.
const PAGE_CHUNKS: u32 = 40;

/// Documents that are looked through for an address.
const MAX_SCANNED: u32 = 5000;

/// Documents read in one wave.
const SCAN_STEP: u32 = 500;

const SEARCH: [Parameter; 3] = [
    parameter("query", Kind::Query, "A question or some words."),
    parameter(
        "limit",
        Kind::Whole(1, 20),
        "Passages to return; default 5.",
    ),
    parameter(
        "filter",
        Kind::Filter,
        "A condition on metadata, such as {\"lang\": \"en\"}.",
    ),
];

const PAGE: [Parameter; 3] = [
    parameter(
        "chunk",
        Kind::Whole(0, u32::MAX),
        "The number of any passage of the page, from search_docs or list_pages.",
    ),
    parameter(
        "url",
        Kind::Text(1000),
        "The page's address or identifier, instead of a passage.",
    ),
    parameter(
        "offset",
        Kind::Whole(0, u32::MAX),
        "Passages to skip, for the rest of a long page.",
    ),
];

const PAGES: [Parameter; 2] = [
    parameter("offset", Kind::Whole(0, u32::MAX), "Pages to skip."),
    parameter("limit", Kind::Whole(1, 200), "Pages to list; default 50."),
];

/// The tools, as clients are told of them.
pub fn list() -> Json {
    let about = [
        "Find passages of the documentation by words and meaning.",
        "Read a whole page of the documentation.",
        "List the pages of the documentation.",
    ];
    let tables: [&[Parameter]; 3] = [&SEARCH, &PAGE, &PAGES];
    let tools = NAMES.iter().zip(about).zip(tables);
    let tools = tools.map(|((&name, about), table)| {
        let annotations = [
            ("readOnlyHint", true.into()),
            ("openWorldHint", false.into()),
        ];
        Json::object([
            ("name", name.into()),
            ("description", about.into()),
            ("inputSchema", table_schema(table)),
            ("annotations", Json::object(annotations)),
        ])
    });
    Json::Array(tools.collect())
}

/// What a tool says: for models, and for programs.
type Said = (String, Json);

impl<H: Host> Service<H> {
    /// The result of a call; nothing where there is no such tool.
    pub(super) async fn tool<R: Reply>(
        &self,
        exchange: &Exchange<'_, H, R>,
        name: &str,
        arguments: Vec<(String, Json)>,
    ) -> Option<Vec<(&'static str, Json)>> {
        let said = match name {
            "search_docs" => self.search_docs(exchange, arguments).await,
            "get_page" => self.get_page(exchange, arguments).await,
            "list_pages" => self.list_pages(exchange, arguments).await,
            _ => return None,
        };
        let content = |text: String| {
            let text = Json::object([("type", "text".into()), ("text", text.into())]);
            ("content", Json::Array(Vec::from([text])))
        };
        Some(match said {
            Ok((text, structured)) => Vec::from([content(text), ("structuredContent", structured)]),
            // The model is told, so that it can do better.
            Err(refusal) => {
                exchange.record.note(|note| note.code = refusal.code);
                Vec::from([content(refusal.message), ("isError", true.into())])
            }
        })
    }

    async fn search_docs<R: Reply>(
        &self,
        exchange: &Exchange<'_, H, R>,
        arguments: Vec<(String, Json)>,
    ) -> Result<Said, Refusal> {
        let given = Given::checked(arguments, &SEARCH)?;
        let query = given.text("query");
        let mut options = SearchOptions {
            limit: given.whole("limit").unwrap_or(5),
            filter: given.filter()?,
            group: Group::Chunk,
            ..SearchOptions::default()
        };
        let Found { result, texts, .. } = self.find(exchange, query, &mut options, true).await?;
        let mut said = String::new();
        let mut hits = Vec::new();
        for (hit, text) in result.hits.iter().zip(&texts) {
            let address = address(&hit.url, &hit.anchor);
            let title = path(&hit.title, &hit.headings);
            said.push_str(&format!(
                "## {title}\n{address} (chunk {})\n\n{text}\n\n",
                hit.chunk
            ));
            hits.push(Json::object([
                ("title", hit.title.as_str().into()),
                ("url", address.into()),
                ("headings", texts_json(&hit.headings)),
                ("chunk", hit.chunk.into()),
                ("score", f64::from(hit.score).into()),
                ("text", text.as_str().into()),
            ]));
        }
        if hits.is_empty() {
            said.push_str("Nothing was found. Try other words.");
        }
        Ok((said, Json::object([("hits", Json::Array(hits))])))
    }

    async fn get_page<R: Reply>(
        &self,
        exchange: &Exchange<'_, H, R>,
        arguments: Vec<(String, Json)>,
    ) -> Result<Said, Refusal> {
        let given = Given::checked(arguments, &PAGE)?;
        let number = |name| given.whole(name).and_then(|it| u32::try_from(it).ok());
        let (chunk, url) = (number("chunk"), given.text("url"));
        let url = url.split('#').next().unwrap_or_default();
        if chunk.is_none() == url.is_empty() {
            let message = "give either `chunk` or `url`";
            return Err(Refusal::new(400, "bad-request", message));
        }
        let skip = number("offset").unwrap_or(0);
        let read = async |engine: &Engine<H::Source>| {
            let chunk = match chunk {
                Some(chunk) => Some(chunk),
                None => chunk_of(engine, url).await?,
            };
            let Some(chunk) = chunk else {
                return Ok(None);
            };
            let all = engine.chunks_beside(chunk).await?;
            let start = all.start.saturating_add(skip).min(all.end);
            let end = start.saturating_add(PAGE_CHUNKS).min(all.end);
            let chunks: Vec<ChunkId> = (start..end).collect();
            let passages = engine.passages(&chunks).await?;
            Ok(Some((passages, start..end, all)))
        };
        let Some((passages, shown, all)) = self.ask_index(exchange, read).await? else {
            let message = "no page has this address; find its passages with search_docs";
            return Err(Refusal::new(404, "not-found", message));
        };
        let mut said = String::new();
        let mut above: &[String] = &[];
        let (mut title, mut address) = ("", "");
        for (passage, document) in &passages {
            if said.is_empty() {
                (title, address) = (&document.title, &document.url);
                said.push_str(&format!("# {title}\n{address}\n\n"));
            }
            if passage.headings != above {
                above = &passage.headings;
                said.push_str(&format!("## {}\n\n", above.join(" › ")));
            }
            said.push_str(&passage.text);
            said.push_str("\n\n");
        }
        let mut structured = Vec::from([
            ("title", title.into()),
            ("url", address.into()),
            ("chunks", (all.end - all.start).into()),
        ]);
        if shown.end < all.end {
            let next = shown.end - all.start;
            said.push_str(&format!("(The page goes on: ask for offset {next}.)"));
            structured.push(("next", next.into()));
        }
        structured.push(("text", said.as_str().into()));
        Ok((said, Json::object(structured)))
    }

    async fn list_pages<R: Reply>(
        &self,
        exchange: &Exchange<'_, H, R>,
        arguments: Vec<(String, Json)>,
    ) -> Result<Said, Refusal> {
        let given = Given::checked(arguments, &PAGES)?;
        let number = |name| given.whole(name).and_then(|it| u32::try_from(it).ok());
        let start = number("offset").unwrap_or(0);
        let end = start.saturating_add(number("limit").unwrap_or(50));
        let read = async |engine: &Engine<H::Source>| {
            let documents = engine.documents(start..end).await?;
            Ok((documents, engine.root().counts.documents))
        };
        let (documents, total) = self.ask_index(exchange, read).await?;
        let mut said = String::new();
        let mut pages = Vec::new();
        for (chunk, DocumentRecord { url, title, .. }) in &documents {
            said.push_str(&format!("- {title}: {url} (chunk {chunk})\n"));
            pages.push(Json::object([
                ("title", title.as_str().into()),
                ("url", url.as_str().into()),
                ("chunk", (*chunk).into()),
            ]));
        }
        let mut structured = Vec::from([("pages", Json::Array(pages)), ("total", total.into())]);
        if end < total {
            said.push_str(&format!("({total} pages in all: ask for offset {end}.)"));
            structured.push(("next", end.into()));
        }
        Ok((said, Json::object(structured)))
    }
}

/// A chunk of the document with this address or identifier. Most addresses consist of words of their
/// page, so it is looked for among those found by these before documents are looked through.
async fn chunk_of<S: Source>(
    engine: &Engine<S>,
    url: &str,
) -> Result<Option<ChunkId>, SearchError> {
    let options = SearchOptions {
        limit: MAX_LIMIT,
        mode: Mode::Keyword,
        ..SearchOptions::default()
    };
    let segments = url.rsplit('/').filter(|segment| !segment.is_empty());
    let named: Vec<&str> = segments.take(2).collect();
    let found = engine.search(&named.join(" "), &options).await;
    // Where the words are of no use, such as too long ones, there are still the documents.
    let hits = found.map_or_else(|_| Vec::new(), |found| found.hits);
    if let Some(hit) = hits.iter().find(|hit| hit.url == url || hit.id == url) {
        return Ok(Some(hit.chunk));
    }
    let documents = engine.root().counts.documents.min(MAX_SCANNED);
    for start in (0..documents).step_by(SCAN_STEP as usize) {
        let found = engine.documents(start..start + SCAN_STEP).await?;
        let mut found = found.into_iter();
        if let Some((chunk, _)) = found.find(|(_, one)| one.url == url || one.id == url) {
            return Ok(Some(chunk));
        }
    }
    Ok(None)
}

/// Title and headings in one line.
fn path(title: &str, headings: &[String]) -> String {
    let mut parts = Vec::from([title]);
    parts.extend(
        headings
            .iter()
            .map(String::as_str)
            .filter(|one| *one != title),
    );
    parts.join(" › ")
}

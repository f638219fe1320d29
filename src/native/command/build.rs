//! `coracle build`: documents in, index files out.

use crate::budget;
use crate::embed::Cache;
use crate::embed::EmbedError;
use crate::embed::Embedder;
use crate::embed::Endpoint;
use crate::embed::EndpointOptions;
use crate::embed::MiniLm;
use crate::embed::ready_made;
use crate::error::Failure;
use crate::fit::FitParams;
use crate::fit::Lexicon;
use crate::fit::QueryTable;
use crate::fit::TextGroup;
use crate::fit::sentences;
use crate::fit::vocabulary::Vocabulary;
use crate::indexer;
use crate::indexer::Embeddings;
use crate::indexer::GraphChoice;
use crate::indexer::TermRows;
use crate::ingest::IngestOptions;
use crate::ingest::Ingested;
use crate::ingest::chunk::EstimatedTokens;
use crate::ingest::chunk::TokenCounter;
use crate::ingest::ingest;
use crate::publish::Destination;
use crate::publish::Staging;
use crate::report::LeftOut;
use crate::report::QueryBudget;
use crate::report::Reporter;
use crate::report::Summary;
use crate::report::peak_memory_bytes;
use coracle::document::Document;
use coracle::postings::Postings;
use coracle::text::Analyzer;
use coracle::text::Language;
use coracle::vector::Metric;
use std::path::PathBuf;
use std::time::Instant;

/// Where embeddings come from.
#[derive(Debug, Clone)]
pub enum EmbedderChoice {
    /// The model inside the program.
    Default,
    /// None: an index of words.
    None,
    /// The input's own `vector` fields.
    Provided,
    /// A remote endpoint.
    Endpoint(EndpointOptions),
}

/// Everything a build is told.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Files and folders.
    pub inputs: Vec<PathBuf>,
    /// Folder of the index, or file of a bundle.
    pub out: PathBuf,
    /// How the index lies on disk.
    pub destination: Destination,
    /// How inputs are read and cut.
    pub ingest: IngestOptions,
    /// Where embeddings come from.
    pub embedder: EmbedderChoice,
    /// Folder of finished embeddings, if they are kept.
    pub cache: Option<PathBuf>,
    /// When a graph is built.
    pub graph: GraphChoice,
    /// Most bytes that the mean cold query may read.
    pub max_cold_bytes: Option<u64>,
    /// Threads; as many as there are cores where nothing is said.
    pub threads: Option<std::num::NonZeroUsize>,
}

/// Builds an index and publishes it.
///
/// # Errors
/// [`Failure`]; the previous index is then untouched.
pub fn build(options: &BuildOptions, reporter: &Reporter) -> Result<Summary, Failure> {
    let started = Instant::now();
    if let Some(threads) = options.threads {
        // A pool that exists already has been set up by this function with the same number.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build_global();
    }
    let analyzer = Analyzer::new(Language::English);
    let model = match options.embedder {
        EmbedderChoice::Default => Some(MiniLm::new(options.threads).map_err(EmbedError::from)?),
        _ => None,
    };
    let Ingested { documents, quarantined, bytes_in, .. } = {
        let stage = reporter.stage("read", 0);
        let counter = model.as_ref().map(MiniLm::token_counter);
        let counter: &dyn TokenCounter = match &counter {
            Some(counter) => counter,
            None => &EstimatedTokens,
        };
        ingest(&options.inputs, &options.ingest, counter, &stage)?
    };
    let postings = indexer::postings(analyzer, &documents, reporter);
    let embeddings = embed(options, analyzer, model, &documents, &postings, reporter)?;

    let staging = Staging::new(&options.out, options.destination)?;
    let mut written = indexer::write(
        staging,
        analyzer,
        &documents,
        &postings,
        embeddings.as_ref(),
        options.graph,
        reporter,
    )?;
    let cold = {
        let _stage = reporter.stage("cold cost", 0);
        let preview = written.staging.preview(&written.root);
        budget::measure(&preview, &budget::sample(&documents))?
    };
    if let Some(cold) = cold {
        written.root.figures.extend(cold.figures());
        if let Some(max) = options.max_cold_bytes
            && cold.mean_bytes > max
        {
            return Err(Failure::ColdBytes { mean: cold.mean_bytes, max });
        }
    }
    let (documents, chunks) = (written.root.counts.documents, written.root.counts.chunks);
    let (files, bytes_out) = written.staging.publish(&written.root)?;
    let mut left_out: Vec<LeftOut> = quarantined
        .iter()
        .map(|bad| LeftOut { place: bad.place(), reason: bad.reason.to_string() })
        .collect();
    left_out.extend(written.left_out.iter().map(|(field, why)| LeftOut {
        place: format!("field {field}"),
        reason: why.to_string(),
    }));
    Ok(Summary {
        documents: documents.into(),
        chunks: chunks.into(),
        bytes_in,
        files: files as u64,
        bytes_out,
        seconds: started.elapsed().as_secs_f64(),
        stages: reporter.stage_times(),
        peak_memory_bytes: peak_memory_bytes(),
        cold_query: cold.map(|cold| QueryBudget {
            mean_bytes: cold.mean_bytes,
            p95_bytes: cold.p95_bytes,
            round_trips: cold.waves,
        }),
        quarantined: left_out,
    })
}

fn embed(
    options: &BuildOptions,
    analyzer: Analyzer,
    model: Option<MiniLm>,
    documents: &[Document],
    postings: &Postings,
    reporter: &Reporter,
) -> Result<Option<Embeddings>, Failure> {
    let vocabulary = model.as_ref().map(MiniLm::word_pieces).unwrap_or_default();
    let embedder: Box<dyn Embedder> = match (&options.embedder, model) {
        (EmbedderChoice::None, _) => return Ok(None),
        (EmbedderChoice::Provided, _) => {
            let provided = ready_made::rows(documents)?;
            return Ok(Some(Embeddings {
                embedder: "provided".into(),
                dim: provided.dim,
                metric: Metric::Cosine,
                rows: provided.rows,
                term_rows: None,
            }));
        }
        (EmbedderChoice::Endpoint(endpoint), _) => Box::new(Endpoint::connect(endpoint.clone())?),
        (EmbedderChoice::Default, Some(model)) => Box::new(model),
        (EmbedderChoice::Default, None) => return Ok(None),
    };
    let embedder: Box<dyn Embedder> = match &options.cache {
        Some(folder) => Box::new(Cache::open(folder, embedder)?),
        None => embedder,
    };
    let chunks = indexer::chunks(documents);
    let texts: Vec<String> =
        chunks.iter().map(|(document, chunk)| chunk.embedding_text(&document.title)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let embed = |stage: &'static str, texts: &[&str]| {
        let stage = reporter.stage(stage, texts.len() as u64);
        embedder.embed(texts, &|done| stage.advance(done as u64))
    };
    let rows = embed("embed", &texts)?;

    // Short texts teach the table what single words mean.
    let params = FitParams::default();
    let bodies: Vec<&str> = chunks.iter().map(|(_, chunk)| chunk.text.as_str()).collect();
    let sentences = sentences::sample(&bodies, params.sentences_max);
    let sentence_rows = embed("sentences", &sentences)?;
    let terms: Vec<&str> = postings.terms().collect();
    let idf: Vec<f32> = (0..terms.len()).map(|term| postings.idf(term)).collect();
    let known: std::collections::HashSet<&str> = terms.iter().copied().collect();
    let vocabulary = Vocabulary::new(
        analyzer,
        vocabulary.iter().map(String::as_str),
        |term| known.contains(term),
    );
    let vocabulary_rows = embed("vocabulary", &vocabulary.texts())?;
    let dim = embedder.dim();
    let table = {
        let stage = reporter.stage("fit", 100);
        let groups = [
            TextGroup { texts: &texts, embeddings: &rows, emphasis: params.chunk_emphasis },
            TextGroup { texts: &sentences, embeddings: &sentence_rows, emphasis: 1.0 },
        ];
        let lexicon = Lexicon { analyzer, terms: &terms, idf: &idf };
        let done = std::cell::Cell::new(0);
        QueryTable::fit(&lexicon, &groups, dim, &params.ridge, &|share| {
            let percent = (share * 100.0) as u64;
            stage.advance(percent.saturating_sub(done.replace(percent)));
        })
        .map_err(Failure::Fit)?
    };
    let mut term_rows = TermRows { dim, ..TermRows::default() };
    for (key, row) in vocabulary.rows(&vocabulary_rows, dim, table.typical_length()) {
        term_rows.extra.push(key.to_string());
        term_rows.rows.extend_from_slice(&row);
    }
    for term in 0..terms.len() {
        term_rows.rows.extend_from_slice(table.row(term));
    }
    Ok(Some(Embeddings {
        embedder: embedder.fingerprint().to_string(),
        dim,
        metric: Metric::Cosine,
        rows,
        term_rows: Some(term_rows),
    }))
}

//! `coracle build`: documents in, index files out.

use crate::budget;
use crate::calibrate::MAX_QUERIES;
use crate::cli::BuildArgs;
use crate::cli::EmbedderChoice;
use crate::cli::LayoutChoice;
use crate::embed::Cached;
use crate::embed::EmbedError;
use crate::embed::Embedder;
use crate::embed::Endpoint;
use crate::embed::EndpointOptions;
use crate::embed::MiniLm;
use crate::embed::StaticWords;
use crate::embed::TokenCounter as WordPieceCounter;
use crate::embed::general_word_pieces;
use crate::embed::key_from_env;
use crate::embed::ready_made;
use crate::error::Failure;
use crate::evaluate;
use crate::evaluate::judged;
use crate::fit::FitParams;
use crate::fit::Lexicon;
use crate::fit::QueryTable;
use crate::fit::TextGroup;
use crate::fit::sentences;
use crate::fit::vocabulary::Vocabulary;
use crate::fit::weight;
use crate::indexer;
use crate::indexer::Embeddings;
use crate::indexer::MOST_LISTED;
use crate::indexer::TermRows;
use crate::ingest::Ingested;
use crate::ingest::chunk::EstimatedTokens;
use crate::ingest::chunk::TokenCounter;
use crate::ingest::ingest;
use crate::languages::Languages;
use crate::languages::detect;
use crate::languages::lexicon;
use crate::languages::synonyms;
use crate::projection;
use crate::projection::VectorDims;
use crate::publish::Destination;
use crate::publish::Staging;
use crate::report::LeftOut;
use crate::report::QueryBudget;
use crate::report::Recall;
use crate::report::Reporter;
use crate::report::Summary;
use crate::report::peak_memory_bytes;
use crate::signing::public_key;
use crate::signing::signing_key;
use crate::topics;
use crate::vectors::CELLS_FROM;
use coracle::document::Chunk;
use coracle::document::Document;
use coracle::embed::QueryVector;
use coracle::postings::Postings;
use coracle::provider::embeddings::Model;
use coracle::search::Engine;
use coracle::search::Fusion;
use coracle::store::DEFAULT_CACHE_BYTES;
use coracle::text::Analyzer;
use coracle::vector::Metric;
use coracle::vector::Projection;
use rayon::iter::ParallelIterator;
use rayon::slice::ParallelSlice;
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

/// Largest file of the range layout: under the limits of all hosts and content networks.
const RANGE_PART_BYTES: u64 = 256 << 20;

/// Files of the split layout: small enough to fetch whole for a block, large enough to stay few.
const SPLIT_PART_BYTES: u64 = 64 << 10;

/// Finds the language of each document out.
const AUTO: &str = "auto";

/// Tokens that the built-in model reads at most.
const WINDOW_TOKENS: usize = 256;

/// Builds an index and publishes it.
///
/// # Errors
/// [`Failure`]; the previous index is then untouched.
pub fn build(args: &BuildArgs, reporter: &Reporter) -> Result<Summary, Failure> {
    build_ingested(args, || read(args, reporter), reporter)
}

/// Builds an index of what `ingest` returns, instead of the inputs that `args` names.
///
/// # Errors
/// As [`build`], and those of `ingest`.
pub fn build_ingested(
    args: &BuildArgs,
    ingest: impl FnOnce() -> Result<Ingested, Failure>,
    reporter: &Reporter,
) -> Result<Summary, Failure> {
    let started = Instant::now();
    check(args)?;
    // Keys and judgements that are no good are found out before hours of work.
    let key = args.sign.as_deref().map(signing_key).transpose()?;
    let questions = match (&args.queries, &args.qrels) {
        (Some(queries), Some(qrels)) => judged::read(queries, qrels)?,
        _ => Vec::new(),
    };
    if let Some(threads) = args.threads {
        // A pool that exists already has been set up by this function with the same number.
        let _ = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.get())
            .build_global();
    }
    let synonyms = match &args.synonyms {
        Some(path) => synonyms::read(path)?,
        None => Vec::new(),
    };
    let Ingested {
        mut documents,
        quarantined,
        bytes_in,
        ..
    } = ingest()?;
    if args.strict && !quarantined.is_empty() {
        return Err(Failure::Quarantined(quarantined));
    }
    let mut vectors = embed(args, &documents, reporter)?;
    if let Some(vectors) = &mut vectors
        && vectors.count() >= CELLS_FROM
    {
        let _stage = reporter.stage("topics", 0);
        documents = by_topic(documents, vectors);
    }
    let (codes, of_documents) = match lexicon::code_of(&args.language) {
        Some(code) => (vec![code.to_owned()], Vec::new()),
        None => detect::languages(&documents),
    };
    let of_documents = match of_documents.is_empty() {
        true => vec![0; documents.len()],
        false => of_documents,
    };
    let words = Languages::learn(&documents, &codes, of_documents, &synonyms, reporter);
    let analyzer = &words.analyzer;
    let postings = indexer::postings(&words, &documents, reporter);
    let embeddings = match vectors {
        Some(vectors) => Some(fit(vectors, analyzer, &documents, &postings, reporter)?),
        None => None,
    };

    let staging = Staging::new(&args.out, destination(args))?;
    let mut written = indexer::write(
        staging,
        analyzer,
        &documents,
        &postings,
        embeddings.as_ref(),
        &args.vector_options(),
        MOST_LISTED,
        reporter,
    )?;
    let cold = {
        let _stage = reporter.stage("cold cost", 0);
        let preview = written.staging.preview(&written.root);
        budget::measure(&preview, &budget::sample(&documents, budget::SAMPLE))?
    };
    if let Some(cold) = &cold {
        written.root.figures.extend(cold.figures());
        if let Some(limit) = args.max_cold_bytes
            && cold.mean_bytes > limit
        {
            return Err(Failure::Limit {
                what: "a cold query",
                got: cold.mean_bytes,
                limit,
                flag: "--max-cold-bytes",
            });
        }
    }
    if !questions.is_empty() {
        let stage = reporter.stage("judge", 0);
        let preview = written.staging.preview(&written.root);
        let open = || pollster::block_on(Engine::open(&preview, DEFAULT_CACHE_BYTES));
        let ways = evaluate::offline_ways(&written.root);
        let measured = evaluate::measure(open, &questions, &ways, Fusion::Auto, &stage)?;
        let figures = evaluate::root_figures(questions.len(), &measured);
        written.root.figures.extend(figures);
    }
    let recall = recall(&written);
    let (documents, chunks) = (written.root.counts.documents, written.root.counts.chunks);
    let (files, bytes_out) = written.staging.publish(&written.root, key.as_ref())?;
    let mut left_out: Vec<LeftOut> = quarantined
        .iter()
        .map(|bad| LeftOut {
            place: bad.place(),
            reason: bad.reason.to_string(),
        })
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
        public_key: key.as_ref().map(public_key),
        seconds: started.elapsed().as_secs_f64(),
        stages: reporter.stage_times(),
        peak_memory_bytes: peak_memory_bytes(),
        recall,
        cold_query: cold.map(|cold| QueryBudget {
            mean_bytes: cold.mean_bytes,
            p95_bytes: cold.p95_bytes,
            max_bytes: cold.max_bytes,
            round_trips: cold.waves,
            sections: cold.sections,
        }),
        quarantined: left_out,
    })
}

fn recall(written: &indexer::Written) -> Option<Recall> {
    let access = &written.root.vectors.as_ref()?.access;
    let measured = written.measured?;
    Some(Recall {
        access: access.name(),
        target: measured.target,
        measured: measured.recall,
        cold: measured.recall_cold,
        queries: measured.queries as u64,
        is_reached: measured.is_reached(),
    })
}

/// Combinations that no flag alone can refuse.
fn check(args: &BuildArgs) -> Result<(), Failure> {
    if args.language != AUTO && lexicon::code_of(&args.language).is_none() {
        let known: Vec<&str> = lexicon::codes().collect();
        let known = known.join(", ");
        let problem = format!("{:?} is not supported; auto, {known} are", args.language);
        return Err(Failure::Usage {
            flag: "--language",
            problem,
        });
    }
    if args.embedder == EmbedderChoice::Endpoint {
        for (flag, value) in [
            ("--endpoint-url", &args.endpoint_url),
            ("--endpoint-model", &args.endpoint_model),
        ] {
            if value.is_none() {
                let problem = "is needed with --embedder endpoint".to_string();
                return Err(Failure::Usage { flag, problem });
            }
        }
    }
    Ok(())
}

fn destination(args: &BuildArgs) -> Destination {
    match args.layout {
        LayoutChoice::Range => Destination::Range {
            part_bytes: args.part_bytes.unwrap_or(RANGE_PART_BYTES),
        },
        LayoutChoice::Split => Destination::Split {
            part_bytes: args.part_bytes.unwrap_or(SPLIT_PART_BYTES),
        },
        LayoutChoice::Bundle => Destination::Bundle,
    }
}

/// One counter for each thread: they remember words, and one memory would be a queue.
struct Counters(Vec<WordPieceCounter>);

impl TokenCounter for Counters {
    fn count(&self, text: &str) -> usize {
        let thread = rayon::current_thread_index().map_or(0, |thread| thread + 1);
        self.0[thread % self.0.len()].count_tokens(text)
    }
}

fn read(args: &BuildArgs, reporter: &Reporter) -> Result<Ingested, Failure> {
    let stage = reporter.stage("read", 0);
    let is_built_in = matches!(
        args.embedder,
        EmbedderChoice::Default | EmbedderChoice::Static
    );
    let window = is_built_in.then_some(WINDOW_TOKENS);
    let options = args.ingest_options(window);
    let counters = match args.embedder {
        // Keyword indexes are cut alike, so that adding meaning later changes no chunk.
        EmbedderChoice::Default | EmbedderChoice::Static | EmbedderChoice::None => {
            let counter = WordPieceCounter::new().map_err(EmbedError::from)?;
            Some(Counters(vec![counter; rayon::current_num_threads() + 1]))
        }
        EmbedderChoice::Provided | EmbedderChoice::Endpoint => None,
    };
    let counter: &dyn TokenCounter = match &counters {
        Some(counters) => counters,
        None => &EstimatedTokens,
    };
    Ok(ingest(&args.inputs, &options, counter, &stage)?)
}

fn embedder(args: &BuildArgs) -> Result<Option<Box<dyn Embedder>>, Failure> {
    let embedder: Box<dyn Embedder> = match args.embedder {
        EmbedderChoice::None | EmbedderChoice::Provided => return Ok(None),
        EmbedderChoice::Default => Box::new(MiniLm::new(args.threads).map_err(EmbedError::from)?),
        // Faster than a cache.
        EmbedderChoice::Static => {
            let words = StaticWords::new().map_err(EmbedError::from)?;
            return Ok(Some(Box::new(words)));
        }
        EmbedderChoice::Endpoint => {
            let url = args.endpoint_url.clone().unwrap_or_default();
            let model = args.endpoint_model.clone().unwrap_or_default();
            let (api, key_header) = args.endpoint_api.api();
            let mut model = Model::new(api, &url, &model);
            if std::env::var_os(&args.endpoint_key_env).is_some() {
                let key = key_from_env(&args.endpoint_key_env).map_err(EmbedError::from)?;
                model.server.key = Some(key);
            }
            model.server.key_header = key_header;
            model.dimensions = args.dimensions.map(|dimensions| dimensions as usize);
            let options = EndpointOptions::new(model);
            Box::new(Endpoint::new(options).map_err(EmbedError::from)?)
        }
    };
    Ok(Some(match cache_folder(args) {
        Some(folder) => Box::new(Cached::open(embedder, &folder).map_err(EmbedError::from)?),
        None => embedder,
    }))
}

/// The folder given, or `coracle` in the user's cache folder (XDG Base Directory Specification).
fn cache_folder(args: &BuildArgs) -> Option<PathBuf> {
    if args.no_cache {
        return None;
    }
    let folder = |variable: &str| {
        std::env::var_os(variable)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    args.cache.clone().or_else(|| {
        let base = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))?;
        Some(base.join("coracle"))
    })
}

/// Embeddings of all chunks, and what made them.
struct Vectors {
    /// None if the records brought them.
    embedder: Option<Box<dyn Embedder>>,
    /// Names the embedding space.
    fingerprint: String,
    /// Weight of meaning at most, in hundredths.
    most_percent: u8,
    /// Components before the projection.
    input_dim: usize,
    projection: Option<Projection>,
    dim: usize,
    /// `dim` numbers for each chunk, of length 1.
    rows: Vec<f32>,
}

impl Vectors {
    fn count(&self) -> usize {
        self.rows.len() / self.dim
    }
}

fn embed(
    args: &BuildArgs,
    documents: &[Document],
    reporter: &Reporter,
) -> Result<Option<Vectors>, Failure> {
    let embedder = embedder(args)?;
    let (input_dim, rows) = match &embedder {
        Some(embedder) => {
            let texts = embedding_texts(documents);
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let rows = embed_texts(embedder.as_ref(), "embed", &texts, reporter)?;
            (embedder.dim(), rows)
        }
        None if args.embedder == EmbedderChoice::Provided => {
            let given = ready_made(documents, args.dimensions.map(|dim| dim as usize))?;
            let Some(given) = given else {
                let problem = "provided: no record has an embedding; give them in the field \
                               \"embedding\" or choose another embedder";
                return Err(Failure::Usage {
                    flag: "--embedder",
                    problem: problem.into(),
                });
            };
            (given.dim, normalised(given.rows, given.dim))
        }
        None => return Ok(None),
    };
    let projection = project(&rows, input_dim, args.vector_dims, reporter);
    let (dim, rows) = projected(projection.as_ref(), rows, input_dim);
    Ok(Some(Vectors {
        fingerprint: match &embedder {
            Some(embedder) => embedder.fingerprint().to_string(),
            None => format!("provided:{input_dim}"),
        },
        most_percent: match args.embedder {
            EmbedderChoice::Static => weight::MOST_STATIC_PERCENT,
            _ => weight::MOST_PERCENT,
        },
        embedder,
        input_dim,
        projection,
        dim,
        rows,
    }))
}

/// What of each chunk is embedded.
fn embedding_texts(documents: &[Document]) -> Vec<String> {
    let chunks = indexer::chunks(documents).into_iter();
    chunks
        .map(|(document, chunk)| chunk.embedding_text(&document.title))
        .collect()
}

fn embed_texts(
    embedder: &dyn Embedder,
    stage: &'static str,
    texts: &[&str],
    reporter: &Reporter,
) -> Result<Vec<f32>, Failure> {
    let stage = reporter.stage(stage, texts.len() as u64);
    let rows = embedder.embed(texts, &|done| stage.advance(done as u64))?;
    Ok(normalised(rows, embedder.dim()))
}

/// Puts documents and the vectors of their chunks in order of topic.
fn by_topic(documents: Vec<Document>, vectors: &mut Vectors) -> Vec<Document> {
    let dim = vectors.dim;
    let counts: Vec<usize> = documents
        .iter()
        .map(|document| document.chunks.len())
        .collect();
    let order = topics::order(&counts, &vectors.rows, dim);
    let mut first = 0;
    let mut places = Vec::with_capacity(counts.len());
    for count in &counts {
        places.push(first * dim..(first + count) * dim);
        first += count;
    }
    let rows = order
        .iter()
        .flat_map(|&at| &vectors.rows[places[at as usize].clone()]);
    vectors.rows = rows.copied().collect();
    let mut documents: Vec<Option<Document>> = documents.into_iter().map(Some).collect();
    let moved = order.iter().filter_map(|&at| documents[at as usize].take());
    moved.collect()
}

/// Fits the rows of terms to the vectors of chunks.
fn fit(
    vectors: Vectors,
    analyzer: &Analyzer,
    documents: &[Document],
    postings: &Postings,
    reporter: &Reporter,
) -> Result<Embeddings, Failure> {
    let Vectors {
        embedder,
        fingerprint,
        most_percent,
        input_dim,
        projection,
        dim,
        rows,
    } = vectors;
    let chunks = indexer::chunks(documents);
    let texts = embedding_texts(documents);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let lexicon = TermTable::new(analyzer, postings);
    let (owners, sentences) = sentences_of(&chunks);
    let Some(embedder) = embedder else {
        // Only the chunks' own embeddings are there to fit the terms to.
        let group = TextGroup {
            texts: &texts,
            embeddings: &rows,
            emphasis: 1.0,
        };
        let table = lexicon.fit(&[group], dim, reporter)?;
        return Ok(Embeddings {
            embedder: fingerprint,
            dim,
            projection,
            metric: Metric::Cosine,
            alpha_percent: most_percent,
            queries: lexicon.queries(&table, documents, &sentences),
            term_rows: Some(lexicon.rows(&table, Vec::new())),
            rows,
        });
    };
    let embed = |stage: &'static str, texts: &[&str]| {
        let rows = embed_texts(embedder.as_ref(), stage, texts, reporter)?;
        Ok::<_, Failure>(projected(projection.as_ref(), rows, input_dim).1)
    };
    // Short texts teach the table what single words mean.
    let sentence_rows = embed("sentences", &sentences)?;
    let alpha_percent = weight::of_meaning(most_percent, &rows, dim, &owners, &sentence_rows);
    let vocabulary = lexicon.vocabulary(&general_word_pieces().map_err(EmbedError::from)?);
    let vocabulary_rows = embed("vocabulary", &vocabulary.texts())?;
    let emphasis = FitParams::default().chunk_emphasis;
    let groups = [
        TextGroup {
            texts: &texts,
            embeddings: &rows,
            emphasis,
        },
        TextGroup {
            texts: &sentences,
            embeddings: &sentence_rows,
            emphasis: 1.0,
        },
    ];
    let table = lexicon.fit(&groups, dim, reporter)?;
    let extra = vocabulary.rows(&vocabulary_rows, dim, table.typical_length());
    Ok(Embeddings {
        embedder: fingerprint,
        dim,
        projection,
        metric: Metric::Cosine,
        alpha_percent,
        queries: lexicon.queries(&table, documents, &sentences),
        term_rows: Some(lexicon.rows(&table, extra)),
        rows,
    })
}

fn project(rows: &[f32], dim: usize, dims: VectorDims, reporter: &Reporter) -> Option<Projection> {
    let _stage = reporter.stage("dimensions", 0);
    projection::fit(rows, dim, dims)
}

/// Rows in the dimensions that the index keeps, of length 1 again, and how many dimensions these are.
fn projected(projection: Option<&Projection>, rows: Vec<f32>, dim: usize) -> (usize, Vec<f32>) {
    let Some(projection) = projection else {
        return (dim, rows);
    };
    let project = |row: &[f32]| {
        // Quantizing finds rows that are not finite, and says whose they are.
        let invalid = |_| vec![f32::NAN; projection.dim()];
        projection.apply(row).unwrap_or_else(invalid)
    };
    let rows = rows.par_chunks_exact(dim).flat_map_iter(project).collect();
    (projection.dim(), normalised(rows, projection.dim()))
}

/// Scales every row to length 1: not every embedder does, and the fit is to directions.
fn normalised(mut rows: Vec<f32>, dim: usize) -> Vec<f32> {
    for row in rows.chunks_exact_mut(dim) {
        let norm = row
            .iter()
            .map(|&x| f64::from(x) * f64::from(x))
            .sum::<f64>()
            .sqrt();
        if norm > 0.0 {
            row.iter_mut()
                .for_each(|x| *x = (f64::from(*x) / norm) as f32);
        }
    }
    rows
}

/// Sentences and the chunks that they are of.
fn sentences_of<'a>(chunks: &[(&'a Document, &'a Chunk)]) -> (Vec<usize>, Vec<&'a str>) {
    let bodies: Vec<&str> = chunks
        .iter()
        .map(|(_, chunk)| chunk.text.as_str())
        .collect();
    let sampled = sentences::sample(&bodies, sentences::most(bodies.len()));
    sampled.into_iter().unzip()
}

/// Chunks for each of which a term needs one more of them to have a row, and the most it needs.
///
/// Most terms are in one to three chunks, which their postings find; their rows would be a fifth of a
/// large index. Without the rows of terms in one chunk nDCG@10 of hybrid search is 0.827 for 0.825 on
/// tech-docs and 0.723 for 0.738 on SciFact, whose 5,183 abstracts are short of words: so small
/// collections keep all rows.
const CHUNKS_PER_DF: u32 = 20_000;
const MOST_DF: u32 = 4;

/// Terms in fewer chunks than this have no row.
fn least_df(chunks: u32) -> u32 {
    (1 + chunks / CHUNKS_PER_DF).min(MOST_DF)
}

/// The dictionary as the fit sees it.
struct TermTable<'a> {
    analyzer: Analyzer,
    terms: Vec<&'a str>,
    /// 0 for terms without a row: the fit leaves them out.
    idf: Vec<f32>,
    least_df: u32,
}

impl<'a> TermTable<'a> {
    fn new(analyzer: &Analyzer, postings: &'a Postings) -> Self {
        let least_df = least_df(postings.chunk_count());
        let idf = |term| match postings.df(term) >= least_df {
            true => postings.idf(term),
            false => 0.0,
        };
        let idf = (0..postings.len()).map(idf).collect();
        Self {
            analyzer: analyzer.clone(),
            least_df,
            terms: postings.terms().collect(),
            idf,
        }
    }

    fn vocabulary(&self, word_pieces: &[String]) -> Vocabulary {
        let known: HashSet<&str> = self.terms.iter().copied().collect();
        let word_pieces = word_pieces.iter().map(String::as_str);
        Vocabulary::new(&self.analyzer, word_pieces, &|term| known.contains(term))
    }

    fn fit(
        &self,
        groups: &[TextGroup<'_>],
        dim: usize,
        reporter: &Reporter,
    ) -> Result<QueryTable, Failure> {
        let stage = reporter.stage("fit", 100);
        let done = std::cell::Cell::new(0);
        let lexicon = Lexicon {
            analyzer: self.analyzer.clone(),
            terms: &self.terms,
            idf: &self.idf,
        };
        let ridge = FitParams::default().ridge;
        Ok(QueryTable::fit(&lexicon, groups, dim, &ridge, &|share| {
            let percent = (share * 100.0) as u64;
            stage.advance(percent.saturating_sub(done.replace(percent)));
        })?)
    }

    /// Embeddings of texts as searches make them, from the rows of their terms: half of titles and
    /// headings, half of sentences, and more of one kind where the other is rare.
    fn queries(&self, table: &QueryTable, documents: &[Document], sentences: &[&str]) -> Vec<f32> {
        let least = sentences.len().min(MAX_QUERIES / 2);
        let titles = budget::sample(documents, MAX_QUERIES - least);
        let missing = (MAX_QUERIES - titles.len()).max(1);
        let mut sentences = sentences.to_vec();
        sentences.sort_by_cached_key(|sentence| xxh3_64(sentence.as_bytes()));
        let sentences = sentences.into_iter().take(missing);
        let texts = titles.iter().map(String::as_str).chain(sentences);
        texts
            .filter_map(|text| self.query(table, text))
            .flatten()
            .collect()
    }

    /// The embedding of a query; none if no word of it has a row.
    fn query(&self, table: &QueryTable, text: &str) -> Option<Vec<f32>> {
        let mut sum = QueryVector::new(table.dim());
        let mut row = Vec::new();
        for term in self.analyzer.query_terms(text).terms {
            if let Ok(at) = self.terms.binary_search(&term.term.as_str()) {
                row.clear();
                // A row that is not finite stops the build where rows are written.
                table.encode(at, &mut row).ok()?;
                sum.add(&row, (term.count as f32).sqrt()).ok()?;
            }
        }
        sum.finish()
    }

    fn rows(&self, table: &QueryTable, extra: Vec<(&str, Vec<f32>)>) -> TermRows {
        let mut rows = TermRows {
            dim: table.dim(),
            least_df: self.least_df,
            ..TermRows::default()
        };
        for (key, row) in extra {
            rows.extra.push(key.to_string());
            rows.rows.extend_from_slice(&row);
        }
        (0..self.terms.len()).for_each(|term| rows.rows.extend_from_slice(table.row(term)));
        rows
    }
}

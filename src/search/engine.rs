//! An opened index and the search pipeline.

use super::Excerpt;
use super::Explain;
use super::Fusion;
use super::Group;
use super::Hit;
use super::MAX_LIMIT;
use super::MAX_QUERY_BYTES;
use super::Mode;
use super::SearchError;
use super::SearchOptions;
use super::SearchResult;
use super::dense;
use super::dense::Resident;
use super::fuse::Best;
use super::fuse::Parts;
use super::lexical::Lookup;
use crate::document::ChunkId;
use crate::document::DocumentId;
use crate::filter::Bitmap;
use crate::filter::Columns;
use crate::index::DocumentRecord;
use crate::index::Extent;
use crate::index::Layout;
use crate::index::Passage;
use crate::index::Root;
use crate::index::inflate;
use crate::postings::KeywordHit;
use crate::postings::WEIGHT_ONE;
use crate::postings::dictionary::Directory;
use crate::store::Source;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::Wants;
use crate::store::Wave;
use crate::text::Analyzer;
use crate::text::AnalyzerId;
use crate::vector::Query;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::cmp::Reverse;

/// Chunks that each ranking proposes before they are fused.
const CANDIDATES: usize = 100;

/// Fused candidates whose int8 codes are read: by the 1-bit codes' estimate, 50 hold 0.97 of the true
/// top 10 on 100,000 real embeddings.
const RESCORED: usize = 50;

/// Characters of an excerpt, about.
const EXCERPT_CHARS: usize = 240;

/// An opened index.
///
/// One engine serves searches of one thread, which may overlap; what has been read stays for the
/// next.
#[derive(Debug)]
pub struct Engine<S> {
    store: Store<S>,
    analyzer: Analyzer,
    directory: Directory,
    layout: RefCell<Option<Rc<Layout>>>,
    resident: RefCell<Option<Rc<Resident>>>,
    columns: RefCell<Columns>,
}

/// A chunk on its way to become a hit.
#[derive(Debug, Clone, Default)]
struct Candidate {
    chunk: ChunkId,
    document: DocumentId,
    parts: Parts,
    contributions: Vec<u32>,
    rescored: bool,
    weight: f32,
    score: f32,
}

impl<S: Source> Engine<S> {
    /// Opens the index that `source` holds, reading its root.
    ///
    /// # Errors
    /// [`SearchError::Store`] and [`SearchError::Analyzer`].
    pub async fn open(source: S, cache_bytes: usize) -> Result<Self, SearchError> {
        let store = Store::open(source, cache_bytes).await?;
        let root = store.root();
        let analyzer = Analyzer::from_id(AnalyzerId(root.analyzer))
            .map_err(|_| SearchError::Analyzer { got: root.analyzer })?;
        let directory = inflate(&root.term_directory, "term directory")
            .and_then(|bytes| Directory::parse(&bytes))
            .map_err(|error| StoreError::Root(error.into()))?;
        let fields = root.columns.iter().map(|(name, _)| name.clone());
        let columns = RefCell::new(Columns::new(root.counts.documents, fields));
        let (layout, resident) = (RefCell::default(), RefCell::default());
        Ok(Self { store, analyzer, directory, layout, resident, columns })
    }

    /// The root of the index.
    pub fn root(&self) -> &Root {
        self.store.root()
    }

    /// The store that the index is read from.
    pub fn store(&self) -> &Store<S> {
        &self.store
    }

    /// The first terms of the dictionary's blocks.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Searches.
    ///
    /// # Errors
    /// [`SearchError`]; a search either returns its whole result or fails.
    pub async fn search(
        &self,
        query: &str,
        options: &SearchOptions,
    ) -> Result<SearchResult, SearchError> {
        let depth = options.limit.saturating_add(options.offset);
        if options.limit == 0 || depth > MAX_LIMIT {
            return Err(SearchError::Limit { got: depth });
        }
        let before = self.store.stats();
        let root = self.root();
        let query = &query[..query.floor_char_boundary(MAX_QUERY_BYTES)];
        let vectors = root.vectors.as_ref().filter(|_| options.mode != Mode::Keyword);
        let offline = vectors.is_some_and(|vectors| vectors.term_rows);
        if options.mode == Mode::Vector && !offline && (vectors.is_none() || options.embedding.is_none())
        {
            return Err(SearchError::NoVectors);
        }
        // Dictionary, and what stays in memory from the first search on.
        let terms = self.analyzer.query_terms(query);
        let mut lookup = Lookup::new(&terms, options.prefix);
        let fields = self.fields(options)?;
        let mut wants = Wants::new();
        lookup.want_blocks(root, &self.directory, &mut wants);
        self.want_parts(vectors.is_some(), &fields, &mut wants);
        let wave = self.store.wave(&wants).await?;
        self.load_parts(vectors.is_some(), &fields, &wave)?;
        lookup.find(root, &self.directory, &wave).map_err(|(at, bad)| self.damaged(at, bad))?;

        // Words that the dictionary lacks.
        let mut wants = Wants::new();
        if lookup.want_similar(root, &self.directory, &mut wants) {
            let wave = self.store.wave(&wants).await?;
            lookup.correct(root, &self.directory, &wave).map_err(|(at, bad)| self.damaged(at, bad))?;
        }
        let mut wants = Wants::new();
        if offline && lookup.want_pieces(root, &self.directory, &mut wants) {
            let wave = self.store.wave(&wants).await?;
            lookup
                .decompose(root, &self.directory, &wave)
                .map_err(|(at, bad)| self.damaged(at, bad))?;
        }

        // Posting lists and term rows.
        let mut wants = Wants::new();
        lookup.entries().for_each(|extent| wants.block(extent));
        let entries = self.store.wave(&wants).await?;
        let layout = self.layout()?;
        let allowed = match &options.filter {
            Some(filter) => {
                let documents = filter.evaluate(&self.columns.borrow())?;
                Some(documents.spread(&layout.first_chunks, root.counts.chunks))
            }
            None => None,
        };
        let resident = self.resident.borrow().clone().filter(|_| vectors.is_some());
        let dense_query = match (&resident, &options.embedding) {
            (Some(resident), Some(embedding)) => Some(Query::new(resident.quantizer(), embedding)?),
            (Some(resident), None) if offline => {
                let embedding = lookup
                    .embedding(&entries, resident.quantizer().dim())
                    .map_err(|(at, bad)| self.damaged(at, bad))?;
                match embedding {
                    Some(embedding) => Some(Query::new(resident.quantizer(), &embedding)?),
                    None => None,
                }
            }
            _ => None,
        };
        let dense = resident.as_deref().zip(dense_query.as_ref());

        // Two rankings.
        let depth_each = CANDIDATES.max(4 * depth);
        let mut matches = alloc::vec![0u64; (root.counts.chunks as usize).div_ceil(64)];
        let clauses = lookup.clauses(&entries, row_dim_of(root)).map_err(|(at, bad)| self.damaged(at, bad))?;
        let by_words = match options.mode {
            Mode::Vector => Vec::new(),
            _ => {
                let words = allowed.as_ref().map(Bitmap::words);
                crate::postings::top_k(
                    &clauses,
                    root.counts.chunks,
                    depth_each,
                    words,
                    &mut matches,
                )
                .map_err(|bad| self.damaged_entries(bad))?
            }
        };
        let by_meaning = match dense {
            Some((resident, query)) => resident.nearest(query, allowed.as_ref(), depth_each),
            None => Vec::new(),
        };
        let mode = match options.mode {
            Mode::Hybrid if dense.is_none() => Mode::Keyword,
            mode => mode,
        };

        // One ranking, by estimates first, then by int8 codes.
        let mut candidates = self.unite(&layout, by_words, &by_meaning);
        if let Some((resident, query)) = dense {
            let unknown: Vec<ChunkId> = candidates
                .values()
                .filter(|candidate| candidate.parts.cosine.is_none())
                .map(|candidate| candidate.chunk)
                .collect();
            for estimate in resident.estimates(query, unknown.into_iter()) {
                if let Some(candidate) = candidates.get_mut(&estimate.id) {
                    candidate.parts.cosine = Some(estimate.score);
                }
            }
            if mode == Mode::Hybrid {
                for candidate in candidates.values_mut() {
                    if candidate.contributions.is_empty() {
                        candidate.contributions =
                            crate::postings::contributions(&clauses, candidate.chunk)
                                .map_err(|bad| self.damaged_entries(bad))?;
                        candidate.parts.keyword = candidate.contributions.iter().sum();
                    }
                }
            }
        }
        let mut ranked: Vec<Candidate> = candidates.into_values().collect();
        rank(&mut ranked, mode, options.fusion);
        if let (Some((_, query)), Some(vectors)) = (dense, vectors) {
            ranked.truncate(RESCORED.max(2 * depth));
            let mut wants = Wants::new();
            let row = |candidate: &Candidate| vectors.rows.extent(u64::from(candidate.chunk));
            ranked.iter().filter_map(row).for_each(|extent| wants.block(extent));
            let rows = self.store.wave(&wants).await?;
            for candidate in &mut ranked {
                if let Some(row) = row(candidate).and_then(|extent| rows.get(extent)) {
                    candidate.parts.cosine = Some(dense::rescore(query, row));
                    candidate.rescored = true;
                }
            }
            rank(&mut ranked, mode, options.fusion);
        }
        let mut matches = Bitmap::from_words(root.counts.chunks, matches);
        for candidate in &ranked {
            matches.set(candidate.chunk);
        }
        let best = best_of(&ranked);
        if options.group == Group::Document {
            let mut seen = alloc::collections::BTreeSet::new();
            ranked.retain(|candidate| seen.insert(candidate.document));
        }
        let documents = documents_of(&matches, &layout);
        let total = match options.group {
            Group::Document => documents.count(),
            Group::Chunk => matches.count(),
        };
        let facets = self.facets(options, &documents)?;
        ranked.truncate(depth);
        ranked.drain(..options.offset.min(ranked.len()));

        let hits = self.hits(ranked, &best, &layout, &lookup, options).await?;
        let corrections = lookup.corrections();
        let stats = self.store.stats().since(before);
        Ok(SearchResult { mode, hits, total, facets, corrections, stats })
    }

    /// The stored text of a chunk and the document it belongs to.
    ///
    /// # Errors
    /// [`SearchError::NoChunk`] and [`SearchError::Store`].
    pub async fn passage(
        &self,
        chunk: ChunkId,
    ) -> Result<(Passage, DocumentRecord), SearchError> {
        self.load_layout().await?;
        let layout = self.layout()?;
        let chunks = self.root().counts.chunks;
        let document = layout.document_of(chunk).ok_or(SearchError::NoChunk { chunk, chunks })?;
        let mut records = self.records(&layout, &[(chunk, document)]).await?;
        records.pop().ok_or(SearchError::NoChunk { chunk, chunks })
    }

    /// Fields whose columns the search needs and that are not loaded yet.
    fn fields(&self, options: &SearchOptions) -> Result<Vec<String>, SearchError> {
        let columns = self.columns.borrow();
        let mut fields: Vec<String> = Vec::new();
        if let Some(filter) = &options.filter {
            fields.extend(columns.missing(filter)?.into_iter().map(String::from));
        }
        for facet in &options.facets {
            if !columns.is_loaded(facet)? {
                fields.push(facet.clone());
            }
        }
        fields.sort_unstable();
        fields.dedup();
        Ok(fields)
    }

    fn column(&self, field: &str) -> Option<Extent> {
        self.root().columns.iter().find(|(name, _)| name == field).map(|&(_, extent)| extent)
    }

    fn want_parts(&self, vectors: bool, fields: &[String], wants: &mut Wants) {
        if self.layout.borrow().is_none() {
            wants.block(self.root().layout);
        }
        if vectors && self.resident.borrow().is_none()
            && let Some(sections) = &self.root().vectors
        {
            Resident::wants(sections, wants);
        }
        fields.iter().filter_map(|field| self.column(field)).for_each(|extent| wants.block(extent));
    }

    fn load_parts(&self, vectors: bool, fields: &[String], wave: &Wave) -> Result<(), SearchError> {
        let root = self.root();
        if let Some(block) = wave.get(root.layout) {
            let layout = inflate(block, "layout")
                .and_then(|bytes| Layout::parse(&bytes, root))
                .map_err(|bad| self.damaged(root.layout, bad))?;
            *self.layout.borrow_mut() = Some(Rc::new(layout));
        }
        if vectors && self.resident.borrow().is_none()
            && let Some(sections) = &root.vectors
        {
            let resident = Resident::load(root, sections, wave)
                .map_err(|bad| self.damaged(sections.quantizer, bad))?;
            *self.resident.borrow_mut() = Some(Rc::new(resident));
        }
        for field in fields {
            if let Some(extent) = self.column(field)
                && let Some(block) = wave.get(extent)
            {
                let bytes =
                    inflate(block, "column").map_err(|bad| self.damaged(extent, bad))?;
                self.columns.borrow_mut().load(field, &bytes)?;
            }
        }
        Ok(())
    }

    /// Reads the layout if no search has yet.
    pub(super) async fn load_layout(&self) -> Result<(), SearchError> {
        let mut wants = Wants::new();
        self.want_parts(false, &[], &mut wants);
        let wave = self.store.wave(&wants).await?;
        self.load_parts(false, &[], &wave)
    }

    pub(super) fn layout(&self) -> Result<Rc<Layout>, SearchError> {
        // Loaded by the first wave of every search.
        self.layout.borrow().clone().ok_or_else(|| {
            let what = "layout";
            let problem = crate::bytes::Problem::Inconsistent;
            let bad = crate::bytes::FormatError { what, field: "block", offset: 0, problem };
            self.damaged(self.root().layout, bad).into()
        })
    }

    pub(super) fn damaged(&self, extent: Extent, error: crate::bytes::FormatError) -> StoreError {
        self.store.damaged(extent, error)
    }

    fn damaged_entries(&self, error: crate::bytes::FormatError) -> StoreError {
        self.damaged(Extent { offset: self.root().entries_offset, len: 0 }, error)
    }

    /// Chunks that either ranking proposes, with what is known of them.
    fn unite(
        &self,
        layout: &Layout,
        by_words: Vec<KeywordHit>,
        by_meaning: &[crate::vector::topk::Candidate],
    ) -> BTreeMap<ChunkId, Candidate> {
        let mut candidates: BTreeMap<ChunkId, Candidate> = BTreeMap::new();
        let new = |chunk: ChunkId| {
            let document = layout.document_of(chunk).unwrap_or(0);
            Candidate { chunk, document, weight: layout.weight(document), ..Candidate::default() }
        };
        for (rank, hit) in by_words.into_iter().enumerate() {
            let candidate = candidates.entry(hit.chunk).or_insert_with(|| new(hit.chunk));
            candidate.parts.keyword = hit.score;
            candidate.parts.keyword_rank = Some(rank as u32 + 1);
            candidate.contributions = hit.contributions;
        }
        for near in by_meaning {
            let candidate = candidates.entry(near.id).or_insert_with(|| new(near.id));
            candidate.parts.cosine = Some(near.score);
        }
        candidates
    }

    fn facets(
        &self,
        options: &SearchOptions,
        documents: &Bitmap,
    ) -> Result<Vec<(String, Vec<(crate::document::Value, u32)>)>, SearchError> {
        let columns = self.columns.borrow();
        let mut facets = Vec::with_capacity(options.facets.len());
        for field in &options.facets {
            let counts = columns.column(field)?.facet_counts(documents.iter(), MAX_LIMIT);
            facets.push((field.clone(), counts));
        }
        Ok(facets)
    }

    async fn hits(
        &self,
        ranked: Vec<Candidate>,
        best: &Best,
        layout: &Layout,
        lookup: &Lookup,
        options: &SearchOptions,
    ) -> Result<Vec<Hit>, SearchError> {
        let places: Vec<(ChunkId, DocumentId)> =
            ranked.iter().map(|candidate| (candidate.chunk, candidate.document)).collect();
        let records = self.records(layout, &places).await?;
        let weighted = lookup.weighted_terms();
        let terms: Vec<(&str, f32)> =
            weighted.iter().map(|(term, weight)| (term.as_str(), *weight)).collect();
        let mut hits = Vec::with_capacity(ranked.len());
        for (candidate, (passage, document)) in ranked.into_iter().zip(records) {
            let explain = options.explain.then(|| explain(&candidate, best, lookup));
            let excerpt = self.excerpt(&passage.text, &terms);
            hits.push(Hit {
                id: document.id,
                chunk: candidate.chunk,
                score: candidate.score,
                title: document.title,
                url: document.url,
                headings: passage.headings,
                anchor: passage.anchor,
                meta: document.meta,
                excerpt,
                explain,
            });
        }
        Ok(hits)
    }

    fn excerpt(&self, text: &str, terms: &[(&str, f32)]) -> Excerpt {
        const ELLIPSIS: &str = "…";
        let window = self.analyzer.excerpt(text, terms, EXCERPT_CHARS);
        let mut out = String::new();
        if window.cut_before {
            out.push_str(ELLIPSIS);
        }
        let shift = out.len();
        let start = window.range.start;
        out.push_str(text.get(window.range).unwrap_or_default());
        if window.cut_after {
            out.push_str(ELLIPSIS);
        }
        let marks = window.highlights.into_iter();
        let marks = marks.map(|mark| mark.start - start + shift..mark.end - start + shift).collect();
        Excerpt { text: out, marks }
    }

    /// Passages and documents of these chunks, read in one wave.
    async fn records(
        &self,
        layout: &Layout,
        places: &[(ChunkId, DocumentId)],
    ) -> Result<Vec<(Passage, DocumentRecord)>, SearchError> {
        let mut wants = Wants::new();
        for &(chunk, document) in places {
            let tables = [layout.passages.locate(chunk), layout.documents.locate(document)];
            tables.into_iter().flatten().for_each(|(extent, _)| wants.block(extent));
        }
        let wave = self.store.wave(&wants).await?;
        let mut inflated: BTreeMap<Extent, Vec<u8>> = BTreeMap::new();
        let mut records = Vec::with_capacity(places.len());
        for &(chunk, document) in places {
            let (Some(passage_at), Some(document_at)) =
                (layout.passages.locate(chunk), layout.documents.locate(document))
            else {
                continue;
            };
            for (extent, _) in [passage_at, document_at] {
                if let Some(block) = wave.get(extent)
                    && !inflated.contains_key(&extent)
                {
                    let what = self.root().section(extent.offset);
                    let raw = inflate(block, what).map_err(|bad| self.damaged(extent, bad))?;
                    inflated.insert(extent, raw);
                }
            }
            let raw = |extent: Extent| inflated.get(&extent).map_or(&[][..], Vec::as_slice);
            let passage = Passage::find(raw(passage_at.0), passage_at.1)
                .map_err(|bad| self.damaged(passage_at.0, bad))?;
            let record = DocumentRecord::find(raw(document_at.0), document_at.1)
                .map_err(|bad| self.damaged(document_at.0, bad))?;
            records.push((passage, record));
        }
        Ok(records)
    }
}

/// Bytes that term rows take at the head of every entry.
pub(super) fn row_dim_of(root: &Root) -> Option<usize> {
    root.vectors.as_ref().filter(|vectors| vectors.term_rows).map(|vectors| vectors.dim as usize)
}

fn best_of(candidates: &[Candidate]) -> Best {
    let mut best = Best { keyword: 0, cosine: f32::NEG_INFINITY };
    for candidate in candidates {
        best.keyword = best.keyword.max(candidate.parts.keyword);
        best.cosine = best.cosine.max(candidate.parts.cosine.unwrap_or(f32::NEG_INFINITY));
    }
    best
}

/// Scores the candidates and sorts them: best first, ties by chunk.
fn rank(candidates: &mut [Candidate], mode: Mode, fusion: Fusion) {
    let mut by_cosine: Vec<(Reverse<u64>, usize)> = candidates
        .iter()
        .enumerate()
        .filter_map(|(at, candidate)| {
            let score = candidate.parts.cosine?;
            let id = candidate.chunk;
            Some((Reverse(crate::vector::topk::Candidate { id, score }.key()), at))
        })
        .collect();
    by_cosine.sort_unstable();
    for (rank, &(_, at)) in by_cosine.iter().enumerate() {
        candidates[at].parts.vector_rank = Some(rank as u32 + 1);
    }
    let best = best_of(candidates);
    for candidate in candidates.iter_mut() {
        let parts = &candidate.parts;
        let score = match mode {
            Mode::Keyword => parts.keyword_normalised(&best),
            Mode::Vector => parts.cosine.unwrap_or(f32::NEG_INFINITY),
            Mode::Hybrid => parts.fused(fusion, &best),
        };
        candidate.score = score * candidate.weight;
    }
    candidates.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.chunk.cmp(&b.chunk)));
}

fn documents_of(chunks: &Bitmap, layout: &Layout) -> Bitmap {
    let mut documents = Bitmap::new(layout.first_chunks.len().saturating_sub(1) as u32);
    for document in chunks.iter().filter_map(|chunk| layout.document_of(chunk)) {
        documents.set(document);
    }
    documents
}

fn explain(candidate: &Candidate, best: &Best, lookup: &Lookup) -> Explain {
    let parts = &candidate.parts;
    let keyword = (parts.keyword > 0)
        .then(|| (parts.keyword / WEIGHT_ONE, parts.keyword_normalised(best)));
    Explain {
        keyword,
        keyword_rank: parts.keyword_rank,
        terms: lookup.explain(&candidate.contributions),
        vector: parts.cosine.map(|cosine| (cosine, parts.vector_normalised(best))),
        vector_rank: parts.vector_rank,
        rescored: candidate.rescored,
        weight: candidate.weight,
    }
}

//! An opened index and the search pipeline.

use super::Fusion;
use super::Group;
use super::MAX_LIMIT;
use super::MAX_QUERY_BYTES;
use super::Mode;
use super::SearchError;
use super::SearchOptions;
use super::SearchResult;
use super::dense::Lead;
use super::dense::Resident;
use super::dense::SearchCells;
use super::dictionary::Dictionary;
use super::diversity::diversify;
use super::hits::places;
use super::hits::want_records;
use super::lexical::Lookup;
use super::ranking::Ranking;
use super::ranking::place_of;
use super::ranking::rank;
use super::ranking::rescored;
use super::ranking::support;
use super::ranking::unite;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::cells::RouteScores;
use crate::document::ChunkId;
use crate::filter::Bitmap;
use crate::filter::Columns;
use crate::filter::Filter;
use crate::index::Access;
use crate::index::Extent;
use crate::index::Layout;
use crate::index::Root;
use crate::index::inflate;
use crate::postings::TopK;
use crate::postings::contributions;
use crate::postings::top_k;
use crate::store::ReadStats;
use crate::store::Source;
use crate::store::Store;
use crate::store::StoreError;
use crate::store::Wants;
use crate::store::Wave;
use crate::text::Analyzer;
use crate::text::AnalyzerId;
use crate::text::Language;
use crate::vector::Projection;
use crate::vector::Query;
use crate::vector::topk::Candidate as Near;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::Future;
use core::pin::Pin;

/// Chunks that each ranking proposes before they are fused.
const CANDIDATES: usize = 100;

/// Bytes of long posting lists that a search by words and meaning reads at most to find chunks, unless
/// the rarest word's are more: lists grow with the index, and those of frequent words tell chunks
/// apart the least.
const POSTING_BYTES: u64 = 40_000;

/// An opened index.
///
/// One engine serves searches of one thread, which may overlap; what has been read stays for the
/// next.
#[derive(Debug)]
pub struct Engine<S> {
    pub(super) store: Store<S>,
    analyzer: Analyzer,
    dictionary: Dictionary,
    pub(super) layout: RefCell<Option<Rc<Layout>>>,
    pub(super) resident: RefCell<Option<Rc<Resident>>>,
    pub(super) columns: RefCell<Columns>,
}

/// A search on its way: what was asked for and what the dictionary has of it.
#[derive(Debug)]
pub struct Search<'a> {
    pub(super) options: &'a SearchOptions,
    /// Candidates down to the last hit of the page.
    depth: usize,
    /// What leads to codes; nothing if they have no part in it.
    lead: Option<Lead>,
    /// Whether term rows can embed the query.
    offline: bool,
    /// Fields whose columns are to be read.
    fields: Vec<String>,
    pub(super) lookup: Lookup<'a>,
    /// The embedding given, in the dimensions of the index.
    embedding: Option<Vec<f32>>,
    /// What it has cost so far.
    stats: RefCell<ReadStats>,
}

/// What a search looks for.
#[derive(Debug)]
struct Aim {
    /// Chunks that the filter admits.
    allowed: Option<Bitmap>,
    dense: Option<(Rc<Resident>, Query)>,
    /// Chunks that each ranking proposes.
    depth: usize,
    /// Chunks that are rescored.
    rows: usize,
}

impl Aim {
    /// Whether no more chunks are admitted than are rescored.
    fn is_few(&self) -> bool {
        let allowed = self.allowed.as_ref();
        allowed.is_some_and(|allowed| allowed.count() as usize <= self.rows)
    }
}

/// All that a filter admits: they are rescored whatever they are estimated at.
#[inline(never)]
fn not_estimated(allowed: &Bitmap) -> Vec<Near> {
    allowed.iter().map(|id| Near { id, score: 0.0 }).collect()
}

/// The analyzer with which the index of this root was built.
fn analyzer(root: &Root) -> Result<Analyzer, SearchError> {
    let damaged = |error: FormatError| StoreError::Root(error.into());
    let languages = match root.languages.is_empty() {
        true => Vec::new(),
        false => {
            let bytes = inflate(&root.languages, "languages").map_err(damaged)?;
            Language::read_all(&bytes).map_err(damaged)?
        }
    };
    Analyzer::from_parts(AnalyzerId(root.analyzer), languages)
        .map_err(|_| SearchError::Analyzer { got: root.analyzer })
}

/// Between two waves everything is a plain function of bytes at hand: code of an `async` function
/// keeps its variables in memory, which makes it large.
impl<S: Source> Engine<S> {
    /// Opens the index that `source` holds, reading its root.
    ///
    /// # Errors
    /// [`SearchError::Store`] and [`SearchError::Analyzer`].
    pub async fn open(source: S, cache_bytes: usize) -> Result<Self, SearchError> {
        let store = Store::open(source, cache_bytes).await?;
        let root = store.root();
        let analyzer = analyzer(root)?;
        let dictionary = Dictionary::open(root).map_err(|error| StoreError::Root(error.into()))?;
        let fields = root.columns.iter().map(|(name, _)| name.clone());
        let columns = RefCell::new(Columns::new(root.counts.documents, fields));
        let (layout, resident) = (RefCell::default(), RefCell::default());
        Ok(Self {
            store,
            analyzer,
            dictionary,
            layout,
            resident,
            columns,
        })
    }

    /// The root of the index.
    pub fn root(&self) -> &Root {
        self.store.root()
    }

    /// What cuts texts and queries into terms.
    pub fn analyzer(&self) -> &Analyzer {
        &self.analyzer
    }

    /// The store that the index is read from.
    pub fn store(&self) -> &Store<S> {
        &self.store
    }

    /// The dictionary's directories.
    pub fn dictionary(&self) -> &Dictionary {
        &self.dictionary
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
        let search = self.prepare(query, options)?;
        // Terms, and what stays in memory from the first search on.
        let wave = self.wave(&search.stats, &self.first_wants(&search)).await?;
        // Behind a pointer, so that it is code of its own: hosts may load that during the first wave.
        let found: Pin<Box<dyn Future<Output = _>>> = Box::pin(self.find(search, wave));
        found.await
    }

    /// Goes on with what the first wave of a search brought.
    async fn find(&self, mut search: Search<'_>, wave: Wave) -> Result<SearchResult, SearchError> {
        let options = search.options;
        self.find_words(&mut search, &wave)?;
        let resident = self.resident.borrow().clone();
        if let Some(resident) = resident.filter(|_| options.exact) {
            // Behind a pointer, so that its code is not part of every search's.
            let cells: Pin<Box<dyn Future<Output = _>>> =
                Box::pin(self.load_cells(&resident, &search.stats));
            cells.await?;
        }

        // Words that the index lacks, or has only as beginnings of others.
        if !search.lookup.is_settled() {
            if let Some(wants) = search.lookup.want_spellings(&self.dictionary) {
                let wave = self.wave(&search.stats, &wants).await?;
                let corrected = search.lookup.correct(&self.dictionary, &wave);
                corrected.map_err(|(at, bad)| self.damaged(at, bad))?;
            }
            if let Some(mut wants) = search.lookup.want_rest(&self.dictionary) {
                if search.lookup.may_lack_routes() {
                    self.want_router(&mut search, &mut wants);
                }
                let wave = self.wave(&search.stats, &wants).await?;
                self.load_parts(search.lead.is_some(), &[], &wave)?;
                let decomposed = search.lookup.decompose(&self.dictionary, &wave);
                decomposed.map_err(|(at, bad)| self.damaged(at, bad))?;
            }
        }

        // Words that no chunk has stand for others, and lead to no cells by themselves.
        if search.lead == Some(Lead::Routes) && search.lookup.lacks_routes() {
            let mut wants = Wants::new();
            self.want_router(&mut search, &mut wants);
            let wave = self.wave(&search.stats, &wants).await?;
            self.load_parts(true, &[], &wave)?;
        }

        // Long posting lists and near cells, which give two rankings.
        let aim = self.aim(&search)?;
        let (postings, by_meaning) = self.read_candidates(&mut search, &aim).await?;
        let mut ranking = self.rank_candidates(&search, aim, &postings, &by_meaning)?;

        // One ranking, by estimates first, then by rows. What will most likely be shown is read
        // beside these.
        if let Some(wants) = self.want_rows(&search, &mut ranking)? {
            let rows = self.wave(&search.stats, &wants).await?;
            self.rescore(&search, &mut ranking, &rows)?;
        }
        let mut page = self.group(&search, ranking)?;

        // Passages and documents of the hits, or words that would find some; in large indexes first where these lie.
        let mut tables = Wave::default();
        loop {
            let wants = self.want_page(&search, &page, &tables)?;
            let wave = self.wave(&search.stats, &wants).await?;
            if core::mem::take(&mut page.lacks_tables) {
                tables = wave;
                continue;
            }
            let mut result = self.show(&search, page, &tables, &wave)?;
            result.stats = search.stats.into_inner();
            return Ok(result);
        }
    }

    /// Goes on by the router instead of by routes.
    fn want_router(&self, search: &mut Search<'_>, wants: &mut Wants) {
        search.lead = search.lead.map(|_| Lead::Router);
        self.want_parts(search.lead, &[], wants);
    }

    pub(super) async fn wave(
        &self,
        stats: &RefCell<ReadStats>,
        wants: &Wants,
    ) -> Result<Wave, StoreError> {
        let wave = self.store.wave(wants).await?;
        stats.borrow_mut().add(wave.stats());
        Ok(wave)
    }

    fn prepare<'a>(
        &'a self,
        query: &str,
        options: &'a SearchOptions,
    ) -> Result<Search<'a>, SearchError> {
        let depth = options.limit.saturating_add(options.offset);
        if options.limit == 0 || depth > MAX_LIMIT {
            return Err(SearchError::Limit { got: depth });
        }
        let end = query.floor_char_boundary(MAX_QUERY_BYTES);
        let query = query.get(..end).unwrap_or(query);
        let has_vectors = options.mode != Mode::Keyword && self.root().vectors.is_some();
        let offline = has_vectors && row_dim_of(self.root()).is_some();
        if options.mode == Mode::Vector && !offline && (!has_vectors || options.embedding.is_none())
        {
            return Err(SearchError::NoVectors);
        }
        let terms = self.analyzer.query_terms(query);
        let lookup = Lookup::new(
            &self.analyzer,
            &terms,
            options.prefix,
            offline,
            row_dim_of(self.root()),
        );
        let fields = self.fields(options)?;
        // By meaning alone all rests on the cells, and an embedding that is given has no routes.
        let is_routed = options.mode == Mode::Hybrid && options.embedding.is_none();
        let lead = match is_routed && self.has_routes() && !options.exact {
            true => Lead::Routes,
            false => Lead::Router,
        };
        Ok(Search {
            options,
            depth,
            lead: has_vectors.then_some(lead),
            offline,
            fields,
            lookup,
            embedding: None,
            stats: RefCell::default(),
        })
    }

    fn first_wants(&self, search: &Search<'_>) -> Wants {
        let mut wants = search.lookup.want_words(&self.dictionary);
        self.want_parts(search.lead, &search.fields, &mut wants);
        if let Some(extent) = self.projection(search) {
            wants.block(extent);
        }
        wants
    }

    /// Where the projection lies that the search's embedding has to go through.
    fn projection(&self, search: &Search<'_>) -> Option<Extent> {
        let sections = self.root().vectors.as_ref()?;
        let given = search.options.embedding.is_some() && search.lead.is_some();
        Some(sections.projection.filter(|_| given)?.extent)
    }

    /// The embedding that the search was given, in the dimensions of the index.
    fn project(&self, search: &Search<'_>, wave: &Wave) -> Result<Option<Vec<f32>>, SearchError> {
        let Some(embedding) = &search.options.embedding else {
            return Ok(None);
        };
        let Some(extent) = self.projection(search) else {
            return Ok(Some(embedding.clone()));
        };
        let projection = self.read_projection(extent, wave);
        let projection = projection.map_err(|bad| self.damaged(extent, bad))?;
        Ok(Some(projection.apply(embedding)?))
    }

    /// The projection out of the wave that brought it.
    #[inline(never)]
    pub(super) fn read_projection(
        &self,
        extent: Extent,
        wave: &Wave,
    ) -> Result<Projection, FormatError> {
        let mut reader = Reader::new(wave.require(extent)?, "projection");
        let projection = Projection::read(&mut reader)?;
        let sections = self.root().vectors.as_ref();
        let dims = sections.map(|sections| (sections.input_dim(), sections.dim));
        if dims != Some((projection.input_dim() as u32, projection.dim() as u32)) {
            return Err(reader.error("dimension", Problem::Inconsistent));
        }
        reader.end()?;
        Ok(projection)
    }

    fn find_words(&self, search: &mut Search<'_>, wave: &Wave) -> Result<(), SearchError> {
        self.load_parts(search.lead.is_some(), &search.fields, wave)?;
        search.embedding = self.project(search, wave)?;
        let found = search.lookup.find(&self.dictionary, wave);
        found.map_err(|(at, bad)| self.damaged(at, bad).into())
    }

    /// Wants the rows of the best candidates, what else scores them, and what will most likely be
    /// shown.
    fn want_rows(
        &self,
        search: &Search<'_>,
        ranking: &mut Ranking,
    ) -> Result<Option<Wants>, SearchError> {
        let root = self.root();
        let Some(vectors) = root.vectors.as_ref().filter(|_| ranking.query.is_some()) else {
            return Ok(None);
        };
        ranking.candidates.truncate(rescored(root, search.depth));
        for candidate in &ranking.candidates {
            ranking.matches.set(candidate.chunk);
        }
        let layout = self.layout()?;
        let mut shown = ranking.prefetch(search.options, &layout);
        if self.store.source().reads_ahead() && !ranking.is_guess_binding {
            shown = places(&ranking.candidates);
        }
        let mut wants = ranking.want_rows(vectors);
        want_records(&layout, &shown, &Wave::default(), &mut wants);
        let chunks = ranking.chunks();
        let probes = search
            .lookup
            .want_probes(&self.dictionary, &chunks, &mut wants);
        probes.map_err(|(at, bad)| self.damaged(at, bad))?;
        Ok(Some(wants))
    }

    /// Ranks by what [`Engine::want_rows`] wanted.
    fn rescore(
        &self,
        search: &Search<'_>,
        ranking: &mut Ranking,
        rows: &Wave,
    ) -> Result<(), StoreError> {
        let probed = search
            .lookup
            .probe(&self.dictionary, &ranking.chunks(), rows);
        ranking.count(&probed.map_err(|(at, bad)| self.damaged(at, bad))?);
        let Some(resident) = self.resident.borrow().clone() else {
            return Ok(());
        };
        let (root, options) = (self.root(), search.options);
        let quantizer = resident.quantizer();
        let rescored = ranking.rescore(root, quantizer, rows, self.fusion(search));
        rescored.map_err(|(at, bad)| self.damaged(at, bad))?;
        let candidates = &mut ranking.candidates;
        if options.group == Group::Document {
            support(candidates);
        }
        let diversified = diversify(candidates, root, rows, options.diversity);
        diversified.map_err(|(at, bad)| self.damaged(at, bad))?;
        ranking.settle(options);
        Ok(())
    }

    /// Whether estimates are good enough to tell what a page may show, and anything else not worth a wave: in an
    /// index so small that words lead to its cells, unless a hit's place depends on those of all others. Where tables
    /// have pages, hits wait for these anyway.
    fn binds(&self, search: &Search<'_>) -> Result<bool, SearchError> {
        let options = search.options;
        let is_convex = matches!(self.fusion(search), Fusion::Convex { .. });
        let is_guessed = self.has_routes() && !self.layout()?.is_paged();
        Ok(is_guessed && !options.exact && is_convex && options.diversity == 0.0)
    }

    /// Whether words lead to cells.
    fn has_routes(&self) -> bool {
        self.dictionary.rows().routes_len > 0
    }

    fn fusion(&self, search: &Search<'_>) -> Fusion {
        search.options.fusion.of(self.root().vectors.as_ref())
    }

    /// Whether candidates are looked up in lists beside their rows, so that not all lists have to be read
    /// to find them. Without rows there is no wave for it; counts of values are counts of all matches.
    fn probes(&self, search: &Search<'_>, aim: &Aim) -> bool {
        let options = search.options;
        let is_partial = !options.exact && options.facets.is_empty();
        is_partial && options.mode == Mode::Hybrid && aim.dense.is_some()
    }

    /// Wants the postings that the words are ranked by.
    fn want_postings(&self, search: &mut Search<'_>, aim: &Aim) -> Result<Wants, StoreError> {
        let options = search.options;
        if options.mode == Mode::Vector {
            return Ok(Wants::new());
        }
        let budget = match self.probes(search, aim) {
            true => POSTING_BYTES,
            false => u64::MAX,
        };
        let wants = search.lookup.want_postings(&self.dictionary, budget);
        wants.map_err(|(at, bad)| self.damaged(at, bad))
    }

    /// The query's embedding, given or summed from term rows, and the codes to compare it with.
    fn dense_query(
        &self,
        search: &Search<'_>,
    ) -> Result<Option<(Rc<Resident>, Query)>, SearchError> {
        let resident = self.resident.borrow().clone();
        let Some(resident) = resident.filter(|_| search.lead.is_some()) else {
            return Ok(None);
        };
        let quantizer = resident.quantizer();
        let query = match &search.embedding {
            Some(embedding) => Query::new(quantizer, embedding)?,
            None if !search.offline => return Ok(None),
            None => {
                let embedding = search.lookup.embedding(quantizer.dim());
                match embedding.map_err(|(at, bad)| self.damaged(at, bad))? {
                    Some(embedding) => Query::new(quantizer, &embedding)?,
                    None => return Ok(None),
                }
            }
        };
        Ok(Some((resident, query)))
    }

    /// The chunks that a filter admits.
    #[inline(never)]
    fn admitted(&self, filter: &Filter) -> Result<Bitmap, SearchError> {
        let documents = filter.evaluate(&self.columns.borrow())?;
        let chunks = self.root().counts.chunks;
        Ok(documents.spread(&self.layout()?.first_chunks, chunks))
    }

    /// What candidates are admitted, and what those by meaning are found with.
    fn aim(&self, search: &Search<'_>) -> Result<Aim, SearchError> {
        let root = self.root();
        let allowed = match &search.options.filter {
            Some(filter) => Some(self.admitted(filter)?),
            None => None,
        };
        let rows = rescored(root, search.depth);
        Ok(Aim {
            allowed,
            dense: self.dense_query(search)?,
            depth: CANDIDATES.max(4 * search.depth).max(rows),
            rows,
        })
    }

    /// Reads long posting lists and, beside them, the cells that it takes to find the chunks nearest
    /// to the query by their 1-bit codes. Returns the lists' blocks and these chunks, best first.
    async fn read_candidates(
        &self,
        search: &mut Search<'_>,
        aim: &Aim,
    ) -> Result<(Wave, Vec<Near>), SearchError> {
        let damaged = |bad| self.damaged_cells(bad);
        // The terms of completions go before their lists, unless these are only looked up.
        let probes = self.probes(search, aim);
        let mut completions = search.lookup.want_completions(&self.dictionary);
        let mut postings = None;
        let mut in_cells = self.search_cells(search, aim)?;
        loop {
            let cells = match &mut in_cells {
                Some(in_cells) => self.next_cells(search, in_cells).map_err(damaged)?,
                None => None,
            };
            let leads_on = cells.is_some();
            let completes = completions.is_some();
            let mut words = completions.take().unwrap_or_default();
            let lists = postings.is_none() && (probes || !completes);
            if lists {
                words.append(self.want_postings(search, aim)?);
            }
            if !leads_on && let Some(postings) = postings {
                let near = match &in_cells {
                    Some(in_cells) => in_cells.nearest(aim.depth),
                    None => self.nearest(search, aim),
                };
                return Ok((postings, near));
            }
            let mut wants = cells.unwrap_or_default();
            wants.append(words);
            let wave = self.wave(&search.stats, &wants).await?;
            if leads_on && let Some(in_cells) = &mut in_cells {
                in_cells.take(&wave).map_err(damaged)?;
            }
            if completes {
                let completed = search.lookup.complete(&self.dictionary, &wave);
                completed.map_err(|(at, bad)| self.damaged(at, bad))?;
            }
            if lists {
                postings = Some(wave);
            }
        }
    }

    /// The cells to be read next: those at hand are taken without waiting for the lists.
    fn next_cells(
        &self,
        search: &Search<'_>,
        in_cells: &mut SearchCells<'_>,
    ) -> Result<Option<Wants>, FormatError> {
        loop {
            let wants = in_cells.wants(search.depth)?;
            let Some(wave) = wants.as_ref().and_then(|wants| self.store.at_hand(wants)) else {
                return Ok(wants);
            };
            search.stats.borrow_mut().add(wave.stats());
            in_cells.take(&wave)?;
        }
    }

    /// A search in cells, where there are some, they are to be read as they are needed, and more are
    /// admitted than would be rescored anyway.
    fn search_cells<'a>(
        &self,
        search: &Search<'_>,
        aim: &'a Aim,
    ) -> Result<Option<SearchCells<'a>>, SearchError> {
        let (allowed, bytes) = (aim.allowed.as_ref(), search.options.cell_bytes);
        let beside_words = search.options.mode == Mode::Hybrid && search.lookup.is_known();
        Ok(match &aim.dense {
            Some((resident, query)) if !search.options.exact && !aim.is_few() => {
                let routes = match search.lead {
                    Some(Lead::Routes) => self.routes(search, resident)?,
                    _ => None,
                };
                resident
                    .search_cells(query, allowed, bytes, beside_words, routes.as_ref())
                    .map_err(|bad| self.damaged_cells(bad))?
            }
            _ => None,
        })
    }

    /// What the query's words give each cell.
    fn routes(
        &self,
        search: &Search<'_>,
        resident: &Resident,
    ) -> Result<Option<RouteScores>, StoreError> {
        let scores = resident.route_scores().map(|scores| {
            let scores = search.lookup.route(scores);
            scores.map_err(|(at, bad)| self.damaged(at, bad))
        });
        scores.transpose()
    }

    /// The chunks nearest to the query where all that it takes is in memory.
    fn nearest(&self, search: &Search<'_>, aim: &Aim) -> Vec<Near> {
        match (&aim.dense, &aim.allowed) {
            (None, _) => Vec::new(),
            (Some((resident, _)), Some(allowed))
                if aim.is_few() && !search.options.exact && resident.are_cells() =>
            {
                not_estimated(allowed)
            }
            (Some((resident, query)), allowed) => {
                resident.nearest(query, allowed.as_ref(), aim.depth)
            }
        }
    }

    /// Ranks what is found by words and what was found by meaning together.
    fn rank_candidates(
        &self,
        search: &Search<'_>,
        aim: Aim,
        postings: &Wave,
        by_meaning: &[Near],
    ) -> Result<Ranking, SearchError> {
        let Search {
            options, lookup, ..
        } = search;
        let is_estimated = !aim.is_few();
        let Aim {
            allowed,
            dense,
            depth,
            ..
        } = aim;
        let root = self.root();
        let mut clauses = Vec::new();
        let mut by_words = TopK::default();
        if options.mode != Mode::Vector {
            clauses = lookup
                .clauses(&self.dictionary, postings)
                .map_err(|(at, bad)| self.damaged(at, bad))?;
            let allowed = allowed.as_ref().map(Bitmap::words);
            by_words = top_k(&clauses, root.counts.chunks, depth, allowed)
                .map_err(|bad| self.damaged_postings(bad))?;
        }
        let mode = match options.mode {
            Mode::Hybrid if dense.is_none() => Mode::Keyword,
            mode => mode,
        };
        let is_known_item = mode != Mode::Vector && !by_words.complete.is_empty();
        let mut candidates = unite(&*self.layout()?, by_words.candidates(), by_meaning);
        if let Some((resident, query)) = &dense {
            let unknown = candidates
                .iter()
                .filter(|candidate| candidate.parts.cosine.is_none());
            let unknown: Vec<ChunkId> = unknown.map(|candidate| candidate.chunk).collect();
            for estimate in resident.estimates(query, unknown.into_iter()) {
                if let Ok(at) = place_of(&candidates, estimate.id) {
                    candidates[at].parts.cosine = Some(estimate.score);
                }
            }
            // Cells that were not read look farther away than those that were: without an estimate a
            // chunk counts as the last one found.
            let last = by_meaning.last().map(|last| last.score);
            for candidate in &mut candidates {
                candidate.is_coded = candidate.parts.cosine.is_some();
                candidate.parts.cosine = candidate.parts.cosine.or(last);
            }
        }
        if mode == Mode::Hybrid {
            for candidate in &mut candidates {
                if candidate.contributions.is_empty() {
                    candidate.contributions = contributions(&clauses, candidate.chunk)
                        .map_err(|bad| self.damaged_postings(bad))?;
                    candidate.parts.keyword = candidate.contributions.iter().sum();
                }
            }
        }
        rank(&mut candidates, mode, self.fusion(search), is_known_item);
        if options.group == Group::Document {
            support(&mut candidates);
        }
        let matches = Bitmap::from_words(root.counts.chunks, by_words.matches);
        let is_guess_binding = mode == Mode::Hybrid && is_estimated && self.binds(search)?;
        Ok(Ranking {
            mode,
            query: dense.map(|(_, query)| query),
            matches,
            is_known_item,
            is_guess_binding,
            candidates,
        })
    }

    pub(super) fn damaged_cells(&self, error: FormatError) -> StoreError {
        let access = self.root().vectors.as_ref().map(|vectors| vectors.access);
        let extent = match access {
            Some(Access::Cells { router, .. }) => router,
            _ => self.root().layout,
        };
        self.damaged(extent, error)
    }

    pub(super) fn damaged(&self, extent: Extent, error: FormatError) -> StoreError {
        self.store.damaged(extent, error)
    }

    fn damaged_postings(&self, error: FormatError) -> StoreError {
        self.damaged(
            Extent {
                offset: self.root().postings_offset,
                len: 0,
            },
            error,
        )
    }
}

/// Components of the rows of terms, if they have rows.
pub(super) fn row_dim_of(root: &Root) -> Option<usize> {
    root.vectors
        .as_ref()
        .filter(|vectors| vectors.term_rows.is_some())
        .map(|vectors| vectors.dim as usize)
}

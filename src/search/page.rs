//! Both rankings as one → the page asked for, its facets, and what is read to show it.

use super::Engine;
use super::Group;
use super::MAX_LIMIT;
use super::Mode;
use super::SearchError;
use super::SearchOptions;
use super::SearchResult;
use super::engine::Search;
use super::fuse::Best;
use super::hits::Place;
use super::hits::hits;
use super::hits::page;
use super::hits::places;
use super::hits::records;
use super::hits::want_records;
use super::prefetch::show_prefetched;
use super::ranking::Candidate;
use super::ranking::Ranking;
use super::ranking::best_of;
use super::titles::titled_first;
use crate::document::Value;
use crate::filter::Bitmap;
use crate::index::Layout;
use crate::store::ReadStats;
use crate::store::Source;
use crate::store::Wants;
use crate::store::Wave;
use alloc::string::String;
use alloc::vec::Vec;

/// What a search shows.
#[derive(Debug)]
pub struct Page {
    /// All of it but what has to be read.
    result: SearchResult,
    /// Candidates that become hits, and those that become their sections.
    ranked: Vec<Candidate>,
    /// Where they stand.
    places: Vec<Place>,
    /// Whether parts of tables say where their records lie, and are to be read first.
    pub lacks_tables: bool,
    /// How many of them are hits.
    hits: usize,
    /// The best scores of the search.
    best: Best,
}

impl<S: Source> Engine<S> {
    /// The page of candidates asked for, and all of the result but what has to be read for it.
    pub(super) fn group(&self, search: &Search<'_>, ranking: Ranking) -> Result<Page, SearchError> {
        let Search {
            options, lookup, ..
        } = search;
        let Ranking {
            mode,
            query,
            matches,
            candidates,
            ..
        } = ranking;
        let best = best_of(&candidates);
        let documents = documents_of(&matches, &*self.layout()?);
        let mut total = matches.count();
        if options.group == Group::Document {
            total = documents.count();
        }
        let (page, hits) = page(options, &candidates, options.limit);
        let mut ranked: Vec<Candidate> = page.into_iter().cloned().collect();
        if options.group == Group::Document {
            show_prefetched(&candidates, &mut ranked[..hits]);
        }
        // Hosts may load the code that counts with the first call of it.
        let facets = match options.facets.is_empty() {
            true => Vec::new(),
            false => self.facets(options, &documents)?,
        };
        // Either would have found something by itself: what is nearest, chunks that hold a word.
        let is_known = query.is_some() || (mode != Mode::Vector && lookup.is_known());
        let result = SearchResult {
            mode,
            hits: Vec::new(),
            total,
            facets,
            corrections: lookup.corrections(),
            suggestions: Vec::new(),
            filtered_out: total == 0 && options.filter.is_some() && is_known,
            stats: ReadStats::default(),
        };
        Ok(Page {
            result,
            places: places(&ranked),
            lacks_tables: !ranked.is_empty() && self.layout()?.is_paged(),
            ranked,
            hits,
            best,
        })
    }

    /// Wants what the page's hits show, by the parts of tables at hand, or parts that say where it lies, or words that
    /// would find some.
    pub(super) fn want_page(
        &self,
        search: &Search<'_>,
        page: &Page,
        tables: &Wave,
    ) -> Result<Wants, SearchError> {
        let mut wants = Wants::new();
        if page.result.total == 0 {
            search
                .lookup
                .want_suggestions(self.dictionary(), &mut wants);
        }
        want_records(&*self.layout()?, &page.places, tables, &mut wants);
        Ok(wants)
    }

    /// The result out of what [`Engine::want_page`] wanted.
    pub(super) fn show(
        &self,
        search: &Search<'_>,
        page: Page,
        tables: &Wave,
        wave: &Wave,
    ) -> Result<SearchResult, SearchError> {
        let (options, lookup) = (search.options, &search.lookup);
        let damaged = |(at, bad)| self.damaged(at, bad);
        let Page {
            mut result,
            mut ranked,
            hits: count,
            best,
            places,
            ..
        } = page;
        if result.total == 0 {
            let suggestions = lookup.suggestions(self.dictionary(), wave);
            result.suggestions = suggestions.map_err(damaged)?;
        }
        let records = records(&*self.layout()?, &places, tables, wave);
        let mut records = records.map_err(damaged)?;
        let count = count.min(records.len());
        if options.offset == 0 && options.mode != Mode::Vector {
            let (ranked, records) = (&mut ranked[..count], &mut records[..count]);
            titled_first(self.analyzer(), lookup, ranked, records);
        }
        result.hits = hits(
            self.analyzer(),
            lookup,
            options,
            count,
            ranked,
            records,
            &best,
        );
        Ok(result)
    }

    #[inline(never)]
    fn facets(
        &self,
        options: &SearchOptions,
        documents: &Bitmap,
    ) -> Result<Vec<(String, Vec<(Value, u32)>)>, SearchError> {
        let columns = self.columns.borrow();
        let mut facets = Vec::with_capacity(options.facets.len());
        for field in &options.facets {
            let counts = columns
                .column(field)?
                .facet_counts(documents.iter(), MAX_LIMIT);
            facets.push((field.clone(), counts));
        }
        Ok(facets)
    }
}

fn documents_of(chunks: &Bitmap, layout: &Layout) -> Bitmap {
    let mut documents = Bitmap::new(layout.first_chunks.len().saturating_sub(1) as u32);
    // Both ascend, so one walk finds them all.
    let mut ends = layout.first_chunks.iter().skip(1).zip(0..).peekable();
    for chunk in chunks.iter() {
        while ends.next_if(|&(&end, _)| end <= chunk).is_some() {}
        let Some(&(_, document)) = ends.peek() else {
            break;
        };
        documents.set(document);
    }
    documents
}

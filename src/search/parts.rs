//! What an engine keeps from the first search that needs it: the layout, what leads to codes, columns.

use super::Engine;
use super::SearchError;
use super::SearchOptions;
use super::dense::Lead;
use super::dense::Resident;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::index::Extent;
use crate::index::Layout;
use crate::index::inflate;
use crate::store::ReadStats;
use crate::store::Source;
use crate::store::Wants;
use crate::store::Wave;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

impl<S: Source> Engine<S> {
    /// Fields whose columns the search needs and that are not loaded yet.
    pub(super) fn fields(&self, options: &SearchOptions) -> Result<Vec<String>, SearchError> {
        // Hosts may load the code of filters and facets with the first call of it.
        match options.filter.is_none() && options.facets.is_empty() {
            true => Ok(Vec::new()),
            false => self.missing_fields(options),
        }
    }

    #[inline(never)]
    fn missing_fields(&self, options: &SearchOptions) -> Result<Vec<String>, SearchError> {
        let columns = self.columns.borrow();
        let mut fields: Vec<String> = Vec::new();
        if let Some(filter) = &options.filter {
            fields.extend(columns.missing(filter)?.into_iter().map(String::from));
        }
        for facet in &options.facets {
            if !columns.is_loaded(facet)? && !fields.contains(facet) {
                fields.push(facet.clone());
            }
        }
        Ok(fields)
    }

    #[inline(never)]
    fn column(&self, field: &str) -> Option<Extent> {
        self.root()
            .columns
            .iter()
            .find(|(name, _)| name == field)
            .map(|&(_, extent)| extent)
    }

    /// Wants what a search with such fields needs and that is not loaded yet; with vectors, what leads to
    /// cells.
    pub(super) fn want_parts(&self, lead: Option<Lead>, fields: &[String], wants: &mut Wants) {
        if self.layout.borrow().is_none() {
            wants.block(self.root().layout);
        }
        if let Some((lead, sections)) = lead.zip(self.root().vectors.as_ref()) {
            let resident = self.resident.borrow();
            if resident.is_none() {
                Resident::wants(sections, wants);
            }
            Resident::want_lead(resident.as_deref(), sections, lead, wants);
        }
        fields
            .iter()
            .filter_map(|field| self.column(field))
            .for_each(|extent| wants.block(extent));
    }

    pub(super) fn load_parts(
        &self,
        has_vectors: bool,
        fields: &[String],
        wave: &Wave,
    ) -> Result<(), SearchError> {
        let root = self.root();
        if let Some(block) = wave.get(root.layout) {
            let layout = inflate(block, "layout")
                .and_then(|bytes| Layout::parse(&bytes, root))
                .map_err(|bad| self.damaged(root.layout, bad))?;
            *self.layout.borrow_mut() = Some(Rc::new(layout));
        }
        if let Some(sections) = root.vectors.as_ref().filter(|_| has_vectors) {
            let mut kept = self.resident.borrow_mut();
            let resident = match kept.take() {
                Some(resident) => resident,
                None => Rc::new(
                    Resident::load(root, sections, wave)
                        .map_err(|bad| self.damaged(sections.quantizer, bad))?,
                ),
            };
            let taken = resident.take_lead(sections, wave);
            *kept = Some(resident);
            taken.map_err(|(at, bad)| self.damaged(at, bad))?;
        }
        fields
            .iter()
            .try_for_each(|field| self.load_column(field, wave))
    }

    #[inline(never)]
    fn load_column(&self, field: &str, wave: &Wave) -> Result<(), SearchError> {
        if let Some(extent) = self.column(field)
            && let Some(block) = wave.get(extent)
        {
            let bytes = inflate(block, "column").map_err(|bad| self.damaged(extent, bad))?;
            self.columns.borrow_mut().load(field, &bytes)?;
        }
        Ok(())
    }

    /// Brings all cells into memory, where the index has cells that are not; returns their number.
    pub(super) async fn load_cells(
        &self,
        resident: &Resident,
        stats: &RefCell<ReadStats>,
    ) -> Result<u64, SearchError> {
        let mut blocks = 0;
        let Some(mut loading) = resident.load_cells() else {
            return Ok(blocks);
        };
        let damaged = |bad| self.damaged_cells(bad);
        while let Some(wants) = loading.wants().map_err(damaged)? {
            let wave = self.wave(stats, &wants).await?;
            blocks += loading.take(&wave).map_err(damaged)? as u64;
        }
        Ok(blocks)
    }

    /// Reads the layout if no search has yet.
    pub(super) async fn load_layout(&self) -> Result<(), SearchError> {
        let mut wants = Wants::new();
        self.want_parts(None, &[], &mut wants);
        let wave = self.store.wave(&wants).await?;
        self.load_parts(false, &[], &wave)
    }

    pub(super) fn layout(&self) -> Result<Rc<Layout>, SearchError> {
        // Loaded by the first wave of every search.
        self.layout.borrow().clone().ok_or_else(|| {
            let what = "layout";
            let problem = Problem::Inconsistent;
            let bad = FormatError::new(what, "block", 0, problem);
            self.damaged(self.root().layout, bad).into()
        })
    }
}

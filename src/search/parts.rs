//! What an engine keeps from the first search that needs it: the layout, what leads to codes, columns.

use super::Engine;
use super::SearchError;
use super::SearchOptions;
use super::dense::Resident;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::index::Extent;
use crate::index::Layout;
use crate::index::inflate;
use crate::store::Source;
use crate::store::Wants;
use crate::store::Wave;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

impl<S: Source> Engine<S> {
    /// Fields whose columns the search needs and that are not loaded yet.
    pub(super) fn fields(&self, options: &SearchOptions) -> Result<Vec<String>, SearchError> {
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

    fn column(&self, field: &str) -> Option<Extent> {
        self.root()
            .columns
            .iter()
            .find(|(name, _)| name == field)
            .map(|&(_, extent)| extent)
    }

    pub(super) fn want_parts(&self, vectors: bool, fields: &[String], wants: &mut Wants) {
        if self.layout.borrow().is_none() {
            wants.block(self.root().layout);
        }
        if vectors
            && self.resident.borrow().is_none()
            && let Some(sections) = &self.root().vectors
        {
            Resident::wants(sections, wants);
        }
        fields
            .iter()
            .filter_map(|field| self.column(field))
            .for_each(|extent| wants.block(extent));
    }

    pub(super) fn load_parts(
        &self,
        vectors: bool,
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
        if vectors
            && self.resident.borrow().is_none()
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
                let bytes = inflate(block, "column").map_err(|bad| self.damaged(extent, bad))?;
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
            let problem = Problem::Inconsistent;
            let bad = FormatError::new(what, "block", 0, problem);
            self.damaged(self.root().layout, bad).into()
        })
    }
}

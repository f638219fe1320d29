//! What an index holds, read without a search: passages, pages, lists of documents, embeddings.

use super::Engine;
use super::SearchError;
use super::hits::Place;
use super::hits::Stored;
use super::hits::locate_in;
use super::hits::records;
use super::hits::want_records;
use crate::bytes::Reader;
use crate::bytes::gather;
use crate::document::ChunkId;
use crate::document::DocumentId;
use crate::index::DocumentRecord;
use crate::index::Extent;
use crate::index::Passage;
use crate::index::inflate_texts;
use crate::store::Source;
use crate::store::Wants;
use crate::store::Wave;
use crate::vector::Quantizer;
use crate::vector::row::Row;
use alloc::vec::Vec;
use core::ops::Range;

impl<S: Source> Engine<S> {
    /// The stored text of a chunk and the document it belongs to.
    ///
    /// # Errors
    /// As [`Engine::passages`].
    pub async fn passage(&self, chunk: ChunkId) -> Result<(Passage, DocumentRecord), SearchError> {
        let chunks = self.root().counts.chunks;
        let passages = self.passages(&[chunk]).await?;
        let passage = passages.into_iter().next();
        passage.ok_or(SearchError::NoChunk { chunk, chunks })
    }

    /// The stored texts of chunks and the documents they belong to, in the order given.
    ///
    /// # Errors
    /// [`SearchError::NoChunk`] and [`SearchError::Store`].
    pub async fn passages(
        &self,
        chunks: &[ChunkId],
    ) -> Result<Vec<(Passage, DocumentRecord)>, SearchError> {
        self.load_layout().await?;
        let layout = self.layout()?;
        let place = |&chunk: &ChunkId| {
            let document = layout.document_of(chunk).ok_or(SearchError::NoChunk {
                chunk,
                chunks: self.root().counts.chunks,
            });
            Ok((chunk, document?))
        };
        let places = chunks
            .iter()
            .map(place)
            .collect::<Result<Vec<_>, SearchError>>()?;
        let (mut tables, mut lacks_tables) = (Wave::default(), layout.is_paged());
        loop {
            let mut wants = Wants::new();
            want_records(&layout, &places, &tables, &mut wants);
            let wave = self.store.wave(&wants).await?;
            if core::mem::take(&mut lacks_tables) {
                tables = wave;
                continue;
            }
            let records = records(&layout, &places, &tables, &wave);
            return Ok(records.map_err(|(at, bad)| self.damaged(at, bad))?);
        }
    }

    /// All chunks of the document that this chunk belongs to.
    ///
    /// # Errors
    /// [`SearchError::NoChunk`] and [`SearchError::Store`].
    pub async fn chunks_beside(&self, chunk: ChunkId) -> Result<Range<ChunkId>, SearchError> {
        self.load_layout().await?;
        let layout = self.layout()?;
        let range = layout.document_of(chunk).and_then(|document| {
            let at = document as usize;
            let first_chunks = &layout.first_chunks;
            Some(*first_chunks.get(at)?..*first_chunks.get(at + 1)?)
        });
        let chunks = self.root().counts.chunks;
        range.ok_or(SearchError::NoChunk { chunk, chunks })
    }

    /// Documents in the order of the index and their first chunks, read together. Documents outside
    /// the index, and those without chunks, are left out.
    ///
    /// # Errors
    /// [`SearchError::Store`].
    pub async fn documents(
        &self,
        documents: Range<DocumentId>,
    ) -> Result<Vec<(ChunkId, DocumentRecord)>, SearchError> {
        self.load_layout().await?;
        let layout = self.layout()?;
        // Those that have chunks, by the first of these.
        let mut found: Vec<Place> = Vec::new();
        for document in documents {
            match layout.first_chunks.get(document as usize..) {
                Some(&[first, next, ..]) if first < next => found.push((first, document)),
                Some(&[_, _, ..]) => {}
                _ => break,
            }
        }
        let page_of = |&(_, document): &Place| layout.documents.page_of(document);
        let pages: Vec<Extent> = found.iter().filter_map(page_of).collect();
        let pages = self.store.wave(&Wants::from_blocks(&pages)).await?;
        let locate = |&(_, document): &Place| {
            let stored = locate_in(&layout.documents, document, &pages);
            stored.map_err(|(at, bad)| self.damaged(at, bad))
        };
        let stored: Vec<Stored> = gather(found.iter().map(locate))?;
        let extents: Vec<Extent> = stored.iter().map(|&(extent, _)| extent).collect();
        let wave = self.store.wave(&Wants::from_blocks(&extents)).await?;
        let mut block: Option<(Extent, Vec<u8>)> = None;
        let record = |(&(first, _), (extent, at)): (&Place, Stored)| {
            let damaged = |bad| self.damaged(extent, bad);
            if block.as_ref().is_none_or(|(known, _)| *known != extent) {
                let raw = wave.require(extent);
                let raw = raw.and_then(|raw| inflate_texts(&layout.phrases, raw, "documents"));
                block = Some((extent, raw.map_err(damaged)?));
            }
            let raw = block.as_ref().map_or(&[][..], |(_, raw)| raw);
            let record = DocumentRecord::find(raw, at).map_err(damaged)?;
            Ok((first, record))
        };
        found.iter().zip(stored).map(record).collect()
    }

    /// What the rows of chunks tell of their embeddings, one after the other: centred and rotated, so
    /// that distances and directions between them are those of the embeddings, and absolute places
    /// are not. Empty where the index has no vectors.
    ///
    /// # Errors
    /// [`SearchError::NoChunk`] and [`SearchError::Store`].
    pub async fn embeddings(&self, chunks: &[ChunkId]) -> Result<Vec<Vec<f32>>, SearchError> {
        let Some(sections) = &self.root().vectors else {
            return Ok(Vec::new());
        };
        let mut wants = Wants::new();
        wants.block(sections.quantizer);
        let extent = |&chunk: &ChunkId| {
            let extent = sections.rows.extent(u64::from(chunk));
            let chunks = self.root().counts.chunks;
            extent.ok_or(SearchError::NoChunk { chunk, chunks })
        };
        let rows: Vec<Extent> = chunks.iter().map(extent).collect::<Result<_, _>>()?;
        rows.iter().for_each(|&row| wants.block(row));
        let wave = self.store.wave(&wants).await?;
        let quantizer = wave.require(sections.quantizer);
        let quantizer =
            quantizer.and_then(|raw| Quantizer::read(&mut Reader::new(raw, "quantizer")));
        let quantizer = quantizer.map_err(|bad| self.damaged(sections.quantizer, bad))?;
        let decoded = |extent: Extent| {
            let row = wave.require(extent);
            let row = row.and_then(|raw| Row::parse(raw, quantizer.code_dim()));
            Ok(row.map_err(|bad| self.damaged(extent, bad))?.decode())
        };
        rows.into_iter().map(decoded).collect()
    }
}

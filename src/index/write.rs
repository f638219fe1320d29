//! Writing a body front to back.

use super::block::CHECK_LEN;
use super::block::Extent;
use super::block::Run;
use super::block::UNIT;
use super::block::check;

/// Takes the body's bytes in order. Files, their names and their publication are the face's work.
pub trait Sink {
    /// What can go wrong.
    type Error;

    /// Appends `bytes` to the body.
    ///
    /// # Errors
    /// Whatever the destination reports; nothing may be published after it.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
}

impl Sink for alloc::vec::Vec<u8> {
    type Error = core::convert::Infallible;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// Writes blocks to a body and remembers where they lie.
#[derive(Debug)]
pub struct BodyWriter<S> {
    build_id: u64,
    offset: u64,
    sink: S,
}

impl<S: Sink> BodyWriter<S> {
    /// Starts the body of build `build_id`.
    pub fn new(build_id: u64, sink: S) -> Self {
        Self {
            build_id,
            offset: 0,
            sink,
        }
    }

    /// Bytes written so far: where the next block will lie.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The sink, after the last block.
    pub fn into_sink(self) -> S {
        self.sink
    }

    /// Appends a block.
    ///
    /// # Errors
    /// Those of the sink.
    ///
    /// # Panics
    /// When the payload has 4 GiB or more; no section makes such blocks.
    pub fn block(&mut self, payload: &[u8]) -> Result<Extent, S::Error> {
        let check = check(self.build_id, self.offset, payload);
        let len = u32::try_from(payload.len() + check.len()).expect("blocks are below 4 GiB");
        let extent = Extent {
            offset: self.offset,
            len,
        };
        self.sink.write(payload)?;
        self.sink.write(&check)?;
        self.offset += u64::from(len);
        Ok(extent)
    }

    /// Appends a block that is padded with zeros to whole units; returns how many.
    ///
    /// # Errors
    /// Those of the sink.
    ///
    /// # Panics
    /// As [`BodyWriter::block`].
    pub fn padded_block(&mut self, payload: &[u8]) -> Result<u32, S::Error> {
        let len = (payload.len() + CHECK_LEN).next_multiple_of(UNIT as usize);
        let mut padded = payload.to_vec();
        padded.resize(len - CHECK_LEN, 0);
        Ok(self.block(&padded)?.len / UNIT)
    }

    /// Appends `payload` as a run of blocks of `block_payload` bytes.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn run(&mut self, payload: &[u8], block_payload: u32) -> Result<Run, S::Error> {
        let run = Run {
            offset: self.offset,
            payload_len: payload.len() as u64,
            block_payload,
        };
        for block in payload.chunks(block_payload as usize) {
            self.block(block)?;
        }
        Ok(run)
    }
}

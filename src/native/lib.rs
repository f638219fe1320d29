//! Native face of Coracle: files, threads, sockets.

pub mod fit;
pub mod report;

pub mod ingest;

pub mod error;

pub mod cli;
pub mod config;

pub mod source;

pub mod publish;

pub mod indexer;

pub mod budget;
pub mod embed;

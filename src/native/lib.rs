//! Native face of Coracle: files, threads, sockets.

pub mod fit;
pub mod report;

pub mod ingest;

pub mod error;

pub mod cli;
pub mod config;

pub mod publish;

pub mod build;

pub mod source;

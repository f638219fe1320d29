//! Native face of Coracle: files, threads, sockets.
//!
//! The modules stand in the order in which a build uses them.

pub mod report;

pub mod transport;

pub mod ingest;
pub mod languages;

pub mod embed;
pub mod projection;
pub mod topics;

pub mod fit;

pub mod signing;
pub mod source;

pub mod deploy;
pub mod publish;

pub mod calibrate;
pub mod indexer;
mod phrases;
pub mod vectors;

pub mod budget;
pub mod evaluate;

pub mod error;

pub mod cli;
pub mod config;

pub mod answering;
pub mod server;

pub mod command;
